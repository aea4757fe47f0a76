"""The filter's verdicts are those of the operator's own query, rule by rule, on any ledger."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_rules import Rule, judge
from quietmaker.core.filter_states import DAY
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.ledger.filter_books import PostgresFilterBooks
from tests.kit.filter import FOUNDING, UNKNOWN_SPREAD
from tests.ledger.filter_makers import Traded, product_of, write_trades
from tests.ledger.makers import at
from tests.ledger.prompt import PromptLedger
from tests.ledger.test_trade_records import LOSERS

BY_RULE = """
SELECT symbol, SUM(CASE WHEN pnl_usd > 0 THEN 1 ELSE 0 END)::float / COUNT(*) < 0.30,
       AVG(pnl_usd) < -5.0, SUM(pnl_usd) < -50.0
FROM trade_records WHERE order_time >= NOW() - INTERVAL '30 days' AND pnl_usd IS NOT NULL
GROUP BY symbol HAVING COUNT(*) >= 5
"""
RULES = (Rule.WIN_RATE, Rule.AVG_PNL, Rule.TOTAL_PNL)
Books = tuple[str, PromptLedger, dict[str, Product]]
_numbers = itertools.count(1)

NETS = st.sampled_from(
    [Decimal(text) for text in ("-50", "-10", "-5", "-5.00000001", "-4.99999999", "0", "0.01", "2")]
) | st.decimals("-20", "20", places=8)
AGES = st.sampled_from([0.0, 0.01, 1, 12.5, 29, 29.99, 30.01, 45])
"""In days. Not on the edge itself: the query asks for its own now."""
IMPORTED = st.sampled_from([False, False, False, True])
LEDGERS = st.lists(st.lists(st.tuples(NETS, AGES, IMPORTED), max_size=14), min_size=1, max_size=3)
Trade = tuple[Decimal, float, bool]
"""Net result, age in days, and whether it is a predecessor's that was imported."""


@pytest.fixture(scope="module")
def books(new_database: Callable[[], str]) -> Iterator[Books]:
    """Return one ledger for all examples; each trades symbols of its own."""
    url, products = new_database(), dict[str, Product]()
    ledger = PromptLedger(lambda: url, products=products)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    yield url, ledger, products
    ledger.close()


def import_trades(url: str, trades: list[Traded]) -> None:
    """Store closed trades of a predecessor."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        number = next(_numbers)
        cursor.execute(
            "INSERT INTO import_batches (origin, digest, at_ns, read, imported, refused)"
            " VALUES ('test', %s, 0, 0, 0, 0) RETURNING batch",
            (f"digest {number}",),
        )
        batch = cursor.fetchone()
        for place, each in enumerate(trades):
            cursor.execute(
                "INSERT INTO imported_trades (source, order_id, batch, symbol, side, at_ns, price, size,"
                " fees, status, pnl, entry_value) VALUES ('old', %s, %s, %s, 'SELL', %s, 1, 1, 0,"
                " 'FILLED', %s, 1)",
                (f"{number}-{place}", batch, each.symbol, each.closed_at, each.net),
            )
    connection.close()


def compare(books: Books, ledgers: list[list[Trade]]) -> None:
    """Write a ledger, and judge it both ways."""
    url, ledger, products = books
    example, now = next(_numbers), Instant(time.time_ns())
    symbols = [f"S{example}N{place}-USD" for place in range(len(ledgers))]
    for symbol, trades in zip(symbols, ledgers, strict=True):
        products[symbol] = product_of(symbol)
        # Each trade some time from the next, so that none closes another one's position.
        told = [
            Traded(symbol=symbol, net=net, closed_at=Instant(now - int(age * DAY) - n * 10**11))
            for n, (net, age, _) in enumerate(trades)
        ]
        write_trades(ledger, [e for e, (*_, old) in zip(told, trades, strict=True) if not old])
        import_trades(url, [e for e, (*_, old) in zip(told, trades, strict=True) if old])
    window = Windows(real=Instant(now - 30 * DAY), shadow=now)
    asked = PostgresFilterBooks(lambda: url)
    ours = {
        symbol: judge(found.real, UNKNOWN_SPREAD, FOUNDING)
        for symbol, found in asked.trades(dict.fromkeys(symbols, window)).items()
    }
    asked.close()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(BY_RULE)
        theirs = {row[0]: row[1:] for row in cursor.fetchall() if row[0] in symbols}
        cursor.execute(LOSERS)
        losers = {row[0] for row in cursor.fetchall()} & set(symbols)
    connection.close()
    for symbol in symbols:
        expected = theirs.get(symbol, (False, False, False))
        assert tuple(ours[symbol].of(rule).failed for rule in RULES) == expected
    assert {symbol for symbol in symbols if ours[symbol].failed is not None} == losers


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ledgers=LEDGERS)
def test_every_rule_says_what_the_founding_query_says(
    books: Books, ledgers: list[list[Trade]]
) -> None:
    compare(books, ledgers)


@pytest.mark.parametrize(
    "trades",
    [
        pytest.param([(Decimal(1), 1.0)] * 3 + [(Decimal(-1), 1.0)] * 7, id="exactly 30 % won"),
        pytest.param([(Decimal(-5), 1.0)] * 5, id="exactly -5 on average, nothing won"),
        pytest.param([(Decimal(1), 1.0)] * 4 + [(Decimal(-29), 1.0)], id="exactly -5, 80 % won"),
        pytest.param([(Decimal(1), 1.0)] * 10 + [(Decimal(-60), 1.0)], id="exactly -50 in total"),
        pytest.param([(Decimal(-9), 1.0)] * 4, id="four trades are no data"),
        pytest.param([(Decimal(0), 1.0)] * 5, id="break-evens are not won"),
        pytest.param([(Decimal(-9), 1.0)] * 4 + [(Decimal(-9), 31.0)], id="the fifth is too old"),
    ],
)
def test_the_boundaries_are_those_of_the_founding_query(
    books: Books, trades: list[tuple[Decimal, float]]
) -> None:
    for imported in (False, True):
        compare(books, [[(net, age, imported) for net, age in trades]])
