"""The filter actor: who is told what, and what happens when the evidence cannot be had or believed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from actors.conflate import MarketSlot
from actors.eligibility import Eligibility
from actors.protocol import TraderMessage
from actors.symbol_filter import FilterLinks, SymbolFilter, day_of
from quietmaker.core import filter_check
from quietmaker.core.commands import RoundTrip
from quietmaker.core.events import DataLost, EligibilityChanged, Tick, TouchChanged
from quietmaker.core.filter_desk import Floor, FloorPolicy
from quietmaker.core.filter_states import HOUR, FilterState, Policy
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import ExitReason
from quietmaker.core.spread import SpreadTracker
from quietmaker.core.units import PPB, SECOND, Instant, Lots, Nanos, Rate, Side, Ticks
from quietmaker.errors import LedgerUnavailable
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ports import Override
from quietmaker.telemetry.metrics import Metrics
from tests.actors.fakes import HandClock, Told, around, make_metrics
from tests.kit.filter import POLICY, policy
from tests.ledger.prompt import PromptMemory

SYMBOLS = ("A-USD", "B-USD")
FLOOR = Floor(symbols=1, policy=FloorPolicy.EXCLUDE)
WINDOW = Nanos(3_600 * SECOND)


@dataclass
class Rig:
    """The filter, driven by hand, over books in memory that outlive it."""

    clock: HandClock = field(default_factory=HandClock)
    ledger: PromptMemory = field(default_factory=PromptMemory)
    policy: Policy = POLICY
    floor: Floor = FLOOR
    banned: dict[str, str] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=make_metrics)

    def __post_init__(self) -> None:
        self.books = MemoryFilterBooks(self.ledger, {})
        self.start()

    def start(self) -> None:
        """Begin a new process over the same books."""
        self.traders: dict[str, Told[TraderMessage]] = {s: Told() for s in SYMBOLS}
        self.slots = {s: MarketSlot(lambda: True) for s in SYMBOLS}
        self.eligibility = Eligibility()
        self.spreads = {s: SpreadTracker(WINDOW) for s in SYMBOLS}
        self.live()

    def live(self) -> None:
        """Begin a new life of the actor within the process."""
        links = FilterLinks(
            books=self.books,
            policy=self.policy,
            floor=self.floor,
            period=HOUR,
            window=WINDOW,
            probation=Rate(PPB // 2),
            banned=self.banned.get,
            traders=self.traders,
            slots=self.slots,
            spreads=self.spreads,
            eligibility=self.eligibility,
            metrics=self.metrics,
            now=self.clock.now,
            config_sha="c0ffee",
        )
        self.actor = SymbolFilter(around("filter", self.clock), links)

    def begin(self) -> None:
        self.actor.begin()

    def tick(self, nanos: int = 0) -> None:
        self.actor.on_receive(Tick(now=self.clock.advance(nanos)))

    def hours(self, count: float) -> None:
        """Let hours pass, a tick each."""
        self.tick(int(count * HOUR))

    def state(self, symbol: str) -> FilterState:
        return self.eligibility.said()[symbol].standing.state

    def told(self, symbol: str) -> EligibilityChanged:
        last = self.traders[symbol].messages[-1]
        assert isinstance(last, EligibilityChanged)
        return last

    def trade(self, symbol: str, *nets: str, ago: float = 1, shadow: bool = False) -> None:
        """Close round trips some hours ago."""
        for number, net in enumerate(nets):
            trip = closed(symbol, net, Instant(self.clock.now() - int(ago * HOUR) + number))
            if shadow:
                self.books.store_shadow([trip], {})
            else:
                self.books.imported[trip.id, trip.closed_at] = trip

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"quietmaker_{name}", labels)


def closed(symbol: str, net: str, at: Instant) -> RoundTrip:
    return RoundTrip(
        id=f"{symbol}-{at}",
        symbol=symbol,
        entry=Side.BUY,
        lots=Lots(1),
        opened_at=Instant(at - SECOND),
        closed_at=at,
        exit_reason=ExitReason.STOP_LOSS,
        entry_value=Decimal(25),
        exit_value=Decimal(25),
        fees=Decimal(0),
        spread_captured=Decimal(0),
        price_move=Decimal(net),
        net=Decimal(net),
        net_return=Rate(0),
        maker_fills=1,
        taker_fills=1,
        dust=Lots(0),
        closing_order="x",
        strategy_tag="passivemm",
        config_sha="c0ffee",
    )


def losing(**known: Any) -> Rig:
    rig = Rig(**known)
    rig.trade("A-USD", *["-1"] * 6)
    rig.begin()
    return rig


def override(rig: Rig, *, include: bool, until: Instant | None = None) -> None:
    rig.books.store_override(
        Override(
            symbol="A-USD",
            at=rig.clock.now(),
            include=include,
            reason="because",
            until=until,
            operator="ann",
        )
    )


def test_the_first_evaluation_is_at_the_start_and_every_trader_hears_of_it() -> None:
    rig = losing()
    assert rig.told("A-USD").rule == "win_rate 0 % < 30 % (6 trades)"
    assert rig.told("B-USD").rule is None
    assert [(each.symbol, each.rule) for each in rig.books.stored] == [("A-USD", "win_rate")]
    assert rig.value("symbols", state="excluded") == 1
    assert rig.value("symbol_excluded", symbol="A-USD", reason="win_rate") == 1
    assert (
        rig.value("symbol_filter_transitions_total", direction="excluded", reason="win_rate") == 1
    )
    assert rig.value("symbol_filter_last_success_timestamp_seconds") == rig.clock.at / SECOND


def test_the_logs_carry_the_words_that_operators_look_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO"):
        rig = losing()
        rig.trade("A-USD", *["1"] * 10, ago=-1, shadow=True)
        rig.hours(25)
    said = [record.getMessage() for record in caplog.records]
    assert any("Dynamic Symbol Filter: Newly excluded: A-USD" in line for line in said)
    assert any("Dynamic Symbol Filter: Newly included: A-USD" in line for line in said)
    assert any(
        "2 symbols: 1 eligible, 1 excluded" in line and "6 trades of 1" in line for line in said
    )


def test_it_is_evaluated_every_hour_and_the_second_time_once_a_spread_can_be_known() -> None:
    rig = Rig()
    rig.begin()
    first = rig.eligibility.evaluated_at
    rig.tick(389 * SECOND)
    assert rig.eligibility.evaluated_at == first
    rig.tick(1 * SECOND)
    second = rig.eligibility.evaluated_at
    assert second is not None
    rig.hours(0.99)
    assert rig.eligibility.evaluated_at == second
    rig.hours(0.01)
    assert rig.eligibility.evaluated_at == rig.clock.now()


def test_ten_restarts_in_a_row_give_the_same_verdicts() -> None:
    rig = losing(banned={"B-USD": "permanent_exclusions: B-USD (base.yaml:3)"})
    stored, verdicts = list(rig.books.stored), (rig.told("A-USD").rule, rig.told("B-USD").rule)
    for _ in range(10):
        rig.clock.advance(60 * SECOND)
        rig.start()
        rig.begin()
        assert (rig.told("A-USD").rule, rig.told("B-USD").rule) == verdicts
        assert (rig.state("A-USD"), rig.state("B-USD")) == (
            FilterState.EXCLUDED,
            FilterState.DENIED,
        )
    assert rig.books.stored == stored


def test_the_books_going_away_keeps_the_last_verdicts_and_shows_their_age(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = losing()
    rig.ledger.available = False
    rig.hours(1)
    assert rig.told("A-USD").rule == "win_rate 0 % < 30 % (6 trades)"
    assert rig.told("B-USD").rule is None
    assert "cannot be asked" in rig.eligibility.failing
    assert rig.eligibility.document(rig.clock.now())["age_seconds"] == 3_600
    assert rig.value("symbol_filter_evaluations_total", result="failed") == 1
    caplog.clear()
    rig.hours(2)
    assert [r.levelname for r in caplog.records if "last good" in r.getMessage()] == ["ERROR"]
    rig.ledger.available = True
    rig.tick(30 * SECOND)
    assert rig.eligibility.failing == ""
    assert rig.eligibility.evaluated_at == rig.clock.now()


def test_what_could_not_be_stored_is_not_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.begin()
    rig.trade("A-USD", *["-1"] * 6)

    def away(*_: object, **__: object) -> None:
        rig.ledger.available = False
        rig.books._check()

    with monkeypatch.context() as patch:
        patch.setattr(rig.books, "store_transitions", away)
        rig.hours(1)
    assert rig.state("A-USD") is FilterState.ELIGIBLE
    rig.ledger.available = True
    rig.tick(30 * SECOND)
    assert rig.state("A-USD") is FilterState.EXCLUDED


def test_nobody_is_told_anything_before_the_books_were_read() -> None:
    rig = Rig()
    rig.ledger.available = False
    rig.begin()
    assert rig.traders["A-USD"].messages == []
    assert not rig.eligibility.known
    assert rig.eligibility.event("A-USD", rig.clock.now()) is None
    rig.ledger.available = True
    rig.tick(30 * SECOND)
    assert rig.told("A-USD").rule is None


def test_evidence_that_cannot_be_true_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = losing()
    for trip in rig.books.imported.values():
        monkeypatch.setitem(
            rig.books.imported,
            (trip.id, trip.closed_at),
            replace(trip, entry_value=Decimal(-1)),
        )
    rig.hours(1)
    assert "cannot be true" in rig.eligibility.failing
    assert rig.state("A-USD") is FilterState.EXCLUDED
    assert rig.value("symbol_filter_evaluations_total", result="refused") == 1


def test_a_ban_of_the_configuration_holds_even_when_nothing_can_be_evaluated() -> None:
    rig = losing()
    rig.ledger.available = False
    rig.banned["B-USD"] = "permanent_exclusions: B-USD (environment EXCLUDED_SYMBOLS)"
    rig.hours(1)
    assert rig.told("B-USD").rule == rig.banned["B-USD"]


def test_the_operators_word_is_heard_within_seconds_and_ends_in_time() -> None:
    rig = Rig()
    rig.begin()
    override(rig, include=False, until=Instant(rig.clock.now() + 60 * SECOND))
    rig.tick(5 * SECOND)
    assert rig.told("A-USD").rule == "operator ann: because"
    assert rig.state("A-USD") is FilterState.DENIED
    rig.tick(54 * SECOND)
    assert rig.state("A-USD") is FilterState.DENIED
    rig.tick(1 * SECOND)
    assert rig.state("A-USD") is FilterState.PROBATION
    assert rig.told("A-USD").size_share == PPB // 2


def test_an_inclusion_without_an_end_lets_in_once_and_what_follows_is_judged() -> None:
    rig = losing()
    rig.clock.advance(SECOND)
    override(rig, include=True)
    rig.tick(5 * SECOND)
    assert rig.state("A-USD") is FilterState.PROBATION
    rig.hours(1)
    assert rig.state("A-USD") is FilterState.PROBATION
    rig.trade("A-USD", *["-1"] * 5, ago=0)
    rig.hours(1)
    assert rig.state("A-USD") is FilterState.EXCLUDED


def test_the_spread_is_watched_where_the_traders_read_it() -> None:
    rig = Rig()
    rig.begin()
    wide = TouchChanged(
        now=rig.clock.now(), bid=Ticks(900), bid_size=Lots(5), ask=Ticks(1_000), ask_size=Lots(5)
    )
    rig.slots["A-USD"].put_touch(wide)
    rig.slots["B-USD"].put_touch(wide)
    rig.slots["B-USD"].put_lost(DataLost(now=rig.clock.now(), reason=StaleReason.SILENT))
    for _ in range(400):
        rig.tick(SECOND)
    assert rig.told("A-USD").rule == "spread 10.5263 % > 2 % (389 s watched)"
    assert rig.told("B-USD").rule is None


def test_a_new_life_of_the_actor_goes_on_with_what_was_watched() -> None:
    rig = Rig()
    rig.begin()
    wide = TouchChanged(
        now=rig.clock.now(), bid=Ticks(900), bid_size=Lots(5), ask=Ticks(1_000), ask_size=Lots(5)
    )
    rig.slots["A-USD"].put_touch(wide)
    for _ in range(380):
        rig.tick(SECOND)
    rig.live()
    rig.begin()
    assert rig.state("A-USD") is FilterState.EXCLUDED


def test_excluding_everything_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.trade("A-USD", *["-1"] * 6)
    rig.trade("B-USD", *["-1"] * 6)
    rig.begin()
    assert (rig.state("A-USD"), rig.state("B-USD")) == (FilterState.EXCLUDED, FilterState.EXCLUDED)
    assert any("fewer than filter.min_eligible" in r.getMessage() for r in caplog.records)
    assert rig.value("symbol_filter_below_floor") == 1


def test_a_rule_that_judges_wrongly_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_check, "defects", lambda: ["2 won of 10: None, not win_rate"])
    with pytest.raises(RuntimeError, match="self-test failed: 2 won of 10"):
        Rig().begin()


def test_switched_off_it_says_what_it_lets_back() -> None:
    rig = losing()
    rig.policy = policy(enabled=False)
    rig.start()
    rig.begin()
    assert rig.state("A-USD") is FilterState.PROBATION
    assert rig.books.stored[-1].rule == "filter_off"


def test_without_shadow_trading_it_says_that_symbols_return_by_ageing_and_when(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO"):
        rig = losing(policy=policy(shadow=False))
    (line,) = [r.getMessage() for r in caplog.records if "by ageing" in r.getMessage()]
    assert "A-USD: filter.shadow is off" in line
    (until,) = [at for words, at in rig.eligibility.said()["A-USD"].obstacles if "ageing" in words]
    assert until is not None
    assert 29 * 24 * HOUR < until - rig.clock.at <= 31 * 24 * HOUR
    assert line.endswith(f"not before {day_of(until)}")


def test_a_symbol_that_comes_is_judged_with_the_next_tick_by_what_is_stored_of_it() -> None:
    rig = losing()
    rig.begin()
    assert rig.state("A-USD") is FilterState.EXCLUDED
    before = rig.eligibility.evaluated_at
    del rig.traders["A-USD"], rig.slots["A-USD"], rig.spreads["A-USD"]
    rig.tick(SECOND)
    assert set(rig.eligibility.said()) == {"B-USD"}
    assert rig.eligibility.evaluated_at != before
    rig.traders["A-USD"], rig.traders["C-USD"] = Told(), Told()  # and its slot comes a moment later
    rig.tick(SECOND)
    assert rig.state("A-USD") is FilterState.EXCLUDED  # it was not away long enough to be forgiven
    assert rig.state("C-USD") is FilterState.ELIGIBLE
    assert rig.told("C-USD").rule is None
    evaluated = rig.eligibility.evaluated_at
    rig.tick(SECOND)
    assert rig.eligibility.evaluated_at == evaluated  # once is enough


def test_a_symbol_that_comes_while_the_books_are_away_is_judged_once_they_are_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    rig.begin()
    away = LedgerUnavailable("gone")
    asked: list[object] = []

    def fail(symbols: object) -> None:
        asked.append(symbols)
        raise away

    monkeypatch.setattr(rig.books, "transitions", fail)
    rig.traders["C-USD"] = Told()
    for _ in range(5):
        rig.tick(SECOND)
    assert len(asked) == 1  # and not with every tick
    assert "C-USD" not in rig.eligibility.said()
    monkeypatch.undo()
    rig.tick(30 * SECOND)
    assert rig.state("C-USD") is FilterState.ELIGIBLE
