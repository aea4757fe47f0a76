"""A predecessor's trades: what can be trusted is imported with its result, the rest has its reason."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg2
import pytest

from quietmaker.core.units import Instant
from quietmaker.errors import SourceError
from quietmaker.ledger.actions import Action
from quietmaker.ledger.imports.importer import Imported, Request, import_trades
from quietmaker.ledger.imports.rows import Distrusted, ImportedOrder, RawRow, read
from quietmaker.ledger.imports.sources import CsvSource, Source, TableSource
from quietmaker.ledger.reading.reports import PnlBy, Reports
from quietmaker.ledger.server.embedded import binary
from tests.ledger.conftest import run_sql
from tests.ledger.test_backup import query, trade
from tests.ledger.test_trade_records import LOSERS, TRADES_OF_A_DAY

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEADING = "order_id,symbol,side,order_time,price,size,total_fees_usd,status,source"
ACTION = Action(at=Instant(1), operator="me", action="db import", arguments={}, outcome="done")


def row(
    order_id: str = "b1", side: str = "BUY", when: str = "2026-05-01 10:00:00+00", **other: str
) -> str:
    """Return a line of a CSV: a buy of 10 TNSR for 0.99 with a fee of 0.005, or what is said instead."""
    values = {"symbol": "TNSR-USD", "price": "0.099", "size": "10", "fees": "0.005"}
    values |= {"status": "filled", "source": "passivemm", **other}
    return ",".join(
        [
            *(order_id, values["symbol"], side, when, values["price"], values["size"]),
            *(values["fees"], values["status"], values["source"]),
        ]
    )


GOOD = {
    "order_id": "b1",
    "symbol": "TNSR-USD",
    "side": "BUY",
    "order_time": "2026-05-01T10:00:00Z",
    "price": "0.099",
    "size": "10",
    "fees": "0.005",
    "status": "filled",
    "source": "passivemm",
}
Import = Callable[..., Imported]


@pytest.fixture
def imported(database_url: str, tmp_path: Path) -> Import:
    """Return a function that imports lines of a CSV."""

    def run(
        *lines: str,
        heading: str = HEADING,
        zone: str | None = None,
        dry: bool = False,
        **named: str,
    ) -> Imported:
        path = tmp_path / "old.csv"
        path.write_text("\n".join([heading, *lines]) + "\n")
        return import_from(CsvSource(path, named=named), database_url, zone=zone, dry=dry)

    return run


def import_from(
    source: Source, url: str, *, zone: str | None = None, dry: bool = False
) -> Imported:
    request = Request(
        now=NOW, zone=None if zone is None else ZoneInfo(zone), options=zone or "", dry=dry
    )
    return import_trades(url, source, request, action=ACTION, tell=lambda _: None)


def test_a_sell_closes_what_was_bought_before_and_has_the_result(
    imported: Import, database_url: str
) -> None:
    done = imported(
        row("b1"), row("s1", "SELL", "2026-05-01 10:05:00+00", price="0.1", source="monitor")
    )
    assert (done.read, done.imported, done.closing, done.refused) == (2, 2, 1, ())
    assert done.net == Decimal("0.00")
    assert query(
        database_url,
        "SELECT order_id, pnl, source, hold_seconds, status FROM imported_trades ORDER BY order_time",
    ) == [
        ("b1", None, "passivemm", None, "filled"),
        ("s1", Decimal(0), "monitor", Decimal(300), "filled"),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"when": ""}, "time missing"),
        ({"when": "yesterday"}, "time unreadable: yesterday"),
        ({"when": "1746093600"}, "time unreadable"),
        (
            {"when": "2026-05-01 10:00:00"},
            "time without a zone: 2026-05-01 10:00:00 (say which with",
        ),
        ({"when": "2026-06-01 00:00:01+00"}, "time in the future"),
        ({"when": "1970-01-01 00:00:00+00"}, "time before there was an exchange"),
        ({"price": "0"}, "price not positive: 0"),
        ({"price": "-1"}, "price not positive"),
        ({"price": "NaN"}, "price no number: NaN"),
        ({"price": "inf"}, "price no number"),
        ({"price": ""}, "price missing"),
        ({"price": "1e-30"}, "price beyond belief"),
        ({"price": "1e300"}, "price beyond belief"),
        ({"size": "0.0"}, "size not positive"),
        ({"size": "many"}, "size no number: many"),
        ({"fees": "-0.01"}, "fee negative: -0.01"),
        ({"fees": "nan"}, "fee no number: nan"),
        ({"fees": ""}, "fee missing"),
        ({"side": "HOLD"}, "side unknown: HOLD"),
        ({"side": ""}, "side unknown: none"),
        ({"status": "open"}, "status not final: open"),
        ({"status": "cancelled"}, "status not final"),
        ({"status": ""}, "status not final: none"),
        ({"order_id": ""}, "no order id"),
        ({"order_id": "b1-FILL-2"}, "synthetic id"),
        ({"symbol": "TNSR"}, "symbol unknown: TNSR"),
    ],
)
def test_a_row_that_cannot_be_trusted_is_refused_with_what_was_found(
    fields: dict[str, str], reason: str
) -> None:
    names = {"when": "order_time"}
    said = {names.get(name, name): value for name, value in fields.items()}
    refusal = read(RawRow(line=7, values={**GOOD, **said}), now=NOW, zone=None)
    assert isinstance(refusal, Distrusted)
    assert refusal.reason.startswith(reason)
    assert (refusal.line, refusal.order_id) == (7, said.get("order_id", "b1"))
    assert isinstance(read(RawRow(line=7, values=GOOD), now=NOW, zone=None), ImportedOrder)


def test_refused_rows_are_kept_with_their_reason_and_the_others_imported(
    imported: Import, database_url: str
) -> None:
    other = {"symbol": "AVT-USD"}
    done = imported(row("zero", price="0"), row("good"), row("s", "SELL", **other))
    assert [(r.line, r.order_id) for r in done.refused] == [(2, "zero"), (4, "s")]
    assert done.imported == 1
    assert query(database_url, "SELECT line, reason FROM import_refusals ORDER BY 1") == [
        *((2, "price not positive: 0"), (4, "sells what was not bought: 10 of 10")),
    ]
    assert query(database_url, "SELECT order_id FROM imported_trades") == [("good",)]
    ((content,),) = query(database_url, "SELECT content FROM import_refusals WHERE line = 2")
    assert json.loads(str(content))["order_id"] == "zero"


def test_two_rows_of_one_id_that_differ_are_both_refused(imported: Import) -> None:
    done = imported(row("a"), row("a", price="0.2"), row("a", price="0.3"), row("b"))
    assert [(r.line, r.reason.partition(":")[0]) for r in done.refused] == [
        *((2, "id used twice"), (3, "id used twice"), (4, "id used twice")),
    ]
    assert done.imported == 1


def test_a_row_that_stands_twice_counts_once(imported: Import) -> None:
    done = imported(row("a"), row("a"))
    assert (done.imported, done.known, done.refused) == (1, 1, ())


def test_a_sell_of_more_than_was_bought_takes_the_rest_with_it(imported: Import) -> None:
    done = imported(
        row("b1", size="10"),
        row("s1", "SELL", "2026-05-02 10:00:00+00", size="12"),
        row("s2", "SELL", "2026-05-03 10:00:00+00", size="10"),
    )
    assert [r.reason for r in done.refused] == [
        *("sells what was not bought: 2 of 12", "sells what was not bought: 10 of 10"),
    ]
    assert (done.imported, done.closing) == (1, 0)


def test_lots_close_first_in_first_out_and_the_results_sum_to_the_cash(imported: Import) -> None:
    done = imported(
        row("b1", price="0.1", size="10", fees="0.01"),
        row("b2", when="2026-05-01 11:00:00+00", price="0.2", size="10", fees="0.02"),
        row("s1", "SELL", "2026-05-01 12:00:00+00", price="0.3", size="15", fees="0.03"),
        row("s2", "SELL", "2026-05-01 13:00:00+00", price="0.1", size="5", fees="0.01"),
    )
    assert done.closing == 2
    assert done.net == Decimal("4.5") + Decimal("0.5") - Decimal(3) - Decimal("0.07")


def test_the_order_of_the_rows_does_not_matter(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    lines = [row(f"b{n}", when=f"2026-05-01 1{n}:00:00+00", price=f"0.{n + 1}") for n in range(5)]
    lines += [
        row(f"s{n}", "SELL", f"2026-05-02 1{n}:00:00+00", size="7.3", price="0.31")
        for n in range(6)
    ]
    results = []
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        path = tmp_path / f"{seed}.csv"
        path.write_text("\n".join([HEADING, *lines]) + "\n")
        url = new_database()
        import_from(CsvSource(path, named={}), url)
        results.append(query(url, "SELECT order_id, pnl FROM imported_trades ORDER BY order_id"))
    assert results[0] == results[1] == results[2]


def snapshot(url: str) -> list[object]:
    tables = (
        "import_batches",
        "imported_trades",
        "import_refusals",
        "symbol_days",
        "operator_actions",
    )
    present = query(url, "SELECT relname FROM pg_class WHERE relkind = 'r'")
    return [
        query(url, f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in tables
        if (table,) in present
    ]


def test_the_same_file_twice_changes_nothing(imported: Import, database_url: str) -> None:
    lines = (row("b1"), row("s1", "SELL", "2026-05-01 10:05:00+00"), row("x", price="0"))
    first = imported(*lines)
    before = snapshot(database_url)
    again = imported(*lines)
    assert again.already
    assert again.batch == first.batch
    assert [r.reason for r in again.refused] == [r.reason for r in first.refused]
    assert snapshot(database_url) == before


def test_a_file_that_goes_on_adds_what_is_new_and_matches_it_with_what_is_there(
    imported: Import, database_url: str
) -> None:
    imported(row("b1"))
    done = imported(row("b1"), row("s1", "SELL", "2026-05-01 10:05:00+00"))
    assert (done.imported, done.known, done.closing) == (1, 1, 1)
    assert query(database_url, "SELECT batch, order_id FROM imported_trades ORDER BY 2") == [
        *((1, "b1"), (2, "s1")),
    ]


def test_earlier_buys_that_come_later_change_the_results_that_they_belong_to(
    imported: Import, database_url: str
) -> None:
    buy_late = row("b2", when="2026-05-01 10:00:00+00", price="0.2")
    sell = row("s1", "SELL", "2026-05-01 12:00:00+00", price="0.2", fees="0")
    imported(buy_late, sell)
    imported(row("b0", when="2026-05-01 09:00:00+00", price="0.1", fees="0"))
    assert query(database_url, "SELECT pnl FROM imported_trades WHERE order_id = 's1'") == [
        (Decimal("1.0"),)
    ]
    reports = Reports(lambda: database_url)
    assert reports.derived_drift() == []
    reports.close()


def test_another_content_under_an_imported_id_is_refused(imported: Import) -> None:
    imported(row("b1"))
    done = imported(row("b1", price="0.2"))
    assert [r.reason for r in done.refused] == ["id imported before: batch 1 says other"]


def test_a_dry_run_says_the_same_and_stores_nothing(imported: Import, database_url: str) -> None:
    lines = (row("b1"), row("s1", "SELL", "2026-05-01 10:05:00+00"), row("x", price="0"))
    before = snapshot(database_url)
    dry = imported(*lines, dry=True)
    assert snapshot(database_url) == before
    done = imported(*lines)
    assert (dry.batch, done.batch) == (None, 1)
    assert (dry.imported, dry.closing, dry.net) == (done.imported, done.closing, done.net)
    assert dry.refused == done.refused


def test_times_without_a_zone_are_read_in_the_zone_that_was_named(
    imported: Import, database_url: str
) -> None:
    lines = (
        row("a", when="2026-05-01 10:00:00"),
        row("b", when="2025-10-26 02:30:00"),  # twice on the clocks of Berlin
        row("c", when="2026-03-29 02:30:00"),  # never
        row("d", when="2026-05-01 10:00:00+00"),
    )
    done = imported(*lines, zone="Europe/Berlin")
    assert [r.reason.partition(":")[0] for r in done.refused] == [
        *["time twice or never on the clock of its zone"] * 2,
    ]
    assert query(
        database_url,
        "SELECT order_id, to_char(order_time AT TIME ZONE 'UTC', 'HH24:MI') FROM imported_trades ORDER BY 1",
    ) == [("a", "08:00"), ("d", "10:00")]


def test_columns_are_found_under_the_names_that_the_predecessor_had(
    imported: Import, database_url: str
) -> None:
    heading = "Order_ID,product_id,SIDE,filled_at,avg_price,filled_size,commission,state,pnl_usd"
    line = "b1,tnsr/usd,buy,2026-05-01T10:00:00.123456Z,0.099,10,0.005,FILLED,-16.45"
    assert imported(line, heading=heading).imported == 1
    assert query(database_url, "SELECT symbol, source, status FROM imported_trades") == [
        ("TNSR-USD", "unknown", "FILLED")
    ]


def test_a_missing_column_is_named_with_those_that_are_there(imported: Import) -> None:
    heading = HEADING.replace("price", "px")
    with pytest.raises(
        SourceError, match=r"no column for price; it has order_id, .*--column price="
    ):
        imported(row(), heading=heading)
    assert imported(row(), heading=heading, price="px").imported == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "no column for order_id"),
        (HEADING.encode() + b"\n1,2\n", "line 2: 2 fields under a heading of 9"),
        (HEADING.encode() + b"\n\xff\xfe\n", "not UTF-8"),
        (HEADING.encode() + b'\n"unclosed\n', "is no CSV"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_place(
    database_url: str, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        import_from(CsvSource(path, named={}), database_url)


def test_a_file_that_is_not_there_is_named(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv cannot be read"):
        import_from(CsvSource(tmp_path / "nowhere.csv", named={}), database_url)


@pytest.fixture
def live_table(server_url: str) -> str:
    """Return the URL of a database with the predecessor's table, all in floating point."""
    name = "predecessor"
    run_sql(server_url, f"DROP DATABASE IF EXISTS {name}")
    run_sql(server_url, f"CREATE DATABASE {name}")
    url = server_url.replace("/quietmaker?", f"/{name}?")
    run_sql(
        url,
        "CREATE TABLE trade_records (order_id text PRIMARY KEY, symbol text, side text,"
        " order_time timestamptz, price float, size float, total_fees_usd float, pnl_usd float,"
        " status text, source text)",
    )
    run_sql(
        url,
        "INSERT INTO trade_records VALUES"
        " ('b1', 'TNSR-USD', 'buy', '2026-05-01 10:00:00.5+00', 0.1, 0.3, 0.0001, NULL, 'filled', 'mm'),"
        " ('s1', 'TNSR-USD', 'sell', '2026-05-01 12:00:00+02', 0.1, 0.1, 0.0001, -99, 'filled', 'passivemm'),"
        " ('s2', 'TNSR-USD', 'sell', '2026-05-01 11:00:00+00', 0.1, 0.2, 'NaN', 1, 'filled', 'passivemm'),"
        " ('s3', 'TNSR-USD', 'sell', '2026-05-01 11:00:00+00', 0.1, 0.2, 0.0002, NULL, 'filled', NULL),"
        " ('s4', 'TNSR-USD', 'sell', NULL, 0.1, 0.2, 0.0002, NULL, 'filled', NULL)",
    )
    return url


def test_a_live_table_is_read_without_losing_a_digit_of_its_floats(
    live_table: str, database_url: str
) -> None:
    done = import_from(TableSource(live_table, "public.trade_records", named={}), database_url)
    assert sorted(r.reason.partition(":")[0] for r in done.refused) == [
        *("fee no number", "sells what was not bought", "time missing"),
    ]
    assert query(
        database_url, "SELECT order_id, size, fees, pnl FROM imported_trades ORDER BY 1"
    ) == [
        ("b1", Decimal("0.3"), Decimal("0.0001"), None),
        ("s3", Decimal("0.2"), Decimal("0.0002"), query(database_url, PNL_OF_S3)[0][0]),
    ]
    ((origin,),) = query(database_url, "SELECT origin FROM import_batches")
    assert origin == "127.0.0.1/predecessor public.trade_records"
    again = import_from(TableSource(live_table, "public.trade_records", named={}), database_url)
    assert again.already


PNL_OF_S3 = "SELECT pnl FROM imported_trades WHERE order_id = 's3'"


def test_a_database_that_does_not_answer_or_has_no_such_table_is_named(
    live_table: str, database_url: str
) -> None:
    with pytest.raises(SourceError, match=r'cannot be read: relation "nothing" does not exist'):
        import_from(TableSource(live_table, "nothing", named={}), database_url)
    unreachable = live_table.replace("/predecessor?", "/absent?")
    with pytest.raises(SourceError, match="cannot be reached"):
        import_from(TableSource(unreachable, "trade_records", named={}), database_url)


def test_imported_trades_are_in_the_operators_queries_and_in_nothing_that_we_earned(
    imported: Import, database_url: str
) -> None:
    trade(database_url)
    reports = Reports(lambda: database_url)
    before = (
        reports.positions(),
        reports.cash_flows(),
        reports.pnl(PnlBy.SYMBOL),
        reports.open_orders(),
    )
    imported(row("b1"), row("s1", "SELL", "2026-05-01 10:05:00+00"), row("held", size="1000"))
    after = (
        reports.positions(),
        reports.cash_flows(),
        reports.pnl(PnlBy.SYMBOL),
        reports.open_orders(),
    )
    reports.close()
    assert before == after


def test_psql_answers_the_operators_two_queries_from_imported_trades_as_well(
    database_url: str, tmp_path: Path
) -> None:
    lines = []
    for number in range(6):
        day = f"{datetime.now(UTC) - timedelta(days=number, hours=2):%Y-%m-%dT%H:%M:%SZ}"
        later = f"{datetime.now(UTC) - timedelta(days=number, hours=1):%Y-%m-%dT%H:%M:%SZ}"
        lines.append(row(f"b{number}", when=day, price="0.1", fees="0.075"))
        lines.append(row(f"s{number}", "SELL", later, price="0.1", fees="0.08"))
    path = tmp_path / "old.csv"
    path.write_text("\n".join([HEADING, *lines]) + "\n")
    request = Request(now=datetime.now(UTC), zone=None, options="", dry=False)
    source = CsvSource(path, named={})
    done = import_trades(database_url, source, request, action=ACTION, tell=lambda _: None)
    assert done.net == Decimal("-0.93")
    psql = shutil.which("psql") or str(binary("psql"))
    answered = subprocess.run(
        [psql, database_url, "-XAt", "-v", "ON_ERROR_STOP=1", "-c", TRADES_OF_A_DAY, "-c", LOSERS],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = answered.stdout.splitlines()
    assert first == "2"
    assert second.startswith("TNSR-USD|6|0|-0.155")
    assert second.endswith("|-0.930")
    assert query(
        database_url, "SELECT DISTINCT source, strategy_tag, passive_order_id FROM trade_records"
    ) == [("passivemm", "imported", None)]
    assert query(
        database_url,
        "SELECT source, sum(trips), sum(wins), sum(net) FROM symbol_days GROUP BY source",
    ) == [("imported:passivemm", 6, 0, Decimal("-0.930"))]


def test_an_import_leaves_a_record_of_who_did_it(imported: Import, database_url: str) -> None:
    imported(row("b1"), row("x", price="0"))
    assert query(database_url, "SELECT operator, action, outcome FROM operator_actions") == [
        ("me", "db import", "batch 1: 1 imported, 1 refused")
    ]


def test_many_rows_are_imported_in_one_transaction(imported: Import, database_url: str) -> None:
    lines = []
    for number in range(3_000):
        day = f"2026-05-{number % 28 + 1:02}"
        lines.append(row(f"b{number}", when=f"{day} 10:00:00+00", symbol=f"A{number % 7}-USD"))
        lines.append(
            row(
                f"s{number}", "SELL", f"{day} 10:00:01+00", symbol=f"A{number % 7}-USD", price="0.1"
            )
        )
    done = imported(*lines)
    assert (done.imported, done.closing, done.refused) == (6_000, 3_000, ())
    assert done.net == Decimal("0.00")
    try:
        connection = psycopg2.connect(database_url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM imported_trades WHERE pnl IS NOT NULL")
            assert cursor.fetchone() == (3_000,)
    finally:
        connection.close()
