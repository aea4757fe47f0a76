"""What the symbol filter is made of: shared objects that outlive the actor, and the actor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pykka

from actors.address import Address
from actors.base import Surroundings
from actors.conflate import MarketSlot
from actors.eligibility import Eligibility
from actors.symbol_filter import FilterLinks, SymbolFilter
from quietmaker.core.spread import SpreadTracker
from quietmaker.core.units import Instant, seconds
from quietmaker.ports import FilterBooks
from quietmaker.settings import Settings, percent
from quietmaker.telemetry.metrics import Metrics


class Filtering:
    """Makes the filter.

    Attributes:
        eligibility: what it last said; traders are recovered with it.
    """

    def __init__(
        self,
        settings: Settings,
        books: FilterBooks,
        *,
        traders: Mapping[str, Address[Any]],
        slots: Mapping[str, MarketSlot],
        metrics: Metrics,
        now: Callable[[], Instant],
    ) -> None:
        """Prepare what outlives the actor."""
        self.eligibility = Eligibility()
        chosen = settings.filter
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
            spreads={symbol: SpreadTracker(chosen.window()) for symbol in traders},
            eligibility=self.eligibility,
            metrics=metrics,
            now=now,
            config_sha=settings.sha256,
        )

    def make(self, around: Surroundings) -> pykka.ActorRef[Any]:
        """Start the actor."""
        return SymbolFilter.start(around, self._links)
