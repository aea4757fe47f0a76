"""A mapping that changes under its readers without harm: each change makes a new one, readers keep theirs."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TypeVar

V = TypeVar("V")


class Live(Mapping[str, V]):
    """What is known of each symbol, while symbols come and go. Any thread reads, one thread writes.

    An iteration sees the state in which it began, whole. Between two look-ups a symbol may go, so
    whoever looks one up that it found before uses `get`.
    """

    __slots__ = ("_state",)

    def __init__(self, values: Mapping[str, V]) -> None:
        """Begin with a copy."""
        self._state: dict[str, V] = dict(values)

    def put(self, symbol: str, value: V) -> None:
        """Add a symbol, or replace what is known of it."""
        self._state = {**self._state, symbol: value}

    def drop(self, symbol: str) -> None:
        """Take a symbol away, if it is there."""
        self._state = {each: value for each, value in self._state.items() if each != symbol}

    def __getitem__(self, symbol: str) -> V:
        """Return what is known of a symbol."""
        return self._state[symbol]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the symbols of this moment."""
        return iter(self._state)

    def __len__(self) -> int:
        """Return how many symbols there are."""
        return len(self._state)

    def keys(self) -> KeysView[str]:
        """Return the symbols of this moment."""
        return self._state.keys()

    def values(self) -> ValuesView[V]:
        """Return the values of this moment."""
        return self._state.values()

    def items(self) -> ItemsView[str, V]:
        """Return both, of this moment."""
        return self._state.items()
