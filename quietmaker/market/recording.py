"""Recordings as market sources: one catalogue of products for all files that are opened together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product
from quietmaker.errors import SourceError
from quietmaker.market.increments import Decimals, dashed, resolve, wanted
from quietmaker.market.report import Report
from quietmaker.ports import SourceInfo


@dataclass(slots=True, kw_only=True)
class Survey:
    """What a recording holds, from one pass over it.

    Attributes:
        seen: the symbols in the order of first appearance, with the decimals of their numbers.
        deep: symbols whose whole book is in it at least once.
        stated: products that the recording itself states.
    """

    seen: dict[str, Decimals] = field(default_factory=dict)
    deep: set[str] = field(default_factory=set)
    stated: dict[str, Product] = field(default_factory=dict)


class Recording(Protocol):
    """One recorded file of a known kind."""

    @property
    def path(self) -> Path:
        """Return the file."""

    @property
    def kind(self) -> str:
        """Return the kind, as in `SourceInfo`."""

    def survey(self) -> Survey:
        """Read the file once to learn what is in it."""

    def events(
        self, products: Mapping[str, Product], deep: set[str], report: Report
    ) -> Iterator[MarketEvent]:
        """Yield the events of these products in order of time."""


class Catalogue:
    """The products of files that are opened together: one symbol means one product in all of them."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        *,
        given: Mapping[str, Product],
        symbols: Iterable[str] | None,
    ) -> None:
        """Note what to look for; files are read when something is first asked."""
        self._recordings = recordings
        self._given = {dashed(symbol): product for symbol, product in given.items()}
        self._symbols = None if symbols is None else tuple(symbols)
        self._surveys: dict[Path, Survey] | None = None
        self._products: dict[str, Product] = {}
        self._inferred: dict[str, str] = {}

    def survey(self, recording: Recording) -> Survey:
        """Return what one of the files holds."""
        if self._surveys is None:
            self._surveys = {item.path: item.survey() for item in self._recordings}
            self._resolve(self._surveys)
        return self._surveys[recording.path]

    def of(self, recording: Recording) -> tuple[dict[str, Product], dict[str, str]]:
        """Return the products of one of the files and the statements about inferred ones."""
        names = [name for name in self.survey(recording).seen if name in self._products]
        return (
            {name: self._products[name] for name in names},
            {name: self._inferred[name] for name in names if name in self._inferred},
        )

    def _resolve(self, surveys: Mapping[Path, Survey]) -> None:
        seen: dict[str, Decimals] = {}
        stated: dict[str, Product] = {}
        for path, survey in surveys.items():
            for symbol, decimals in survey.seen.items():
                seen[symbol] = seen.get(symbol, Decimals()).merge(decimals)
            for symbol, product in survey.stated.items():
                known = stated.setdefault(symbol, product)
                if symbol in survey.seen and not same_grid(known, product):
                    raise SourceError(
                        f"{path}: states another increment for {symbol} than a file opened with it "
                        f"({product.tick}/{product.lot}, not {known.tick}/{known.lot}); replay them "
                        "one at a time"
                    )
        where = ", ".join(str(path) for path in surveys)
        if not seen:
            raise SourceError(f"{where}: no market data in it; record level2, ticker or trades")
        names = wanted(seen, self._symbols, where)
        self._products, self._inferred = resolve(
            {name: seen[name] for name in names}, stated, self._given
        )


class RecordedSource:
    """A recorded file as a market source. `report` tells of the latest pass over its events."""

    def __init__(self, recording: Recording, catalogue: Catalogue) -> None:
        """Bind a file to the catalogue of the files opened with it."""
        self._recording = recording
        self._catalogue = catalogue
        self.report = Report()

    @property
    def path(self) -> Path:
        """Return the file."""
        return self._recording.path

    def info(self) -> SourceInfo:
        """Describe the source. The first call reads the file once."""
        products, inferred = self._catalogue.of(self._recording)
        return SourceInfo(
            name=self._recording.path.name,
            kind=self._recording.kind,
            products=products,
            inferred=inferred,
        )

    def events(self) -> Iterator[MarketEvent]:
        """Yield every event once, in non-decreasing time."""
        products, _ = self._catalogue.of(self._recording)
        deep = self._catalogue.survey(self._recording).deep
        self.report.clear()
        yield from self._recording.events(products, deep, self.report)


def same_grid(one: Product, other: Product) -> bool:
    """Return whether ticks and lots mean the same in both."""
    return one.tick == other.tick and one.lot == other.lot
