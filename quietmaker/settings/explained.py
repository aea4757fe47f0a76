"""One value of the configuration, for people."""

from __future__ import annotations

from dataclasses import dataclass

from quietmaker.settings.keys import Key, Path, Reload
from quietmaker.settings.nodes import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One value of the configuration, for people.

    Attributes:
        key: full dotted path.
        value: as YAML text; secrets are masked.
        origin: file and line, environment name, command line, or ``default``; and the scope.
    """

    key: str
    value: str
    unit: str
    origin: str
    reload: Reload


def explained(path: Path, key: Key, value: object, place: Place, scope: Path) -> Explained:
    """Return a value as it is shown."""
    return Explained(
        key=".".join(path),
        value=key.mask(value),
        unit=key.unit,
        origin=place.short + _scope_note(scope),
        reload=key.reload,
    )


def _scope_note(scope: Path) -> str:
    match scope:
        case ("groups", name):
            return f" (group {name})"
        case ("symbols", _):
            return " (this symbol)"
        case ("*",):
            return " (every symbol)"
        case _:
            return ""
