"""Queries over REST: pages, filters, the market, what a client may send beside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.exchange.server.serving import BASE, BOOK, USDC, Served, serve
from tests.exchange.support import SYMBOL


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve a market of 0.1 x 0.102."""
    with serve() as server:
        server.market(BOOK)
        yield server


def ask(served: Served, path: str) -> Any:
    """Ask for something that is there."""
    status, body = served.ask("GET", BASE + path)
    assert status == 200, body
    return body


def refused(served: Served, path: str) -> int:
    """Ask for something that is refused; return the status."""
    status, body = served.ask("GET", BASE + path)
    assert set(body) == {"error", "error_details", "message"}
    return status


def names(body: Any) -> list[str]:
    """Return the client ids of listed orders."""
    return [row["client_order_id"] for row in body["orders"]]


# --- orders and fills ---------------------------------------------------------------------------


def test_orders_are_listed_newest_first_in_pages_that_new_orders_do_not_shift(
    served: Served,
) -> None:
    for number in range(5):
        served.place(f"o{number}", price="0.1", size="1")
    first = ask(served, "/orders/historical/batch?limit=2")
    assert (names(first), first["has_next"]) == (["o4", "o3"], True)
    served.place("late", price="0.1", size="1")
    second = ask(served, f"/orders/historical/batch?limit=2&cursor={first['cursor']}")
    assert (names(second), second["has_next"]) == (["o2", "o1"], True)
    third = ask(served, f"/orders/historical/batch?limit=2&cursor={second['cursor']}")
    assert (names(third), third["has_next"], third["cursor"]) == (["o0"], False, "")


def test_orders_are_found_by_what_they_are(served: Served) -> None:
    bought = served.place("buy")
    served.place("sell", side="SELL", price="0.103")
    served.place("alias", symbol=USDC)
    served.ask("POST", f"{BASE}/orders/batch_cancel", {"order_ids": [bought]})
    base = "/orders/historical/batch?"
    assert names(ask(served, base + "order_status=OPEN&order_status=PENDING")) == ["alias", "sell"]
    assert names(ask(served, base + "order_status=CANCELLED")) == ["buy"]
    assert names(ask(served, base + "order_side=SELL")) == ["sell"]
    assert names(ask(served, base + f"product_ids={USDC}&product_ids=X-Y")) == ["alias"]
    assert names(ask(served, base + "asset_filters=USDC")) == ["alias"]
    assert names(ask(served, base + f"order_ids={bought}&order_ids=x")) == ["buy"]
    assert names(ask(served, base + "time_in_forces=IMMEDIATE_OR_CANCEL")) == []
    assert names(ask(served, base + "order_types=LIMIT&product_type=SPOT")) == [
        "alias",
        "sell",
        "buy",
    ]
    assert names(ask(served, base + "order_placement_source=RETAIL_SIMPLE")) == []


def test_the_start_is_included_and_the_end_is_not(served: Served) -> None:
    created = served.order(served.place("a"))["created_time"]
    base = "/orders/historical/batch?"
    assert names(ask(served, f"{base}end_date={created}")) == []
    assert names(ask(served, f"{base}start_date={created}")) == ["a"]
    assert names(ask(served, f"{base}start_date=2999-01-01T00:00:00Z")) == []


def test_fills_come_newest_first_and_an_empty_cursor_ends_them(served: Served) -> None:
    order_id = served.place("a", price="0.1", size="5")
    for size in ("1", "2", "2"):
        served.trade("0.1", size, "SELL")
    other = served.place("b", price="0.1", size="1")
    served.trade("0.1", "1", "SELL")
    first = ask(served, "/orders/historical/fills?limit=3")
    assert [row["size"] for row in first["fills"]] == ["1", "2", "2"]
    last = ask(served, f"/orders/historical/fills?limit=3&cursor={first['cursor']}")
    assert ([row["size"] for row in last["fills"]], last["cursor"]) == (["1"], "")
    everything = first["fills"] + last["fills"]
    assert len({row["entry_id"] for row in everything}) == 4
    assert len({row["trade_id"] for row in everything}) == 4
    own = ask(served, f"/orders/historical/fills?order_ids={order_id}")["fills"]
    assert {row["order_id"] for row in own} == {order_id}
    one = ask(served, f"/orders/historical/fills?trade_ids={own[0]['trade_id']}")["fills"]
    assert one == [own[0]]
    at = first["fills"][0]["trade_time"]
    since = ask(served, f"/orders/historical/fills?start_sequence_timestamp={at}")
    assert [row["order_id"] for row in since["fills"]] == [other]
    assert own[0]["liquidity_indicator"] == "MAKER"
    assert ask(served, "/orders/historical/fills?product_ids=X-Y")["fills"] == []


@pytest.mark.parametrize(
    "query",
    [
        "orders/historical/batch?order_status=LIVE",
        "orders/historical/batch?limit=ten",
        "orders/historical/batch?cursor=x",
        "orders/historical/batch?start_date=yesterday",
        "orders/historical/fills?limit=3001",
        "products?get_tradability_status=maybe",
        f"products/{SYMBOL}/candles?granularity=FORTNIGHT",
        f"products/{SYMBOL}/candles",
        f"products/{SYMBOL}/candles?granularity=ONE_DAY&start=-5",
        f"products/{SYMBOL}/candles?granularity=ONE_MINUTE&start=1&end=99999999",
        "product_book",
        f"product_book?product_id={SYMBOL}&aggregation_price_increment=0.0015",
        "accounts?limit=251",
        "accounts?cursor=x",
    ],
)
def test_what_means_nothing_is_refused(served: Served, query: str) -> None:
    assert refused(served, f"/{query}") == 400


@pytest.mark.parametrize(
    "path", ["products/NO-USD", "products/NO-USD/ticker", "accounts/none", "none"]
)
def test_what_is_not_there_is_not_found(served: Served, path: str) -> None:
    assert refused(served, f"/{path}") == 404


# --- the account --------------------------------------------------------------------------------


def test_accounts_come_in_pages(served: Served) -> None:
    rows, cursor, pages = [], "", 0
    while True:
        page = ask(served, f"/accounts?limit=2&cursor={cursor}")
        rows += page["accounts"]
        pages += 1
        assert page["size"] == len(page["accounts"]) <= 2
        if not page["has_next"]:
            break
        cursor = page["cursor"]
    assert {row["currency"] for row in rows} == {"USD", "TNSR", "USDC"}
    assert (len(rows), pages) == (3, 2)
    kinds = {row["currency"]: row["type"] for row in rows}
    assert (kinds["USD"], kinds["USDC"]) == ("ACCOUNT_TYPE_FIAT", "ACCOUNT_TYPE_CRYPTO")


def test_permissions_are_those_of_the_key(served: Served) -> None:
    body = ask(served, "/key_permissions")
    assert (body["can_view"], body["can_trade"], body["can_transfer"]) == (True, True, False)
    [portfolio] = ask(served, "/portfolios")["portfolios"]
    assert portfolio["uuid"] == body["portfolio_uuid"]


# --- the market ---------------------------------------------------------------------------------


def test_a_product_shows_what_was_traded(served: Served) -> None:
    served.trade("0.1", "10", "SELL")
    served.trade("0.102", "5", "BUY")
    row = ask(served, f"/market/products/{SYMBOL}")
    assert (row["price"], row["volume_24h"], row["high_24h"], row["low_24h"]) == (
        *("0.102", "15"),
        *("0.102", "0.1"),
    )
    assert (row["price_percentage_change_24h"], row["price_increment"]) == ("2", "0.001")


def test_an_alias_is_listed_with_its_book(served: Served) -> None:
    row = ask(served, f"/products/{USDC}")
    assert (row["alias"], row["quote_currency_id"], row["status"]) == (SYMBOL, "USDC", "online")
    book = ask(served, f"/product_book?product_id={USDC}")["pricebook"]
    assert (book["product_id"], book["bids"][0]["price"]) == (USDC, "0.1")


def test_products_are_listed_in_parts(served: Served) -> None:
    whole = ask(served, "/market/products?get_all_products=True")
    assert whole["num_products"] == len(whole["products"]) == 2
    part = ask(served, "/market/products?limit=1&offset=1")
    assert part["products"] == whole["products"][1:]
    assert part["pagination"]["has_prev"] is True
    one = ask(served, f"/market/products?product_ids={USDC}")
    assert [row["product_id"] for row in one["products"]] == [USDC]
    assert ask(served, "/market/products?product_type=FUTURE")["products"] == []


def test_a_book_is_cut_and_summed_up(served: Served) -> None:
    cut = ask(served, f"/market/product_book?product_id={SYMBOL}&limit=1")
    assert cut["pricebook"]["bids"] == [{"price": "0.1", "size": "10"}]
    assert (cut["mid_market"], cut["spread_absolute"]) == ("0.101", "0.002")
    query = f"product_id={SYMBOL}&aggregation_price_increment=0.01"
    summed = ask(served, f"/market/product_book?{query}")["pricebook"]
    assert summed["bids"] == [{"price": "0.1", "size": "10"}, {"price": "0.09", "size": "20"}]
    assert summed["asks"] == [{"price": "0.11", "size": "30"}]


def test_the_touch_of_several_products(served: Served) -> None:
    body = ask(served, f"/best_bid_ask?product_ids={SYMBOL}&product_ids={USDC}")
    assert [book["product_id"] for book in body["pricebooks"]] == [SYMBOL, USDC]
    assert body["pricebooks"][1]["asks"] == [{"price": "0.102", "size": "30"}]
    assert len(ask(served, "/best_bid_ask")["pricebooks"]) == 1


def test_candles_say_what_was_traded_in_any_length(served: Served) -> None:
    for price in ("0.1", "0.103", "0.099", "0.101"):
        served.trade(price, "2", "BUY")
    for granularity in ("ONE_MINUTE", "FIVE_MINUTE", "ONE_HOUR", "FOUR_HOUR", "ONE_DAY"):
        rows = ask(served, f"/market/products/{SYMBOL}/candles?granularity={granularity}")[
            "candles"
        ]
        assert sum(float(row["volume"]) for row in rows) == 8
        assert min(row["low"] for row in rows) == "0.099"
        assert rows[-1]["open"] == "0.1"
        assert rows[0]["close"] == "0.101"
        starts = [int(row["start"]) for row in rows]
        assert starts == sorted(starts, reverse=True)


def test_trades_are_contiguous_newest_first_with_the_side_of_the_maker(served: Served) -> None:
    for price in ("0.1", "0.101"):
        served.trade(price, "2", "SELL")
    body = ask(served, f"/products/{SYMBOL}/ticker?limit=5")
    ids = [int(row["trade_id"]) for row in body["trades"]]
    assert ids == [ids[0], ids[0] - 1]
    assert {row["side"] for row in body["trades"]} == {"BUY"}
    assert (body["best_bid"], body["best_ask"]) == ("0.1", "0.102")
    assert ask(served, f"/products/{SYMBOL}/ticker?limit=5&end=5")["trades"] == []


# --- what clients send beside -------------------------------------------------------------------


def test_a_get_with_a_body_is_a_get(served: Served) -> None:
    path = f"{BASE}/products/{SYMBOL}?get_tradability_status=False"
    status, body = served.ask("GET", path, {}, **{"Content-Type": "application/json"})
    assert status == 200
    assert body["product_id"] == SYMBOL


def test_public_answers_need_no_token_and_mind_no_bad_one(served: Served) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = served.http.request(
            "GET", f"http://127.0.0.1:{served.port}{BASE}/time", headers=headers
        )
        assert answer.status == 200


def test_another_method_is_answered_in_the_api_s_words(served: Served) -> None:
    status, body = served.ask("DELETE", f"{BASE}/orders")
    assert status == 501
    assert body["error"] == "UNIMPLEMENTED"


def test_a_body_beyond_measure_is_refused(served: Served) -> None:
    status, body = served.ask("POST", f"{BASE}/orders", {"client_order_id": "x" * 2_000_000})
    assert status == 413
    assert body["error"] == "INVALID_ARGUMENT"
