"""The small parts of the process: clock, carried-on balances, closing, the screen, import names."""

from __future__ import annotations

import io
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from rich.console import Console

from actors.board import Board
from actors.eligibility import Eligibility
from actors.status import document
from quietmaker.core.orders import Move, OrderState
from quietmaker.core.units import Side
from quietmaker.errors import SafetyRefusal
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import OrderFact, UserFill
from quietmaker.settings import load
from supervisors.books import carried_on, paper_balances
from supervisors.clock import SystemClock
from supervisors.closing import cancel_all, settle, store
from supervisors.commands.run import check_deliberate
from supervisors.screen import render, symbol_filter, why
from tests.actors.fakes import FakeExchange, report
from tests.kit.makers import START, SYMBOL, make_fill, make_intent, make_product


@pytest.mark.parametrize("name", ["actors", "supervisors"])
def test_no_other_distribution_owns_our_generic_import_names(name: str) -> None:
    # Another owner would shadow ours, or be shadowed: both are generic words.
    assert set(packages_distributions().get(name, [])) <= {"quietmaker"}
    assert distribution("quietmaker").metadata["Name"] == "quietmaker"


def test_the_clock_never_runs_backwards_when_the_machines_does() -> None:
    utc, mono = iter([1_000, 5]), iter([100, 101, 150])
    clock = SystemClock(utc=lambda: next(utc), monotonic=lambda: next(mono))
    assert (clock.now(), clock.now()) == (1_001, 1_050)


def test_a_paper_account_goes_on_from_what_the_books_say() -> None:
    balances, short = carried_on(
        {"USD": Decimal(1_000)},
        held={"X-USD": Decimal(25), "Y-USD": Decimal(-5)},
        cash={"X-USD": Decimal("-25.10"), "Y-USD": Decimal("7.5")},
        moved={"USD": Decimal(100), "EUR": Decimal(3)},
    )
    assert balances == {
        "USD": Decimal("1082.40"),
        "X": Decimal(25),
        "Y": Decimal(0),
        "EUR": Decimal(3),
    }
    assert short == ["-5 Y"]


def test_quote_currencies_that_are_not_funded_are_given_as_much_as_dollars() -> None:
    settings = load(None, env={})
    product = make_product(symbol="BTC-USDT")
    products = {"BTC-USDT": replace(product, quote="USDT")}
    assert paper_balances(settings, products) == {"USD": Decimal(1_000), "USDT": Decimal(1_000)}


@pytest.mark.parametrize(
    ("config_file", "live", "message"),
    [
        ("config/live.yaml", False, "say --live as well"),
        ("config/paper.yaml", True, "needs mode: live"),
    ],
)
def test_real_money_takes_the_file_and_the_command_line(
    config_file: str, live: bool, message: str
) -> None:
    settings = load(config_file, env={})
    with pytest.raises(SafetyRefusal, match=message) as caught:
        check_deliberate(settings, Path(config_file), live=live, insists=False)
    assert caught.value.exit_code == 6
    check_deliberate(settings, Path(config_file), live=settings.mode == "live", insists=False)


def test_everything_open_of_ours_is_cancelled_by_the_hundred_and_nothing_else() -> None:
    exchange = FakeExchange()
    for number in range(230):
        exchange.orders[f"qm7-{number}"] = report(f"qm7-{number}", OrderState.OPEN)
    exchange.orders["by-hand"] = report("by-hand", OrderState.OPEN)
    cancel_all(exchange)
    assert [len(batch) for batch in exchange.asked("cancel")] == [100, 100, 30]
    assert not any("by-hand" in batch for batch in exchange.asked("cancel"))


def test_the_books_are_settled_with_what_the_exchange_says_at_the_end() -> None:
    ledger, exchange = MemoryLedger(), FakeExchange()
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="test", at=START)
    products = {SYMBOL: make_product()}
    for client_id in ("done", "rests", "gone"):
        ledger.write_intent(make_intent(client_id, Side.BUY, 10_000, 250))
        ledger.write([_accepted(client_id)])
    exchange.orders["done"] = report("done", OrderState.CANCELLED, filled=100)
    exchange.orders["rests"] = report("rests", OrderState.OPEN)
    fill = make_fill("t1", Side.BUY, 10_000, 100, client_id="done")
    exchange.booked = [UserFill(order_id="o", fill=fill)]
    facts = settle(exchange, ledger, products)
    ledger.write(facts)
    store(ledger)
    left = ledger.books(products).symbols[SYMBOL]
    assert {order.intent.client_id for order in left.orders} == {"rests", "gone"}
    assert [lot.lots for lot in left.lots] == [100]
    exchange.down = True
    assert settle(exchange, ledger, products) == []


def _accepted(client_id: str) -> OrderFact:
    return OrderFact(
        at=START,
        client_id=client_id,
        symbol=SYMBOL,
        what=Move.ACCEPTED.value,
        order_id=None,
        reason="",
        cancel_reason=None,
        filled=None,
    )


def test_the_screen_says_why_nothing_is_quoted_and_says_it_once() -> None:
    side = {"reason": "cooldown", "detail": "within 15 s of a fill", "quotes": []}
    twice = {"reason": "insufficient_volatility", "detail": "insufficient_volatility: 0.1 %"}
    assert why({"sides": {"BUY": side}}) == "cooldown: within 15 s of a fill"
    assert why({"sides": {"BUY": side, "SELL": twice}}) == (
        "BUY cooldown: within 15 s of a fill; SELL insufficient_volatility: 0.1 %"
    )


def test_the_screen_shows_a_page_and_an_empty_one() -> None:
    page = {
        "mode": "paper",
        "state": "running",
        "market": "synthetic",
        "run": 3,
        "version": "0.1.0",
        "revision": "0123456789abcdef",
        "at": "2026-01-01T00:00:00.000Z",
        "checks": {"market": {"ok": False, "detail": ""}},
        "modes": [],
        "unsafe": [],
        "filter": {
            "evaluated_at": 1,
            "age_seconds": 7,
            "failing": "the books cannot be asked",
            "symbols": {
                "A-USD": {"state": "eligible"},
                "B-USD": {"state": "probation"},
                "C-USD": {"state": "eligible"},
            },
        },
        "tie_out": {
            "verdict": "different",
            "age_seconds": 12.0,
            "detail": "",
            "differences": [{"kind": "execution_missing", "subject": "t1", "detail": "lost"}],
        },
        **document(Board(), START),
    }
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(page))
    console.print(render({}))
    text = console.export_text()
    assert "PAPER  running  not ready: market" in text
    assert "exchange's clock unknown" in text
    assert "starting ..." in text
    assert "books and account: different 12 s ago" in text
    assert "execution_missing t1: lost" in text
    assert "symbol filter: 2 eligible, 1 probation, evaluated 7 s ago" in text
    assert "at a reduced size: B-USD" in text
    assert "DID NOT HOLD: the books cannot be asked" in text


def test_the_screen_says_that_nothing_is_entered_before_the_first_verdict() -> None:
    page = {"filter": Eligibility().document(START)}
    assert symbol_filter(page) == "symbol filter: not evaluated yet; nothing is entered"
