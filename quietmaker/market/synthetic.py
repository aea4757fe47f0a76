"""A synthetic market: seeded, deterministic in every process, without end unless told.

Every symbol lives on its own random numbers, so that leaving one out changes no other. Its fair price is
a mean-reverting walk in logarithms whose volatility, drift and jumps follow a Markov chain of regimes.
Book updates come in batches of 50 ms and more. In each: trades arrive (each provokes others for a
while), take from the best level and print; then the makers move their quotes to where the fair price
is, and some levels change their size. A batch is one delta, and the book is never crossed after it.

Binary floats are used for the fair price only; what is told is in whole ticks and lots.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import ceil, exp, floor, log, sqrt
from random import Random
from typing import Final

from quietmaker.core.market import BookDelta, BookSnapshot, MarketEvent, TradePrint
from quietmaker.core.units import SECOND, Instant, Lots, Nanos, Side, Ticks
from quietmaker.errors import SourceError
from quietmaker.market.profiles import PROFILES, REGIMES, Profile
from quietmaker.ports import SourceInfo

START: Final = Instant(1_767_225_600 * SECOND)
"""2026-01-01T00:00:00Z, where a synthetic market begins unless told otherwise."""

DEPTH: Final = 10
_BATCH: Final = 0.05
_FARTHEST: Final = 0.4
"""The log price stays within this of where it started, whatever the regimes do."""
_EXCITED_SECONDS: Final = 1.5
_SIZES: Final = 2048
_REFILL: Final = 0.4
"""Chance that the makers come back in the batch after the touch was taken."""
_SAME_SIDE: Final = 0.3
"""Chance that a trade goes the way of the one before, whatever the profile's share of buys."""
_JUMP: Final = 12.0
"""Standard deviation of a jump, in units of the volatility of one second."""


class SyntheticMarket:
    """The synthetic market as a source."""

    def __init__(
        self,
        *,
        seed: int,
        symbols: Sequence[str] | None = None,
        start: Instant = START,
        duration: Nanos | None = None,
    ) -> None:
        """Describe a market.

        Args:
            seed: equal seeds give equal events.
            symbols: which products of `PROFILES`; None for all.
            start: time of the first snapshots.
            duration: events come until this long after `start`; None never ends.

        Raises:
            SourceError: if a symbol is not in the synthetic universe.
        """
        names = tuple(PROFILES) if symbols is None else tuple(dict.fromkeys(symbols))
        unknown = [name for name in names if name not in PROFILES]
        if unknown or not names:
            raise SourceError(
                f"synthetic: has no {', '.join(unknown) or 'symbols to trade'}; choose among "
                f"{', '.join(PROFILES)}"
            )
        self._profiles = [PROFILES[name] for name in names]
        self._seed = seed
        self.start = start
        self._end = None if duration is None else start + duration

    def info(self) -> SourceInfo:
        """Describe the source."""
        return SourceInfo(
            name="synthetic",
            kind="synthetic",
            products={profile.product.symbol: profile.product for profile in self._profiles},
            inferred={},
        )

    def events(self) -> Iterator[MarketEvent]:
        """Yield a snapshot of each book, then trades and deltas in order of time."""
        streams = [_Stream(profile, self._seed, self.start) for profile in self._profiles]
        for stream in streams:
            yield stream.snapshot()
        queue = [(stream.next_at, place) for place, stream in enumerate(streams)]
        heapq.heapify(queue)
        end = self._end
        while True:
            at, place = queue[0]
            if end is not None and at > end:
                return
            stream = streams[place]
            yield from stream.step()
            heapq.heapreplace(queue, (stream.next_at, place))


class _Side:
    """One side of a book, best first: keys are prices times `sign`, so that the least is the best."""

    __slots__ = ("keys", "side", "sign", "sizes")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.sign = -1 if side is Side.BUY else 1
        self.keys: list[int] = []
        self.sizes: dict[int, int] = {}


class _Stream:
    """One symbol."""

    def __init__(self, profile: Profile, seed: int, start: Instant) -> None:
        self._rng = Random(f"{seed}:{profile.product.symbol}")
        self._profile = profile
        self._symbol = profile.product.symbol
        self._anchor = float(profile.price / profile.product.tick)
        self._log = 0.0
        self._sigma = profile.volatility_bps / 1e4
        self._impact = profile.impact_bps / 1e4
        self._half = profile.spread_bps / 2e4
        self._pause = 1 / profile.updates_per_second - _BATCH
        self._excited = 0.0
        self._last_side = Side.BUY
        self._gap = max(1, round(self._anchor * max(self._half / 6, self._sigma / 2)))
        self._slack = max(0.0, self._anchor * self._half * 0.12)
        self._level_sizes = self._table(profile.level_value, 0.9)
        self._trade_sizes = self._table(profile.trade_value, profile.trade_spread)
        self._regime = REGIMES[0]
        self._regime_left = 0.0
        self._drift = 0.0
        self._buys = profile.buy_share
        self._bids, self._asks = _Side(Side.BUY), _Side(Side.SELL)
        self._switch()
        self._now = start
        self.next_at = start
        self._schedule()

    def snapshot(self) -> BookSnapshot:
        """Fill the book and return it."""
        changes: list[tuple[Side, Ticks, Lots]] = []
        bid, ask = self._targets()
        self._move(self._bids, -bid, changes)
        self._move(self._asks, ask, changes)
        return BookSnapshot(
            symbol=self._symbol,
            at=self._now,
            bids=tuple((price, size) for side, price, size in changes if side is Side.BUY),
            asks=tuple((price, size) for side, price, size in changes if side is Side.SELL),
        )

    def step(self) -> list[MarketEvent]:
        """Advance to the next batch and return its events: trades, then the delta that shows them."""
        seconds = (self.next_at - self._now) / SECOND
        self._now = self.next_at
        self._wander(seconds)
        events: list[MarketEvent] = []
        changes: list[tuple[Side, Ticks, Lots]] = []
        self._trade(seconds, events, changes)
        self._requote(bool(events), changes)
        if changes:
            events.append(BookDelta(symbol=self._symbol, at=self._now, changes=tuple(changes)))
        self._schedule()
        return events

    # --- time and price ---------------------------------------------------------------------------

    def _schedule(self) -> None:
        wait = _BATCH - self._pause * log(1.0 - self._rng.random())
        self.next_at = Instant(self._now + int(wait * SECOND))

    def _switch(self) -> None:
        rng = self._rng
        others = [regime for regime in REGIMES if regime is not self._regime]
        totals = list(accumulate(regime.weight for regime in others))
        drawn = rng.random() * totals[-1]
        self._regime = next(
            regime for regime, total in zip(others, totals, strict=True) if drawn < total
        )
        self._regime_left = rng.expovariate(1 / self._regime.mean_seconds)
        sign = 1 if rng.random() < 0.5 else -1
        self._drift = sign * self._regime.drift * self._sigma
        share = self._profile.buy_share
        self._buys = share + sign * self._regime.lean * (1 - abs(2 * share - 1))

    def _wander(self, seconds: float) -> None:
        """Move the fair price on."""
        rng, regime = self._rng, self._regime
        self._regime_left -= seconds
        if self._regime_left <= 0:
            self._switch()
        sigma = self._sigma * regime.volatility
        value = self._log
        value += sigma * sqrt(seconds) * rng.gauss(0.0, 1.0)
        value += (self._drift - value / self._profile.pull_seconds) * seconds
        if regime.jumps_per_minute and rng.random() < regime.jumps_per_minute * seconds / 60:
            value += self._sigma * _JUMP * rng.gauss(0.0, 1.0)
        self._log = max(-_FARTHEST, min(_FARTHEST, value))

    def _targets(self) -> tuple[int, int]:
        """Return where the makers want to quote."""
        fair = self._anchor * exp(self._log)
        half = fair * self._half * self._regime.spread
        bid, ask = floor(fair - half), ceil(fair + half)
        return bid, max(ask, bid + 1)

    # --- trades -----------------------------------------------------------------------------------

    def _trade(
        self,
        seconds: float,
        events: list[MarketEvent],
        changes: list[tuple[Side, Ticks, Lots]],
    ) -> None:
        """Let trades arrive; each takes from the best levels, and makes others more likely."""
        rng, profile = self._rng, self._profile
        self._excited *= max(0.0, 1.0 - seconds / _EXCITED_SECONDS)
        rate = profile.trades_per_second * self._regime.trades + self._excited
        if rng.random() >= rate * seconds:
            return
        self._excited += profile.clustering / _EXCITED_SECONDS
        if rng.random() >= _SAME_SIDE:
            self._last_side = Side.BUY if rng.random() < self._buys else Side.SELL
        aggressor = self._last_side
        book = self._asks if aggressor is Side.BUY else self._bids
        left = self._trade_sizes[int(rng.random() * _SIZES)]
        self._log += self._impact * aggressor.sign
        while left > 0 and len(book.keys) > 1:  # the last level always stays
            key = book.keys[0]
            size = min(left, book.sizes[key])
            left -= size
            price = Ticks(key * book.sign)
            events.append(
                TradePrint(
                    symbol=self._symbol,
                    at=self._now,
                    price=price,
                    size=Lots(size),
                    aggressor=aggressor,
                )
            )
            rest = book.sizes[key] - size
            if rest:
                book.sizes[key] = rest
            else:
                del book.sizes[key], book.keys[0]
            changes.append((book.side, price, Lots(rest)))
            if len(events) == 3:  # a greater order stops at its price limit
                return

    # --- quotes -----------------------------------------------------------------------------------

    def _requote(self, traded: bool, changes: list[tuple[Side, Ticks, Lots]]) -> None:
        """Move the book to the fair price, or change the size of some level."""
        rng = self._rng
        bid, ask = self._targets()
        bids, asks = self._bids, self._asks
        away = max(abs(bid + bids.keys[0]), abs(ask - asks.keys[0]))
        short = len(bids.keys) < DEPTH or len(asks.keys) < DEPTH
        if (away > self._slack or short) and not traded and rng.random() < _REFILL:
            self._move(bids, -bid, changes)
            self._move(asks, ask, changes)
        for book in (bids, asks):
            place = int(rng.random() * len(book.keys) * 1.5)
            if place < len(book.keys):
                key = book.keys[place]
                size = self._level_sizes[int(rng.random() * _SIZES)]
                if not traded:  # what a trade left stays to be seen for one batch
                    book.sizes[key] = size
                    changes.append((book.side, Ticks(key * book.sign), Lots(size)))

    def _move(self, book: _Side, best: int, changes: list[tuple[Side, Ticks, Lots]]) -> None:
        """Make `best` the best level of a side of full depth."""
        keys, sizes, sign, side = book.keys, book.sizes, book.sign, book.side
        rng, table = self._rng, self._level_sizes
        gone = 0
        while gone < len(keys) and keys[gone] < best:
            key = keys[gone]
            del sizes[key]
            changes.append((side, Ticks(key * sign), Lots(0)))
            gone += 1
        del keys[:gone]
        if best not in sizes:
            insort(keys, best)
            sizes[best] = table[int(rng.random() * _SIZES)]
            changes.append((side, Ticks(best * sign), Lots(sizes[best])))
        place = 1
        while place < DEPTH:
            if place >= len(keys) or keys[place] - keys[place - 1] > 2 * self._gap:  # a hole
                key = keys[place - 1] + 1 + int(rng.random() * self._gap)
                if key >= 0 > best:  # bids end above price 0
                    break
                keys.insert(place, key)
                sizes[key] = table[int(rng.random() * _SIZES)]
                changes.append((side, Ticks(key * sign), Lots(sizes[key])))
            place += 1
        for key in keys[DEPTH:]:
            del sizes[key]
            changes.append((side, Ticks(key * sign), Lots(0)))
        del keys[DEPTH:]

    def _table(self, value: float, spread: float) -> list[int]:
        """Return sizes in lots to draw from: lognormal around the lots that are worth `value`."""
        middle = value / float(self._profile.price) / float(self._profile.product.lot)
        least = max(1, ceil(1 / float(self._profile.price) / float(self._profile.product.lot)))
        gauss = self._rng.gauss
        return [max(least, int(middle * exp(gauss(0.0, spread)))) for _ in range(_SIZES)]
