"""The database itself refuses what must be impossible, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from quietmaker.core.commands import Gate, HoldChanged
from quietmaker.core.orders import ExitReason, OrderState
from quietmaker.core.units import Side
from quietmaker.ledger import postgres as postgres_module
from quietmaker.ledger.derivation import derived
from quietmaker.ledger.reading.reports import Reports
from tests.ledger.makers import PRODUCTS, SYMBOL, at, dust_left, entry, exit_of, fill_of, moved
from tests.ledger.prompt import FactsRefused, PromptLedger


@pytest.fixture
def traded(postgres_ledger: PromptLedger) -> PromptLedger:
    """Return a ledger that holds one round trip."""
    ledger = postgres_ledger
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    ledger.write_intent(entry("e1"))
    ledger.write_intent(exit_of("x1", "e1"))
    fills = [fill_of(entry("e1"), "t1"), fill_of(exit_of("x1", "e1"), "t2", when=4)]
    ledger.write([moved(entry("e1"), "accepted", order_id="x-1"), *fills, dust_left("t2", 1)])
    return ledger


@pytest.fixture
def raw(traded: PromptLedger, database_url: str) -> Iterator[Connection]:
    """Return a plain connection to the ledger's database."""
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    yield connection
    connection.close()


FACTS = [
    "meta",
    "order_intents",
    "order_events",
    "fills",
    "fill_marks",
    "dust_left",
    "refused_facts",
]


@pytest.mark.parametrize("table", FACTS)
@pytest.mark.parametrize(
    "change", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {} = {}"]
)
def test_a_stored_fact_can_be_neither_changed_nor_removed(
    raw: Connection, table: str, change: str
) -> None:
    column = {"meta": "mode", "fill_marks": "mid", "refused_facts": "kind"}.get(table, "symbol")
    column = "reason" if table == "order_events" else column
    with pytest.raises(psycopg2.errors.RestrictViolation, match="append-only"):
        raw.cursor().execute(change.format(table, column, column))


@pytest.mark.parametrize("money", ["'NaN'", "'Infinity'", "'-Infinity'", "NULL"])
def test_money_is_a_finite_number(raw: Connection, money: str) -> None:
    with pytest.raises((psycopg2.errors.CheckViolation, psycopg2.errors.NotNullViolation)):
        raw.cursor().execute(
            "INSERT INTO fills (trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns)"
            f" VALUES ('n', 'e1', 'TNSR-USD', 'BUY', 1, 1, {money}, 'MAKER', 1)"
        )


def test_every_exit_rule_and_order_state_of_the_core_is_a_legal_value(raw: Connection) -> None:
    cursor = raw.cursor()
    for rule in ExitReason:
        cursor.execute("SELECT %s::exit_rule", (rule.value,))
    for state in OrderState:
        cursor.execute("UPDATE order_states SET state = %s WHERE client_id = 'e1'", (state.value,))


def test_a_run_of_the_other_mode_is_impossible_even_for_a_stranger(raw: Connection) -> None:
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        raw.cursor().execute(
            "INSERT INTO runs (mode, config_sha, version, started_ns) VALUES ('live', 'a', 'b', 1)"
        )


def test_attribution_cannot_be_left_out(raw: Connection) -> None:
    for column in ("strategy_tag", "passive_order_id", "source"):
        cursor = raw.cursor()
        cursor.execute(
            "SELECT is_nullable FROM information_schema.columns"
            " WHERE table_name = 'order_intents' AND column_name = %s",
            (column,),
        )
        assert cursor.fetchall() == [("NO",)]


def test_no_money_is_a_float(raw: Connection) -> None:
    cursor = raw.cursor()
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type IN ('real', 'double precision')"
    )
    assert cursor.fetchall() == []


def test_the_time_beside_the_nanoseconds_is_the_same_moment(raw: Connection) -> None:
    cursor = raw.cursor()
    cursor.execute(
        "SELECT (extract(epoch FROM at_instant(1700000000123456789)) * 1000000)::bigint,"
        " (extract(epoch FROM at_instant(4102444799999999999)) * 1000000)::bigint"
    )
    assert cursor.fetchall() == [(1_700_000_000_123_456, 4_102_444_799_999_999)]


def test_a_refused_fact_is_kept_as_evidence_once(traded: PromptLedger, raw: Connection) -> None:
    for _ in range(2):
        with pytest.raises(FactsRefused):
            traded.write([fill_of(entry("stranger"), "t9")])
    cursor = raw.cursor()
    cursor.execute("SELECT kind, fact LIKE '%t9%', error LIKE '%order_intents%' FROM refused_facts")
    assert cursor.fetchall() == [("fills", True, True)]


def test_what_is_derived_agrees_with_the_facts(traded: PromptLedger, database_url: str) -> None:
    reports = Reports(lambda: database_url)
    assert reports.derived_drift() == []
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE holdings SET size = size + 1")
        cursor.execute("UPDATE executions SET fees = 0 WHERE client_id = 'e1'")
        cursor.execute("UPDATE executions SET pnl = 1 WHERE client_id = 'x1'")
    connection.close()
    drift = set(reports.derived_drift())
    reports.close()
    assert drift == {("holdings", SYMBOL), ("executions", "e1"), ("results", "x1")}


def test_symbols_in_use_are_found_without_being_asked_for(traded: PromptLedger) -> None:
    assert traded.symbols_in_use() == ()
    traded.write_intent(entry("e2"))
    assert traded.symbols_in_use() == (SYMBOL,)
    assert traded.database.latest_fill() == at(4)


def test_hold_episodes_are_bounded(
    traded: PromptLedger, raw: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_module, "_HOLDS_KEPT", 3)
    monkeypatch.setattr(postgres_module, "_HOLDS_BETWEEN_PRUNES", 10)
    traded.write(
        HoldChanged(
            symbol=SYMBOL,
            now=at(n),
            side=Side.BUY,
            gate=Gate.COOLDOWN if n % 2 else None,
            detail="",
        )
        for n in range(10)
    )
    cursor = raw.cursor()
    cursor.execute(
        "SELECT gate, (extract(epoch FROM until - since))::int FROM hold_episodes ORDER BY since"
    )
    assert cursor.fetchall() == [("cooldown", 1), (None, 1), ("cooldown", None)]


def test_a_position_of_many_fills_is_read_page_by_page_back_to_the_last_flat(
    traded: PromptLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived, "PAGE", 3)
    bought = entry("e2", size=1000, when=10)
    traded.write_intent(bought)
    fills = [fill_of(bought, f"p{n:02}", size=10 + n, when=11 + n // 4) for n in range(11)]
    traded.write(fills)
    found = traded.books(PRODUCTS).symbols[SYMBOL]
    assert [(lot.trade_id, lot.lots) for lot in found.lots] == [(f.trade_id, f.size) for f in fills]
    assert found.round_trip == "e2"
