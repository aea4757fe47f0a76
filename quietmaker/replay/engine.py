"""The replay engine: market events in, traders and matching core driven on a virtual clock.

No thread, no clock, no sleeping: time is the event's. The same source, configuration and seed give the
same decisions, byte for byte. What happens at one instant happens in this order: what is due at the
exchange and at the traders, then the market event itself (first to the exchange, then to the trader).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, assert_never

from quietmaker.core.commands import (
    Alert,
    CancelOrder,
    Command,
    DustLeft,
    HoldChanged,
    RefreshBook,
    RoundTrip,
    SubmitOrder,
)
from quietmaker.core.events import (
    CandlesLoaded,
    DataLost,
    EligibilityChanged,
    FeesChanged,
    FundsChanged,
    Recovered,
)
from quietmaker.core.fees import FeeRates
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.orders import Move
from quietmaker.core.params import TraderParams
from quietmaker.core.product import Product
from quietmaker.core.trader import Trader
from quietmaker.core.units import PPB, Instant, Rate, Side
from quietmaker.exchange.answers import CancelAnswer, Result, SubmitAnswer
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.models import FillModel
from quietmaker.exchange.venue import Venue
from quietmaker.market.columns import KIND_QUOTE, Columns
from quietmaker.ports import Balance, Rejected, UserFill, UserOrder
from quietmaker.replay.stats import Stats

DecisionSink = Callable[[Command], None]
REMEMBERED: Final = 1_000
"""Finished orders that the exchange can still be asked about; a late cancellation is milliseconds late."""
_SIDES: Final = {1: Side.BUY, -1: Side.SELL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a replay runs with.

    Attributes:
        params: configuration by symbol; exactly the symbols that are traded.
        balances: what the account starts with, by currency; the quote currency is shared out evenly.
        excluded: rule by symbol for those that are never entered.
        seed: of the exchange's jitter.
    """

    products: Mapping[str, Product]
    params: Mapping[str, TraderParams]
    fees: FeeRates
    balances: Mapping[str, Decimal]
    excluded: Mapping[str, str]
    latency: Latency
    seed: int


class Engine:
    """One exchange under one fill model, and a trader per symbol.

    Attributes:
        events: market events taken.
        now: time of the latest one.
    """

    __slots__ = (
        "_alarm",
        "_core",
        "_setup",
        "_sink",
        "_started",
        "_symbols",
        "_traders",
        "_venues",
        "boxed",
        "events",
        "now",
        "stats",
    )

    def __init__(
        self, setup: Setup, model: FillModel, *, sink: DecisionSink | None, boxed: bool = True
    ) -> None:
        """Open the exchange; traders wait for the first event."""
        self._setup = setup
        self._sink = sink
        self._symbols = list(setup.params)
        self._core = MatchingCore(
            products={symbol: setup.products[symbol] for symbol in self._symbols},
            balances=setup.balances,
            fees=setup.fees,
            model=model,
            latency=setup.latency,
            seed=setup.seed,
            session="replay",
            retain=REMEMBERED,
            confirm=False,
        )
        self._venues: dict[str, Venue] = {s: self._core.symbol(s) for s in self._symbols}
        self._traders: dict[str, Trader] = {
            s: Trader(setup.products[s], setup.params[s], id_prefix="replay") for s in self._symbols
        }
        self.boxed = boxed
        for trader in self._traders.values():
            trader.boxed = boxed
        self._alarm: int = 0
        self._started = False
        self.events = 0
        self.now = Instant(0)
        self.stats = Stats()

    @property
    def model(self) -> FillModel:
        """Return the fill model."""
        return self._core.model

    def trader(self, symbol: str) -> Trader:
        """Return a symbol's trader, to look at."""
        return self._traders[symbol]

    def balances(self) -> Mapping[str, Balance]:
        """Return what the account holds."""
        return self._core.account.balances()

    # --- events ---------------------------------------------------------------------------------

    def run_events(self, events: Iterable[MarketEvent]) -> None:
        """Take market events in time order; those of symbols that are not traded are passed over."""
        for event in events:
            if event.symbol in self._traders:
                self._enter(event.at)
                self._on_event(event)
                self.events += 1

    def run_columns(self, batch: Columns) -> None:
        """Take a batch of touches and trades in columns; the same as their events, without the objects."""
        if not len(batch.at):
            return
        self._enter(batch.at[0])
        self.events += self._run_rows(batch)
        self.now = Instant(batch.at[-1])

    def _run_rows(self, batch: Columns) -> int:
        """Take each row of symbols that are traded; return how many these are."""
        venues = [self._venues.get(symbol) for symbol in batch.symbols]
        traders = [self._traders.get(symbol) for symbol in batch.symbols]
        core, taken = self._core, 0
        bid_sizes, ask_sizes, row = batch.bid_size, batch.ask_size, -1
        # At most five columns, and no `strict`: of more the types are not known, and it would not compile
        # to plain indexing.
        for at, index, kind, bid, ask in zip(  # noqa: B905
            batch.at, batch.symbol, batch.kind, batch.bid, batch.ask
        ):
            row += 1
            venue, trader = venues[index], traders[index]
            if venue is None or trader is None:
                continue
            taken += 1
            if at >= self._alarm or at >= core.next_due:
                self._enter(at)
            if kind == KIND_QUOTE:
                venue.on_touch(at, bid, bid_sizes[row], ask, ask_sizes[row])
                commands = trader.on_touch(at, bid, ask)
            else:
                price = batch.price[row]
                venue.on_trade(at, price, batch.size[row], _SIDES[batch.side[row]])
                commands = trader.on_trade(at, price)
            if commands:
                self._do(trader, commands, at)
            if trader.wake_at < self._alarm:  # noqa: PLR1730 - asked on every event
                self._alarm = trader.wake_at
        return taken

    def pass_time(self, at: int) -> None:
        """Let time pass without a market event."""
        self._enter(at)

    def finish(self) -> None:
        """End the market: let what is under way arrive, and close the sums."""
        latency = self._setup.latency
        horizon = (
            self.now + max(latency.entry, latency.cancel) + latency.response + 2 * latency.jitter
        )
        while self._core.next_due <= horizon:
            self._deliver(self._core.next_due)
        self.stats.finish(self.now)

    def _on_event(self, event: MarketEvent) -> None:
        venue, trader, at = self._venues[event.symbol], self._traders[event.symbol], event.at
        commands: Sequence[Command]
        self._core.apply(event)
        match event:
            case BookSnapshot() | BookDelta() | TouchQuote():
                bid = venue.bid if venue.bid_size > 0 else 0
                ask = venue.ask if venue.ask_size > 0 else 0
                commands = trader.on_touch(at, bid, ask)
            case TradePrint():
                commands = trader.on_trade(at, event.price)
            case CandleBar():
                commands = trader.on(CandlesLoaded(now=at, candles=(event,)))
            case FeedLost():
                commands = trader.on(DataLost(now=at, reason=event.reason))
            case _:
                assert_never(event)
        if commands:
            self._do(trader, commands, at)
        self._alarm = min(self._alarm, trader.wake_at)

    # --- time -----------------------------------------------------------------------------------

    def _enter(self, at: int) -> None:
        """Let everything happen that is due before the market event at `at`."""
        if not self._started:
            self._start(Instant(at))
        while True:
            due = min(self._core.next_due, self._alarm)
            if due > at:
                break
            if self._core.next_due <= due:
                self._deliver(due)
            else:
                self._wake(due)
        self.now = Instant(at)

    def _deliver(self, due: int) -> None:
        for result in self._core.advance(due):
            self._on_result(result, due)

    def _wake(self, due: int) -> None:
        for trader in self._traders.values():
            if trader.wake_at <= due:
                self._do(trader, trader.on_time(due), due)
        self._alarm = min(trader.wake_at for trader in self._traders.values())

    def _start(self, now: Instant) -> None:
        """Tell each trader what a boot would: nothing to recover, the fees, its share of the funds."""
        self._started = True
        setup = self._setup
        quotes = [setup.products[s].quote for s in self._symbols]
        for symbol, trader in self._traders.items():
            product = setup.products[symbol]
            share = setup.balances.get(product.quote, Decimal(0)) / quotes.count(product.quote)
            base = product.floor_lots(setup.balances.get(product.base, Decimal(0)))
            for event in (
                FeesChanged(now=now, fees=setup.fees),
                FundsChanged(now=now, quote=share, base=base),
                EligibilityChanged(now=now, rule=setup.excluded.get(symbol), size_share=Rate(PPB)),
                Recovered(
                    now=now,
                    orders=(),
                    lots=(),
                    round_trip=None,
                    reason=None,
                    next_sequence=1,
                    newest=None,
                    latest=None,
                ),
            ):
                self._do(trader, trader.on(event), now)
        self._alarm = min(trader.wake_at for trader in self._traders.values())

    # --- the exchange's answers and the traders' commands -----------------------------------------

    def _on_result(self, result: Result, now: int) -> None:
        match result:
            case UserOrder():
                trader = self._traders[result.symbol]
                moved = trader.on_moved(
                    now, result.client_id, result.move, result.reason, result.filled
                )
                self._told(trader, moved, now)
            case UserFill():
                fill = result.fill
                self.stats.on_fill(fill)
                trader = self._traders[fill.symbol]
                self._told(trader, trader.on_fill(now, fill), now)
            case SubmitAnswer():
                if isinstance(result.outcome, Rejected):
                    self._refused(result.client_id, Move.REJECTED, result.outcome.reason, now)
            case CancelAnswer():
                outcome = result.outcome
                if outcome.reason is not None:
                    self._refused(outcome.client_id, Move.CANCEL_REFUSED, outcome.reason, now)
            case _:
                assert_never(result)

    def _refused(self, client_id: str, move: Move, reason: str, now: int) -> None:
        for trader in self._traders.values():
            if client_id in trader.state.orders:
                self._told(trader, trader.on_moved(now, client_id, move, reason, None), now)
                return

    def _told(self, trader: Trader, commands: Sequence[Command], now: int) -> None:
        if commands:
            self._do(trader, commands, now)
        self._alarm = min(self._alarm, trader.wake_at)

    def _do(self, trader: Trader, commands: Sequence[Command], now: int) -> None:
        for command in commands:
            if self._sink is not None:
                self._sink(command)
            match command:  # without captures, which compiled code would have to look up by name
                case SubmitOrder():
                    self.stats.orders[command.intent.purpose] += 1
                    self._core.submit(now, command.intent)
                case CancelOrder():
                    self.stats.cancels[command.reason] += 1
                    self._core.cancel(now, command.client_id)
                case RefreshBook():
                    pass  # the book of a replay is the market itself
                case HoldChanged():
                    self.stats.on_hold(command)
                case RoundTrip():
                    self.stats.on_trip(command, trader.state.product.quote)
                case DustLeft():
                    pass  # the round trip says it too
                case Alert():
                    self.stats.on_alert(command)
                case _:
                    assert_never(command)
