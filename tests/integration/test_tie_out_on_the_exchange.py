"""The tie-out over real sockets: our adapter on the paper exchange's server, the books in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from actors.differences import Differences
from actors.tie_out import BELIEVED_AFTER, TieOut, TieOutLinks
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.core.differences import DifferenceKind, Verdict
from quietmaker.core.findings import TieOutDone
from quietmaker.core.orders import Fill, Intent
from quietmaker.core.units import SECOND, Instant, Nanos, Side
from quietmaker.errors import LedgerError
from quietmaker.ledger.accept import accept
from quietmaker.ledger.actions import Action
from quietmaker.ledger.checks import check_books
from quietmaker.ledger.tie_out import PostgresTieOutBooks
from supervisors.clock import SystemClock
from tests.actors.fakes import make_metrics
from tests.coinbase.rig import FREELY, Watch
from tests.exchange.server.serving import USDC, Served, serve
from tests.exchange.support import SYMBOL, buy, sell
from tests.ledger.conftest import new_database, run_sql, server_url  # noqa: F401 - fixtures
from tests.ledger.prompt import PromptLedger

Kind = DifferenceKind


class LaterClock(SystemClock):
    """The machine's clock, which a test can put forward."""

    ahead = 0

    def now(self) -> Instant:
        return Instant(super().now() + self.ahead)

    def monotonic(self) -> Nanos:
        return Nanos(super().monotonic() + self.ahead)


@dataclass
class Rig:
    """Exchange, adapter, books and tie-out."""

    served: Served
    url: str
    told: list[Fill] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = LaterClock()
        self.watch = Watch()
        self.exchange = CoinbaseExchange(
            url=f"https://127.0.0.1:{self.served.tls_port}",
            ca_file=self.served.authority,
            signer=self.served.signer,
            id_prefix="qm",
            timeouts=Timeouts(connect=Nanos(5 * SECOND), read=Nanos(5 * SECOND)),
            limits=FREELY,
            clock=SystemClock(),
            watch=self.watch,
            pause=time.sleep,
            jitter=lambda: 0.0,
        )
        products = {SYMBOL: self.exchange.products()[SYMBOL]}
        self.exchange.serve(products)
        self.ledger = PromptLedger(lambda: self.url, products=products)
        self.run_number = self.ledger.begin_run(
            mode="paper", config_sha="c0ffee", version="test", at=self.clock.now()
        )
        self.books = PostgresTieOutBooks(lambda: self.url)
        put = self.put
        truth = make_metrics().truth
        self.differences = Differences(put=put, metrics=truth, clock=self.clock)
        self.tie_out = TieOut(
            TieOutLinks(
                exchange=self.exchange,
                books=self.books,
                products=products,
                differences=self.differences,
                put=put,
                backlog=lambda: self.ledger.standing().backlog,
                metrics=truth,
                clock=self.clock,
                mark="qm",
                born=None,
            )
        )

    def put(self, *facts: Any) -> int:
        self.ledger.write(facts)
        return 0

    def close(self) -> None:
        self.books.close()
        self.ledger.close()
        self.exchange.close()

    def missed(self, fill: Fill) -> bool:
        self.told.append(fill)
        return True

    def tie(self, later: float = 0) -> TieOutDone:
        self.clock.ahead += int(later * SECOND)
        return self.tie_out.run(self.missed)

    def believed(self) -> TieOutDone:
        """Tie out until what is suspected is believed."""
        self.tie(20)
        return self.tie(BELIEVED_AFTER / SECOND)

    def cash(self, currency: str, amount: str) -> None:
        said = {"currency": currency, "amount": amount}
        assert self.served.ask("POST", "/admin/cash", said)[0] == 200

    def trade(
        self, intent: Intent, *, book: Callable[[Fill], Fill | None] = lambda fill: fill
    ) -> None:
        """Have an order executed, and book what is made of the execution."""
        intent = replace(intent, bid=intent.price, ask=intent.price)
        self.ledger.write_intent(intent)
        self.exchange.submit(intent)
        aggressor = "SELL" if intent.side is Side.BUY else "BUY"
        price = self.exchange._serving[SYMBOL].price(intent.price)
        self.served.trade(f"{price:f}", "100", aggressor)
        known = [told.fill for told in self.exchange.fills(Instant(0))]
        made = [book(f) for f in known if f.client_id == intent.client_id]
        self.ledger.write([fill for fill in made if fill is not None])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall()
        connection.close()
        return found

    def open(self) -> set[tuple[Kind, str]]:
        found = self.query("SELECT kind, subject FROM differences WHERE resolved_ns IS NULL")
        return {(Kind(kind), subject) for kind, subject in found}

    def movements(self) -> list[tuple[str, str, Decimal]]:
        return self.query(
            "SELECT kind, currency, amount FROM cash_movements WHERE kind <> 'opening' ORDER BY id"
        )


@pytest.fixture
def rig(new_database: Callable[[], str]) -> Iterator[Rig]:  # noqa: F811
    with serve() as served:
        made = Rig(served, new_database())
        try:
            assert made.tie().verdict is Verdict.CLEAN
            yield made
        finally:
            made.close()


def test_trading_both_ways_ties_to_the_last_digit(rig: Rig) -> None:
    rig.trade(buy("qm1-a", 100, 50))
    rig.trade(sell("qm1-b", 102, 30))
    done = rig.tie(20)
    assert (done.verdict, done.fills, rig.open(), rig.movements()) == (Verdict.CLEAN, 2, set(), [])
    assert rig.query("SELECT verdict, fills FROM tie_outs ORDER BY id DESC LIMIT 1") == [
        ("clean", 2)
    ]


def test_an_order_that_rests_ties_with_what_it_holds(rig: Rig) -> None:
    resting = replace(buy("qm1-a", 99, 50), bid=buy("x", 99, 1).price)
    rig.ledger.write_intent(resting)
    rig.exchange.submit(resting)
    done = rig.tie(20)
    assert (done.verdict, done.orders) == (Verdict.CLEAN, 1)


def test_an_execution_that_nobody_told_of_is_found_named_and_told(rig: Rig) -> None:
    rig.trade(buy("qm1-a", 100, 50), book=lambda _: None)
    assert rig.tie(20).verdict is Verdict.DIFFERENT
    (fill,) = rig.told
    assert rig.open() >= {(Kind.EXECUTION_MISSING, fill.trade_id)}
    rig.ledger.write([fill])
    assert rig.tie(20).verdict is Verdict.CLEAN
    assert rig.query(
        "SELECT kind, ours, resolution FROM differences WHERE kind = 'execution_missing'"
    ) == [("execution_missing", "", "agrees")]
    assert rig.query("SELECT source, strategy_tag, passive_order_id FROM trade_records") == [
        ("passivemm", "passivemm", "qm1-a")
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda fill: replace(fill, fee=fill.fee + Decimal("0.01")),
        lambda fill: replace(fill, size=fill.size + 1),
        lambda fill: replace(fill, price=fill.price - 1),
    ],
    ids=["a cent of fee", "a lot", "a tick"],
)
def test_the_smallest_thing_that_was_booked_otherwise_is_named(
    rig: Rig, change: Callable[[Fill], Fill]
) -> None:
    rig.trade(buy("qm1-a", 100, 50), book=change)
    assert rig.tie(20).verdict is Verdict.DIFFERENT
    assert {kind for kind, _ in rig.open()} == {Kind.EXECUTION_DIFFERS}
    assert rig.movements() == []


def test_a_deposit_and_a_withdrawal_are_booked_and_alarm_nobody(rig: Rig) -> None:
    rig.cash("USD", "250.000001")
    assert rig.tie(20).verdict is Verdict.INCONCLUSIVE
    rig.trade(buy("qm1-a", 100, 50))
    assert rig.tie(BELIEVED_AFTER / SECOND).verdict is Verdict.CLEAN
    rig.cash("USD", "-0.01")
    rig.cash("BTC", "0.5")
    assert rig.believed().verdict is Verdict.CLEAN
    assert rig.movements() == [
        ("deposit", "USD", Decimal("250.000001")),
        ("deposit", "BTC", Decimal("0.5")),
        ("withdrawal", "USD", Decimal("-0.01")),
    ]
    assert rig.query("SELECT count(*) FROM differences") == [(0,)]


def test_trading_by_hand_is_foreign_on_whatever_product(rig: Rig) -> None:
    rig.served.place("by-hand", price="0.1", size="5", symbol=USDC)
    rig.served.place("by-hand-too", price="0.1", size="4")
    rig.served.trade("0.1", "100", "SELL")
    done = rig.tie(20)
    assert (done.verdict, done.fills) == (Verdict.CLEAN, 0)
    assert rig.tie(20).verdict is Verdict.CLEAN
    moved = {(kind, currency): amount for kind, currency, amount in rig.movements()}
    assert moved.keys() == {("foreign", "TNSR"), ("foreign", "USDC"), ("foreign", "USD")}
    assert rig.query(
        "SELECT sum(amount) FROM cash_movements WHERE kind = 'foreign' AND currency = 'TNSR'"
    ) == [(Decimal(9),)]


def test_an_order_by_hand_is_noted_left_alone_and_no_alarm(rig: Rig) -> None:
    rig.served.place("by-hand", price="0.099", size="5")
    done = rig.tie(20)
    assert (done.verdict, done.differences) == (Verdict.CLEAN, 0)
    assert rig.open() == {(Kind.FOREIGN_ORDER, "by-hand")}
    assert [order.status.value for order in rig.served.orders] == ["OPEN"]
    checked = check_books(lambda: rig.url)
    assert (checked.agrees, len(checked.differences)) == (True, 1)


def test_executions_that_are_listed_late_are_neither_missing_nor_a_withdrawal(rig: Rig) -> None:
    rig.served.fault("fills.late", parameters={"ms": 1_500})
    bought = replace(buy("qm1-a", 100, 50), bid=buy("x", 100, 1).price)
    rig.ledger.write_intent(bought)
    rig.exchange.submit(bought)
    rig.served.trade("0.1", "100", "SELL")
    assert rig.tie().verdict is Verdict.INCONCLUSIVE  # the balance is ahead of the list
    deadline = time.monotonic() + 20
    while not (known := rig.exchange.fills(Instant(0))):
        assert time.monotonic() < deadline
    rig.ledger.write([known[0].fill])
    assert rig.tie(BELIEVED_AFTER / SECOND).verdict is Verdict.CLEAN
    assert (rig.movements(), rig.open()) == ([], set())


def test_coins_that_were_withdrawn_from_a_position_are_an_alarm(rig: Rig) -> None:
    rig.trade(buy("qm1-a", 100, 50))
    rig.cash("TNSR", "-1000.1")
    done = rig.believed()
    assert done.verdict is Verdict.DIFFERENT
    assert rig.open() == {(Kind.BALANCE_BELOW_POSITION, "TNSR")}
    assert rig.query("SELECT ours, theirs FROM differences") == [("5", "4.9")]


def test_a_row_that_was_deleted_by_force_is_named(rig: Rig) -> None:
    rig.trade(buy("qm1-a", 100, 50))
    assert rig.tie(20).verdict is Verdict.CLEAN
    run_sql(rig.url, "SET session_replication_role = replica; DELETE FROM fills")
    assert rig.tie(20).verdict is Verdict.DIFFERENT
    assert {kind for kind, _ in rig.open()} >= {Kind.EXECUTION_MISSING}
    rig.believed()
    assert rig.movements() == []


@pytest.mark.parametrize("kind", ["REVERSAL", "CORRECTION"])
def test_what_the_exchange_undoes_is_named_and_books_no_money(rig: Rig, kind: str) -> None:
    rig.trade(buy("qm1-a", 100, 50))
    path = {"path": "/api/v3/brokerage/orders/historical/fills"}
    rig.served.fault("rest.set", match=path, parameters={"field": "trade_type", "value": kind})
    assert rig.tie(20).verdict is Verdict.DIFFERENT
    assert {each for each, _ in rig.open()} >= {Kind.EXECUTION_REVERSED}
    assert rig.movements() == []


@pytest.mark.parametrize(
    ("point", "parameters"),
    [
        ("rest.bad_gateway", {"placed": True}),
        ("rest.truncate", {"percent": 50}),
        ("rest.remove", {"field": "size"}),
    ],
)
def test_an_answer_that_cannot_be_had_is_inconclusive_and_no_alarm(
    rig: Rig, point: str, parameters: dict[str, Any]
) -> None:
    rig.trade(buy("qm1-a", 100, 50))
    path = {"path": "/api/v3/brokerage/orders/historical/fills"}
    rig.served.fault(point, match=path, parameters=parameters)
    assert rig.tie(20).verdict is Verdict.INCONCLUSIVE
    assert (rig.movements(), rig.open()) == ([], set())
    rig.served.ask("DELETE", "/admin/faults")
    assert rig.tie(20).verdict is Verdict.CLEAN


def test_what_nothing_can_mend_is_accepted_with_a_reason_and_its_money_accounted_for(
    rig: Rig,
) -> None:
    """As after a restore: an execution of ours, whose order the books do not have."""
    rig.exchange.submit(replace(buy("qm1-lost", 100, 50), bid=buy("x", 100, 1).price))
    rig.served.trade("0.1", "100", "SELL")
    assert rig.believed().verdict is Verdict.DIFFERENT
    ((kind, subject),) = rig.open()
    assert (kind, rig.told) == (Kind.EXECUTION_MISSING, [])
    rig.tie(700)  # the window leaves it behind
    assert rig.tie(20).verdict is Verdict.DIFFERENT
    action = Action(
        at=rig.clock.now(), operator="ann", action="db accept", arguments={}, outcome="restored"
    )
    with pytest.raises(LedgerError, match=f"open are: execution_missing {subject}"):
        accept(rig.url, kind=kind.value, subject="another", action=action)
    assert not check_books(lambda: rig.url).agrees
    accept(rig.url, kind=kind.value, subject=subject, action=action)
    assert check_books(lambda: rig.url).agrees
    assert rig.believed().verdict is Verdict.CLEAN
    assert rig.query("SELECT theirs <> '', resolution FROM differences WHERE subject <> 'USD'") == [
        (True, "accepted by ann: restored")
    ]
    assert rig.query("SELECT operator, outcome FROM operator_actions") == [("ann", "restored")]
    assert {(kind, currency) for kind, currency, _ in rig.movements()} == {
        ("withdrawal", "USD"),
        ("deposit", "TNSR"),
    }
