"""Per-symbol gauges, read at the scrape from a snapshot: a symbol that leaves takes its series along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from quietmaker.core.units import SECOND, Instant
from quietmaker.telemetry.guard import Captured

PREFIX: Final = "quietmaker_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolSnapshot:
    """What is shown of one symbol. None is unknown or not there, and yields no series.

    Attributes:
        mode: severity of the mode in force: 0 run, 1 pause, 2 drain, 3 flatten, 4 halt.
        bid, ask: price of our best resting entry of each side, in quote.
        spread: the market's (ask - bid)/mid.
        inventory: value of the open position at mid, in quote; negative for a short.
        unrealized: what leaving now as maker would earn after fees, in quote.
        open_bids, open_asks: number of our working orders.
        oldest_position: time of the first fill of the open position.
        unprotected: whether units are held that no exit order covers.
        book: time of the last update of the book.
    """

    symbol: str
    mode: int
    bid: Decimal | None
    ask: Decimal | None
    spread: Decimal | None
    inventory: Decimal
    unrealized: Decimal | None
    open_bids: int
    open_asks: int
    oldest_position: Instant | None
    unprotected: bool
    book: Instant | None


def number(value: Decimal | int) -> float:
    """Convert an exact number to what Prometheus holds. The only place where money becomes a float."""
    return float(value)


def epoch_seconds(at: Instant) -> float:
    """Convert a moment to Unix seconds."""
    return at / SECOND


class Snapshots(Collector):
    """Asks for the symbols and the inboxes at each scrape."""

    def __init__(self, failed: Callable[[], None]) -> None:
        """Start with nothing to watch.

        Args:
            failed: told when a source raises; its families are then left out of the scrape.
        """
        self._failed = failed
        self.symbols: Callable[[], Iterable[SymbolSnapshot]] = tuple
        self.inboxes: Callable[[], Mapping[str, int]] = dict

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the families without asking the sources."""
        return [*_symbol_families(()), _inbox_family({})]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families of this moment."""
        with Captured() as capture:
            families = [*_symbol_families(tuple(self.symbols())), _inbox_family(self.inboxes())]
        if capture.error is not None:
            self._failed()
            return
        yield from families


def _inbox_family(inboxes: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        f"{PREFIX}actor_inbox_messages", "Messages waiting in the actor's inbox.", labels=["actor"]
    )
    for actor, count in inboxes.items():
        family.add_metric([actor], count)
    return family


def _symbol_families(symbols: Iterable[SymbolSnapshot]) -> list[GaugeMetricFamily]:
    spread = _family("book_spread_ratio", "Market spread as a share of mid.")
    price = _family("quote_price_usd", "Price of our best resting entry.", "side")
    orders = _family("open_orders", "Our working orders.", "side")
    inventory = _family("inventory_usd", "Value of the open position at mid; negative for a short.")
    unrealized = _family("unrealized_pnl_usd", "What leaving now as maker would earn, after fees.")
    oldest = _family("oldest_position_timestamp_seconds", "First fill of the open position.")
    bare = _family(
        "position_unprotected",
        "1 while units are held that no exit order covers; 0 when all is well.",
    )
    book = _family("book_last_update_timestamp_seconds", "Last update of the book.")
    mode = _family(
        "mode", "Mode where it is not run: 1 pause, 2 drain, 3 flatten, 4 halt; absent for run."
    )
    for one in symbols:
        _add(mode, one.mode or None, one.symbol)  # a hundred zeros would be a hundred series
        _add(spread, one.spread, one.symbol)
        _add(price, one.bid, one.symbol, "buy")
        _add(price, one.ask, one.symbol, "sell")
        _add(orders, one.open_bids, one.symbol, "buy")
        _add(orders, one.open_asks, one.symbol, "sell")
        _add(inventory, one.inventory, one.symbol)
        _add(unrealized, one.unrealized, one.symbol)
        if one.oldest_position is not None:
            oldest.add_metric([one.symbol], epoch_seconds(one.oldest_position))
        _add(bare, int(one.unprotected), one.symbol)
        if one.book is not None:
            book.add_metric([one.symbol], epoch_seconds(one.book))
    return [spread, price, orders, inventory, unrealized, oldest, bare, book, mode]


def _family(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, about, labels=["symbol", *labels])


def _add(family: GaugeMetricFamily, value: Decimal | int | None, *labels: str) -> None:
    if value is not None:
        family.add_metric(list(labels), number(value))
