"""Histories of any length for the ledger's benchmarks, made inside the database in one statement a table.

Rows are what the ledger itself would have written; triggers are off, and what they sum is summed at once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.ledger import migrate
from quietmaker.ledger.server.embedded import EmbeddedPostgres

SECOND = 1_000_000_000

_INTENTS = """
INSERT INTO order_intents (client_id, run, symbol, side, price, size, post_only, time_in_force, purpose,
    exit_reason, strategy_tag, passive_order_id, decided_ns, bid, ask, inputs, config_sha)
SELECT id, 1, 'S' || mod(g, %(symbols)s) || '-USD', side, 0.1, 10, true, 'GTC', purpose, reason, 'passivemm',
       passive,       %(start)s + g * %(step)s + later, 0.0999, 0.1001, '{"volatility": "0.013"}', 'bench'
FROM generate_series(1::bigint, %(trips)s) g
CROSS JOIN LATERAL (VALUES
    ('e' || g, 'BUY', 'entry', NULL, 'e' || g, 0),
    ('x' || g, 'SELL', 'exit', 'break_even_plus', 'e' || g, %(step)s / 2)
) AS o (id, side, purpose, reason, passive, later)
"""
_FILLS = """
INSERT INTO fills (trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns)
SELECT 't-' || i.client_id, i.client_id, i.symbol, i.side,
       i.price + mod(i.decided_ns / 1000000, 7) * 0.0001, i.size, 0.0025, 'MAKER', i.decided_ns + 1000000
FROM order_intents i
WHERE i.client_id <> ALL (SELECT 'x' || g FROM generate_series(%(trips)s - %(symbols)s + 1, %(trips)s) g)
"""
_OPEN = """
INSERT INTO order_intents (client_id, run, symbol, side, price, size, post_only, time_in_force, purpose,
    strategy_tag, passive_order_id, decided_ns, bid, ask, inputs, config_sha)
SELECT 'o' || g, 1, 'S' || mod(g, %(symbols)s) || '-USD', 'BUY', 0.09, 10, true, 'GTC', 'entry', 'passivemm',
       'o' || g,       %(end)s + g, 0.0999, 0.1001, '{"volatility": "0.013"}', 'bench'
FROM generate_series(1, %(orders)s) g
"""
_SUMS = """
INSERT INTO order_states (client_id, state, order_id, sent_ns, final, settled)
SELECT i.client_id, CASE WHEN f.client_id IS NULL THEN 'open' ELSE 'filled' END, 'at-' || i.client_id,
       i.decided_ns,       f.size, f.client_id IS NOT NULL
FROM order_intents i LEFT JOIN fills f ON f.client_id = i.client_id;
INSERT INTO executions (client_id, symbol, fills, filled, notional, fees, last_ns)
SELECT client_id, symbol, 1, size, price * size, fee, at_ns FROM fills;
INSERT INTO holdings (symbol, size)
SELECT symbol, sum(CASE side WHEN 'BUY' THEN size ELSE -size END) FROM fills GROUP BY symbol;
"""
_TRIPS = """
INSERT INTO round_trips (trip_id, id, symbol, entry, size, opened_ns, closed_ns, exit_reason, entry_value,
    exit_value, fees, spread_captured, price_move, adverse_horizon_ns, net, net_return_ppb, maker_fills,
    taker_fills, dust, closing_order, strategy_tag, config_sha, version)
SELECT 't-x' || g, 'e' || g, 'S' || mod(g, %(symbols)s) || '-USD', 'BUY', 10, at - 30000000000, at,
       'break_even_plus', 1, 1 + gross, 0.005, gross, 0, 60000000000, gross - 0.005, 0, 2, 0, 0, 'x' || g,
       'passivemm', 'bench', 1
FROM generate_series(1::bigint, %(trips)s) g
CROSS JOIN LATERAL (SELECT %(start)s + g * %(step)s AS at,
                           (mod(g * 7919::bigint, 200) - 100) * 0.0001 AS gross) t
"""
_CLOSERS = """
INSERT INTO executions (client_id, symbol, fills, filled, notional, fees, last_ns, trips, pnl, exit_reason,
    hold_seconds)
SELECT o.id, t.symbol, 1, 10, o.value, 0.0025, o.at, o.trips, o.pnl, o.reason, o.held
FROM round_trips t CROSS JOIN LATERAL (VALUES
    (t.id, t.entry_value::numeric, t.opened_ns, 0, NULL::numeric, NULL, NULL::numeric),
    (t.closing_order, t.exit_value::numeric, t.closed_ns, 1, t.net::numeric, t.exit_reason::text,
     t.hold_seconds)
) AS o (id, value, at, trips, pnl, reason, held)
"""
_DAYS = """
INSERT INTO symbol_days (symbol, day, source, trips, wins, entry_value, net, fees, spread_captured,
    price_move, adverse_selection, adverse_trips)
SELECT symbol, utc_day(closed_ns), 'passivemm', count(*), count(*) FILTER (WHERE net > 0), sum(entry_value),
       sum(net), sum(fees), sum(spread_captured), sum(price_move), 0, 0
FROM round_trips GROUP BY 1, 2
"""


@contextmanager
def server(name: str) -> Iterator[EmbeddedPostgres]:
    """Run a server of our own below ``var``, with the schema of this version."""
    place = Path("var")
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix=f"bench-{name}-") as home:
        made = EmbeddedPostgres(Path(home))
        try:
            migrate.upgrade(made.start())
            yield made
        finally:
            made.stop()


@contextmanager
def bulk(url: str) -> Iterator[Cursor]:
    """Return a cursor whose inserts fire no trigger and check no reference."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'")
        cursor.execute("INSERT INTO meta (mode) VALUES ('paper') ON CONFLICT DO NOTHING")
        yield cursor
    connection.close()


def make_fills(url: str, *, fills: int, orders: int, symbols: int) -> int:
    """Fill the books with executions, open orders and, underived, their round trips; return the last time."""
    trips, step = fills // 2, SECOND
    start = time.time_ns() - (trips + symbols) * step
    values = {"trips": trips, "symbols": symbols, "start": start, "step": step * symbols // 2}
    values |= {"start": start - trips * (values["step"] - step), "orders": orders}
    end = values["start"] + (trips + 1) * values["step"]
    with bulk(url) as cursor:
        cursor.execute(
            "INSERT INTO runs (mode, config_sha, version, started_ns) VALUES ('paper', 'bench', 'bench', 0)"
        )
        cursor.execute(_INTENTS, values)
        cursor.execute(_FILLS, values)  # the last exit of each symbol is still open
        cursor.execute(_OPEN, {**values, "end": end, "orders": orders - symbols})
        cursor.execute(_SUMS)
        cursor.execute("VACUUM ANALYZE")
    return end


def make_trips(url: str, *, trips: int, symbols: int, days: int) -> None:
    """Fill the derived tables with round trips of the last days, and their executed orders."""
    span = days * 86_400 * SECOND
    values = {"trips": trips, "symbols": symbols, "step": span // trips}
    with bulk(url) as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('round_trips', 'executions')"
            " AND indexname NOT LIKE '%_pkey'"
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute(_TRIPS, {**values, "start": time.time_ns() - span})
        cursor.execute(_CLOSERS)
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute(_DAYS)
        cursor.execute("VACUUM ANALYZE round_trips; ")
        cursor.execute("VACUUM ANALYZE executions")
        cursor.execute("VACUUM ANALYZE symbol_days")
