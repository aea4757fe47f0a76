"""The supervision tree, as data (the picture is in the README).

Why this order: the gateway must be there before a trader can send, the user feed before an order can
fill, the reconciler before a trader can ask to be recovered, and the market feed last, because nothing
may be quoted before all of them stand. What was built on a failed one is restarted with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from quietmaker.core.units import Nanos, seconds
from quietmaker.settings.schema import IntensitySettings, SupervisionSettings
from supervisors.policy import Branch, Intensity, Leaf, Strategy

ROOT: Final = "root"
LEDGER: Final = "ledger"
TRADING: Final = "trading"
CLOCK: Final = "clock"
GATEWAY: Final = "gateway"
USER_FEED: Final = "user_feed"
RECONCILER: Final = "reconciler"
RISK_GUARD: Final = "risk_guard"
SYMBOLS: Final = "symbols"
FEED: Final = "feed"
EDGE: Final = "edge"
TIE_OUT: Final = "tie_out"
FILTER: Final = "filter"
SHADOW: Final = "shadow"
STATUS: Final = "status"
_TRADER: Final = "trader:"


def trader(symbol: str) -> str:
    """Return the name of a symbol's trader."""
    return f"{_TRADER}{symbol}"


def role(name: str) -> str:
    """Return the name under which metrics count an actor: traders share one."""
    return "trader" if name.startswith(_TRADER) else name


def build(settings: SupervisionSettings, symbols: Iterable[str]) -> Branch:
    """Return the tree for these symbols."""
    traders = tuple(Leaf(trader(symbol)) for symbol in symbols)
    return Branch(
        name=ROOT,
        strategy=Strategy.ONE_FOR_ONE,
        intensity=_intensity(settings.root),
        children=(
            Leaf(LEDGER),
            Branch(
                name=TRADING,
                strategy=Strategy.REST_FOR_ONE,
                intensity=_intensity(settings.trading),
                children=(
                    Leaf(CLOCK),
                    Leaf(GATEWAY),
                    Leaf(USER_FEED),
                    Leaf(RECONCILER),
                    Leaf(RISK_GUARD),
                    Branch(
                        name=SYMBOLS,
                        strategy=Strategy.ONE_FOR_ONE,
                        intensity=_intensity(settings.symbols),
                        children=traders,
                    ),
                    Leaf(FEED),
                ),
            ),
            Branch(
                name=EDGE,
                strategy=Strategy.ONE_FOR_ONE,
                intensity=_intensity(settings.edge),
                children=(Leaf(TIE_OUT), Leaf(FILTER), Leaf(SHADOW), Leaf(STATUS)),
            ),
        ),
    )


def _intensity(settings: IntensitySettings) -> Intensity:
    return Intensity(limit=settings.max_restarts, period=Nanos(seconds(settings.period_seconds)))
