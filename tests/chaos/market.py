"""The market of the chaos tests: half an hour of history, then whatever `Waves` lets happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, Final

from quietmaker.core.fees import FeeRates
from quietmaker.core.market import MarketEvent, TradePrint
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Lots, Nanos, Side, Ticks, rate
from quietmaker.exchange.server.catalogue import Recorded
from quietmaker.ports import SourceInfo
from tests.exchange.server.serving import World

SYMBOLS: Final = ("ALPHA-USD", "BETA-USD")
MANY: Final = (*SYMBOLS, "GAMMA-USD", "DELTA-USD", "EPSILON-USD", "ZETA-USD")
FEES: Final = FeeRates(maker=rate("0.0005"), taker=rate("0.001"))
CASH: Final = Decimal(100_000)
HISTORY: Final = Nanos(1_800 * SECOND)
PRODUCTS: Final[Mapping[str, Product]] = {
    symbol: Product(
        symbol=symbol,
        base=symbol.partition("-")[0],
        quote="USD",
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        min_size=Decimal("0.001"),
        max_size=Decimal(1_000_000),
        min_notional=Decimal(1),
        untradable="",
    )
    for symbol in MANY
}
MIDDLE: Final = 10_000
"""Ticks: 100.00."""
HALF: Final = 20
"""Ticks from the middle to the touch: a spread of 0.4 %, four times the fees of a round trip."""
_T0: Final = 1_700_000_000 * SECOND
_DEPTH: Final = 5


class Course:
    """A source that is all history: trades that span the spread, enough for five candles."""

    def __init__(self, symbols: Sequence[str]) -> None:
        """Be the market of these."""
        self._products = {symbol: PRODUCTS[symbol] for symbol in symbols}

    def info(self) -> SourceInfo:
        """Describe the source."""
        return SourceInfo(name="course", kind="synthetic", products=self._products, inferred={})

    def events(self) -> Iterator[MarketEvent]:
        """Yield a trade of each symbol every ten seconds, and one long after everything."""
        for second in range(0, HISTORY // SECOND, 10):
            for symbol in self._products:
                yield _trade(symbol, second, MIDDLE + (50 if second % 20 else -50))
        yield _trade(next(iter(self._products)), 10 * 86_400, MIDDLE)


def _trade(symbol: str, second: int, price: int) -> TradePrint:
    return TradePrint(
        symbol=symbol,
        at=Instant(_T0 + second * SECOND),
        price=Ticks(price),
        size=Lots(1),
        aggressor=Side.BUY,
    )


class Book:
    """One symbol's displayed book, moved by hand."""

    def __init__(self, symbol: str) -> None:
        """Stand around the middle."""
        self.symbol = symbol
        self.middle = MIDDLE
        self.size = 50

    @property
    def bid(self) -> int:
        """Return the best bid, in ticks."""
        return self.middle - HALF

    @property
    def ask(self) -> int:
        """Return the best ask, in ticks."""
        return self.middle + HALF

    def whole(self) -> dict[str, Any]:
        """Return the event of the whole book."""
        bids, asks = self._levels()
        rows = {
            side: [[text(price), str(self.size)] for price in prices]
            for side, prices in (("bids", bids), ("asks", asks))
        }
        return {"product": self.symbol, "book": rows}

    def moved(self, ticks: int) -> dict[str, Any]:
        """Move, and return the event of the levels that changed."""
        before = self._levels()
        self.middle += ticks
        after = self._levels()
        rows: list[list[str]] = []
        for side, old, new in zip(("bid", "offer"), before, after, strict=True):
            rows += [[side, text(price), "0"] for price in old if price not in new]
            rows += [[side, text(price), str(self.size)] for price in new if price not in old]
        return {"product": self.symbol, "levels": rows}

    def resized(self, size: int) -> dict[str, Any]:
        """Change the size at the touch, and return the event."""
        return {"product": self.symbol, "levels": [["bid", text(self.bid), str(size)]]}

    def traded(self, price: int, lots: int, aggressor: str) -> dict[str, Any]:
        """Return the event of a trade."""
        size = str(PRODUCTS[self.symbol].size(Lots(lots)))
        said = {"price": text(price), "size": size, "aggressor": aggressor}
        return {"product": self.symbol, "trade": said}

    def _levels(self) -> tuple[list[int], list[int]]:
        return (
            [self.bid - step for step in range(_DEPTH)],
            [self.ask + step for step in range(_DEPTH)],
        )


class Waves:
    """A seeded market that keeps a market maker busy: fills in parts, moves, and exits that are met."""

    def __init__(self, seed: int, tell: Callable[..., None], symbols: Sequence[str]) -> None:
        """Tell the exchange what happens."""
        self.books = {symbol: Book(symbol) for symbol in symbols}
        self._random = Random(seed)
        self._tell = tell

    def step(self) -> None:
        """Let something happen to every symbol."""
        self._tell(*(self._event(book) for book in self.books.values()))

    def sell_into_bids(self, lots: int = 1_000) -> None:
        """Let somebody sell, as much as fills every bid of ours."""
        self._tell(*(each.traded(each.bid, lots, "SELL") for each in self.books.values()))

    def buy_into_asks(self, lots: int = 1_000) -> None:
        """Let somebody buy, as much as fills every ask of ours."""
        self._tell(*(each.traded(each.ask, lots, "BUY") for each in self.books.values()))

    def _event(self, book: Book) -> dict[str, Any]:
        chance, rng = self._random.random(), self._random
        if chance < 0.35:
            return book.traded(book.bid, rng.randrange(40, 300), "SELL")
        if chance < 0.70:
            return book.traded(book.ask, rng.randrange(80, 400), "BUY")
        if chance < 0.90:
            # Back towards where it began: exits that wait above are met again and again.
            home = (book.middle < MIDDLE) - (book.middle > MIDDLE)
            return book.moved(home * rng.randrange(1, 4) or rng.choice((-6, -3, -1, 1, 3, 6)))
        return book.resized(rng.randrange(10, 90))


def text(ticks: int) -> str:
    """Return a price as the wire has it."""
    return f"{Decimal(ticks) / 100:f}"


def world(seed: int, symbols: Sequence[str]) -> World:
    """Return an exchange with this market."""
    return World(
        source=Course(symbols),
        recorded=Recorded(rows={}, products={}, aliases={}),
        balances={"USD": CASH},
        fees=FEES,
        warmup=HISTORY,
        seed=seed,
        opening=tuple(Book(symbol).whole() for symbol in symbols),
    )
