"""What a reload may raise limits to: ceilings that are fixed at the start of the process.

A limit guards against a mistake, and the file with the limit is where mistakes are made. So a running
process takes any limit that is tighter, and none that is wider than what it was started with, or than
the room that `ceilings` gave at the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from quietmaker.core.units import plain
from quietmaker.settings.keys import Key, Path, keys_of
from quietmaker.settings.layers import EVERY
from quietmaker.settings.model import Settings
from quietmaker.settings.nodes import Place, Problem
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import SymbolSettings

DEFAULT: Final = Place("default")
SYMBOL_LIMITS: Final[tuple[Path, ...]] = (
    ("quote", "max_position"),
    ("risk", "max_order_notional"),
    ("risk", "max_exposure"),
    ("risk", "max_open_orders"),
    ("risk", "max_orders_per_minute"),
    ("risk", "max_daily_loss"),
    ("risk", "max_consecutive_losses"),
)
"""Keys per symbol that are limits: the greatest value of any scope counts."""
SHARED_LIMITS: Final[tuple[Path, ...]] = (
    ("account", "max_daily_loss"),
    ("account", "max_drawdown_pct"),
    ("account", "max_consecutive_losses"),
    ("account", "max_open_orders"),
    ("account", "max_resumes"),
    ("exchange", "requests", "entries_per_minute"),
)
OFF: Final = Decimal("Infinity")
"""A limit that is switched off is above every ceiling."""


class Ceilings:
    """The ceilings of a process."""

    def __init__(self, start: Settings) -> None:
        """Fix them."""
        self._highest = {
            path: max(value for value, _, _ in written) for path, written in _limits(start)
        }
        for path in self._highest:
            if (room := _room(start, path)) is not None:
                self._highest[path] = Decimal(room)

    def exceeded(self, new: Settings) -> list[Problem]:
        """Return every limit that is above its ceiling."""
        return [
            Problem(place, shown, self._words(path, value))
            for path, written in _limits(new)
            for value, place, shown in written
            if value > self._highest[path]
        ]

    def _words(self, path: Path, value: Decimal) -> str:
        found = "no limit" if value == OFF else plain(value)
        return (
            f"{found} is above {plain(self._highest[path])}, the ceiling that was fixed at the start "
            f"(ceilings.{'.'.join(path)}, or the greatest value then): a reload may only lower it"
        )


def _room(settings: Settings, path: Path) -> Decimal | int | None:
    found: Any = settings.ceilings
    for name in path:
        found = getattr(found, name, None)
    return found  # type: ignore[no-any-return]


_Written = list[tuple[Decimal, Place, str]]


def _limits(settings: Settings) -> Iterator[tuple[Path, _Written]]:
    """Yield every limit with its values: each as a number, with its place and its full key."""
    for path in SYMBOL_LIMITS:
        yield path, list(_by_scope(settings, path, keys_of(SymbolSettings)[path]))
    shared = keys_of(GlobalSettings)
    for path in SHARED_LIMITS:
        assigned, of = settings.written.values.get(path), shared[path]
        value, place = (
            (of.default, DEFAULT) if assigned is None else (assigned.value, assigned.place)
        )
        yield path, [(number(value), place, of.name)]


def _by_scope(settings: Settings, path: Path, of: Key) -> Iterator[tuple[Decimal, Place, str]]:
    values = settings.written.values
    if (every := values.get((EVERY, *path))) is not None:
        yield number(every.value), every.place, of.name
        return
    if ("defaults", *path) not in values:
        yield number(of.default), DEFAULT, f"defaults.{of.name}"
    for full, assigned in values.items():
        scope = 1 if full[0] == "defaults" else 2
        if full[0] in {"defaults", "groups", "symbols"} and full[scope:] == path:
            yield number(assigned.value), assigned.place, ".".join(full)


def number(value: object) -> Decimal:
    """Return a limit as a number; None is no limit."""
    return OFF if value is None else Decimal(str(value))
