"""Shadow trading of excluded symbols: the evidence by which they come back.

Each has a trader and an exchange of its own in memory, fed with what its slot is told. It runs apart from
the traders: an error here cannot touch a position, and its share of a processor is bounded. Beyond that
share the market is passed over, which a shadow learns as a loss of its data; nothing waits for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from actors.base import BaseActor, Surroundings
from actors.conflate import MarketSlot, Tap, Tapped
from actors.eligibility import Eligibility
from actors.protocol import ShadowConfigured, ShadowMessage
from quietmaker.core.commands import RoundTrip
from quietmaker.core.events import DataLost, Tick, TouchChanged
from quietmaker.core.fees import FeeRates
from quietmaker.core.filter_states import HOUR, FilterState
from quietmaker.core.market import FeedLost, MarketEvent, StaleReason, TouchQuote, TradePrint
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos, Rate, ratio
from quietmaker.errors import LedgerError, QuietmakerError
from quietmaker.ports import Exchange, FilterBooks, Shadow
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

TAPPED: Final = 5_000
"""Events kept for one symbol while its shadow does not come by."""
UNSTORED: Final = 1_000
"""Round trips kept while the books are away; older ones are lost as evidence, and said to be."""
OPENED_AT_ONCE: Final = 5
"""New shadows of one tick: each asks the exchange for candles, and what it may be asked is limited."""
WINDOW: Final = Nanos(10 * SECOND)
"""The share of a processor is measured over this time."""
ASK_AGAIN: Final = Nanos(30 * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowLinks:
    """What shadow trading works with.

    Attributes:
        make: opens a shadow of a symbol at these fee rates.
        cpu: processor time of the calling thread.
        share: greatest share of one processor.
        enabled: whether there are shadows at all.
    """

    books: FilterBooks
    exchange: Exchange
    products: Mapping[str, Product]
    make: Callable[[str, FeeRates], Shadow]
    slots: Mapping[str, MarketSlot]
    eligibility: Eligibility
    metrics: Metrics
    cpu: Callable[[], Nanos]
    share: Rate
    enabled: bool


class ShadowDesk(BaseActor[ShadowMessage]):
    """Runs the shadows of all excluded symbols.

    Attributes:
        shadows: by symbol.
    """

    def __init__(self, around: Surroundings, links: ShadowLinks) -> None:
        """Prepare; whoever is excluded gets a shadow with the next tick."""
        super().__init__(around)
        self._links = links
        self._log = Log("shadow")
        self.shadows: dict[str, Shadow] = {}
        self._taps: dict[str, Tap] = {}
        self._unstored: list[RoundTrip] = []
        self._fees: FeeRates | None = None
        self._asked_at: int | None = None
        self._window_at: int = around.monotonic()
        self._used = 0
        self._over = False

    def receive(self, message: ShadowMessage) -> None:
        """Open and close shadows, let them trade, store what they closed."""
        match message:
            case Tick(now=now):
                self._on_tick(now)
            case ShadowConfigured():
                self._links = replace(self._links, enabled=message.enabled, share=message.share)
                for symbol in message.anew & self.shadows.keys():
                    self._close(symbol)
            case _:
                assert_never(message)

    def _on_tick(self, now: Instant) -> None:
        began = self._links.cpu()
        self._keep(now)
        self._trade(now)
        self._store()
        self._spent(self._links.cpu() - began)

    def finish(self) -> None:
        """Tap nothing any more."""
        for symbol in list(self.shadows):
            self._close(symbol)

    # --- who has a shadow -----------------------------------------------------------------------

    def _keep(self, now: Instant) -> None:
        said = self._links.eligibility.said()
        out = {s for s, e in said.items() if e.standing.state is FilterState.EXCLUDED}
        wanted = out if self._links.enabled else set()
        for symbol in set(self.shadows) - wanted:
            self._close(symbol)
        if wanted and self._rates_known():
            for symbol in sorted(wanted - set(self.shadows))[:OPENED_AT_ONCE]:
                self._open(symbol, now)
        self._links.metrics.filter.shadows(len(self.shadows))

    def _rates_known(self) -> bool:
        """Ask for the fee rates when it is due; a change of them closes every shadow, to begin anew."""
        mono, asked = self.around.monotonic(), self._asked_at
        pause = ASK_AGAIN if self._fees is None else HOUR
        if asked is None or mono - asked >= pause:
            self._asked_at = mono
            try:
                fees = self._links.exchange.fees()
            except QuietmakerError as error:
                self._log.warning(Event.ALERT, f"no shadow trading without fee rates: {error}")
            else:
                if fees != self._fees:
                    for symbol in list(self.shadows):
                        self._close(symbol)
                self._fees = fees
        return self._fees is not None

    def _open(self, symbol: str, now: Instant) -> None:
        assert self._fees is not None
        shadow = self._links.make(symbol, self._fees)
        try:
            shadow.load(self._links.exchange.candles(symbol), now)
        except QuietmakerError as error:
            self._log.warning(
                Event.ALERT, f"the shadow begins without candles: {error}", symbol=symbol
            )
        tap: Tap = deque(maxlen=TAPPED)
        slot = self._links.slots.get(symbol)
        if slot is None:
            return  # the symbol is gone; the filter will say so
        standing = slot.standing()
        if standing is not None:
            tap.append(standing)
        self.shadows[symbol], self._taps[symbol] = shadow, tap
        slot.tap = tap
        self._log.info(Event.SHADOW, "trades in the shadow from now on", symbol=symbol)

    def _close(self, symbol: str) -> None:
        slot = self._links.slots.get(symbol)
        if slot is not None:
            slot.tap = None
        del self.shadows[symbol], self._taps[symbol]
        self._log.info(Event.SHADOW, "trades in the shadow no more", symbol=symbol)

    # --- trading --------------------------------------------------------------------------------

    def _trade(self, now: Instant) -> None:
        skipped = 0
        for symbol, shadow in self.shadows.items():
            tapped = _taken(self._taps[symbol])
            if self._over:
                skipped += len(tapped)
                lost = FeedLost(symbol=symbol, at=now, reason=StaleReason.SILENT)
                closed = shadow.feed([lost])
            elif tapped:
                closed = shadow.feed([_event(symbol, each) for each in tapped])
            else:
                closed = shadow.pass_time(now)
            self._unstored.extend(closed)
            for trip in closed:
                self._tell(trip)
        if skipped:
            self._links.metrics.filter.shadow_skipped(skipped)

    def _tell(self, trip: RoundTrip) -> None:
        self._links.metrics.filter.shadow_trip(trip.net)
        self._log.info(
            Event.SHADOW,
            f"shadow round trip: net {trip.net.normalize():f}, left by {trip.exit_reason.value}",
            symbol=trip.symbol,
            net=trip.net,
            reason=trip.exit_reason,
        )

    def _store(self) -> None:
        if not self._unstored:
            return
        try:
            self._links.books.store_shadow(self._unstored, self._links.products)
        except LedgerError as error:
            lost = len(self._unstored) - UNSTORED
            if lost > 0:
                del self._unstored[:lost]
                self._log.error(Event.ALERT, f"{lost} shadow trades are lost as evidence: {error}")
            return
        self._unstored.clear()

    # --- what it may cost -----------------------------------------------------------------------

    def _spent(self, cpu: int) -> None:
        """Count processor time; beyond the share the rest of the window passes without trading."""
        self._used += cpu
        self._links.metrics.filter.shadow_cpu(cpu)
        mono = self.around.monotonic()
        allowed = int(WINDOW * ratio(self._links.share))
        if self._used > allowed and not self._over:
            self._over = True
            self._log.warning(
                Event.SHADOW,
                f"shadow trading of {len(self.shadows)} symbols used its share of a processor "
                f"(filter.shadow_cpu_pct): market data is passed over for a moment",
            )
        if mono - self._window_at >= WINDOW:
            # What was used beyond one window is owed by the next.
            self._used = max(self._used - allowed, 0)
            self._window_at, self._over = mono, self._used > allowed


def _taken(tap: Tap) -> Sequence[Tapped]:
    """Take everything; the stream's thread may append meanwhile."""
    return [tap.popleft() for _ in range(len(tap))]


def _event(symbol: str, tapped: Tapped) -> MarketEvent:
    match tapped:
        case TouchChanged():
            return TouchQuote(
                symbol=symbol,
                at=tapped.now,
                bid=tapped.bid,
                bid_size=tapped.bid_size,
                ask=tapped.ask,
                ask_size=tapped.ask_size,
            )
        case DataLost():
            return FeedLost(symbol=symbol, at=tapped.now, reason=tapped.reason)
        case TradePrint():
            return tapped
        case _:
            assert_never(tapped)
