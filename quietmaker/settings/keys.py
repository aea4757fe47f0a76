"""What a key of the configuration is, and how the keys are read from the section dataclasses.

A section is a dataclass; its fields are its keys. So code reads `settings.paper.seed` with its type,
and the loader, the documentation, ``config/base.yaml`` and the JSON schema are computed from the
same lines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Final, get_type_hints

from quietmaker.settings.kinds import Kind, Number, Percent, Whole

Path = tuple[str, ...]
"""Where a key is: the names of its sections and its own."""


class Reload(Enum):
    """What a change of a key takes while the process runs."""

    LIVE = "live"
    REQUOTE = "requote"
    RESTART = "restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting.

    Attributes:
        path: from the root of its section tree.
        default: typed; None only where `optional`.
        unit: empty where the value has none.
        about: one line, starting with a lower-case letter.
    """

    path: Path
    kind: Kind
    default: object
    optional: bool
    unit: str
    reload: Reload
    about: str

    @property
    def name(self) -> str:
        """Return the dotted path."""
        return ".".join(self.path)

    def show(self, value: object) -> str:
        """Return a value as YAML text."""
        return "null" if value is None else self.kind.show(value)

    def mask(self, value: object) -> str:
        """Return a value as text that may be shown to anyone."""
        return "null" if value is None else self.kind.mask(value)


def key(
    kind: Kind,
    default: object,
    about: str,
    *,
    unit: str = "",
    reload: Reload = Reload.RESTART,
    optional: bool = False,
) -> Any:
    """Return the dataclass field of one setting."""
    spec = Key(
        path=(),
        kind=kind,
        default=default,
        optional=optional,
        unit=unit,
        reload=reload,
        about=about,
    )
    return field(metadata={"key": spec})


def section(**defaults: object) -> Any:
    """Return the dataclass field of a subsection, with defaults that differ from its own."""
    return field(metadata={"defaults": defaults})


MONEY: Final = Number(Decimal(0), Decimal(10_000_000), decimals=8)
MONEY_ABOVE_ZERO: Final = Number(Decimal("0.01"), Decimal(10_000_000), decimals=8)
PRICE: Final = Number(Decimal("0.000000000001"), Decimal(100_000_000), decimals=12)
INCREMENT: Final = Number(Decimal("0.000000000001"), Decimal(1_000_000_000), decimals=18)
QUOTE: Final = "quote currency"


def pct(low: str, high: str, ratio_below: str = "0") -> Percent:
    return Percent(Decimal(low), Decimal(high), ratio_below=Decimal(ratio_below))


def seconds(low: str, high: str) -> Number:
    return Number(Decimal(low), Decimal(high))


def whole(low: int, high: int) -> Whole:
    return Whole(Decimal(low), Decimal(high), decimals=0)


def keys_of(section: type) -> dict[Path, Key]:
    """Return the keys of a section and its subsections, in order, by their path in it."""
    return _keys_of(section)


@cache
def _keys_of(section: type) -> dict[Path, Key]:
    return {key.path: key for key in _walk(section, (), {})}


def _walk(section: type, path: Path, defaults: dict[str, object]) -> Iterator[Key]:
    hints = get_type_hints(section)
    for part in dataclasses.fields(section):
        here = (*path, part.name)
        spec = part.metadata.get("key")
        if spec is None:
            yield from _walk(hints[part.name], here, part.metadata["defaults"])
        else:
            default = defaults.get(part.name, spec.default)
            yield dataclasses.replace(spec, path=here, default=default)


@cache
def about(section: type) -> dict[Path, str]:
    """Return the first line of the docstring of a section and its subsections, by path."""
    hints = get_type_hints(section)
    lines: dict[Path, str] = {(): (section.__doc__ or "").splitlines()[0]}
    for part in dataclasses.fields(section):
        if "defaults" in part.metadata:
            for path, line in about(hints[part.name]).items():
                lines[part.name, *path] = line
    return lines
