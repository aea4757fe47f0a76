"""The filter's question over 30 days of round trips, and the operator's own over the same. One JSON line.

The filter asks sums of days, so the answer does not wait for the number of trades; the operator's query
over `trade_records` reads every closing order. Run: ``python -m bench.ledger_filter [TRIPS ...]``
(default 200,000; the goal is 10,000,000 in a second).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import psycopg2

from bench.ledger_history import make_trips, server
from quietmaker.core.filter_desk import Windows
from quietmaker.core.units import Instant
from quietmaker.ledger.filter_books import PostgresFilterBooks

_SYMBOLS = 200
_DAYS = 30
_LOSERS = """
SELECT symbol, COUNT(*) AS trades, SUM(CASE WHEN pnl_usd > 0 THEN 1 ELSE 0 END)::float / COUNT(*) AS win_rate,
       AVG(pnl_usd) AS avg_pnl, SUM(pnl_usd) AS total_pnl
FROM trade_records WHERE order_time >= NOW() - INTERVAL '30 days' AND pnl_usd IS NOT NULL
GROUP BY symbol HAVING COUNT(*) >= 5 AND (SUM(CASE WHEN pnl_usd > 0 THEN 1 ELSE 0 END)::float / COUNT(*) < 0.30
       OR AVG(pnl_usd) < -5.0 OR SUM(pnl_usd) < -50.0) ORDER BY total_pnl ASC;
"""  # noqa: E501 - word for word
_OF_A_DAY = (
    "SELECT COUNT(*) FROM trade_records"
    " WHERE symbol = 'S7-USD' AND order_time > NOW() - INTERVAL '24 hours';"
)


def main() -> None:
    """Measure each number of round trips on a server of its own."""
    for each in sys.argv[1:] or ["200000"]:
        print(json.dumps(_measure(int(each))), flush=True)


def _measure(trips: int) -> dict[str, object]:
    with server("filter") as made:
        url = made.start()
        began = time.monotonic()
        make_trips(url, trips=trips, symbols=_SYMBOLS, days=_DAYS)
        made_in = time.monotonic() - began
        books = PostgresFilterBooks(lambda: url)
        since = Instant(time.time_ns() - _DAYS * 86_400 * 1_000_000_000)
        windows = {f"S{n}-USD": Windows(real=since, shadow=since) for n in range(_SYMBOLS)}

        def ask() -> int:
            return sum(found.real.trips for found in books.trades(windows).values())

        found = ask()
        result = {
            "bench": "ledger_filter",
            "round_trips": trips,
            "symbols": _SYMBOLS,
            "found": found,
            "filter_ms": _median(ask),
            "operator_losers_ms": _median(lambda: _run(url, _LOSERS), times=3),
            "operator_day_ms": _median(lambda: _run(url, _OF_A_DAY), times=3),
            "generated_s": round(made_in, 1),
        }
        books.close()
        return result


def _run(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.fetchall()
    connection.close()


def _median(work: Callable[[], object], *, times: int = 7) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return round(sorted(spent)[len(spent) // 2] * 1_000, 1)


if __name__ == "__main__":
    main()
