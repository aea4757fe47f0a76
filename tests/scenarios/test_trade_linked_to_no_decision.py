"""Of 902 trades not one was linked to what had decided it, and a dashboard of strategies was built on that.

The link was made afterwards, by a call that never came, under a key of another spelling, in memory that a
restart emptied. The intent is written before the order is sent; an execution without one cannot be stored
at all.

Incident A12.
"""

from __future__ import annotations

import psycopg2
import pytest

from tests.ledger.derivations import begin, query
from tests.ledger.makers import SYMBOL, entry, exit_of, fill_of
from tests.ledger.prompt import PromptLedger

LINKED = """
SELECT count(*), count(i.client_id) FILTER (WHERE i.strategy_tag <> '' AND i.passive_order_id <> ''
       AND i.config_sha <> '' AND i.inputs IS NOT NULL)
FROM fills f LEFT JOIN order_intents i USING (client_id)
"""
STRAY = (
    "INSERT INTO fills (trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns)"
    f" VALUES ('t9', 'nobody', '{SYMBOL}', 'BUY', 1, 1, 0, 'MAKER', 1)"
)


def test_every_execution_is_linked_to_its_decision(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    begin(postgres_ledger)
    for number in range(50):
        buy = entry(f"e{number}", when=number * 10)
        sell = exit_of(f"x{number}", f"e{number}", when=number * 10 + 3)
        for intent in (buy, sell):
            postgres_ledger.write_intent(intent)
        postgres_ledger.write([fill_of(buy, f"b{number}", when=number * 10 + 1)])
        postgres_ledger.write([fill_of(sell, f"s{number}", when=number * 10 + 4)])
    assert query(database_url, LINKED) == [(100, 100)]
    assert query(
        database_url,
        "SELECT count(*), count(DISTINCT passive_order_id), min(source), max(source) FROM trade_records",
    ) == [(100, 50, "passivemm", "passivemm")]


def test_an_execution_without_a_decision_cannot_be_stored(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    begin(postgres_ledger)
    connection = psycopg2.connect(database_url)
    with pytest.raises(psycopg2.errors.ForeignKeyViolation), connection.cursor() as cursor:
        cursor.execute(STRAY)
    connection.close()


@pytest.mark.parametrize("column", ["strategy_tag", "passive_order_id", "config_sha", "inputs"])
def test_a_decision_without_its_origin_cannot_be_stored(
    postgres_ledger: PromptLedger, database_url: str, column: str
) -> None:
    begin(postgres_ledger)
    found = query(
        database_url,
        "SELECT is_nullable FROM information_schema.columns"
        f" WHERE table_name = 'order_intents' AND column_name = '{column}'",
    )
    assert found == [("NO",)]
