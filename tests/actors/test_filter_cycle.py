"""The whole cycle on a market whose quality changes: out, in the shadow, on trial, in again, or never.

Filter and shadow trading are the product's own; what stands in for real trading is the same core on the
same market, at full or reduced size, as long as the filter lets it. One minute of the market is one chance:
our bid is hit, and then the price either comes back above the target, or falls through the stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from actors.conflate import MarketSlot
from actors.eligibility import Eligibility
from actors.shadow import ShadowDesk, ShadowLinks
from actors.symbol_filter import FilterLinks, SymbolFilter
from quietmaker.core.events import Tick, TouchChanged
from quietmaker.core.fees import FeeRates
from quietmaker.core.filter_desk import Floor, FloorPolicy
from quietmaker.core.filter_states import AGED, HOUR, SHADOW, FilterState, Policy
from quietmaker.core.market import MarketEvent, TouchQuote, TradePrint
from quietmaker.core.params import TraderParams
from quietmaker.core.spread import SpreadTracker
from quietmaker.core.units import PPB, SECOND, ZERO, Instant, Lots, Nanos, Rate, Side, Ticks
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.replay.shadow import ShadowTrader
from tests.actors.fakes import FakeExchange, HandClock, Told, around, make_metrics
from tests.kit.filter import policy
from tests.kit.makers import FEES, make_params, make_product, make_quote, make_risk

IMPROVES, STAYS_BAD = "X-USD", "Y-USD"
SYMBOLS = (IMPROVES, STAYS_BAD)
TURNS_AT = 40
"""Hours after which the one symbol is good."""
POLICY = policy(
    lookback=Nanos(24 * HOUR),
    shadow_lookback=Nanos(6 * HOUR),
    min_exclusion=Nanos(6 * HOUR),
    probation_time=Nanos(48 * HOUR),
)
WINDOW = Nanos(3_600 * SECOND)
BIG = Lots(10_000_000)


def params() -> TraderParams:
    """Return a configuration under which one bad day does not end trading."""
    return make_params(risk=make_risk(max_daily_loss="100000"))


def minute(symbol: str, at: int, *, good: bool) -> Iterator[MarketEvent]:
    """Yield a minute: a bid to be hit, and what the price does to whoever was."""

    def touch(second: int, bid: int, ask: int) -> TouchQuote:
        return TouchQuote(
            symbol=symbol,
            at=Instant(at + second * SECOND),
            bid=Ticks(bid),
            bid_size=Lots(500),
            ask=Ticks(ask),
            ask_size=Lots(500),
        )

    def trade(second: int, price: int, aggressor: Side) -> TradePrint:
        when = Instant(at + second * SECOND)
        return TradePrint(symbol=symbol, at=when, price=Ticks(price), size=BIG, aggressor=aggressor)

    yield touch(0, 10_000, 10_100)
    yield trade(10, 9_999, Side.SELL)
    if good:
        yield touch(15, 10_090, 10_200)
        yield trade(20, 10_195, Side.BUY)
    else:
        yield touch(15, 9_600, 9_700)
        yield trade(20, 9_650, Side.SELL)
    yield touch(30, 10_000, 10_100)


@dataclass
class World:
    """Two symbols, their filter, their shadows, and what trades for real."""

    policy: Policy = POLICY

    def __post_init__(self) -> None:
        self.clock, self.ledger = HandClock(), MemoryLedger()
        self.begun = self.clock.at
        self.books = MemoryFilterBooks(self.ledger, {})
        self.products = {symbol: make_product(symbol=symbol) for symbol in SYMBOLS}
        self.slots = {symbol: MarketSlot(lambda: True) for symbol in SYMBOLS}
        self.eligibility, metrics = Eligibility(), make_metrics()
        self.filter = SymbolFilter(
            around("filter", self.clock),
            FilterLinks(
                books=self.books,
                policy=self.policy,
                floor=Floor(symbols=0, policy=FloorPolicy.EXCLUDE),
                period=HOUR,
                window=WINDOW,
                probation=Rate(PPB // 2),
                banned=lambda symbol: None,
                traders={symbol: Told() for symbol in SYMBOLS},
                slots=self.slots,
                spreads={symbol: SpreadTracker(WINDOW) for symbol in SYMBOLS},
                eligibility=self.eligibility,
                metrics=metrics,
                now=self.clock.now,
                config_sha="c0ffee",
            ),
        )
        self.shadow = ShadowDesk(
            around("shadow", self.clock),
            ShadowLinks(
                books=self.books,
                exchange=FakeExchange(),
                products=self.products,
                make=self._make,
                slots=self.slots,
                eligibility=self.eligibility,
                metrics=metrics,
                cpu=lambda: Nanos(0),
                share=Rate(PPB),
                enabled=self.policy.shadow,
            ),
        )
        self.real: dict[str, ShadowTrader] = {}
        self.entered: dict[str, Decimal] = dict.fromkeys(SYMBOLS, ZERO)
        self.filter.begin()

    def _make(self, symbol: str, fees: FeeRates) -> ShadowTrader:
        return ShadowTrader(self.products[symbol], params(), fees)

    def state(self, symbol: str) -> FilterState:
        return self.eligibility.said()[symbol].standing.state

    def until(self, hour: int) -> None:
        """Let the market go on, minute by minute."""
        while self.clock.at < self.begun + hour * HOUR:
            elapsed = (self.clock.at - self.begun) // HOUR
            for symbol in SYMBOLS:
                good = symbol == IMPROVES and elapsed >= TURNS_AT
                for event in minute(symbol, self.clock.at, good=good):
                    self._tell(symbol, event)
            self.clock.advance(60 * SECOND)
            tick = Tick(now=self.clock.now())
            self.shadow.on_receive(tick)
            self.filter.on_receive(tick)

    def _tell(self, symbol: str, event: MarketEvent) -> None:
        slot = self.slots[symbol]
        match event:
            case TouchQuote():
                slot.put_touch(
                    TouchChanged(
                        now=event.at,
                        bid=event.bid,
                        bid_size=event.bid_size,
                        ask=event.ask,
                        ask_size=event.ask_size,
                    )
                )
            case TradePrint() if slot.tap is not None:
                slot.tap.append(event)
            case _:
                pass
        self._trade(symbol, event)

    def _trade(self, symbol: str, event: MarketEvent) -> None:
        """Trade for real while the filter lets it, at the size that it says."""
        told = self.eligibility.event(symbol, self.clock.now())
        if told is None or told.rule is not None:
            self.real.pop(symbol, None)
            return
        if symbol not in self.real:
            size = "25" if told.size_share == PPB else "12.5"
            sized = replace(params(), quote=make_quote(level_sizes=(size,)))
            self.real[symbol] = ShadowTrader(self.products[symbol], sized, FEES)
        for trip in self.real[symbol].feed([event]):
            self.books.imported[f"{symbol}{trip.closed_at}", trip.closed_at] = trip
            self.entered[symbol] = trip.entry_value

    def path(self, symbol: str) -> list[tuple[FilterState, str]]:
        return [(e.after, e.rule) for e in self.books.stored if e.symbol == symbol]

    def real_trades(self, symbol: str) -> int:
        return sum(trip.symbol == symbol for trip in self.books.imported.values())


def test_a_symbol_comes_back_once_it_really_improved_and_one_that_did_not_stays_out() -> None:
    world = World()
    world.until(3)
    assert [world.state(symbol) for symbol in SYMBOLS] == [FilterState.EXCLUDED] * 2
    assert world.path(IMPROVES) == [(FilterState.EXCLUDED, "win_rate")]
    traded = world.real_trades(IMPROVES)
    assert traded >= 5
    assert world.shadow.shadows.keys() == set(SYMBOLS)

    # The old trades are gone from the look-back of a day; the market is as bad as ever.
    world.until(TURNS_AT)
    assert [world.state(symbol) for symbol in SYMBOLS] == [FilterState.EXCLUDED] * 2
    assert world.real_trades(IMPROVES) == traded
    lost = [trip for trip in world.books.shadow.values() if trip.symbol == IMPROVES]
    assert len(lost) > 100
    assert all(trip.net < 0 for trip in lost)

    world.until(TURNS_AT + 10)
    assert world.path(IMPROVES)[:3] == [
        (FilterState.EXCLUDED, "win_rate"),
        (FilterState.PROBATION, SHADOW),
        (FilterState.ELIGIBLE, "probation_passed"),
    ]
    assert world.state(IMPROVES) is FilterState.ELIGIBLE
    assert world.real_trades(IMPROVES) > traded + 10
    assert world.path(STAYS_BAD) == [(FilterState.EXCLUDED, "win_rate")]
    assert all(trip.symbol in SYMBOLS and trip.net for trip in world.books.imported.values())


def test_without_the_shadow_the_same_symbol_comes_back_by_forgetting_and_goes_again() -> None:
    world = World(policy=replace(POLICY, shadow=False))
    world.until(3)
    assert world.shadow.shadows == {}
    world.until(TURNS_AT)
    path = world.path(STAYS_BAD)
    assert path[:3] == [
        (FilterState.EXCLUDED, "win_rate"),
        (FilterState.PROBATION, AGED),
        (FilterState.EXCLUDED, "win_rate"),
    ]
