"""Frames for `bench.wire`, in the shape of Coinbase's recorded session: 20 symbols, level2 and heartbeats.

As recorded on 2026-08-09 (1 030 frames, BTC and ETH): a change of a book has five to eight levels with one
time, bids before offers; its touch moves with every seventh frame and only changes in size with another
seventh; three changes of ten remove a level. Numbers are decimal text without zeros at their end.

A frame is made without its number, which counts the frames of one connection: `numbered` puts it in, so
that every listener gets the same bytes but for it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

import orjson

from quietmaker.core.units import plain

COUNT: Final = "QUIETMAKER_BENCH_SYMBOLS"
"""How many symbols, where 20 are not meant; both sides of a benchmark inherit it."""
SYMBOLS: Final = tuple(
    f"WIRE{number:02d}-USD" for number in range(int(os.environ.get(COUNT, "20")))
)
DEPTH: Final = 1_000
"""Levels of each side in a snapshot."""
NARROW: Final = 2
"""Ticks between bid and ask at which no fee schedule lets a maker quote."""
WIDE: Final = 50
MIDDLE: Final = 10_000
"""Price in ticks around which everything happens."""
_TIME: Final = "2026-11-25T12:00:00.123456Z"
_MOVES, _SIZES, _REMOVALS = 0.15, 0.3, 0.3

Frame: TypeAlias = tuple[bytes, bytes]
"""The bytes before the number and after it."""
Level: TypeAlias = tuple[str, int, str]
"""Side, price in ticks, quantity."""


def numbered(frame: Frame, number: int) -> bytes:
    """Return the payload of a frame with its number."""
    return b"%b%d%b" % (frame[0], number, frame[1])


def message(payload: bytes) -> bytes:
    """Return a payload as an unmasked WebSocket text message."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def frame(channel: str, *events: Any) -> Frame:
    """Return a frame of these events."""
    before = f'{{"channel":"{channel}","client_id":"","timestamp":"{_TIME}","sequence_num":'
    return before.encode(), b',"events":' + orjson.dumps(events) + b"}"


def book(symbol: str, kind: str, levels: Sequence[Level]) -> Frame:
    """Return a frame of level2: a snapshot or an update."""
    updates = [
        {"side": side, "event_time": _TIME, "price_level": price_text(price), "new_quantity": size}
        for side, price, size in levels
    ]
    return frame("l2_data", {"type": kind, "product_id": symbol, "updates": updates})


def snapshot(symbol: str, *, gap: bool) -> Frame:
    """Return a narrow book, a level on every tick; with a gap behind its touch, for `opening` to open."""
    bid, ask = touch(NARROW)
    outer_bid, outer_ask = touch(WIDE) if gap else (bid - 1, ask + 1)
    bids = [("bid", price, "1.5") for price in (bid, *range(outer_bid, outer_bid - DEPTH, -1))]
    asks = [("offer", price, "1.5") for price in (ask, *range(outer_ask, outer_ask + DEPTH))]
    return book(symbol, "snapshot", [*bids, *asks])


def touch(spread: int) -> tuple[int, int]:
    """Return bid and ask of a book with this spread, in ticks."""
    return MIDDLE - spread // 2, MIDDLE + spread // 2


def price_text(ticks: int) -> str:
    """Return a price as the exchange writes it: the tick is a cent."""
    return plain(Decimal(ticks) / 100)


class Walk:
    """One narrow book that goes its way."""

    def __init__(self, symbol: str, source: random.Random) -> None:
        """Begin at the snapshot."""
        self._symbol = symbol
        self._random = source
        self.bid, self.ask = touch(NARROW)

    def step(self) -> Frame:
        """Return the next change."""
        chance = self._random.random()
        bids: list[Level] = []
        asks: list[Level] = []
        if chance < _MOVES and abs(self.bid - MIDDLE) < DEPTH // 4:
            self._move(bids, asks)
        elif chance < _MOVES:
            self._return(bids, asks)
        elif chance < _SIZES:
            bids.append(("bid", self.bid, self._size()))
        for _ in range(self._random.randint(5, 8) - len(bids) - len(asks)):
            away = self._random.randint(5, 150)
            size = "0" if self._random.random() < _REMOVALS else self._size()
            if self._random.random() < 0.5:
                bids.append(("bid", self.bid - away, size))
            else:
                asks.append(("offer", self.ask + away, size))
        return book(self._symbol, "update", [*bids, *asks])

    def settle(self) -> Frame:
        """Return a change that says where the touch is."""
        levels = [("bid", self.bid, "7.77"), ("offer", self.ask, "7.77")]
        return book(self._symbol, "update", levels)

    def _move(self, bids: list[Level], asks: list[Level]) -> None:
        if self._random.random() < 0.5:
            bids.append(("bid", self.bid + 1, self._size()))
            asks.append(("offer", self.ask, "0"))
            asks.append(("offer", self.ask + 1, self._size()))
            self.bid, self.ask = self.bid + 1, self.ask + 1
        else:
            bids.append(("bid", self.bid, "0"))
            bids.append(("bid", self.bid - 1, self._size()))
            asks.append(("offer", self.ask - 1, self._size()))
            self.bid, self.ask = self.bid - 1, self.ask - 1

    def _return(self, bids: list[Level], asks: list[Level]) -> None:
        """Stay within the snapshot's levels: nothing moves this time."""
        bids.append(("bid", self.bid, self._size()))
        asks.append(("offer", self.ask, self._size()))

    def _size(self) -> str:
        return f"{self._random.randint(1, 9)}.{self._random.randint(1, 99_999_999):08d}".rstrip("0")


def stream(walks: Sequence[Walk], count: int, source: random.Random) -> Iterator[Frame]:
    """Yield changes of all books in turn by chance, a heartbeat now and then, and last where each stands."""
    for number in range(count):
        if number % 1_000 == 0:
            yield heartbeat(number // 1_000)
        yield source.choice(walks).step()
    for walk in walks:
        yield walk.settle()


def opening(symbol: str, *, wide: bool) -> Frame:
    """Return the change that makes a narrow book one to quote in, or narrow again: six levels."""
    bid, ask = touch(NARROW)
    outer_bid, outer_ask = touch(WIDE)
    inner = "0" if wide else "2.5"
    return book(
        symbol,
        "update",
        [
            ("bid", bid, inner),
            ("bid", outer_bid - 30, "1.25" if wide else "1.5"),
            ("bid", outer_bid - 31, "3.75" if wide else "3.5"),
            ("offer", ask, inner),
            ("offer", outer_ask + 30, "1.25" if wide else "1.5"),
            ("offer", outer_ask + 31, "3.75" if wide else "3.5"),
        ],
    )


def behind(symbol: str, source: random.Random) -> Frame:
    """Return a change behind the touch: what most of the traffic of other symbols is."""
    bid, ask = touch(WIDE)
    levels: list[Level] = []
    for side, best, sign in (("bid", bid, -1), ("offer", ask, 1)):
        levels.extend(
            (side, best + sign * source.randint(40, 200), f"{source.randint(1, 999)}.5")
            for _ in range(3)
        )
    return book(symbol, "update", levels)


def heartbeat(counter: int) -> Frame:
    """Return a heartbeat."""
    now = "2026-11-25 12:00:00.123456789 +0000 UTC m=+41691.268"
    return frame("heartbeats", {"current_time": now, "heartbeat_counter": counter})
