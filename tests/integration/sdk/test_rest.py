"""The official SDK's `RESTClient` against the paper exchange, through its public methods."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.sdk.remote import Client, Sdk, SdkError
from tests.kit.operator import Operator

SYMBOL = "TNSR-USD"


def placed(answer: dict[str, Any]) -> str:
    """Return the id of an order that was accepted."""
    assert answer["success"], answer
    order_id: str = answer["success_response"]["order_id"]
    return order_id


def refused(answer: dict[str, Any]) -> dict[str, Any]:
    """Return why an order was refused."""
    assert not answer["success"], answer
    why: dict[str, Any] = answer["error_response"]
    return why


def buy(client: Client, price: str = "0.1", size: str = "50", **options: Any) -> str:
    """Place a post-only buy and return its id."""
    return placed(client.limit_order_gtc_buy("", SYMBOL, size, price, post_only=True, **options))


def available(client: Client, currency: str) -> Decimal:
    """Return what may be spent of a currency."""
    rows = client.get_accounts(limit=250)["accounts"]
    [row] = [row for row in rows if row["currency"] == currency]
    return Decimal(row["available_balance"]["value"])


# --- what the public may ask --------------------------------------------------------------------


def test_products_are_listed_with_and_without_a_key(sdk: Sdk, client: Client) -> None:
    public = sdk.rest()
    for listed in (client.get_products(), public.get_public_products()):
        assert listed["num_products"] == len(listed["products"]) == 8
    assert client.get_products(limit=2, offset=1)["num_products"] == 8
    chosen = client.get_products(product_ids=["TNSR-USD", "RAY-USD"], get_tradability_status=True)
    assert [row["product_id"] for row in chosen["products"]] == ["TNSR-USD", "RAY-USD"]
    assert client.get_products(product_type="FUTURE")["products"] == []
    for one in (client.get_product(SYMBOL), public.get_public_product(SYMBOL)):
        assert (one["price_increment"], one["base_increment"]) == ("0.00001", "0.01")
    assert client.get_product("BTC-USDC")["alias"] == "BTC-USD"
    assert client.get_product("DAI-USD")["status"] == "delisted"


def test_an_unknown_product_is_a_404_in_coinbases_words(sdk: Sdk, client: Client) -> None:
    for ask in (client.get_product, sdk.rest().get_public_product):
        with pytest.raises(SdkError) as caught:
            ask("NONE-USD")
        assert (caught.value.kind, caught.value.status) == ("HTTPError", 404)
        assert '"error":"NOT_FOUND"' in caught.value.text


def test_books_trades_candles_and_time_are_answered_with_and_without_a_key(
    sdk: Sdk, client: Client, exchange: Operator
) -> None:
    public = sdk.rest()
    exchange.trade(SYMBOL, "0.101", "7", "BUY")
    for ask in (client.get_product_book, public.get_public_product_book):
        book = ask(SYMBOL, limit=2)["pricebook"]
        assert [row["price"] for row in book["bids"]] == ["0.1", "0.0999"]
        assert [row["size"] for row in book["asks"]] == ["1500", "2500"]
    [best] = client.get_best_bid_ask(product_ids=[SYMBOL])["pricebooks"]
    assert (best["bids"][0]["price"], best["asks"][0]["price"]) == ("0.1", "0.102")
    server_time = public.get_unix_time()
    now = int(server_time["epoch_seconds"])
    for name, options in (("get_market_trades", {}), ("get_market_trades", {"end": str(now + 1)})):
        trades = getattr(client, name)(SYMBOL, 1, **options)
        assert trades["trades"][0]["side"] == "SELL"  # the maker's
    assert public.get_public_market_trades(SYMBOL, 1)["trades"] == trades["trades"]
    for candles in (client.get_candles, public.get_public_candles):
        rows = candles(SYMBOL, str(now - 3600), str(now + 60), "FIVE_MINUTE")["candles"]
        assert Decimal(rows[0]["close"]) == Decimal("0.101")
    assert abs(int(server_time["epoch_millis"]) - now * 1000) < 1000


# --- the account --------------------------------------------------------------------------------


def test_the_account_its_fee_tier_and_its_key_are_answered(client: Client) -> None:
    first = client.get_accounts(limit=2)
    assert first["has_next"]
    rest = client.get_accounts(limit=250, cursor=first["cursor"])
    rows = first["accounts"] + rest["accounts"]
    assert {"USD", "USDC", "TNSR"} <= {row["currency"] for row in rows}
    for row in rows:
        assert client.get_account(row["uuid"])["account"]["currency"] == row["currency"]
    tier = client.get_transaction_summary(product_type="SPOT")["fee_tier"]
    assert (tier["maker_fee_rate"], tier["taker_fee_rate"]) == ("0.0025", "0.004")
    may = client.get_api_key_permissions()
    assert (may["can_view"], may["can_trade"], may["can_transfer"]) == (True, True, False)
    [portfolio] = client.get_portfolios()["portfolios"]
    assert portfolio["uuid"] == may["portfolio_uuid"] == rows[0]["retail_portfolio_id"]


def test_rate_limit_headers_are_there_when_asked_for(sdk: Sdk, exchange: Operator) -> None:
    answer = sdk.rest(exchange.instance.first_key, rate_limit_headers=True).get_accounts()
    assert answer["rate_limit_limit"] == "1000"
    assert int(answer["rate_limit_remaining"]) < 1000
    assert int(answer["rate_limit_reset"]) > 1_700_000_000


# --- orders -------------------------------------------------------------------------------------


def test_post_only_orders_rest_are_listed_and_hold_money_until_they_are_cancelled(
    client: Client,
) -> None:
    dollars, tokens = available(client, "USD"), available(client, "TNSR")
    bid = buy(client, "0.1", "50")
    end = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ask = placed(client.limit_order_gtd_sell("", SYMBOL, "20", "0.11", end, post_only=True))

    order = client.get_order(bid)["order"]
    assert (order["status"], order["side"], order["order_type"]) == ("OPEN", "BUY", "LIMIT")
    assert order["order_configuration"]["limit_limit_gtc"] == {
        "base_size": "50",
        "limit_price": "0.1",
        "post_only": True,
    }
    assert len(order["client_order_id"]) == 32  # the SDK's own
    dated = client.get_order(ask)["order"]
    assert dated["time_in_force"] == "GOOD_UNTIL_DATE_TIME"
    assert dated["order_configuration"]["limit_limit_gtd"]["end_time"] == end
    assert Decimal(order["outstanding_hold_amount"]) >= Decimal(5)
    assert available(client, "USD") == dollars - Decimal(order["outstanding_hold_amount"])
    assert available(client, "TNSR") == tokens - 20

    results = client.cancel_orders([bid, ask, str(uuid.uuid4())])["results"]
    assert [row["success"] for row in results] == [True, True, False]
    assert results[2]["failure_reason"] == "UNKNOWN_CANCEL_ORDER"
    assert client.get_order(bid)["order"]["status"] == "CANCELLED"
    again = client.cancel_orders(order_ids=[bid])["results"][0]
    assert not again["success"]
    assert (available(client, "USD"), available(client, "TNSR")) == (dollars, tokens)


def test_a_resting_order_is_filled_as_maker_and_listed_with_its_fee(
    client: Client, exchange: Operator
) -> None:
    dollars, tokens = available(client, "USD"), available(client, "TNSR")
    order_id = buy(client, "0.1005", "50")
    exchange.trade(SYMBOL, "0.1005", "30", "SELL")
    partly = client.get_order(order_id)["order"]
    assert (partly["status"], partly["filled_size"]) == ("OPEN", "30")
    exchange.trade(SYMBOL, "0.1004", "100", "SELL")
    whole = client.get_order(order_id)["order"]
    assert (whole["status"], whole["number_of_fills"], whole["settled"]) == ("FILLED", "2", True)
    fills = client.get_fills(order_ids=[order_id])["fills"]
    assert [fill["size"] for fill in fills] == ["20", "30"]
    assert {fill["liquidity_indicator"] for fill in fills} == {"MAKER"}
    assert len({fill["entry_id"] for fill in fills} | {fill["trade_id"] for fill in fills}) == 4
    paid = sum((Decimal(fill["commission"]) for fill in fills), Decimal(0))
    assert (
        paid
        == Decimal(whole["total_fees"])
        == Decimal("50") * Decimal("0.1005") * Decimal("0.0025")
    )
    assert available(client, "TNSR") == tokens + 50
    assert available(client, "USD") == dollars - Decimal(whole["total_value_after_fees"])
    [one] = client.get_fills(trade_ids=[fills[0]["trade_id"]])["fills"]
    assert one["entry_id"] == fills[0]["entry_id"]
    ended = client.cancel_orders([order_id])["results"][0]
    assert (ended["success"], ended["failure_reason"]) == (False, "ORDER_IS_FULLY_FILLED")


def test_orders_that_take_are_filled_as_taker(client: Client) -> None:
    tokens = available(client, "TNSR")
    market = placed(client.market_order_buy("", SYMBOL, quote_size="10.2"))
    sold = placed(client.market_order_sell("", SYMBOL, base_size="40"))
    ioc = placed(client.limit_order_ioc_buy("", SYMBOL, "20", "0.102"))
    fok = placed(client.limit_order_fok_buy("", SYMBOL, "30", "0.102"))
    for order_id, kind in ((market, "MARKET"), (sold, "MARKET"), (ioc, "LIMIT"), (fok, "LIMIT")):
        order = client.get_order(order_id)["order"]
        assert (order["status"], order["order_type"]) == ("FILLED", kind), order
    bought = Decimal(client.get_order(market)["order"]["filled_size"])
    assert available(client, "TNSR") == tokens + bought - 40 + 20 + 30
    fills = client.get_fills(order_ids=[market, sold, ioc, fok])["fills"]
    assert {fill["liquidity_indicator"] for fill in fills} == {"TAKER"}
    spent = client.get_order(market)["order"]
    assert Decimal(spent["total_value_after_fees"]) <= Decimal("10.2")

    part = placed(client.limit_order_ioc_sell("", SYMBOL, "2000", "0.1"))
    rest = client.get_order(part)["order"]
    assert rest["status"] == "CANCELLED"
    assert 0 < Decimal(rest["filled_size"]) < 2000
    killed = client.limit_order_fok_sell("", SYMBOL, "2000", "0.1")
    if killed["success"]:
        assert client.get_order(placed(killed))["order"]["filled_size"] == "0"


def test_an_order_is_previewed_without_being_placed(client: Client) -> None:
    before = client.list_orders()["orders"]
    preview = client.preview_limit_order_gtc_buy(SYMBOL, "50", "0.1", post_only=True)
    assert (preview["errs"], preview["base_size"], preview["order_total"]) == ([], "50", "5.0125")
    assert preview["preview_id"]
    crossing = client.preview_limit_order_gtc_buy(SYMBOL, "50", "0.102", post_only=True)
    assert crossing["errs"] == ["PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"]
    market = client.preview_market_order_buy(SYMBOL, quote_size="10.2")
    assert (market["errs"], market["best_ask"]) == ([], "0.102")
    assert client.list_orders()["orders"] == before


def test_an_order_is_edited_and_the_change_is_seen(client: Client) -> None:
    order_id = buy(client, "0.1", "50")
    preview = client.preview_edit_order(order_id, size="40", price="0.0999")
    assert preview["errors"] == []
    assert client.get_order(order_id)["order"]["edit_history"] == []
    assert client.edit_order(order_id, size="40", price="0.0999")["success"]
    order = client.get_order(order_id)["order"]
    assert [(edit["price"], edit["size"]) for edit in order["edit_history"]] == [("0.0999", "40")]
    half = client.edit_order(order_id, price="0.0998")
    assert not half["success"]
    assert half["errors"][0]["edit_failure_reason"] == "INVALID_EDITED_SIZE"
    nobody = client.edit_order(str(uuid.uuid4()), size="40", price="0.0999")
    assert nobody["errors"][0]["edit_failure_reason"] == "ORDER_NOT_FOUND"


def test_a_repeated_client_id_returns_the_first_order(client: Client) -> None:
    mine = uuid.uuid4().hex
    first = placed(client.limit_order_gtc_buy(mine, SYMBOL, "50", "0.1", post_only=True))
    second = client.limit_order_gtc_buy(mine, SYMBOL, "70", "0.09", post_only=True)
    assert placed(second) == first
    assert [row["order_id"] for row in client.list_orders(order_status=["OPEN"])["orders"]] == [
        first
    ]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ((SYMBOL, "50", "0.102"), "INVALID_LIMIT_PRICE_POST_ONLY"),
        ((SYMBOL, "50", "0.100001"), "INVALID_PRICE_PRECISION"),
        ((SYMBOL, "50.001", "0.1"), "INVALID_SIZE_PRECISION"),
        ((SYMBOL, "9.99", "0.1"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        ((SYMBOL, "50000", "0.1"), "INSUFFICIENT_FUND"),
        (("NONE-USD", "50", "0.1"), "INVALID_PRODUCT_ID"),
        (("DAI-USD", "50", "0.1"), "UNTRADABLE_PRODUCT"),
    ],
    ids=["crossing", "price", "size", "small", "funds", "unknown", "delisted"],
)
def test_what_cannot_be_placed_is_refused_with_its_reason_and_status_200(
    client: Client, order: tuple[str, str, str], reason: str
) -> None:
    answer = client.limit_order_gtc_buy("", *order, post_only=True)
    why = refused(answer)
    assert reason in {
        why["error"],
        why["preview_failure_reason"],
        why.get("new_order_failure_reason"),
    }, why
    assert answer["order_configuration"]["limit_limit_gtc"]["base_size"] == order[1]


def test_orders_that_the_exchange_has_no_market_for_are_refused_by_configuration(
    client: Client,
) -> None:
    stop = client.stop_limit_order_gtc_buy(
        "", SYMBOL, "50", "0.12", "0.11", "STOP_DIRECTION_STOP_UP"
    )
    assert "UNSUPPORTED_ORDER_CONFIGURATION" in refused(stop).values()


# --- lists --------------------------------------------------------------------------------------


def test_orders_are_listed_by_filters_and_in_pages(client: Client) -> None:
    begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    ids = [buy(client, f"0.09{step:02d}", "20") for step in range(7)]
    sell = placed(client.limit_order_gtc_sell("", SYMBOL, "20", "0.11", post_only=True))
    client.cancel_orders(ids[:2])

    def found(**filters: Any) -> list[str]:
        answer = client.list_orders(start_date=begun, **filters)
        return [row["order_id"] for row in answer["orders"]]

    assert found() == [sell, *reversed(ids)]
    assert found(order_status=["OPEN"]) == [sell, *reversed(ids[2:])]
    assert found(order_status=["OPEN", "PENDING"], order_side="SELL") == [sell]
    assert found(order_status=["CANCELLED"]) == [ids[1], ids[0]]
    assert found(product_ids=["BTC-USD"]) == []
    assert found(product_ids=["BTC-USD", SYMBOL], order_types=["LIMIT"]) == [sell, *reversed(ids)]
    assert found(order_ids=[ids[3], sell]) == [sell, ids[3]]
    assert found(product_type="FUTURE") == []
    assert found(time_in_forces=["GOOD_UNTIL_DATE_TIME"]) == []
    assert found(asset_filters=["TNSR"], sort_by="LIMIT_PRICE") == [sell, *reversed(ids)]
    pages: list[str] = []
    cursor = None
    while True:
        page = client.list_orders(start_date=begun, limit=3, cursor=cursor)
        pages += [row["order_id"] for row in page["orders"]]
        if not page["has_next"]:
            break
        cursor = page["cursor"]
    assert pages == [sell, *reversed(ids)]


def test_fills_are_listed_in_pages_that_an_empty_cursor_ends(
    client: Client, exchange: Operator
) -> None:
    order_id = buy(client, "0.1005", "50")
    for _ in range(5):
        exchange.trade(SYMBOL, "0.1005", "10", "SELL")
    entries: list[str] = []
    cursor = None
    while True:
        page = client.get_fills(order_ids=[order_id], limit=2, cursor=cursor)
        entries += [fill["entry_id"] for fill in page["fills"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert len(entries) == len(set(entries)) == 5
    whole = client.get_fills(product_ids=[SYMBOL], order_ids=[order_id], sort_by="TRADE_TIME")
    assert [fill["entry_id"] for fill in whole["fills"]] == entries
    since = client.get_fills(
        order_ids=[order_id], start_sequence_timestamp=whole["fills"][0]["trade_time"]
    )
    assert [fill["entry_id"] for fill in since["fills"]] == entries[:1]


# --- what goes wrong ----------------------------------------------------------------------------


def test_what_goes_wrong_is_an_http_error_to_the_sdk_and_no_order_is_placed_twice(
    client: Client, exchange: Operator
) -> None:
    mine = uuid.uuid4().hex
    exchange.fault("rest.bad_gateway", match={"path": "*/orders"}, parameters={"placed": True})
    exchange.fault("rest.rate_limited", match={"path": "*/accounts"})
    exchange.fault("rest.unauthorized", match={"path": "*/key_permissions"})
    asked: list[tuple[Callable[[], Any], int]] = [
        (lambda: client.limit_order_gtc_buy(mine, SYMBOL, "50", "0.1", post_only=True), 502),
        (client.get_accounts, 429),
        (client.get_api_key_permissions, 401),
    ]
    for ask, status in asked:
        with pytest.raises(SdkError) as caught:
            ask()
        assert (caught.value.kind, caught.value.status) == ("HTTPError", status)
    exchange.admin("DELETE", "/faults")
    again = placed(client.limit_order_gtc_buy(mine, SYMBOL, "50", "0.1", post_only=True))
    [only] = client.list_orders(order_status=["OPEN"])["orders"]
    assert only["order_id"] == again


# --- keys ---------------------------------------------------------------------------------------


def test_an_ed25519_key_trades_as_well(sdk: Sdk, exchange: Operator) -> None:
    client = sdk.rest(exchange.new_key(ed25519_key=True))
    order_id = buy(client)
    assert client.cancel_orders([order_id])["results"][0]["success"]


def test_a_key_that_may_only_view_lists_and_does_not_trade(sdk: Sdk, exchange: Operator) -> None:
    client = sdk.rest(exchange.new_key(can_trade=False))
    assert client.get_accounts()["accounts"]
    with pytest.raises(SdkError, match="Missing Required Scopes") as caught:
        buy(client)
    assert caught.value.status == 403


def test_a_key_of_somebody_else_is_a_401_with_plain_text(
    sdk: Sdk, exchange: Operator, tmp_path: Path
) -> None:
    stranger = exchange.new_key()
    stolen = tmp_path / "stranger.json"
    stolen.write_bytes(stranger.read_bytes().replace(b'"name": "', b'"name": "not-'))
    client = sdk.rest(stolen)
    for ask in (client.get_accounts, lambda: buy(client)):
        with pytest.raises(SdkError) as caught:
            ask()
        assert (caught.value.kind, caught.value.status) == ("HTTPError", 401)
        assert caught.value.text.strip() == "Unauthorized"


def test_without_a_key_the_sdk_itself_refuses_what_is_private(sdk: Sdk) -> None:
    with pytest.raises(SdkError) as caught:
        sdk.rest().get_accounts()
    assert caught.value.kind == "AuthenticationError"


def test_the_sdk_reaches_no_other_machine_from_here(sdk: Sdk) -> None:
    with pytest.raises(SdkError, match="tests reach no other machine") as caught:
        sdk.rest(base_url="api.coinbase.com").get_unix_time()
    assert caught.value.kind == "ConnectionError"
