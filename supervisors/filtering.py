"""What the symbol filter is made of: shared objects that outlive the actor, and the actor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pykka

from actors.address import Address
from actors.base import Surroundings
from actors.conflate import MarketSlot
from actors.eligibility import Eligibility
from actors.shadow import ShadowDesk, ShadowLinks
from actors.symbol_filter import FilterLinks, SymbolFilter
from quietmaker.core.live import Live
from quietmaker.core.product import Product
from quietmaker.core.spread import SpreadTracker
from quietmaker.core.units import Instant, seconds
from quietmaker.ports import Exchange, FilterBooks
from quietmaker.replay.shadow import ShadowTrader
from quietmaker.settings import Settings, percent
from quietmaker.telemetry.metrics import Metrics
from supervisors.clock import thread_cpu


class Filtering:
    """Makes the filter.

    Attributes:
        eligibility: what it last said; traders are recovered with it.
        spreads: by symbol.
    """

    def __init__(
        self,
        settings: Settings,
        books: FilterBooks,
        exchange: Exchange,
        *,
        products: Mapping[str, Product],
        traders: Mapping[str, Address[Any]],
        slots: Mapping[str, MarketSlot],
        metrics: Metrics,
        now: Callable[[], Instant],
    ) -> None:
        """Prepare what outlives the actor."""
        self.eligibility = Eligibility()
        chosen = settings.filter
        self.spreads = Live({symbol: SpreadTracker(chosen.window()) for symbol in traders})
        self._links = FilterLinks(
            books=books,
            policy=chosen.policy(),
            floor=chosen.floor(),
            period=seconds(chosen.evaluate_seconds),
            window=chosen.window(),
            probation=percent(chosen.readmission.probation_size_pct),
            banned=settings.exclusion,
            traders=traders,
            slots=slots,
            spreads=self.spreads,
            eligibility=self.eligibility,
            metrics=metrics,
            now=now,
            config_sha=settings.sha256,
        )

        self._shadow_links = ShadowLinks(
            books=books,
            exchange=exchange,
            products=products,
            make=lambda symbol, fees: ShadowTrader(
                products[symbol], settings.params(symbol, products[symbol]), fees
            ),
            slots=slots,
            eligibility=self.eligibility,
            metrics=metrics,
            cpu=thread_cpu,
            share=percent(chosen.shadow_cpu_pct),
            enabled=chosen.shadow,
        )

    def make_shadow(self, around: Surroundings) -> pykka.ActorRef[Any]:
        """Start the actor of shadow trading."""
        return ShadowDesk.start(around, self._shadow_links)

    def make(self, around: Surroundings) -> pykka.ActorRef[Any]:
        """Start the actor."""
        return SymbolFilter.start(around, self._links)

    def add(self, symbol: str) -> None:
        """Watch the spread of one more symbol; the filter judges whoever has a trader."""
        self.spreads.put(symbol, SpreadTracker(self._links.window))

    def remove(self, symbol: str) -> None:
        """Watch it no more."""
        self.spreads.drop(symbol)
