"""The risk guard: what it measures trips breakers, these impose modes, and both survive a restart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from actors.board import Board, SymbolView
from actors.budget import ChurnBudget
from actors.modes import Modes, ModesLinks
from actors.risk_guard import RiskGuard, RiskLinks
from actors.risk_page import RiskPage
from actors.switch import KillSwitch
from actors.tapes import Tapes
from quietmaker.core.breakers import BreakerPolicy
from quietmaker.core.events import Mode, Tick
from quietmaker.core.modes import Imposed, Source
from quietmaker.core.risk_desk import DAY, EntryCaps, RiskLimits, RiskRules
from quietmaker.core.units import SECOND, ZERO, Instant, Nanos
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ledger.memory_risk import MemoryRiskBooks
from quietmaker.ports import LedgerFact, RiskResults
from tests.actors.fakes import HandClock, around, make_metrics
from tests.kit.makers import START, make_product

MINUTE = 60 * SECOND
NO_LIMITS = RiskLimits(
    section="risk",
    daily_loss=None,
    drawdown_pct=None,
    consecutive_losses=None,
    reject_pct=None,
    adverse_markout_pct=None,
    inventory_age=None,
    data_age=None,
    clock_skew=None,
)
NONE_OF_ALL = replace(NO_LIMITS, section="account")
NOTHING = RiskResults(lost={}, account={}, total={}, open={}, held={}, capital={}, recent={})


def view(symbol: str, **changes: Any) -> SymbolView:
    """Return the view of a flat symbol."""
    flat = SymbolView(
        symbol=symbol,
        quote_currency="USD",
        at=START,
        recovered=True,
        mode="run",
        stale=None,
        bid=Decimal(1),
        ask=Decimal("1.01"),
        book_at=START,
        sides={},
        working=0,
        position=ZERO,
        held_lots=0,
        cost=ZERO,
        opened_at=None,
        exit=None,
        unprotected=False,
        exposure=ZERO,
        break_even=None,
        unrealized=None,
    )
    return replace(flat, **changes)


class Books(MemoryRiskBooks):
    """Results as the test says; what is remembered is what was stored."""

    said: RiskResults = NOTHING

    def results(self, since: Any, *, account_since: Instant, recent: int) -> RiskResults:
        self.asked = (dict(since), account_since)
        super().results(since, account_since=account_since, recent=recent)
        return self.said


@dataclass
class Rig:
    """A guard over two symbols, its books in memory."""

    account: RiskLimits = NONE_OF_ALL
    symbol: RiskLimits = NO_LIMITS
    clock: HandClock = field(default_factory=HandClock)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    standing: tuple[Imposed, ...] = ()

    def __post_init__(self) -> None:
        self.products = {s: make_product(symbol=s) for s in ("A-USD", "B-USD")}
        self.books = Books(self.ledger, self.products)
        self.board, self.tapes, self.page = Board(), Tapes(), RiskPage()
        self.metrics = make_metrics()
        self.modes = Modes(
            ModesLinks(
                traders={},
                put=self.put,
                kill=KillSwitch(),
                withdraw=lambda symbols: None,
                now=self.clock.now,
            ),
            self.standing,
        )
        self.guard = self.start()
        for symbol in self.products:
            self.board.show(view(symbol))

    def start(self) -> RiskGuard:
        policy = BreakerPolicy(cool_down=Nanos(15 * MINUTE), max_resumes=1, forget_after=Nanos(DAY))
        links = RiskLinks(
            books=self.books,
            board=self.board,
            tapes=self.tapes,
            modes=self.modes,
            budget=ChurnBudget(90, monotonic=self.clock.monotonic),
            products=self.products,
            rules=lambda: RiskRules(
                policy=policy,
                account=self.account,
                symbol=lambda _: self.symbol,
                caps=lambda _: EntryCaps(
                    exposure=Decimal(250), position=Decimal(50), open_orders=6
                ),
            ),
            put=self.put,
            waiting=lambda: 3,
            page=self.page,
            metrics=self.metrics.risk,
        )
        return RiskGuard(around("risk_guard", self.clock), links)

    def put(self, fact: LedgerFact) -> None:
        self.ledger.write([fact])
        if self.ledger.available:
            self.ledger.apply()

    def say(self, **changes: Any) -> None:
        """Let the books say this from now on."""
        self.books.said = replace(NOTHING, **changes)

    def look(self, after: int = 6 * SECOND) -> None:
        self.guard.receive(Tick(now=self.clock.advance(after)))

    def mode(self, symbol: str = "A-USD") -> tuple[Mode, str]:
        told = self.modes.of(symbol, self.clock.now())
        return told.mode, told.reason

    def metric(self, name: str, **labels: str) -> float | None:
        found: float | None = self.metrics.registry.get_sample_value(f"quietmaker_{name}", labels)
        return found

    def restart(self) -> None:
        """End the process and start another one from the books."""
        noted = [each.imposed for each in self.ledger.modes]
        latest = {(each.source, each.scope): each for each in noted}
        self.standing = tuple(e for e in latest.values() if e.mode is not Mode.RUN)
        board = self.board
        self.__post_init__()
        self.board = board
        self.guard = self.start()


def losing(amount: str) -> dict[str, Any]:
    """Return results with a loss of A-USD today."""
    return {"lost": {"A-USD": Decimal(amount)}, "account": {"USD": Decimal(amount)}}


def test_a_symbol_that_lost_its_share_is_paused_with_limit_value_and_setting() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.say(**losing("-5.20"))
    rig.look()
    assert rig.mode() == (
        Mode.PAUSE,
        "breaker max_daily_loss: lost 5.2 of 5 today (risk.max_daily_loss)",
    )
    assert rig.mode("B-USD") == (Mode.RUN, "")
    assert rig.metric("breaker_trips_total", breaker="max_daily_loss") == 1
    assert rig.metric("breakers", phase="tripped") == 1
    assert rig.metric("risk_limit_ratio", limit="risk.max_daily_loss") == 1.04


def test_the_account_is_paused_when_all_together_lost_too_much() -> None:
    rig = Rig(account=replace(NONE_OF_ALL, daily_loss=Decimal(20)))
    rig.say(account={"USD": Decimal(-12), "USDC": Decimal(-7)}, open={"B-USD": Decimal(-1)})
    rig.look()
    assert rig.mode("B-USD")[0] is Mode.PAUSE


def test_open_losses_count_and_open_gains_hide_nothing() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.board.show(view("A-USD", held_lots=10, position=Decimal(1), unrealized=Decimal(-2)))
    rig.board.show(view("B-USD", held_lots=10, position=Decimal(1), unrealized=Decimal(9)))
    rig.say(lost={"A-USD": Decimal(-3), "B-USD": Decimal(-5)})
    rig.look()
    assert rig.mode("A-USD")[0] is rig.mode("B-USD")[0] is Mode.PAUSE


def test_a_day_without_losses_lifts_the_pause_at_midnight_and_not_before() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.say(**losing("-6"))
    rig.look()
    rig.say()
    rig.look(DAY - 3600 * SECOND)
    assert rig.mode()[0] is Mode.PAUSE
    rig.look(3600 * SECOND)
    assert rig.mode()[0] is Mode.RUN


def test_losses_are_asked_for_from_midnight_even_if_the_process_began_later() -> None:
    rig = Rig(clock=HandClock(START + 3600 * SECOND))
    rig.look()
    assert rig.books.asked == (dict.fromkeys(rig.products, START // DAY * DAY), START // DAY * DAY)


def test_after_the_allowed_resumption_the_next_trip_halts_and_the_halt_survives_a_restart() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, consecutive_losses=2))
    for _ in range(2):
        rig.clock.advance(SECOND)
        lost = [(rig.clock.now(), Decimal(-1)), (rig.clock.now(), Decimal(-1))]
        rig.say(recent={"A-USD": lost})
        rig.look()
        rig.look(16 * MINUTE)
    assert rig.mode()[0] is Mode.HALT
    rig.restart()
    rig.say()
    rig.look(DAY)
    assert rig.mode()[0] is Mode.HALT


def test_losses_before_the_resumption_count_no_more() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, consecutive_losses=2))
    rig.say(recent={"A-USD": [(rig.clock.now(), Decimal(-1))] * 2})
    rig.look()
    assert rig.mode()[0] is Mode.PAUSE
    rig.look(16 * MINUTE)
    rig.look()
    assert rig.mode()[0] is Mode.RUN


def test_a_gain_ends_a_row_of_losses() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, consecutive_losses=2))
    nets = [Decimal(-1), Decimal(2), Decimal(-1)]
    rig.say(recent={"A-USD": [(rig.clock.now(), net) for net in nets]})
    rig.look()
    assert rig.mode()[0] is Mode.RUN


def test_an_operator_who_lifts_a_halt_starts_the_breaker_anew() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.say(**losing("-6"))
    rig.look()
    rig.modes.lift(Source.BREAKER, "A-USD", by="anna", reason="I looked at it")
    rig.say()  # what was lost before the word of the operator is not asked for any more
    rig.look()
    assert rig.books.asked[0]["A-USD"] == rig.clock.now()
    assert rig.mode()[0] is Mode.RUN
    assert rig.page.read()["breakers"] == []


def test_a_breaker_that_was_stored_and_does_not_stand_was_lifted_while_nobody_looked() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.say(**losing("-6"))
    rig.look()
    rig.modes.lift(Source.BREAKER, "A-USD", by="anna", reason="I looked at it")
    rig.restart()
    rig.look()
    assert rig.mode()[0] is Mode.RUN


def test_a_clock_that_was_set_back_excuses_no_loss() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, consecutive_losses=2))
    rig.say(recent={"A-USD": [(rig.clock.now(), Decimal(-1))] * 2})
    rig.look()
    rig.look(16 * MINUTE)  # it resumed, and counts from there
    rig.clock.advance(-60 * MINUTE)
    rig.restart()
    rig.say()
    rig.look()
    rig.clock.advance(SECOND)
    rig.say(recent={"A-USD": [(rig.clock.now(), Decimal(-1))] * 2})
    rig.look()
    assert rig.mode()[0] is Mode.HALT


def test_a_symbol_that_is_gone_is_shown_and_counted_no_more() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.say(**losing("-4"))
    rig.look()
    del rig.products["A-USD"]
    rig.look()
    limits = {each["limit"]: each for each in rig.page.read()["limits"]}
    assert limits["risk.max_daily_loss"]["value"] == "0"


def test_a_mode_whose_breaker_a_kill_kept_from_being_stored_is_taken_over() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, reject_pct=Decimal(50)))
    rig.modes.impose(Source.BREAKER, "A-USD", Mode.HALT, reason="60 %", by="max_reject_pct")
    rig.restart()
    rig.look()
    assert rig.mode()[0] is Mode.HALT
    assert [each["phase"] for each in rig.page.read()["breakers"]] == ["halted"]


def test_an_operators_own_pause_is_none_of_its_business() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.modes.impose(Source.OPERATOR, "A-USD", Mode.PAUSE, reason="lunch", by="anna")
    rig.look()
    rig.look(DAY)
    assert rig.mode() == (Mode.PAUSE, "operator anna: lunch")


def test_refused_orders_trip_once_there_are_enough_to_judge_by() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, reject_pct=Decimal(50)))
    for _ in range(9):
        rig.tapes.answered("A-USD", rig.clock.now(), refused=True)
    rig.look()
    assert rig.mode()[0] is Mode.RUN
    rig.tapes.answered("A-USD", rig.clock.now(), refused=False)
    rig.look()
    assert rig.mode()[1].endswith("90 % of orders refused, 50 % (risk.max_reject_pct)")


def test_a_market_that_moves_against_our_fills_trips() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, adverse_markout_pct=Decimal("0.5")))
    for _ in range(10):
        rig.tapes.marked(
            "A-USD",
            rig.clock.now(),
            Nanos(60 * SECOND),
            value=Decimal("-0.2"),
            notional=Decimal(25),
        )
    rig.look()
    assert "the market moves 0.8 % against our fills" in rig.mode()[1]


def test_data_that_stays_stale_trips_and_resumes_as_soon_as_it_is_good() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, data_age=Nanos(60 * SECOND)))
    rig.board.show(view("A-USD", stale="gap"))
    rig.look()
    rig.look(60 * SECOND)
    assert rig.mode()[0] is Mode.PAUSE
    rig.look(60 * MINUTE)
    assert rig.mode()[0] is Mode.PAUSE
    rig.board.show(view("A-USD"))
    rig.look()
    assert rig.mode()[0] is Mode.RUN


def test_an_old_position_trips_and_dust_does_not() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, inventory_age=Nanos(60 * SECOND)))
    held = {"held_lots": 10, "position": Decimal(1), "opened_at": rig.clock.now()}
    rig.board.show(view("A-USD", unprotected=True, **held))
    rig.board.show(view("B-USD", **held))
    rig.look()
    rig.look(59 * SECOND)  # nobody could leave it before there was a guard
    assert rig.mode("A-USD")[0] is Mode.RUN
    rig.look()
    assert rig.mode("A-USD")[0] is Mode.PAUSE
    assert rig.mode("B-USD")[0] is Mode.RUN


def test_clocks_that_are_apart_pause_the_account() -> None:
    rig = Rig(account=replace(NONE_OF_ALL, clock_skew=Nanos(2 * SECOND)))
    rig.board.skew = Nanos(-3 * SECOND)
    rig.look()
    assert "clocks are 3 s apart, 2 s (exchange.max_clock_skew_seconds)" in rig.mode()[1]


# --- equity -------------------------------------------------------------------------------------

DRAWDOWN = replace(NONE_OF_ALL, drawdown_pct=Decimal(10))


def worth(rig: Rig, capital: int, result: int) -> None:
    """Let the books say what was put in, and what trading made of it."""
    rig.say(capital={"USD": Decimal(capital)}, total={"USD": Decimal(result)})
    rig.look()


def test_a_drawdown_from_the_peak_pauses_the_account_and_a_withdrawal_does_not() -> None:
    rig = Rig(account=DRAWDOWN)
    worth(rig, 1000, 100)
    worth(rig, 500, 100)
    assert rig.mode()[0] is Mode.RUN
    worth(rig, 500, 35)
    assert rig.mode()[1].startswith("breaker max_drawdown_pct: 10.83 % below peak, 10 %")
    assert rig.metric("equity_usd") == 535
    assert round(rig.metric("drawdown_ratio") or 0, 4) == 0.1083


def test_a_deposit_hides_no_drawdown_from_the_breaker() -> None:
    rig = Rig(account=DRAWDOWN)
    worth(rig, 1000, 0)
    worth(rig, 1000, -90)
    worth(rig, 10_000, -90)
    worth(rig, 10_000, -300)  # 9,700 of 10,989, the peak on the scale of the capital of now
    assert rig.mode()[0] is Mode.PAUSE


def test_the_peak_survives_a_restart() -> None:
    rig = Rig(account=DRAWDOWN)
    worth(rig, 1000, 200)
    rig.restart()
    worth(rig, 1000, 70)
    assert rig.mode()[0] is Mode.PAUSE


def test_whoever_resumes_after_a_drawdown_measures_from_there() -> None:
    rig = Rig(account=DRAWDOWN)
    worth(rig, 1000, 0)
    worth(rig, 1000, -120)
    assert rig.mode()[0] is Mode.PAUSE
    rig.look(16 * MINUTE)
    rig.look()
    assert rig.mode()[0] is Mode.RUN
    assert rig.metric("drawdown_ratio") == 0


def test_between_an_execution_and_its_booking_nothing_is_valued() -> None:
    """The trader is flat already and the books do not have its loss yet: that is no gain."""
    rig = Rig(account=DRAWDOWN)
    held = {"held_lots": 10, "position": Decimal(1), "unrealized": Decimal(-50)}
    rig.board.show(view("A-USD", **held))
    rig.say(capital={"USD": Decimal(1000)}, held={"A-USD": Decimal(1)})
    rig.look()
    rig.board.show(view("A-USD"))
    rig.look()
    assert rig.metric("equity_usd") == 950
    worth(rig, 1000, -50)
    assert rig.metric("equity_usd") == 950


def test_without_the_books_nothing_is_known_and_nothing_is_taken_for_zero() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.say(**losing("-6"))
    rig.look()
    rig.ledger.available = False
    rig.look(60 * SECOND)
    assert rig.metric("risk_limit_ratio", limit="risk.max_daily_loss") is None
    assert rig.mode()[0] is Mode.PAUSE


def test_a_guard_that_cannot_read_what_it_remembers_waits_and_lifts_nothing() -> None:
    standing = Imposed(
        scope=None,
        source=Source.BREAKER,
        mode=Mode.HALT,
        reason="lost 21 of 20 today (account.max_daily_loss)",
        by="max_daily_loss",
        at=START,
        until=None,
    )
    rig = Rig(standing=(standing,))
    rig.ledger.available = False
    rig.look()
    assert rig.mode()[0] is Mode.HALT
    rig.ledger.available = True
    rig.look()
    assert rig.mode()[0] is Mode.HALT


def test_the_status_names_every_limit_with_its_setting_and_what_is_used() -> None:
    rig = Rig(symbol=replace(NO_LIMITS, daily_loss=Decimal(5)))
    rig.board.show(view("A-USD", exposure=Decimal(100), working=3))
    rig.say(**losing("-1"))
    rig.look()
    assert rig.page.read()["waiting_for_capital"] == 3
    limits = {each["limit"]: each for each in rig.page.read()["limits"]}
    assert limits["risk.max_exposure"]["used_pct"] == "40"
    assert limits["risk.max_open_orders"]["scope"] == "A-USD"
    assert (limits["risk.max_daily_loss"]["value"], limits["risk.max_daily_loss"]["of"]) == (
        "1",
        "5",
    )
