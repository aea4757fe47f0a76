"""What a configuration text says, before anyone decides what it means.

A scalar stays the text that was written: the kind of its key gives it a type. So nothing passes
through YAML's guesses (``NO`` is not false here, ``010`` is not 8) nor through a binary float.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TypeAlias

from quietmaker.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written: a file with line and column, or a named other source."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return ``file:line:column``, or the source alone."""
        return ":".join(str(part) for part in (self.source, self.line, self.column) if part)

    @property
    def short(self) -> str:
        """Return ``file:line``."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value as it was written. `plain` means that it had no quotes."""

    text: str
    plain: bool
    place: Place

    @property
    def is_null(self) -> bool:
        """Return whether the text says that there is no value."""
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping, and its value."""

    name: str
    place: Place
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping, in the order in which it was written. Names are unique."""

    entries: tuple[Entry, ...]
    place: Place


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, which key, and what to do about it."""

    place: Place
    key: str
    message: str

    def __str__(self) -> str:
        """Return the problem on one line."""
        key = f"{self.key}: " if self.key else ""
        return _printable(f"{self.place}: {key}{self.message}")


def _printable(text: str) -> str:
    """Return the text with everything escaped that would spoil a line of a log or a terminal."""
    return text if text.isprintable() else ascii(text)[1:-1]


class InvalidSettings(ConfigError):  # noqa: N818 - a ConfigError by its base
    """A configuration with every problem that was found in it.

    Attributes:
        problems: never empty, in the order of the sources.
        files: the files that were read, as far as one led to the next.
    """

    def __init__(self, problems: Iterable[Problem], *, files: Iterable[FilePath] = ()) -> None:
        """State each problem once, on a line of its own."""
        self.problems = tuple(dict.fromkeys(problems))
        self.files = tuple(files)
        count = len(self.problems)
        head = "configuration refused" + (f", {count} problems" if count > 1 else "")
        super().__init__("\n  ".join([f"{head}:", *map(str, self.problems)]))


def refuse(place: Place, message: str, key: str = "") -> InvalidSettings:
    """Return the error for a single problem."""
    return InvalidSettings([Problem(place, key, message)])


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or nothing."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold()[:80], folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[near[0]]}?" if near else ""
