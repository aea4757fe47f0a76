"""The synthetic market: the same for a seed, a market at every instant, and worth a maker's while."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import pytest

from bench.market_statistics import measure
from quietmaker.core.book import Book, BookOutcome
from quietmaker.core.market import BookDelta, BookSnapshot, MarketEvent, TradePrint
from quietmaker.core.units import SECOND, Instant, Nanos, Side
from quietmaker.errors import SourceError
from quietmaker.market.profiles import PROFILES
from quietmaker.market.synthetic import DEPTH, START, SyntheticMarket

MINUTE = Nanos(60 * SECOND)
EARNERS = ("PROVE-USD", "FORTH-USD", "KAIO-USD", "AGLD-USD")
REQUIRED_BPS = 2 * 25 + 40
"""Two maker fees of 0.25 % and as much again: what a maker with those fees wants to see."""


@cache
def half_hour() -> tuple[MarketEvent, ...]:
    """Return half an hour of the default universe."""
    return tuple(SyntheticMarket(seed=11, duration=Nanos(30 * MINUTE)).events())


@cache
def statistics() -> dict[str, dict[str, float]]:
    """Return the statistics of that half hour."""
    return measure(half_hour(), {name: profile.product for name, profile in PROFILES.items()})


def digest(seed: int) -> str:
    """Return a digest of the first events of a seed."""
    told = repr(list(islice(SyntheticMarket(seed=seed).events(), 3000)))
    return hashlib.sha256(told.encode()).hexdigest()


def test_a_seed_gives_the_same_events_in_every_process() -> None:
    code = "from tests.market.test_synthetic import digest; print(digest(5))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert runs == {digest(5)}


def test_another_seed_gives_another_market() -> None:
    assert digest(5) != digest(6)


def test_every_call_of_events_starts_from_the_beginning() -> None:
    market = SyntheticMarket(seed=5)
    assert list(islice(market.events(), 500)) == list(islice(market.events(), 500))


def test_leaving_a_symbol_out_changes_no_other() -> None:
    alone = SyntheticMarket(seed=5, symbols=["KAIO-USD"], duration=MINUTE)
    together = SyntheticMarket(seed=5, symbols=["BTC-USD", "KAIO-USD"], duration=MINUTE)
    assert list(alone.events()) == [e for e in together.events() if e.symbol == "KAIO-USD"]


def test_it_begins_and_ends_when_told() -> None:
    market = SyntheticMarket(seed=1, start=Instant(7 * SECOND), duration=Nanos(5 * SECOND))
    events = list(market.events())
    assert {event.at for event in events[: len(PROFILES)]} == {7 * SECOND}
    assert all(isinstance(event, BookSnapshot) for event in events[: len(PROFILES)])
    assert 11 * SECOND < events[-1].at <= 12 * SECOND


def test_without_a_duration_it_goes_on() -> None:
    market = SyntheticMarket(seed=1, symbols=["SAFE-USD"])
    *_, last = islice(market.events(), 20_000)
    assert last.at > START + 3600 * SECOND


@pytest.mark.parametrize("symbols", [["BTC-USD", "NOPE-USD"], []])
def test_a_symbol_that_it_does_not_have_is_refused(symbols: list[str]) -> None:
    with pytest.raises(SourceError, match="choose among BTC-USD"):
        SyntheticMarket(seed=1, symbols=symbols)


def test_time_never_runs_backwards() -> None:
    assert all(one.at <= other.at for one, other in pairwise(half_hour()))


def test_books_are_never_crossed_or_empty_and_trades_take_what_is_displayed() -> None:
    books: dict[str, Book] = {}
    pending: dict[str, list[TradePrint]] = {name: [] for name in PROFILES}
    for event in half_hour():
        if isinstance(event, TradePrint):
            pending[event.symbol].append(event)
            continue
        assert isinstance(event, BookSnapshot | BookDelta)
        book = books.setdefault(event.symbol, Book())
        before = [
            (t, book.size_at(t.aggressor.opposite, t.price), book.touch())
            for t in pending[event.symbol]
        ]
        assert book.apply(event) is BookOutcome.APPLIED
        touch = book.touch()
        assert touch.bid_size > 0
        assert touch.ask_size > 0
        assert book.depth(Side.BUY) <= DEPTH
        for trade, displayed, was in before:
            assert 0 < trade.size <= displayed
            assert was.bid > 0
            after = book.size_at(trade.aggressor.opposite, trade.price)
            assert after == displayed - trade.size  # the trade shows in the book
        first = before[0] if before else None
        if first is not None:
            trade, _, was = first
            assert trade.price == (was.ask if trade.aggressor is Side.BUY else was.bid)
        pending[event.symbol].clear()
    assert not any(pending.values())


def test_prices_stay_positive_and_near_where_they_began_for_more_than_a_day() -> None:
    profile = PROFILES["TNSR-USD"]
    anchor, last = profile.price / profile.product.tick, START
    for event in islice(SyntheticMarket(seed=3, symbols=["TNSR-USD"]).events(), 300_000):
        last = event.at
        if isinstance(event, TradePrint):
            assert anchor / 2 < event.price < anchor * 2
    assert last > START + 26 * 3600 * SECOND


def test_no_volatility_drives_a_price_out_of_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    wild = replace(PROFILES["TNSR-USD"], volatility_bps=500.0, pull_seconds=1e9)
    monkeypatch.setitem(PROFILES, "TNSR-USD", wild)
    anchor = wild.price / wild.product.tick
    for event in islice(SyntheticMarket(seed=3, symbols=["TNSR-USD"]).events(), 20_000):
        if isinstance(event, TradePrint):
            assert anchor / 2 < event.price < anchor * 2


@pytest.mark.parametrize("symbol", EARNERS)
def test_a_maker_with_ordinary_fees_can_earn_on_some(symbol: str) -> None:
    found = statistics()[symbol]
    assert found["spread_bps_median"] > REQUIRED_BPS
    assert found["range_25min_bps"] > REQUIRED_BPS
    assert found["tick_bps"] < (found["spread_bps_median"] - 50) / 4
    assert 0.3 < found["buy_share"] < 0.7
    assert found["trades_per_s"] > 0.25


@pytest.mark.parametrize(
    "symbol", ["BTC-USD", "ETH-USD", "SOL-USD", "DASH-USD", "ATOM-USD", "XTZ-USD"]
)
def test_liquid_products_have_less_spread_than_two_maker_fees(symbol: str) -> None:
    assert statistics()[symbol]["spread_bps_median"] < 50


def test_the_coarse_product_has_spread_and_a_tick_that_eats_it() -> None:
    found = statistics()["TNSR-USD"]
    assert found["spread_bps_median"] > 150
    assert found["tick_bps"] > (found["spread_bps_median"] - 50) / 4


def test_the_dull_product_has_spread_but_does_not_move() -> None:
    found = statistics()["SAFE-USD"]
    assert found["spread_bps_median"] > 100
    assert found["range_25min_bps"] < 50
    assert found["tick_bps"] < (found["spread_bps_median"] - 50) / 4


@pytest.mark.parametrize("symbol", EARNERS)
def test_both_sides_of_an_earner_trade_within_seconds(symbol: str) -> None:
    for side in Side:
        times = [
            event.at
            for event in half_hour()
            if isinstance(event, TradePrint) and event.symbol == symbol and event.aggressor is side
        ]
        gaps = sorted(other - one for one, other in pairwise(times))
        assert gaps[len(gaps) * 8 // 10] < 20 * SECOND
