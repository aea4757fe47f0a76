"""One report counted break-evens as losses and another did not: two win rates for the same trades.

There is one definition (`core/outcomes.py`), and everything that counts uses it: a break-even counts as a
trade, and neither as won nor as lost.

Incident A10.
"""

from __future__ import annotations

from decimal import Decimal

from actors.board import Results
from quietmaker.core.commands import RoundTrip
from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_rules import Rule, judge
from quietmaker.core.outcomes import win_rate
from quietmaker.core.units import Instant
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.replay.stats import Stats
from tests.actors.fakes import make_metrics
from tests.actors.test_symbol_filter import closed
from tests.kit.filter import FOUNDING, UNKNOWN_SPREAD

NETS = ("1", "0", "0", "-1", "0", "2", "-3", "0", "0", "0")


def trips() -> list[RoundTrip]:
    return [closed("A-USD", net, Instant(n + 1)) for n, net in enumerate(NETS)]


def test_board_replay_metrics_and_filter_count_the_same() -> None:
    board, stats, metrics = Results(), Stats(), make_metrics()
    books = MemoryFilterBooks(MemoryLedger(), {})
    for trip in trips():
        board = board.plus(trip)
        stats.on_trip(trip, "USD")
        metrics.round_trip(trip)
        books.imported[trip.id, trip.closed_at] = trip
    window = {"A-USD": Windows(real=Instant(0), shadow=Instant(0))}
    sums = books.trades(window)["A-USD"].real
    replayed = next(iter(stats.trips.values()))
    assert (board.trips, board.wins) == (10, 2)
    assert (replayed.count, replayed.wins) == (10, 2)
    assert (sums.trips, sums.wins) == (10, 2)
    counted = {
        result: metrics.registry.get_sample_value(
            "quietmaker_round_trips_total", {"result": result}
        )
        for result in ("won", "lost", "lost_to_fees", "break_even")
    }
    assert counted == {"won": 2, "lost": 2, "lost_to_fees": 0, "break_even": 6}


def test_the_filter_judges_by_the_rate_that_is_shown() -> None:
    books = MemoryFilterBooks(MemoryLedger(), {})
    for trip in trips():
        books.imported[trip.id, trip.closed_at] = trip
    window = {"A-USD": Windows(real=Instant(0), shadow=Instant(0))}
    sums = books.trades(window)["A-USD"].real
    result = judge(sums, UNKNOWN_SPREAD, FOUNDING).of(Rule.WIN_RATE)
    assert result.failed
    assert result.value == win_rate(wins=2, trips=10) == Decimal("0.2")
