"""One contract for the filter's part of the books, in memory and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import psycopg2
import pytest

from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_rules import NO_TRADES, Trades
from quietmaker.core.filter_states import DAY, FilterState, Transition, restored
from quietmaker.core.orders import ExitReason
from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.filter_books import SHADOW_KEPT, PostgresFilterBooks
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ports import Override
from tests.ledger.filter_makers import Traded, write_trades
from tests.ledger.makers import PRODUCTS, SYMBOL, at, entry, exit_of, fill_of, trip_of
from tests.ledger.prompt import PromptLedger, PromptMemory

NOW = at(1_000_000)
OTHER = "OTHER-USD"


@dataclass(frozen=True, slots=True)
class Books:
    """A ledger and the filter's part of it."""

    ledger: PromptLedger | PromptMemory
    filter: PostgresFilterBooks | MemoryFilterBooks


@pytest.fixture(params=["memory", "postgres"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """Return both implementations in turn, with a run begun."""
    if request.param == "memory":
        memory = PromptMemory()
        made = Books(memory, MemoryFilterBooks(memory, PRODUCTS))
    else:
        ledger: PromptLedger = request.getfixturevalue("postgres_ledger")
        url: str = request.getfixturevalue("database_url")
        made = Books(ledger, PostgresFilterBooks(lambda: url))
    made.ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    yield made
    if isinstance(made.filter, PostgresFilterBooks):
        made.filter.close()


def since(real: Instant, shadow: Instant = NOW) -> dict[str, Windows]:
    return dict.fromkeys((SYMBOL, OTHER), Windows(real=real, shadow=shadow))


def moved(
    hour: int, before: FilterState, after: FilterState, *, symbol: str = SYMBOL
) -> Transition:
    return Transition(
        symbol=symbol,
        at=at(3_600 * hour),
        before=before,
        after=after,
        rule="win_rate",
        value=Decimal("0.25"),
        threshold=Decimal("0.3"),
        sample=8,
        reason="win_rate 25 % < 30 % (8 trades)",
    )


def test_trades_are_summed_from_the_moment_asked_for(books: Books) -> None:
    nets = [Decimal("1.5"), Decimal("-2"), Decimal(0)]
    write_trades(
        books.ledger,
        [
            Traded(symbol=SYMBOL, net=net, closed_at=Instant(NOW - n * DAY))
            for n, net in enumerate(nets)
        ],
    )
    all_three = Trades(trips=3, wins=1, net=Decimal("-0.5"), notional=Decimal(3))
    assert books.filter.trades(since(Instant(0)))[SYMBOL].real == all_three
    on_the_edge = books.filter.trades(since(Instant(NOW - 2 * DAY)))
    assert on_the_edge[SYMBOL].real == all_three
    after_it = books.filter.trades(since(Instant(NOW - 2 * DAY + 1)))
    assert after_it[SYMBOL].real.trips == 2
    assert on_the_edge[OTHER].real == NO_TRADES
    assert on_the_edge[SYMBOL].shadow == NO_TRADES


def test_transitions_come_back_in_order_and_once_each(books: Books) -> None:
    out = moved(1, FilterState.ELIGIBLE, FilterState.EXCLUDED)
    back = replace(moved(30, FilterState.EXCLUDED, FilterState.PROBATION), value=None, sample=None)
    other = moved(2, FilterState.ELIGIBLE, FilterState.DENIED, symbol=OTHER)
    for stored in ([out], [out, other], [back]):
        books.filter.store_transitions(stored, config_sha="c0ffee")
    found = books.filter.transitions([SYMBOL, OTHER, "NEVER-USD"])
    assert {symbol: list(each) for symbol, each in found.items()} == {
        SYMBOL: [out, back],
        OTHER: [other],
        "NEVER-USD": [],
    }
    standing = restored(SYMBOL, found[SYMBOL])
    assert (standing.state, standing.exclusions) == (FilterState.PROBATION, (out.at,))


def test_transitions_are_stored_all_or_none(books: Books) -> None:
    good = moved(1, FilterState.ELIGIBLE, FilterState.EXCLUDED)
    with pytest.raises(LedgerError):
        books.filter.store_transitions([good], config_sha="")
    assert list(books.filter.transitions([SYMBOL])[SYMBOL]) == []


def test_the_operators_latest_word_counts(books: Books) -> None:
    first = Override(
        symbol=SYMBOL, at=at(1), include=False, reason="news", until=at(99), operator="ann"
    )
    last = replace(first, at=at(2), include=True, until=None)
    books.filter.store_override(first)
    assert books.filter.overrides() == {SYMBOL: first}
    books.filter.store_override(last)
    assert books.filter.overrides() == {SYMBOL: last}


def test_shadow_trades_are_kept_apart_and_counted_once(books: Books) -> None:
    bought, sold = entry("s1"), exit_of("s2", "s1", reason=ExitReason.BREAK_EVEN_PLUS)
    fills = [fill_of(bought, "t1", fee="0.01"), fill_of(sold, "t2", fee="0.01", when=50)]
    trip = trip_of(fills, opened_by="s1", closed_by="s2", reason=ExitReason.BREAK_EVEN_PLUS)
    for _ in range(2):
        books.filter.store_shadow([trip], PRODUCTS)
    found = books.filter.trades(since(Instant(0), Instant(0)))[SYMBOL]
    assert found.real == NO_TRADES
    assert (found.shadow.trips, found.shadow.net) == (1, trip.net)
    assert books.filter.trades(since(Instant(0), at(51)))[SYMBOL].shadow == NO_TRADES


def test_books_that_are_away_say_so() -> None:
    ledger = PromptMemory()
    ledger.available = False
    for books in (
        MemoryFilterBooks(ledger, PRODUCTS),
        PostgresFilterBooks(lambda: "host=127.0.0.1 port=1 dbname=none connect_timeout=1"),
    ):
        with pytest.raises(LedgerUnavailable):
            books.trades(since(Instant(0)))
        with pytest.raises(LedgerUnavailable):
            books.overrides()


def test_no_view_of_real_results_reads_the_shadow(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    postgres_ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_views WHERE schemaname = 'public' AND definition LIKE '%shadow_trips%'"
        )
        assert cursor.fetchone() == (0,)
        cursor.execute(
            "SELECT count(*) FROM pg_constraint WHERE confrelid = 'shadow_trips'::regclass"
        )
        assert cursor.fetchone() == (0,)
    connection.close()


def test_old_shadow_trades_go(database_url: str) -> None:
    books = PostgresFilterBooks(lambda: database_url)
    bought, sold = entry("s1"), exit_of("s2", "s1", reason=ExitReason.BREAK_EVEN_PLUS)
    fills = [fill_of(bought, "t1", fee="0.01"), fill_of(sold, "t2", fee="0.01", when=50)]
    old = trip_of(fills, opened_by="s1", closed_by="s2", reason=ExitReason.BREAK_EVEN_PLUS)
    new = replace(old, closed_at=Instant(old.closed_at + SHADOW_KEPT + 1))
    books.store_shadow([old], PRODUCTS)
    books.store_shadow([new], PRODUCTS)
    assert books.trades(since(Instant(0), Instant(0)))[SYMBOL].shadow.trips == 1
    books.close()


def test_trades_are_summed_by_day(books: Books) -> None:
    days = [NOW // DAY, NOW // DAY - 2]
    write_trades(
        books.ledger,
        [
            Traded(symbol=SYMBOL, net=Decimal(net), closed_at=Instant(day * DAY + n * 10**12))
            for n, (day, net) in enumerate([(days[0], 1), (days[0], -2), (days[1], 3)])
        ],
    )
    older, newer = books.filter.days(SYMBOL, since=Instant(0))
    assert (older.day, older.trades.net) == (days[1], Decimal(3))
    assert (newer.day, newer.trades.trips, newer.trades.wins) == (days[0], 2, 1)
    assert books.filter.days(OTHER, since=Instant(0)) == []
