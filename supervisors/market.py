"""The market and the exchange of paper mode."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.paper import PaperExchange
from quietmaker.market.sources import SYNTHETIC, open_source
from quietmaker.ports import Clock, MarketSource
from quietmaker.settings import Settings

WARM_UP: Final = Nanos(1_800 * SECOND)
"""History of a synthetic market at the start: the candles that the volatility gate looks at, and one."""


def open_market(settings: Settings) -> MarketSource:
    """Open the configured market.

    Raises:
        SourceError: if it cannot be read.
    """
    paper = settings.paper
    return open_source(
        paper.market, decoders=CoinbaseFrames(), products=settings.products(), seed=paper.seed
    )


def open_exchange(
    settings: Settings,
    source: MarketSource,
    *,
    clock: Clock,
    balances: Mapping[str, Decimal],
    session: str,
) -> PaperExchange:
    """Open the paper exchange on a market.

    A recording is played from its first event: what it holds is too precious, and often too short, to
    be spent on history.
    """
    paper = settings.paper
    one_way = Nanos(int(paper.order_latency_ms * 1_000_000))
    return PaperExchange(
        source=source,
        clock=clock,
        fees=settings.paper_fees(),
        balances=balances,
        model=FILL_MODELS[paper.fill_model],
        latency=Latency(entry=one_way, cancel=one_way, response=Nanos(0), jitter=Nanos(0)),
        seed=paper.seed,
        speed=paper.speed,
        warmup=WARM_UP if paper.market == SYNTHETIC else Nanos(0),
        loop=False,
        session=session,
    )
