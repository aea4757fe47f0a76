"""The tie-out job: what it concludes, when it believes, and what it never alarms about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from actors.differences import Differences
from actors.tie_out import BEHIND, BELIEVED_AFTER, CHUNK, OVERLAP, TieOut, TieOutLinks
from actors.tie_out_actor import FIRST_PAUSE, PATIENCE, TieOutActor, TieOutActorLinks
from quietmaker.core.differences import DifferenceKind, Verdict
from quietmaker.core.events import Tick
from quietmaker.core.evidence import CashKind, Execution
from quietmaker.core.findings import TieOutDone
from quietmaker.core.orders import Fill, Move, OrderState
from quietmaker.core.units import SECOND, ZERO, Instant, Lots, Nanos, Side
from quietmaker.ports import Balance, LedgerFact, OrderFact, UserFill
from tests.actors.fakes import (
    FakeExchange,
    HandClock,
    around,
    execution_of,
    make_metrics,
    report,
)
from tests.kit.makers import START, SYMBOL, make_fill, make_intent, make_product
from tests.ledger.prompt import PromptMemory

Kind = DifferenceKind
PRODUCTS = {SYMBOL: make_product()}


@dataclass
class Rig:
    """A tie-out between a ledger in memory and an exchange whose balances follow from what happened."""

    clock: HandClock = field(default_factory=HandClock)
    ledger: PromptMemory = field(default_factory=PromptMemory)
    cash: dict[str, Decimal] = field(
        default_factory=lambda: {"USD": Decimal(1_000), "X": Decimal(5)}
    )
    told: list[Fill] = field(default_factory=list)
    stored: bool = True
    behind: int = 0

    def __post_init__(self) -> None:
        self.exchange = FakeExchange(clock=self.clock)
        self.ledger.begin_run(mode="paper", config_sha="c0ffee", version="test", at=START)
        self.waiting: list[LedgerFact] = []
        self.metrics = make_metrics()
        self.restart()

    def restart(self, born: Instant | None = None) -> None:
        self.differences = Differences(put=self.put, metrics=self.metrics.truth, clock=self.clock)
        self.tie_out = TieOut(
            TieOutLinks(
                exchange=self.exchange,
                books=self.ledger.tie_out_books(PRODUCTS),
                products=PRODUCTS,
                differences=self.differences,
                put=self.put,
                backlog=lambda: self.behind,
                metrics=self.metrics.truth,
                clock=self.clock,
                mark="qm",
                born=born,
            )
        )

    def put(self, fact: LedgerFact) -> None:
        self.waiting.append(fact)
        if self.stored:
            self.store()

    def store(self) -> None:
        facts, self.waiting = self.waiting, []
        self.ledger.write(facts)

    def missed(self, fill: Fill) -> bool:
        self.told.append(fill)
        return True

    def run(self, later: float = 0) -> TieOutDone:
        """Let time pass, and compare."""
        self.clock.advance(int(later * SECOND))
        self.balance()
        return self.tie_out.run(self.missed)

    def balance(self) -> None:
        """Let the balances follow from what happened."""
        totals = dict(self.cash)
        told = [execution_of(each.fill, PRODUCTS) for each in self.exchange.booked]
        for each in (*told, *self.exchange.others):
            for currency, change in zip(
                each.currencies, (each.base_change, each.quote_change), strict=True
            ):
                totals[currency] = totals.get(currency, ZERO) + change
        self.exchange.money = {
            c: Balance(currency=c, available=amount, hold=ZERO) for c, amount in totals.items()
        }

    def trade(
        self,
        trade_id: str,
        *,
        here: bool = True,
        there: bool = True,
        side: Side = Side.BUY,
        size: int = 250,
        fee: str = "0.0625",
        client_id: str = "",
    ) -> Fill:
        """Execute an order wholly, some time ago by now, and tell one side or both."""
        client_id = client_id or f"qm1-{trade_id}"
        self.ledger.write_intent(make_intent(client_id, side, 10_000, size))
        fill = make_fill(
            trade_id, side, 10_000, size, client_id=client_id, fee=fee, at=self.clock.now()
        )
        if here:
            self.ledger.write([fill])
        else:
            self.ledger.write([self.ended(client_id)])
        if there:
            self.exchange.booked.append(UserFill(order_id=f"o-{client_id}", fill=fill))
        return fill

    def ended(self, client_id: str) -> OrderFact:
        return OrderFact(
            at=self.clock.now(),
            client_id=client_id,
            symbol=SYMBOL,
            what=Move.CANCELLED.value,
            order_id=None,
            reason="",
            cancel_reason=None,
            filled=Lots(0),
        )

    def opened(self) -> Rig:
        """Take the balances over."""
        assert self.run().verdict is Verdict.CLEAN
        return self

    def open(self) -> set[tuple[Kind, str]]:
        return set(self.ledger.tie_out.open)

    def movements(self) -> list[tuple[CashKind, str, Decimal]]:
        return [(m.kind, m.currency, m.amount) for m in self.ledger.tie_out.cash.values()]


def foreign(trade_id: str, at: Instant, client_id: str = "by-hand") -> Execution:
    fill = make_fill(trade_id, Side.BUY, 9_000, 10, client_id=client_id, fee="0.01", at=at)
    return replace(execution_of(fill, PRODUCTS), symbol="BTC-USD")


def test_the_first_takes_over_what_is_there_and_the_next_find_it_clean() -> None:
    rig = Rig().opened()
    assert set(rig.movements()) == {
        (CashKind.OPENING, "USD", Decimal(1_000)),
        (CashKind.OPENING, "X", Decimal(5)),
    }
    rig.trade("t1")
    rig.trade("t2", side=Side.SELL, size=100)
    done = rig.run(300)
    assert (done.verdict, done.fills, done.balances) == (Verdict.CLEAN, 2, 2)
    assert len(rig.movements()) == 2
    assert not rig.tie_out.again_soon


def test_an_execution_behind_our_back_is_named_at_once_told_and_resolved_when_it_is_stored() -> (
    None
):
    rig = Rig().opened()
    fill = rig.trade("t1", here=False)
    done = rig.run(60)
    assert (done.verdict, done.differences) == (Verdict.DIFFERENT, 1)
    assert rig.open() == {(Kind.EXECUTION_MISSING, "t1")}
    assert rig.told == [fill]
    rig.ledger.write([fill])
    assert rig.run(60).verdict is Verdict.CLEAN
    assert rig.open() == set()
    first, last = rig.ledger.tie_out.notes
    assert (first.difference, last.difference) == (first.difference, first.difference)
    assert (first.resolution, last.resolution) == (None, "agrees")
    assert rig.ledger.intents["qm1-t1"].strategy_tag == "passivemm"


def test_what_somebody_else_has_told_already_is_only_suspected_for_a_while() -> None:
    rig = Rig().opened()
    rig.trade("t1", here=False)
    rig.missed = lambda fill: False  # type: ignore[method-assign]
    assert rig.run(60).verdict is Verdict.INCONCLUSIVE
    assert rig.tie_out.again_soon
    assert rig.open() == set()
    assert rig.run(BELIEVED_AFTER / SECOND).verdict is Verdict.DIFFERENT


def test_an_execution_that_the_exchange_does_not_list_is_believed_the_second_time() -> None:
    rig = Rig().opened()
    rig.trade("t1", there=False)
    assert rig.run(60).verdict is Verdict.INCONCLUSIVE
    done = rig.run(BELIEVED_AFTER / SECOND)
    assert done.verdict is Verdict.DIFFERENT
    assert rig.open() == {(Kind.EXECUTION_UNKNOWN_THERE, "t1")}


def test_a_fee_that_is_a_billionth_off_is_named() -> None:
    rig = Rig().opened()
    fill = rig.trade("t1", there=False)
    other = replace(fill, fee=fill.fee + Decimal("1e-9"))
    rig.exchange.booked.append(UserFill(order_id="o", fill=other))
    assert rig.run(60).verdict is Verdict.DIFFERENT
    (found,) = rig.differences.open()
    assert found.difference.name == (Kind.EXECUTION_DIFFERS, "t1")
    assert "fee 0.0625," in found.difference.ours
    assert "fee 0.062500001," in found.difference.theirs
    assert [kind for kind, _, _ in rig.movements()] == [CashKind.OPENING, CashKind.OPENING]


@pytest.mark.parametrize(
    ("amount", "kind"), [("250.000000001", CashKind.DEPOSIT), ("-0.01", CashKind.WITHDRAWAL)]
)
def test_money_that_comes_or_goes_is_booked_once_it_was_seen_twice_and_alarms_nobody(
    amount: str, kind: CashKind
) -> None:
    rig = Rig().opened()
    rig.cash["USD"] += Decimal(amount)
    first = rig.run(60)
    assert (first.verdict, first.detail) == (Verdict.INCONCLUSIVE, "suspected: cash_differs USD")
    rig.trade("t1")  # trading goes on meanwhile
    second = rig.run(BELIEVED_AFTER / SECOND)
    assert second.verdict is Verdict.CLEAN
    assert rig.movements()[-1] == (kind, "USD", Decimal(amount))
    movement = list(rig.ledger.tie_out.cash.values())[-1]
    assert movement.inferred
    assert dict(movement.evidence)["balance"].startswith(("1", "9"))
    assert rig.run(300).verdict is Verdict.CLEAN
    assert (len(rig.movements()), rig.open()) == (3, set())


def test_a_balance_that_is_ahead_of_the_list_of_executions_is_no_withdrawal() -> None:
    rig = Rig().opened()
    fill = rig.trade("t1", here=False, there=False)
    rig.cash = {"USD": Decimal("974.9375"), "X": Decimal(30)}
    assert rig.run(2).verdict is Verdict.INCONCLUSIVE
    rig.cash = {"USD": Decimal(1_000), "X": Decimal(5)}
    rig.exchange.booked.append(UserFill(order_id="o", fill=fill))
    rig.ledger.write([fill])
    assert rig.run(BELIEVED_AFTER / SECOND).verdict is Verdict.CLEAN
    assert len(rig.movements()) == 2


def test_executions_of_others_are_accounted_for_as_foreign() -> None:
    rig = Rig().opened()
    rig.exchange.others = [foreign("f1", rig.clock.advance(SECOND))]
    for _ in range(2):
        done = rig.run(60)
        assert (done.verdict, done.fills) == (Verdict.CLEAN, 0)
    assert rig.movements()[2:] == [
        (CashKind.FOREIGN, "BTC", Decimal(1)),
        (CashKind.FOREIGN, "USD", Decimal("-0.91")),
    ]


def test_a_foreign_order_is_named_left_alone_and_does_not_alarm() -> None:
    rig = Rig().opened()
    rig.exchange.orders["by-hand"] = report("by-hand", OrderState.OPEN)
    done = rig.run(60)
    assert (done.verdict, done.differences) == (Verdict.CLEAN, 0)
    assert rig.open() == {(Kind.FOREIGN_ORDER, "by-hand")}
    assert rig.exchange.asked("cancel") == []
    rig.exchange.orders.clear()
    rig.run(60)
    assert rig.open() == set()


def test_an_order_that_is_over_in_the_books_and_rests_there_is_believed_the_second_time() -> None:
    rig = Rig().opened()
    rig.trade("t1", there=False, here=False)
    rig.exchange.orders["qm1-t1"] = report("qm1-t1", OrderState.OPEN)
    assert rig.run(60).verdict is Verdict.INCONCLUSIVE
    assert rig.run(BELIEVED_AFTER / SECOND).verdict is Verdict.DIFFERENT
    assert rig.open() == {(Kind.ORDER_OPEN_THERE, "qm1-t1")}
    rig.exchange.orders.clear()
    assert rig.run(60).verdict is Verdict.CLEAN


def test_coins_that_a_position_needs_and_that_are_gone_are_an_alarm() -> None:
    rig = Rig(cash={"USD": Decimal(1_000)}).opened()
    rig.trade("t1")
    rig.cash["X"] = Decimal("-0.1")
    rig.run(60)
    done = rig.run(BELIEVED_AFTER / SECOND)
    assert done.verdict is Verdict.DIFFERENT
    assert rig.open() == {(Kind.BALANCE_BELOW_POSITION, "X")}
    assert rig.movements()[-1] == (CashKind.WITHDRAWAL, "X", Decimal("-0.1"))
    del rig.cash["X"]
    rig.run(60)
    assert rig.run(BELIEVED_AFTER / SECOND).verdict is Verdict.CLEAN


def test_an_execution_in_the_middle_of_reading_is_read_again() -> None:
    rig = Rig().opened()

    def execute() -> None:
        rig.exchange.meanwhile = lambda: None
        rig.trade("t1")
        rig.balance()

    rig.exchange.meanwhile = execute
    assert rig.run(60).verdict is Verdict.CLEAN
    assert rig.run(60).verdict is Verdict.CLEAN
    assert (len(rig.movements()), rig.open()) == (2, set())


def test_an_account_that_never_keeps_still_is_inconclusive_and_no_alarm() -> None:
    rig = Rig().opened()
    count = iter(range(100))

    def execute() -> None:
        rig.trade(f"t{next(count)}", size=1)
        rig.balance()

    rig.exchange.meanwhile = execute
    done = rig.run(60)
    assert (done.verdict, rig.open()) == (Verdict.INCONCLUSIVE, set())
    assert rig.tie_out.again_soon
    rig.exchange.meanwhile = lambda: None
    assert rig.run(60).verdict is Verdict.CLEAN


def test_nothing_is_concluded_twice_while_the_books_are_behind() -> None:
    rig = Rig()
    rig.stored = False
    assert rig.run().verdict is Verdict.CLEAN
    waits = rig.run(20)
    assert waits.verdict is Verdict.INCONCLUSIVE
    assert waits.detail == "what the last tie-out found is not in the books yet"
    rig.store()
    rig.stored = True
    assert rig.run(20).verdict is Verdict.CLEAN
    assert len(rig.movements()) == 2


def test_books_that_catch_up_after_an_outage_are_not_compared_yet() -> None:
    rig = Rig().opened()
    rig.behind = BEHIND + 1
    rig.trade("t1", here=False)
    for _ in range(3):
        assert rig.run(60).verdict is Verdict.INCONCLUSIVE
    assert (rig.open(), rig.told) == (set(), [])
    rig.behind = BEHIND
    assert rig.run(60).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize("away", ["exchange", "ledger"])
def test_who_cannot_be_asked_makes_it_inconclusive(away: str) -> None:
    rig = Rig().opened()
    rig.stored = False
    rig.exchange.down, rig.ledger.available = away == "exchange", away != "ledger"
    done = rig.run(60)
    assert done.verdict is Verdict.INCONCLUSIVE
    assert rig.tie_out.again_soon
    assert len([fact for fact in rig.waiting if isinstance(fact, TieOutDone)]) == 1
    rig.run(60)
    assert len([fact for fact in rig.waiting if isinstance(fact, TieOutDone)]) == 1  # no news
    rig.exchange.down, rig.ledger.available, rig.stored = False, True, True
    assert rig.run(60).verdict is Verdict.CLEAN


def test_the_window_advances_and_overlaps() -> None:
    rig = Rig().opened()
    rig.trade("t1")
    rig.clock.advance(OVERLAP)
    rig.trade("t2")
    done = rig.run(60)
    assert done.checkpoint is not None
    assert done.checkpoint.since == rig.clock.now() - OVERLAP
    assert done.checkpoint.flows[SYMBOL].fills == 1  # t1 is behind the window
    assert done.fills == 2  # it still was in this one
    since, _ = rig.exchange.asked("executions")[-2]
    assert since <= rig.clock.now() - OVERLAP
    assert rig.run(60).fills == 1


def test_the_window_waits_for_what_is_suspected() -> None:
    rig = Rig().opened()
    rig.trade("t1", there=False)
    suspected = rig.run(OVERLAP / SECOND + 100)
    assert suspected.verdict is Verdict.INCONCLUSIVE
    assert rig.run(BELIEVED_AFTER / SECOND).verdict is Verdict.DIFFERENT
    assert rig.open() == {(Kind.EXECUTION_UNKNOWN_THERE, "t1")}


def test_a_step_after_a_long_absence_waits_for_what_is_suspected() -> None:
    rig = Rig().opened()
    rig.clock.advance(CHUNK // 2)
    rig.trade("t1", there=False)
    rig.run(2 * CHUNK / SECOND)
    assert rig.open() == set()
    rig.run(BELIEVED_AFTER / SECOND)
    assert rig.open() == {(Kind.EXECUTION_UNKNOWN_THERE, "t1")}


def test_a_row_that_vanishes_from_behind_the_window_is_named_and_stays_named() -> None:
    rig = Rig().opened()
    rig.trade("t1")
    rig.run(60)
    rig.run(OVERLAP / SECOND)
    rig.run(60)
    del rig.ledger.fills["t1"]
    assert rig.run(60).verdict is Verdict.DIFFERENT
    assert (Kind.HISTORY_CHANGED, SYMBOL) in rig.open()
    rig.run(60)
    rig.restart()
    assert rig.run(3_600).verdict is Verdict.DIFFERENT
    assert (Kind.HISTORY_CHANGED, SYMBOL) in rig.open()
    assert len(rig.movements()) == 2  # the cash that it leaves is not taken for a deposit


def test_after_a_long_absence_executions_are_compared_step_by_step() -> None:
    rig = Rig().opened()
    rig.run(300)
    rig.clock.advance(CHUNK // 2)
    rig.trade("t1")
    rig.clock.advance(2 * CHUNK)
    rig.trade("t2")
    for _ in range(2):
        done = rig.run(60)
        assert (done.verdict, rig.tie_out.again_soon) == (Verdict.INCONCLUSIVE, True)
    spans = [until - since for since, until in rig.exchange.asked("executions")[-2:]]
    assert spans == [CHUNK, CHUNK]
    done = rig.run(60)
    assert (done.verdict, rig.open()) == (Verdict.CLEAN, set())
    assert len(rig.movements()) == 2


def test_what_was_missed_in_a_long_absence_is_found() -> None:
    rig = Rig().opened()
    rig.clock.advance(CHUNK // 2)
    rig.trade("t1", here=False)
    rig.clock.advance(CHUNK)
    rig.run(60)
    assert rig.open() == {(Kind.EXECUTION_MISSING, "t1")}


def test_after_a_restart_what_was_open_is_open_until_it_agrees() -> None:
    rig = Rig().opened()
    fill = rig.trade("t1", here=False)
    rig.run(60)
    rig.restart()
    rig.missed = lambda fill: False  # type: ignore[method-assign]
    assert rig.run(60).verdict is Verdict.DIFFERENT
    assert rig.open() == {(Kind.EXECUTION_MISSING, "t1")}
    rig.ledger.write([fill])
    assert rig.run(60).verdict is Verdict.CLEAN


def test_an_exchange_that_is_younger_than_the_books_lists_no_older_executions() -> None:
    rig = Rig().opened()
    rig.trade("t1", there=False)  # by an exchange of an earlier run
    rig.cash = {"USD": Decimal("974.9375"), "X": Decimal(30)}
    rig.restart(born=rig.clock.advance(SECOND))
    assert rig.run(30).verdict is Verdict.CLEAN
    assert rig.run(OVERLAP / SECOND).verdict is Verdict.CLEAN
    assert rig.open() == set()


def test_balances_are_kept_when_they_change() -> None:
    rig = Rig().opened()
    rig.run(60)
    assert len(rig.ledger.tie_out.balances) == 2
    rig.cash["USD"] += 1
    rig.run(60)
    assert len(rig.ledger.tie_out.balances) == 3


def test_the_page_shows_the_verdict_its_age_and_both_sides_of_what_differs() -> None:
    rig = Rig().opened()
    rig.trade("t1", here=False)
    rig.run(60)
    rig.clock.advance(5 * SECOND)
    page = rig.tie_out.page()
    assert (page["verdict"], page["age_seconds"]) == ("different", 5.0)
    (shown,) = page["differences"]
    assert (shown["kind"], shown["subject"], shown["ours"]) == ("execution_missing", "t1", "")
    assert shown["theirs"].startswith("X-USD BUY 25 at 1, fee 0.0625")


def test_verdict_age_and_open_differences_are_metrics() -> None:
    rig = Rig().opened()
    rig.trade("t1", here=False)
    rig.run(60)
    shown, _ = rig.metrics.expose("text/plain")
    text = shown.decode()
    for line in (
        'quietmaker_reconciliation_mismatches_total{kind="execution_missing"} 1.0',
        'quietmaker_differences_unresolved{kind="execution_missing"} 1.0',
        'quietmaker_tie_out_verdict{verdict="different"} 1.0',
        'quietmaker_tie_out_verdict{verdict="clean"} 0.0',
        'quietmaker_cash_movements_total{kind="opening"} 2.0',
        "quietmaker_last_tie_out_timestamp_seconds 1.699920061e+09",
    ):
        assert line in text, line


# --- when ---------------------------------------------------------------------------------------


@dataclass
class Schedule:
    """The actor, driven by hand."""

    every: float = 300
    recovered: bool = True

    def __post_init__(self) -> None:
        self.rig = Rig()
        self.actor = TieOutActor(
            around("tie_out", self.rig.clock),
            TieOutActorLinks(
                tie_out=self.rig.tie_out,
                missed=self.rig.missed,
                ready=lambda: self.recovered,
                every=Nanos(int(self.every * SECOND)),
            ),
        )

    def ran(self, later: int) -> bool:
        before = len(self.rig.exchange.asked("balances"))
        self.rig.clock.advance(later)
        self.rig.balance()
        self.actor.on_receive(Tick(now=self.rig.clock.now()))
        return len(self.rig.exchange.asked("balances")) > before


def test_the_first_waits_for_recovery_but_not_for_ever() -> None:
    job = Schedule(recovered=False)
    assert not job.ran(PATIENCE - 1)
    assert job.ran(1)


def test_it_is_done_on_schedule_and_sooner_while_it_is_inconclusive() -> None:
    job = Schedule()
    assert job.ran(0)
    assert not job.ran(299 * SECOND)
    assert job.ran(SECOND)
    job.rig.cash["USD"] += 5
    assert job.ran(300 * SECOND)
    assert not job.ran(FIRST_PAUSE - 1)
    assert job.ran(1)
    assert not job.ran(2 * FIRST_PAUSE - 1)
    assert job.ran(1)
    assert job.ran(4 * FIRST_PAUSE)
    assert job.ran(8 * FIRST_PAUSE)
    assert job.rig.tie_out.last is not None
    assert job.rig.tie_out.last.verdict is Verdict.CLEAN
    assert not job.ran(299 * SECOND)
    assert job.ran(SECOND)
