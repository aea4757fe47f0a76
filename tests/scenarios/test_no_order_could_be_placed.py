"""No order could be placed for months, and nobody knew: a balance that could not be read counted as zero.

The helper called a method that did not exist, an empty "except" turned that into a balance of nothing, and
every quote ended in "both legs blocked". Not to know is another thing than to have nothing, and each says so;
a symbol that no gate refuses has an order.

Incident P3.
"""

from __future__ import annotations

import random

from actors.account import FAILURES_UNTIL_UNKNOWN, Accounts
from actors.board import Board
from quietmaker.core.commands import Gate
from quietmaker.core.events import FundsChanged
from quietmaker.core.units import SECOND, Nanos, Side
from tests.actors.fakes import FakeExchange, make_capital, make_metrics, usd
from tests.kit.desk import Desk
from tests.kit.makers import START, SYMBOL, make_params, make_product, make_risk

REFRESH = Nanos(SECOND)


def accounts(exchange: FakeExchange) -> Accounts:
    return Accounts(
        exchange,
        {SYMBOL: make_product()},
        Board(),
        refresh=REFRESH,
        products_refresh=Nanos(10**6 * SECOND),
        metrics=make_metrics(),
        capital=make_capital({SYMBOL: make_product()}, exchange.clock, money=None),
    )


def told_funds(asked: Accounts) -> FundsChanged:
    _, funds = asked.known(SYMBOL, held=0, now=START)
    assert isinstance(funds, FundsChanged)
    return funds


def test_a_balance_that_cannot_be_read_is_unknown_and_names_the_gate() -> None:
    exchange = FakeExchange(down=True)
    funds = told_funds(accounts(exchange))
    assert funds.quote is None
    desk = Desk()
    desk.on(funds)
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.FUNDS_UNKNOWN
    assert desk.sent == []


def test_a_balance_that_is_nothing_has_another_name() -> None:
    exchange = FakeExchange()
    exchange.money = {"USD": usd("0")}
    desk = Desk()
    desk.on(told_funds(accounts(exchange)))
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.INSUFFICIENT_FUNDS


def test_a_balance_that_cannot_be_read_any_more_becomes_unknown_and_not_zero() -> None:
    exchange = FakeExchange()
    exchange.money = {"USD": usd("1000")}
    asked = accounts(exchange)
    assert told_funds(asked).quote == 1_000
    exchange.down = True
    for number in range(1, FAILURES_UNTIL_UNKNOWN + 1):
        asked.poll(Nanos(number * 2 * REFRESH), START)
    assert asked.balances is None


def test_a_side_that_no_gate_refuses_has_an_order_and_a_refused_one_has_none() -> None:
    draw = random.Random(11)
    desk = Desk(params=make_params(risk=make_risk(max_orders_per_minute=10_000)))
    quoted = 0
    for _ in range(500):
        bid = draw.randint(9_000, 11_000)
        desk.touch(bid, bid + draw.choice([1, 20, 51, 60, 200]))
        allowed = desk.gate() is None
        assert bool(desk.entries(Side.BUY)) is allowed, desk.hold()
        quoted += allowed
    assert 50 < quoted < 450
