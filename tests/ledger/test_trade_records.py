"""The operator's own queries, word for word, mean what they say."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.orders import ExitReason, Move
from quietmaker.core.units import Liquidity
from quietmaker.ledger.reading.reports import PnlBy, Reports, Wanted
from quietmaker.ledger.server.embedded import binary
from tests.ledger.makers import EPOCH, SYMBOL, at, entry, exit_of, fill_of, moved
from tests.ledger.prompt import PromptLedger

TRADES_OF_A_DAY = (
    "SELECT COUNT(*) FROM trade_records"
    " WHERE symbol = 'TNSR-USD' AND order_time > NOW() - INTERVAL '24 hours';"
)
LOSERS = """
SELECT symbol, COUNT(*) AS trades, SUM(CASE WHEN pnl_usd > 0 THEN 1 ELSE 0 END)::float / COUNT(*) AS win_rate,
       AVG(pnl_usd) AS avg_pnl, SUM(pnl_usd) AS total_pnl
FROM trade_records WHERE order_time >= NOW() - INTERVAL '30 days' AND pnl_usd IS NOT NULL
GROUP BY symbol HAVING COUNT(*) >= 5 AND (SUM(CASE WHEN pnl_usd > 0 THEN 1 ELSE 0 END)::float / COUNT(*) < 0.30
       OR AVG(pnl_usd) < -5.0 OR SUM(pnl_usd) < -50.0) ORDER BY total_pnl ASC;
"""  # noqa: E501
NOW = time.time() - EPOCH


@pytest.fixture
def traded(postgres_ledger: PromptLedger) -> PromptLedger:
    """Return a ledger with six flat-priced round trips (fees only) and a seventh of 40 days ago."""
    ledger = postgres_ledger
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    for number in range(7):
        _flat_trip(ledger, number, when=NOW - 3_600 * number if number < 6 else NOW - 40 * 86_400)
    return ledger


def _flat_trip(ledger: PromptLedger, number: int, *, when: float) -> None:
    """Buy in two parts and sell at the same price: the loss is the fees and nothing else."""
    bought = entry(f"e{number}", price=1000, when=when - 30)
    sold = exit_of(f"x{number}", f"e{number}", reason=ExitReason.TIMEOUT_LOSS, when=when - 10)
    fills = [
        fill_of(bought, f"a{number}", size=400, fee="0.03", when=when - 25),
        fill_of(bought, f"b{number}", size=600, fee="0.045", when=when - 20),
        fill_of(sold, f"c{number}", fee="0.08", when=when, liquidity=Liquidity.TAKER),
    ]
    ledger.write_intent(bought)
    ledger.write_intent(sold)
    ledger.write([moved(sold, Move.ACCEPTED, order_id=f"exchange-{number}"), *fills])


@pytest.fixture
def cursor(traded: PromptLedger, database_url: str) -> Iterator[Cursor]:
    """Return a cursor of a plain connection."""
    connection = psycopg2.connect(database_url)
    yield connection.cursor()
    connection.close()


def test_the_first_query_counts_executed_orders_of_the_last_day(cursor: Cursor) -> None:
    cursor.execute(TRADES_OF_A_DAY)
    assert cursor.fetchall() == [(12,)]


def test_the_second_query_counts_each_round_trip_once(cursor: Cursor) -> None:
    cursor.execute(LOSERS)
    assert cursor.fetchall() == [(SYMBOL, 6, 0.0, Decimal("-0.155"), Decimal("-0.930"))]


def test_imported_trades_are_in_both_answers_under_their_own_source(
    traded: PromptLedger, database_url: str
) -> None:
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(
        "INSERT INTO import_batches (origin, digest, at_ns, read, imported, refused)"
        " VALUES ('old.csv', 'abc', 5, 2, 2, 0)"
    )
    for order, side, pnl, value in (("o-1", "BUY", None, None), ("o-2", "SELL", "-60.5", "100")):
        cursor.execute(
            "INSERT INTO imported_trades (source, order_id, batch, symbol, side, at_ns, price, size, fees,"
            " status, pnl, entry_value)"
            " VALUES ('legacy', %s, 1, %s, %s, %s, 0.1, 10, 0.05, 'FILLED', %s, %s)",
            (order, SYMBOL, side, at(NOW - 600), pnl, value),
        )
    cursor.execute(TRADES_OF_A_DAY)
    assert cursor.fetchall() == [(14,)]
    cursor.execute(LOSERS)
    ((symbol, trades, wins, _, total),) = cursor.fetchall()
    assert (symbol, trades, wins, total) == (SYMBOL, 7, 0.0, Decimal("-61.430"))
    cursor.execute(
        "SELECT order_id, pnl_usd, notional_usd, strategy_tag FROM trade_records"
        " WHERE source = 'legacy' ORDER BY order_id"
    )
    assert cursor.fetchall() == [
        ("o-1", None, Decimal(1), "imported"),
        ("o-2", Decimal("-60.5"), Decimal(1), "imported"),
    ]
    cursor.execute("SELECT source, trips, net FROM symbol_days WHERE source <> 'passivemm'")
    assert cursor.fetchall() == [("imported:legacy", 1, Decimal("-60.5"))]
    cursor.execute("DELETE FROM import_batches")
    cursor.execute("SELECT count(*) FROM symbol_days WHERE source <> 'passivemm'")
    assert cursor.fetchall() == [(0,)]
    connection.close()


def test_psql_runs_both_queries_unchanged(traded: PromptLedger, database_url: str) -> None:
    psql = shutil.which("psql") or str(binary("psql"))
    done = subprocess.run(
        [psql, database_url, "-XAt", "-v", "ON_ERROR_STOP=1", "-c", TRADES_OF_A_DAY, "-c", LOSERS],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == "12"
    assert second.startswith("TNSR-USD|6|0|-0.155")
    assert second.endswith("|-0.930")


def test_a_row_is_one_executed_order_and_the_closing_one_carries_the_result(cursor: Cursor) -> None:
    cursor.execute(
        "SELECT order_id, side, price, size, notional_usd, fees_usd, pnl_usd, status, source, strategy_tag,"
        " passive_order_id, exit_reason, hold_seconds, config_sha FROM trade_records"
        " WHERE passive_order_id = 'e0' ORDER BY order_time"
    )
    opened, closed = cursor.fetchall()
    assert opened == (
        *("e0", "BUY", Decimal("0.1"), Decimal(10), Decimal(1), Decimal("0.075"), None, "FILLED"),
        *("passivemm", "passive-v1", "e0", None, None, "c0ffee"),
    )
    assert closed == (
        *(
            "exchange-0",
            "SELL",
            Decimal("0.1"),
            Decimal(10),
            Decimal(1),
            Decimal("0.08"),
            Decimal("-0.155"),
        ),
        *("FILLED", "passivemm", "passive-v1", "e0", "timeout_loss", Decimal(25), "c0ffee"),
    )


def test_a_cancelled_order_that_never_executed_is_no_trade(
    traded: PromptLedger, cursor: Cursor
) -> None:
    traded.write_intent(entry("quiet", when=NOW))
    traded.write([moved(entry("quiet", when=NOW), Move.CANCELLED, filled=0)])
    cursor.execute("SELECT count(*) FROM trade_records WHERE client_id = 'quiet'")
    assert cursor.fetchall() == [(0,)]


def test_a_partial_fill_of_a_cancelled_order_is_a_trade_of_what_was_filled(
    traded: PromptLedger, cursor: Cursor
) -> None:
    bought = entry("part", when=NOW)
    traded.write_intent(bought)
    traded.write(
        [
            fill_of(bought, "p1", size=300, when=NOW),
            moved(bought, Move.CANCELLED, when=NOW, filled=300),
        ]
    )
    cursor.execute("SELECT status, size FROM trade_records WHERE client_id = 'part'")
    assert cursor.fetchall() == [("CANCELLED", Decimal(3))]


def test_reports_read_the_same_books(traded: PromptLedger, database_url: str) -> None:
    traded.write_intent(entry("open", when=NOW))
    reports = Reports(lambda: database_url)
    latest = reports.round_trips(Wanted(limit=2))
    assert [trip.id for trip in latest] == ["e0", "e1"]
    assert latest[0].net == Decimal("-0.155")
    assert latest[0].price_move + latest[0].spread_captured == Decimal(0)
    assert [trip.id for trip in reports.round_trips(Wanted(symbol="BTC-USD"))] == []
    assert [(order.client_id, order.filled) for order in reports.open_orders()] == [
        ("open", Decimal(0))
    ]
    assert reports.positions() == []
    for by, key in [
        (PnlBy.SYMBOL, SYMBOL),
        (PnlBy.EXIT_REASON, "timeout_loss"),
        (PnlBy.CONFIG, "c0ffee"),
    ]:
        (line,) = reports.pnl(by)
        assert (line.key, line.trips, line.wins) == (key, 7, 0)
        assert (line.net, line.fees) == (Decimal("-1.085"), Decimal("1.085"))
    recent = reports.pnl(PnlBy.DAY, since=at(NOW - 10 * 86_400))
    assert sum(line.trips for line in recent) == 6
    reports.close()


@pytest.mark.parametrize("query", [TRADES_OF_A_DAY, LOSERS])
def test_the_operators_queries_have_an_index_for_their_time_span(
    cursor: Cursor, query: str
) -> None:
    cursor.execute("SET enable_seqscan = off")
    cursor.execute("EXPLAIN " + query)
    plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "executions_" in plan
