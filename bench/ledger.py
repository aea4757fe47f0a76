"""What a durable intent costs, against PostgreSQL's own floor: a bare one-row commit on the same disk.

Prints one JSON line. Times are milliseconds; rates are per second. Run: ``python -m bench.ledger [COUNT]``.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psycopg2

from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Side, Ticks
from quietmaker.ledger.embedded import EmbeddedPostgres
from quietmaker.ledger.postgres import PostgresLedger

_WRITERS = 8
_PRODUCT = Product(
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    tick=Decimal("0.01"),
    lot=Decimal("0.00000001"),
    min_size=Decimal("0.00000001"),
    max_size=Decimal("3400"),
    min_notional=Decimal("1"),
    untradable="",
)


def main() -> None:
    """Measure on a server of our own below ``var``: the disk that an instance would use."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    place = Path("var")
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-ledger-") as home:
        server = EmbeddedPostgres(Path(home))
        try:
            print(json.dumps(_measure(server.start(), count)))
        finally:
            server.stop()


def _measure(url: str, count: int) -> dict[str, object]:
    ledger = PostgresLedger(lambda: url, products={_PRODUCT.symbol: _PRODUCT})
    ledger.begin_run(mode="paper", config_sha="bench", version="bench", at=Instant(0))
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE floor (id integer PRIMARY KEY, words text NOT NULL)")

    def bare(number: int) -> None:
        cursor.execute("INSERT INTO floor VALUES (%s, %s)", (number, "x" * 200))

    def intent(number: int) -> None:
        ledger.write_intent(_intent(f"one-{number}"))

    floor, ours = [], []
    for number in range(count):  # in turn, so that both meet the same disk
        floor.append(_timed(bare, number))
        ours.append(_timed(intent, number))
    together = _together(ledger, count)
    ledger.close()
    connection.close()
    return {
        "bench": "ledger",
        "intents": count,
        "floor_p50_ms": _quantile(floor[100:], 0.5),
        "floor_p99_ms": _quantile(floor[100:], 0.99),
        "intent_p50_ms": _quantile(ours[100:], 0.5),
        "intent_p99_ms": _quantile(ours[100:], 0.99),
        "intents_per_s": round(len(ours) / sum(ours)),
        "writers": _WRITERS,
        "intents_per_s_together": round(together),
    }


def _together(ledger: PostgresLedger, count: int) -> float:
    def write(writer: int) -> None:
        for number in range(count // _WRITERS):
            ledger.write_intent(_intent(f"many-{writer}-{number}"))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(_WRITERS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - begun)


def _timed(work: Callable[[int], None], number: int) -> float:
    begun = time.perf_counter()
    work(number)
    return time.perf_counter() - begun


def _quantile(values: list[float], share: float) -> float:
    return round(1_000 * sorted(values)[int(share * (len(values) - 1))], 3)


def _intent(client_id: str) -> Intent:
    return Intent(
        client_id=client_id,
        symbol=_PRODUCT.symbol,
        side=Side.BUY,
        price=Ticks(9_512_345),
        size=Lots(1_234_567),
        post_only=True,
        time_in_force=TimeInForce.GTC,
        expire_at=None,
        purpose=Purpose.ENTRY,
        exit_reason=None,
        strategy_tag="passive-v1",
        passive_order_id=client_id,
        decided_at=Instant(1_700_000_000_000_000_000),
        bid=Ticks(9_512_300),
        ask=Ticks(9_512_400),
        inputs=(("required_spread", "0.0052"), ("volatility", "0.0131"), ("mid", "95123.50")),
    )


if __name__ == "__main__":
    main()
