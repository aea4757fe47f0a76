"""From one configuration to the next: what is new, and what of it has to wait for a restart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quietmaker.settings.explained import Explained
from quietmaker.settings.keys import Path, Reload, keys_of
from quietmaker.settings.layers import MATCH
from quietmaker.settings.model import Settings
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import SymbolSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key whose value is another now.

    Attributes:
        key: full dotted path.
        before, after: as text, secrets masked; None where nothing is written, and another scope decides.
        origin: where the new value was written, or the old one where it was taken away.
    """

    key: str
    before: str | None
    after: str | None
    origin: str
    reload: Reload

    def __str__(self) -> str:
        """Return the change on one line."""
        before = "(not set)" if self.before is None else self.before
        after = "(not set)" if self.after is None else self.after
        return f"{self.key}: {before} -> {after}"

    def page(self) -> dict[str, str | None]:
        """Return the change as JSON can hold it."""
        return {
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "origin": self.origin,
            "reload": self.reload.value,
        }


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Return every key whose value differs, in the order of the new configuration."""
    before = {line.key: line for line in old.explain()}
    after = {line.key: line for line in new.explain()}
    found = []
    for key in dict.fromkeys([*after, *before]):
        was, now = before.get(key), after.get(key)
        if (was and was.value) != (now and now.value):
            found.append(_change(key, was, now))
    return tuple(found)


def _change(key: str, was: Explained | None, now: Explained | None) -> Change:
    told = now or was
    assert told is not None
    return Change(
        key=key,
        before=None if was is None else was.value,
        after=None if now is None else now.value,
        origin=told.origin,
        reload=told.reload,
    )


def hold_back(old: Settings, new: Settings) -> tuple[Settings, tuple[Change, ...]]:
    """Return the new configuration as far as it can come into force now, and what has to wait.

    A key that needs a restart keeps the value it has, so that what is in force is what is said to be.

    Raises:
        InvalidSettings: if the new values make no sense together with those that stay.
    """
    waiting = tuple(each for each in changes(old, new) if each.reload is Reload.RESTART)
    if not waiting:
        return new, ()
    values = {path: v for path, v in new.written.values.items() if not _waits(path)}
    values |= {path: v for path, v in old.written.values.items() if _waits(path)}
    return Settings(replace(new.written, values=values)), waiting


def _waits(path: Path) -> bool:
    return reload_class(path) is Reload.RESTART


def reload_class(path: Path) -> Reload:
    """Return what a change of the value at a full path takes."""
    if path[0] == "products":
        return Reload.RESTART
    if path[0] == "groups" and path[2:] == MATCH.path:
        return MATCH.reload
    if path in (shared := keys_of(GlobalSettings)):
        return shared[path].reload
    scope = 2 if path[0] in {"groups", "symbols"} else 1
    return keys_of(SymbolSettings)[path[scope:]].reload


def chosen_values(settings: Settings) -> dict[str, str]:
    """Return every key with its value as text, secrets masked."""
    return {line.key: line.value for line in settings.explain()}
