"""Opening a market: what is in a file decides, and what cannot be read is refused with a remedy."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.market import MarketEvent, TradePrint
from quietmaker.core.units import Instant, Lots, Side, Ticks
from quietmaker.errors import SourceError
from quietmaker.market.files import read_all
from quietmaker.market.sources import MergedSource, merge, open_source, report_of
from quietmaker.ports import MarketSource, SourceInfo
from tests.exchange.support import PRODUCT
from tests.market.shared import PRODUCTS, frame, product, shared, trade
from tests.market.test_binance import line
from tests.market.test_binance import trade as binance_trade


def refusal(path: Path) -> str:
    """Return why a file is refused."""
    with pytest.raises(SourceError) as caught:
        open_source(path, decoders=CoinbaseFrames()).info()
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "no line that can be read"),
        (b"hello\nworld\n", "no recording of a known kind ('hello'); known are: Coinbase"),
        (b"\x00\x01\x02\xff" * 100, "no recording of a known kind"),
        ("{}".encode("utf-16"), "UTF-16"),
        (b'{"products": []}', "an answer about products"),
        (b"\x1f\x8bnot gzip at all", "no line that can be read"),
        (b"\x28\xb5\x2f\xfdnot zstd at all", "no line that can be read"),
        (b"PAR1 not parquet", "cannot be read as Parquet"),
        (b'{"t":"header"}\n', "no market data in it"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_remedy(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert why in refusal(path)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    assert "check the path" in refusal(tmp_path / "absent")
    assert "is a directory" in refusal(tmp_path)


def test_a_recording_named_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text(line(1, binance_trade("1", True)))
    with pytest.raises(SourceError, match="named twice"):
        open_source([path, path], decoders=CoinbaseFrames())


def test_no_source_at_all_is_refused() -> None:
    with pytest.raises(SourceError, match="no market source given"):
        open_source([], decoders=CoinbaseFrames())


def test_a_damaged_first_line_does_not_hide_what_a_file_is(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text('torn"}\n' + line(10**18, binance_trade("100", True)) + "\n")
    assert len(list(open_source(path, decoders=CoinbaseFrames()).events())) == 1


def test_the_words_synthetic_opens_the_synthetic_market() -> None:
    source = open_source("synthetic", decoders=CoinbaseFrames(), symbols=["BTC-USD"], seed=3)
    assert source.info().kind == "synthetic"
    assert list(source.info().products) == ["BTC-USD"]


def test_files_of_different_kinds_merge_and_share_one_product(tmp_path: Path) -> None:
    coinbase, binance = tmp_path / "c", tmp_path / "b"
    first = [trade("BUY", "100.5", "1", number=n) for n in range(2)]
    coinbase.write_text(frame(0, "market_trades", {"type": "update", "trades": first}))
    row = binance_trade("99.25", True, symbol="BTC-USD")
    binance.write_text(line(1_786_309_548_400_000_000, row))
    source = open_source([coinbase, binance], decoders=CoinbaseFrames())
    info = source.info()
    assert info.kind == "coinbase-ws+binance-combined"
    assert "price increment 0.01," in info.inferred["BTC-USD"]  # the finer of the two files
    events = list(source.events())
    assert [e.price for e in events if isinstance(e, TradePrint)] == [9925, 10_050, 10_050]
    assert all(one.at <= other.at for one, other in pairwise(events))


class Fixed:
    """A source made of given events."""

    def __init__(self, name: str, *times: int, tick: str = "0.01") -> None:
        self._info = SourceInfo(
            name=name,
            kind="fixed",
            products={"BTC-USD": product(tick=tick)},
            inferred={},
        )
        self._times = times

    def info(self) -> SourceInfo:
        """Describe the source."""
        return self._info

    def events(self) -> Iterator[MarketEvent]:
        """Yield a trade at each time; its price tells the source."""
        for at in self._times:
            yield TradePrint(
                symbol="BTC-USD",
                at=Instant(at),
                price=Ticks(len(self._info.name)),
                size=Lots(1),
                aggressor=Side.BUY,
            )


def test_events_of_equal_time_come_in_the_order_of_their_sources() -> None:
    merged = MergedSource([Fixed("a", 1, 2, 2, 9), Fixed("bb", 2, 2, 3)])
    told = [(e.at, e.price) for e in merged.events() if isinstance(e, TradePrint)]
    assert told == [(1, 1), (2, 1), (2, 1), (2, 2), (2, 2), (3, 2), (9, 1)]


def test_one_source_is_merged_to_itself() -> None:
    source: MarketSource = Fixed("a", 1)
    assert merge([source]) is source


def test_one_symbol_with_two_increments_is_refused() -> None:
    merged = merge([Fixed("a", 1), Fixed("b", 1, tick="0.05")])
    with pytest.raises(SourceError, match=r"state the product in the configuration"):
        merged.info()
    with pytest.raises(SourceError):
        merged.events()


def test_a_whole_file_is_decompressed_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "answer"
    path.write_bytes(gzip.compress(b"x" * 10_000))
    assert read_all(path) == b"x" * 10_000
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(SourceError, match="in the middle of its gzip data"):
        read_all(path)
    assert read_all(shared(PRODUCTS)).startswith(b'{"products"')


def test_a_manual_market_has_the_given_products_and_no_events() -> None:
    products = {"TNSR-USD": PRODUCT}
    source = open_source("manual", decoders=CoinbaseFrames(), products=products)
    assert source.info().products == products
    assert list(source.events()) == []


def test_a_manual_market_without_products_is_refused() -> None:
    with pytest.raises(SourceError, match="needs products; configure them, or give"):
        open_source("manual", decoders=CoinbaseFrames())


def test_faults_of_each_of_several_sources_are_told_with_their_first_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        lines = [
            line(1, binance_trade("100", True)),
            "{broken",
            line(2, binance_trade("100", True)),
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = open_source([tmp_path / "a", tmp_path / "b"], decoders=CoinbaseFrames())
    assert list(source.events())
    report = report_of(source)
    assert report is not None
    assert sum(report.issues.values()) == 2
    assert all(report.first(kind).startswith(f"{tmp_path / 'a'}:2") for kind in report.issues)
