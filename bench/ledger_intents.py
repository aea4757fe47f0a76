"""What a durable intent adds to the order path, and what the disk and PostgreSQL take at the least.

Three things in turn, so that all meet the same disk: a bare `fdatasync` of as many bytes, a bare one-row
commit in PostgreSQL, and `write_intent`. Meanwhile another thread brings everything into the database, as
the ledger writer does.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

import psycopg2

from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Side, Ticks
from quietmaker.ledger.journal.disk import RealDisk
from quietmaker.ledger.journal.folder import JournalPlace
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.postgres import PostgresLedger

WRITERS: Final = (2, 8)
_WARM_UP: Final = 100
_RECORD: Final = 512
_PRODUCT: Final = Product(
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


def measure(url: str, folder: Path, count: int) -> dict[str, object]:
    """Measure in a database and below a folder of the same disk."""
    place = JournalPlace(folder=folder / "journal", now=lambda: Instant(time.time_ns()))
    ledger = JournaledLedger(
        PostgresLedger(lambda: url), place, products={_PRODUCT.symbol: _PRODUCT}, tell=print
    )
    ledger.begin_run(mode="paper", config_sha="bench", version="bench", at=Instant(0))
    alone = _one_by_one(url, folder, ledger, count)
    over = threading.Event()
    applier = threading.Thread(target=_apply, args=(ledger, over))
    applier.start()
    beside = [
        _timed(lambda n: ledger.write_intent(_intent(f"beside-{n}")), n) for n in range(count)
    ]
    together = {
        f"intents_per_s_{writers}_writers": round(_together(ledger, count, writers))
        for writers in WRITERS
    }
    over.set()
    applier.join()
    ledger.close()
    return {
        "intents": count,
        **alone,
        "intent_beside_applying_p50_ms": _quantile(beside, 0.5),
        "intent_beside_applying_p99_ms": _quantile(beside, 0.99),
        **together,
    }


def _one_by_one(url: str, folder: Path, ledger: JournaledLedger, count: int) -> dict[str, object]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE floor (id integer PRIMARY KEY, words text NOT NULL)")
    disk, path = RealDisk(), folder / "floor"
    disk.make(path, (count + 1) * _RECORD)
    handle = disk.open(path)

    def bare_sync(number: int) -> None:
        os.pwrite(handle, b"x" * _RECORD, number * _RECORD)
        os.fdatasync(handle)

    def bare_commit(number: int) -> None:
        cursor.execute("INSERT INTO floor VALUES (%s, %s)", (number, "x" * 200))

    def intent(number: int) -> None:
        ledger.write_intent(_intent(f"one-{number}"))

    syncs, commits, ours = [], [], []
    for number in range(count):
        syncs.append(_timed(bare_sync, number))
        commits.append(_timed(bare_commit, number))
        ours.append(_timed(intent, number))
    os.close(handle)
    connection.close()
    return {
        **_both("fdatasync_floor", syncs),
        **_both("postgres_floor", commits),
        **_both("intent", ours),
        "intent_over_fdatasync_p50_ms": _over(ours, syncs, 0.5),
        "intent_over_postgres_p50_ms": _over(ours, commits, 0.5),
        "intents_per_s": round(len(ours) / sum(ours)),
    }


def _apply(ledger: JournaledLedger, over: threading.Event) -> None:
    while ledger.apply().left or not over.is_set():
        pass


def _together(ledger: JournaledLedger, count: int, writers: int) -> float:
    def write(writer: int) -> None:
        for number in range(count // writers):
            ledger.write_intent(_intent(f"many-{writers}-{writer}-{number}"))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
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


def _both(name: str, values: list[float]) -> dict[str, object]:
    return {f"{name}_p50_ms": _quantile(values, 0.5), f"{name}_p99_ms": _quantile(values, 0.99)}


def _over(values: list[float], floor: list[float], share: float) -> float:
    return round(_quantile(values, share) - _quantile(floor, share), 3)


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values[_WARM_UP:])
    return round(1_000 * ordered[int(share * (len(ordered) - 1))], 3)


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
        config_sha="c0ffee",
    )
