"""Opening markets: what a specification names, by looking into it and not at its name."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Final

import orjson

from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product
from quietmaker.errors import SourceError
from quietmaker.market.binance import BinanceRecording, split_line
from quietmaker.market.files import PARQUET, head, lines
from quietmaker.market.manual import ManualMarket
from quietmaker.market.protocols import Frames
from quietmaker.market.recording import Catalogue, RecordedSource, Recording, same_grid
from quietmaker.market.report import Report
from quietmaker.market.session import SessionRecording, looks_like_session
from quietmaker.market.synthetic import SyntheticMarket
from quietmaker.ports import MarketSource, SourceInfo

SYNTHETIC: Final = "synthetic"
MANUAL: Final = "manual"
_LOOK_LINES: Final = 50
_KNOWN: Final = (
    "known are: Coinbase Advanced Trade sessions (JSON lines), Binance combined streams "
    "(<ns> <json> lines), each plain, gzip or zstd, and Parquet as in docs/parquet.md"
)


def open_source(
    spec: str | Path | Sequence[str | Path],
    *,
    decoders: Frames,
    products: Mapping[str, Product] | None = None,
    symbols: Iterable[str] | None = None,
    seed: int = 0,
) -> MarketSource:
    """Open a market.

    Args:
        spec: ``synthetic``, ``manual``, a file, or several files, whose events are merged in order
            of time.
        decoders: the meaning of recorded raw frames.
        products: products for symbols that a recording does not state, such as the configured ones;
            all those of a manual market.
        symbols: the symbols to read; None for all. ``BTCUSDT`` finds ``BTC-USDT``.
        seed: of the synthetic market.

    Raises:
        SourceError: if it is no market; missing symbols show when the source is first read.
    """
    if spec == SYNTHETIC:
        return SyntheticMarket(seed=seed, symbols=None if symbols is None else tuple(symbols))
    if spec == MANUAL:
        return ManualMarket(products or {})
    paths = [Path(spec)] if isinstance(spec, str | Path) else [Path(item) for item in spec]
    if not paths:
        raise SourceError("no market source given; name a recording or 'synthetic'")
    if len(set(paths)) < len(paths):
        raise SourceError("a recording is named twice; its events would count twice")
    recordings = [recognise(path, decoders) for path in paths]
    catalogue = Catalogue(recordings, given=products or {}, symbols=symbols)
    return merge([_source(item, catalogue) for item in recordings])


def _source(recording: Recording, catalogue: Catalogue) -> MarketSource:
    if recording.kind != "parquet":
        return RecordedSource(recording, catalogue)
    from quietmaker.market.parquet import ParquetRecording, ParquetSource  # noqa: PLC0415

    assert isinstance(recording, ParquetRecording)
    return ParquetSource(recording, catalogue)


def recognise(path: Path, decoders: Frames) -> Recording:
    """Return the recording that a file is, judged by its content.

    Raises:
        SourceError: if it is none that is known, empty, or unreadable.
    """
    if path.is_dir():
        raise SourceError(f"{path}: is a directory; name the recordings in it one by one")
    first = head(path)
    if not first:
        raise SourceError(f"{path}: is empty; was the recorder stopped before it wrote anything?")
    if first.startswith(PARQUET):
        # here, because pyarrow takes 0.2 s to import and only Parquet needs it
        from quietmaker.market.parquet import ParquetRecording  # noqa: PLC0415

        return ParquetRecording(path)
    if first[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise SourceError(f"{path}:1: is UTF-16 text; convert it to UTF-8")
    shown = ""
    for number, line, _ in lines(path, Report()):
        if number > _LOOK_LINES:
            break
        if split_line(line) is not None:
            return BinanceRecording(path)
        row = _json(line)
        if looks_like_session(row):
            return SessionRecording(path, decoders)
        if isinstance(row, dict) and "products" in row:
            raise SourceError(
                f"{path}:{number}: is an answer about products, not a market; name a recording"
            )
        shown = shown or line[:60].decode("utf-8", "replace")
    if not shown:
        raise SourceError(f"{path}: holds no line that can be read; was it cut off? {_KNOWN}")
    raise SourceError(f"{path}:1: is no recording of a known kind ({shown!r}); {_KNOWN}")


def _json(line: bytes) -> object:
    try:
        row: object = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row


def merge(sources: Sequence[MarketSource]) -> MarketSource:
    """Return one source of the events of all, in order of time; at equal times, in the order given."""
    return sources[0] if len(sources) == 1 else MergedSource(sources)


def report_of(source: MarketSource) -> Report | None:
    """Return what was odd about a source so far; None for one that is not read from files."""
    found = getattr(source, "report", None)
    return found if isinstance(found, Report) else None


class MergedSource:
    """Several sources as one."""

    def __init__(self, sources: Sequence[MarketSource]) -> None:
        """Merge these sources."""
        self.sources = tuple(sources)

    @property
    def report(self) -> Report:
        """Tell of the latest pass over the events of all of them."""
        return Report.together(r for each in self.sources if (r := report_of(each)) is not None)

    def info(self) -> SourceInfo:
        """Describe the sources together.

        Raises:
            SourceError: if a symbol's ticks or lots mean different things in two of them.
        """
        products: dict[str, Product] = {}
        inferred: dict[str, str] = {}
        infos = [source.info() for source in self.sources]
        for info in infos:
            for symbol, product in info.products.items():
                known = products.setdefault(symbol, product)
                if not same_grid(known, product):
                    raise SourceError(
                        f"{info.name}: {symbol} has increments {product.tick}/{product.lot}, another "
                        f"source {known.tick}/{known.lot}; state the product in the configuration"
                    )
            inferred.update(info.inferred)
        kinds = dict.fromkeys(info.kind for info in infos)
        return SourceInfo(
            name=" + ".join(info.name for info in infos),
            kind="+".join(kinds),
            products=products,
            inferred=inferred,
        )

    def events(self) -> Iterator[MarketEvent]:
        """Yield the events of all sources in order of time; ties in the order of the sources."""
        self.info()  # refuses sources whose ticks differ in meaning
        return heapq.merge(*(source.events() for source in self.sources), key=attrgetter("at"))
