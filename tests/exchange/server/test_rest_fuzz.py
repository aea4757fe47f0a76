"""Odd requests get the right refusal: never a 500, never a dead server, never a changed account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exchange.server.serving import BASE, BOOK, USDC, Served, serve
from tests.exchange.support import SYMBOL

SUITABLE = frozenset({200, 400, 403, 404, 413, 501})
"""What an odd request may be answered with."""

ODD = (
    f" 0 -1 1 1e40 1e-40 NaN Infinity 0.1 0.10000000001 ٣ 1_0 {'9' * 60} True false OPEN BUY SELL {SYMBOL} "
    f"{USDC} 2026-13-45T99:99:99Z 2026-01-01T00:00:00Z 2026-01-01T00:00:00.123456789123+05:30 FIVE_MINUTE"
)
texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(ODD.split(" ")),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=8,
)
numbers = st.one_of(
    st.decimals(min_value=-1, max_value=10**6, allow_nan=False).map(lambda d: f"{d:f}"), scalars
)
variants = st.sampled_from(
    [
        "limit_limit_gtc",
        "limit_limit_gtd",
        "limit_limit_fok",
        "sor_limit_ioc",
        "market_market_ioc",
        "market_market_fok",
        "stop_limit_stop_limit_gtc",
        "nonsense",
    ]
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "base_size": numbers,
        "quote_size": numbers,
        "limit_price": numbers,
        "post_only": st.one_of(st.booleans(), scalars),
        "end_time": scalars,
    },
)
orders = st.fixed_dictionaries(
    {},
    optional={
        "client_order_id": st.one_of(st.uuids().map(str), scalars),
        "product_id": st.one_of(st.sampled_from([SYMBOL, USDC]), scalars),
        "side": st.one_of(st.sampled_from(["BUY", "SELL"]), scalars),
        "order_configuration": st.one_of(
            st.dictionaries(variants, st.one_of(fields, anything), max_size=2), anything
        ),
        "attached_order_configuration": anything,
        "leverage": scalars,
    },
)
likely = st.fixed_dictionaries(
    {
        "client_order_id": st.uuids().map(str),
        "product_id": st.sampled_from([SYMBOL, USDC]),
        "side": st.sampled_from(["BUY", "SELL"]),
        "order_configuration": st.dictionaries(
            variants,
            st.fixed_dictionaries(
                {},
                optional={
                    "base_size": st.integers(0, 300).map(lambda n: f"{n / 10}"),
                    "quote_size": st.integers(0, 300).map(lambda n: f"{n / 100}"),
                    "limit_price": st.integers(90, 110).map(lambda n: f"{n / 1000}"),
                    "post_only": st.booleans(),
                    "end_time": st.just("2099-01-01T00:00:00Z"),
                },
            ),
            min_size=1,
            max_size=1,
        ),
    }
)
edits = st.fixed_dictionaries({}, optional={"order_id": scalars, "price": numbers, "size": numbers})
cancels = st.fixed_dictionaries({}, optional={"order_ids": st.one_of(st.lists(scalars), anything)})
posts = st.one_of(
    st.tuples(st.sampled_from(["/orders", "/orders/preview"]), st.one_of(likely, orders, anything)),
    st.tuples(
        st.sampled_from(["/orders/edit", "/orders/edit_preview"]), st.one_of(edits, anything)
    ),
    st.tuples(st.just("/orders/batch_cancel"), st.one_of(cancels, anything)),
)
paths = st.sampled_from(
    f"/time /products /market/products /products/{SYMBOL} /products/{SYMBOL}/candles "
    f"/products/{SYMBOL}/ticker /product_book /best_bid_ask /accounts /portfolios /key_permissions "
    "/transaction_summary /orders/historical/batch /orders/historical/fills /orders/historical/x "
    "/accounts/x /products/x/candles".split()
)
names = st.one_of(
    st.sampled_from(
        [
            "limit",
            "cursor",
            "offset",
            "product_id",
            "product_ids",
            "product_type",
            "order_ids",
            "order_status",
            "order_side",
            "order_types",
            "time_in_forces",
            "start_date",
            "end_date",
            "sort_by",
            "granularity",
            "start",
            "end",
            "trade_ids",
            "aggregation_price_increment",
            "start_sequence_timestamp",
            "get_tradability_status",
            "contract_expiry_type",
        ]
    ),
    st.text(max_size=8),
)
queries = st.lists(st.tuples(names, texts), max_size=4)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve a market and an account that holds some of everything."""
    with serve() as server:
        server.market(BOOK)
        yield server


def check(served: Served, status: int, body: Any) -> None:
    """Check that an answer is one that the API gives, and that the exchange lives."""
    assert status in SUITABLE, (status, body)
    if status != 200:
        assert set(body) == {"error", "error_details", "message"}, body
    assert served.ask("GET", f"{BASE}/time")[0] == 200


@settings(max_examples=300)
@given(post=posts)
def test_odd_bodies(served: Served, post: tuple[str, Any]) -> None:
    path, body = post
    if isinstance(body, int) and abs(body) >= 2**63:
        return  # no JSON that our writer can make
    try:
        data = orjson.dumps(body)
    except TypeError:
        return
    status, answer = served.ask("POST", BASE + path, orjson.loads(data))
    check(served, status, answer)
    if status == 200 and path == "/orders":
        assert answer["success"] is ("success_response" in answer)
        assert answer["success"] is not ("error_response" in answer)


@settings(max_examples=200)
@given(path=paths, query=queries)
def test_odd_queries(served: Served, path: str, query: list[tuple[str, str]]) -> None:
    text = urlencode(query, quote_via=quote, errors="surrogatepass")
    check(served, *served.ask("GET", f"{BASE}{path}?{text}", {}))


@settings(max_examples=100)
@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_json(served: Served, data: bytes) -> None:
    path = f"{BASE}/orders"
    token = served.signer.rest("POST", f"127.0.0.1:{served.port}", path)
    answer = served.http.request(
        "POST",
        f"http://127.0.0.1:{served.port}{path}",
        body=data,
        headers={"Authorization": f"Bearer {token}"},
    )
    check(served, answer.status, orjson.loads(answer.data))


@settings(max_examples=150)
@given(
    token=st.one_of(
        st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
        st.lists(st.binary(max_size=30), min_size=3, max_size=3).map(
            lambda parts: ".".join(part.hex() for part in parts)
        ),
    )
)
def test_odd_tokens(served: Served, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answer = served.http.request(
        "GET", f"http://127.0.0.1:{served.port}{BASE}/accounts", headers=headers
    )
    assert (answer.status, answer.data) == (401, b"Unauthorized")


def test_nothing_of_all_this_left_an_order_that_it_should_not_have(served: Served) -> None:
    account = served.server.desk.floor.core.account
    for balance in account.balances().values():
        assert balance.available >= 0
        assert balance.hold >= 0
