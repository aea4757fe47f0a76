"""A change of the schema was reported as running for three weeks; it had never been made.

Nothing had tried the migration on data, and nothing looked whether it had happened. A start moves the
schema, derives what it newly derives from the data that is there, and says where it stands.

Incident A5.
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.ledger import migrate, schema
from tests.ledger.conftest import run_sql
from tests.ledger.derivations import begin, derived, query
from tests.ledger.makers import PRODUCTS, entry, exit_of, fill_of
from tests.ledger.prompt import PromptLedger


def test_data_of_before_a_migration_is_derived_after_it(empty_url: str) -> None:
    ledger = PromptLedger(lambda: empty_url, products=PRODUCTS)
    begin(ledger)
    buy, sell = entry("e1"), exit_of("x1", "e1")
    for intent in (buy, sell):
        ledger.write_intent(intent)
    ledger.write([fill_of(buy, "t1", fee="0.01", when=2), fill_of(sell, "t2", fee="0.01", when=3)])
    ledger.close()
    expected = derived(empty_url)
    migrate.downgrade(empty_url, revision="0004")
    assert query(empty_url, "SELECT count(*) FROM fills") == [(2,)]
    PromptLedger(lambda: empty_url, products=PRODUCTS).close()
    assert schema.current(empty_url) == schema.known()[-1]
    assert derived(empty_url) == expected
    assert query(empty_url, "SELECT net FROM round_trips") == [(Decimal("-0.01"),)]


def test_what_was_derived_is_derived_anew_when_it_went_missing(database_url: str) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    begin(ledger)
    buy = entry("e1")
    ledger.write_intent(buy)
    ledger.write([fill_of(buy, "t1", when=2)])
    ledger.close()
    run_sql(database_url, "DELETE FROM derivations; DELETE FROM lots")
    PromptLedger(lambda: database_url, products=PRODUCTS).close()
    assert query(database_url, "SELECT trade_id, remaining FROM lots") == [("t1", Decimal(10))]
