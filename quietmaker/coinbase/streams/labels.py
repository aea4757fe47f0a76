"""Under which name the data of a symbol comes, and which symbols share a book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Labels:
    """Which symbols stand behind a label of the market-data channels."""

    def __init__(self, products: Iterable[str], aliases: Mapping[str, str]) -> None:
        """Label these symbols: under their own names, but for the aliases."""
        self._first: dict[str, str] = {}
        self._twins: dict[str, tuple[str, ...]] = {}
        self._names = {s: frozenset({s, aliases.get(s, s)}) for s in products}
        for symbol in products:
            first = self._first.setdefault(aliases.get(symbol, symbol), symbol)
            if first != symbol:
                self._twins[first] = (*self._twins.get(first, ()), symbol)
        self._leader = {s: first for first, twins in self._twins.items() for s in twins}

    def twins(self, symbol: str) -> tuple[str, ...]:
        """Return the other symbols that hear what this one hears."""
        return self._twins.get(symbol, ()) if self._twins else ()

    def leader(self, symbol: str) -> str:
        """Return the symbol under which the book of this one is decoded."""
        return self._leader.get(symbol, symbol)

    def leaders(self) -> tuple[str, ...]:
        """Return every symbol under which a book is decoded."""
        return tuple(dict.fromkeys(self._first.values()))

    def names(self, symbol: str) -> frozenset[str]:
        """Return the names that the exchange may use for a symbol."""
        return self._names[symbol]
