"""What the symbol filter is made of: shared objects that outlive the actor, and the actor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pykka

from actors.address import Address
from actors.base import Surroundings
from actors.conflate import MarketSlot
from actors.eligibility import Eligibility
from actors.protocol import FilterConfigured, ShadowConfigured
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
        tell_filter: Callable[[FilterConfigured], object],
        tell_shadow: Callable[[ShadowConfigured], object],
    ) -> None:
        """Prepare what outlives the actors.

        Args:
            settings: those of the start.
            books: where the evidence is.
            exchange: asked for candles and fee rates.
            products: by symbol.
            traders: who is told of the verdicts.
            slots: what the market tells, by symbol.
            metrics: of the process.
            now: the time of day.
            tell_filter, tell_shadow: reach the two actors, if they are there.
        """
        self.eligibility = Eligibility()
        self._settings = settings
        self._tell_filter, self._tell_shadow = tell_filter, tell_shadow
        self.spreads = Live({symbol: SpreadTracker(settings.filter.window()) for symbol in traders})
        told = _of_filter(settings)
        self._links = FilterLinks(
            books=books,
            policy=told.policy,
            floor=told.floor,
            period=told.period,
            window=told.window,
            probation=told.probation,
            banned=told.banned,
            traders=traders,
            slots=slots,
            spreads=self.spreads,
            eligibility=self.eligibility,
            metrics=metrics,
            now=now,
            config_sha=told.config_sha,
        )
        self._shadow_links = ShadowLinks(
            books=books,
            exchange=exchange,
            products=products,
            make=lambda symbol, fees: ShadowTrader(
                products[symbol], self._settings.params(symbol, products[symbol]), fees
            ),
            slots=slots,
            eligibility=self.eligibility,
            metrics=metrics,
            cpu=thread_cpu,
            share=percent(settings.filter.shadow_cpu_pct),
            enabled=settings.filter.shadow,
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

    # --- a reload -------------------------------------------------------------------------------

    def prepare(self, old: Settings, new: Settings) -> None:
        """Agree: every value that the settings let pass can come into force."""
        del old, new

    def switch(self, new: Settings) -> None:
        """Tell both actors; one that is away just now begins with the new settings."""
        old, self._settings = self._settings, new
        told = _of_filter(new)
        if told.window != self._links.window:
            for symbol in tuple(self.spreads):
                self.spreads.put(symbol, SpreadTracker(told.window))
        self._links = replace(
            self._links,
            policy=told.policy,
            floor=told.floor,
            period=told.period,
            window=told.window,
            probation=told.probation,
            banned=told.banned,
            config_sha=told.config_sha,
        )
        self._tell_filter(told)
        shadows = ShadowConfigured(
            enabled=new.filter.shadow,
            share=percent(new.filter.shadow_cpu_pct),
            anew=frozenset(s for s in self.spreads if old.symbol(s) != new.symbol(s)),
        )
        self._shadow_links = replace(
            self._shadow_links, enabled=shadows.enabled, share=shadows.share
        )
        self._tell_shadow(shadows)


def _of_filter(settings: Settings) -> FilterConfigured:
    chosen = settings.filter
    return FilterConfigured(
        policy=chosen.policy(),
        floor=chosen.floor(),
        period=seconds(chosen.evaluate_seconds),
        window=chosen.window(),
        probation=percent(chosen.readmission.probation_size_pct),
        banned=settings.exclusion,
        config_sha=settings.sha256,
    )
