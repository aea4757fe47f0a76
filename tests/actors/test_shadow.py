"""Shadow trading: who has a shadow, what it is fed with, where its trades go, and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.conflate import MarketSlot
from actors.eligibility import Eligibility, Said
from actors.shadow import UNSTORED, WINDOW, ShadowDesk, ShadowLinks
from quietmaker.core.commands import RoundTrip
from quietmaker.core.events import DataLost, Tick, TouchChanged
from quietmaker.core.fees import FeeRates
from quietmaker.core.filter_states import HOUR, FilterState, Standing
from quietmaker.core.market import (
    CandleBar,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.units import (
    MILLISECOND,
    PPB,
    SECOND,
    Instant,
    Lots,
    Nanos,
    Rate,
    Side,
    Ticks,
    rate,
)
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.telemetry.metrics import Metrics
from tests.actors.fakes import FakeExchange, HandClock, around, make_metrics
from tests.actors.test_symbol_filter import closed
from tests.kit.makers import FEES

SYMBOL = "X-USD"


class FakeShadow:
    """Remembers what it was told and closes what the test says."""

    def __init__(self, fees: FeeRates) -> None:
        self.fees = fees
        self.heard: list[MarketEvent] = []
        self.passed: list[Instant] = []
        self.closes: list[RoundTrip] = []

    def load(self, candles: Sequence[CandleBar], now: Instant) -> None:
        del candles, now

    def feed(self, events: Sequence[MarketEvent]) -> Sequence[RoundTrip]:
        self.heard.extend(events)
        closes, self.closes = self.closes, []
        return closes

    def pass_time(self, now: Instant) -> Sequence[RoundTrip]:
        self.passed.append(now)
        return self.feed([])


@dataclass
class Rig:
    """Shadow trading driven by hand."""

    clock: HandClock = field(default_factory=HandClock)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    exchange: FakeExchange = field(default_factory=FakeExchange)
    metrics: Metrics = field(default_factory=make_metrics)
    enabled: bool = True
    cost: int = 0

    def __post_init__(self) -> None:
        self.books = MemoryFilterBooks(self.ledger, {})
        self.slot = MarketSlot(lambda: True)
        self.slots = {SYMBOL: self.slot}
        self.eligibility = Eligibility()
        self.made: list[FakeShadow] = []
        self._cpu = 0
        links = ShadowLinks(
            books=self.books,
            exchange=self.exchange,
            products=self.exchange.products_now,
            make=self._make,
            slots=self.slots,
            eligibility=self.eligibility,
            metrics=self.metrics,
            cpu=self._spend,
            share=Rate(PPB // 10),
            enabled=self.enabled,
        )
        self.actor = ShadowDesk(around("shadow", self.clock), links)

    def _make(self, symbol: str, fees: FeeRates) -> FakeShadow:
        del symbol
        self.made.append(FakeShadow(fees))
        return self.made[-1]

    def _spend(self) -> Nanos:
        """Return a processor clock that goes on by half of `cost` with every look."""
        self._cpu += self.cost
        return Nanos(self._cpu)

    def stand(self, state: FilterState) -> None:
        standing = Standing(symbol=SYMBOL, state=state)
        said = Said(standing=standing, rule="r", share=Rate(PPB), verdict=None, obstacles=())
        self.eligibility.say({SYMBOL: said})

    def tick(self, nanos: int = SECOND) -> None:
        self.actor.on_receive(Tick(now=self.clock.advance(nanos)))

    def touch(self) -> TouchChanged:
        touch = TouchChanged(
            now=self.clock.now(), bid=Ticks(9), bid_size=Lots(1), ask=Ticks(11), ask_size=Lots(2)
        )
        self.slot.put_touch(touch)
        return touch

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"quietmaker_{name}", labels)


def excluded(**known: object) -> Rig:
    rig = Rig(**known)  # type: ignore[arg-type]
    rig.stand(FilterState.EXCLUDED)
    rig.tick()
    return rig


def test_an_excluded_symbol_has_a_shadow_and_no_other_has() -> None:
    rig = excluded()
    assert set(rig.actor.shadows) == {SYMBOL}
    assert rig.value("shadow_symbols") == 1
    for state in (FilterState.PROBATION, FilterState.ELIGIBLE, FilterState.DENIED):
        rig.stand(FilterState.EXCLUDED)
        rig.tick()
        rig.stand(state)
        rig.tick()
        assert rig.actor.shadows == {}
        assert rig.slot.tap is None


def test_the_shadow_hears_the_market_in_order_from_the_touch_that_stands() -> None:
    rig = Rig()
    touch = rig.touch()
    rig.stand(FilterState.EXCLUDED)
    rig.tick()
    lost = DataLost(now=rig.clock.now(), reason=StaleReason.GAP)
    rig.slot.put_lost(lost)
    trade = TradePrint(
        symbol=SYMBOL, at=rig.clock.now(), price=Ticks(9), size=Lots(3), aggressor=Side.SELL
    )
    assert rig.slot.tap is not None
    rig.slot.tap.append(trade)
    rig.tick()
    (shadow,) = rig.made
    assert shadow.heard == [
        TouchQuote(
            symbol=SYMBOL,
            at=touch.now,
            bid=Ticks(9),
            bid_size=Lots(1),
            ask=Ticks(11),
            ask_size=Lots(2),
        ),
        FeedLost(symbol=SYMBOL, at=lost.now, reason=StaleReason.GAP),
        trade,
    ]
    rig.tick()
    assert shadow.passed == [rig.clock.now()]


def test_what_it_closes_is_stored_apart_and_counted_apart() -> None:
    rig = excluded()
    trip = closed(SYMBOL, "-0.5", rig.clock.now())
    rig.made[0].closes = [trip]
    rig.tick()
    assert list(rig.books.shadow.values()) == [trip]
    assert rig.ledger.fills == {}
    assert rig.value("shadow_round_trips_total", result="lost") == 1
    assert rig.value("round_trips_total", result="lost") == 0


def test_trades_wait_for_books_that_are_away_and_not_for_ever() -> None:
    rig = excluded()
    rig.ledger.available = False
    trips = [closed(SYMBOL, "1", Instant(rig.clock.now() + n)) for n in range(UNSTORED + 3)]
    rig.made[0].closes = trips
    rig.tick()
    rig.ledger.available = True
    rig.tick()
    assert list(rig.books.shadow.values()) == trips[3:]


def test_beyond_its_share_of_a_processor_it_passes_the_market_over() -> None:
    rig = excluded(cost=600 * MILLISECOND)
    rig.tick(SECOND)  # 1.2 s of 1 s allowed in ten
    rig.touch()
    rig.tick(SECOND)
    assert isinstance(rig.made[0].heard[-1], FeedLost)
    assert rig.value("shadow_skipped_events_total") == 1
    rig.cost = 0
    rig.tick(WINDOW)
    rig.tick(WINDOW)
    rig.made[0].heard.clear()
    rig.touch()
    rig.tick(SECOND)
    assert [type(each) for each in rig.made[0].heard] == [TouchQuote]


def test_a_change_of_fees_begins_every_shadow_anew() -> None:
    rig = excluded()
    assert rig.made[0].fees == FEES
    rig.exchange.rates = FeeRates(maker=rate("0.001"), taker=rate("0.002"))
    rig.tick(HOUR)
    assert [shadow.fees for shadow in rig.made] == [FEES, rig.exchange.rates]


def test_without_fee_rates_there_is_no_shadow_yet() -> None:
    rig = Rig()
    rig.exchange.down = True
    rig.stand(FilterState.EXCLUDED)
    rig.tick()
    assert rig.made == []
    rig.exchange.down = False
    rig.tick(29 * SECOND)
    assert rig.made == []
    rig.tick(SECOND)
    assert len(rig.made) == 1


def test_many_shadows_are_opened_a_few_at_a_time() -> None:
    rig = Rig()
    names = [f"{letter}-USD" for letter in "ABCDEFGHIJKL"]
    rig.slots.update({name: MarketSlot(lambda: True) for name in names})
    said = Said(
        standing=Standing(symbol="", state=FilterState.EXCLUDED),
        rule="r",
        share=Rate(PPB),
        verdict=None,
        obstacles=(),
    )
    rig.eligibility.say(dict.fromkeys(names, said))
    open_after = []
    for _ in range(4):
        rig.tick()
        open_after.append(len(rig.actor.shadows))
    assert open_after == [5, 10, 12, 12]
    assert len(rig.exchange.asked("candles")) == 12


def test_switched_off_nobody_has_a_shadow() -> None:
    assert excluded(enabled=False).made == []


def test_an_end_of_the_actor_leaves_no_tap_behind() -> None:
    rig = excluded()
    rig.actor.finish()
    assert rig.slot.tap is None
