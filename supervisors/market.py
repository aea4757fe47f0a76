"""The market of paper mode."""

from __future__ import annotations

from typing import Final

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.units import SECOND, Nanos
from quietmaker.market.sources import open_source
from quietmaker.ports import MarketSource
from quietmaker.settings import Settings
from supervisors.clock import SystemClock
from supervisors.live_market import LIVE, LiveMarket

WARM_UP: Final = Nanos(1_800 * SECOND)
"""History of a synthetic market at the start: the candles that the volatility gate looks at, and one."""


def open_market(settings: Settings) -> MarketSource:
    """Open the configured market.

    Raises:
        SourceError: if it cannot be read.
        WireError: if it is Coinbase's and cannot be asked for.
    """
    paper = settings.paper
    if paper.market == LIVE:
        return LiveMarket(settings, SystemClock()).source
    return open_source(
        paper.market, decoders=CoinbaseFrames(), products=settings.products(), seed=paper.seed
    )
