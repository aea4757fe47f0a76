"""Every sample of a REST answer is read, or refused for a reason that is stated here."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from quietmaker.coinbase.products import products_from_answer
from quietmaker.coinbase.rest.failures import Meaning, meaning, reason_of, refusal_of
from quietmaker.coinbase.rest.http import Answer
from quietmaker.coinbase.rest.orders import read_cancels, read_submit
from quietmaker.coinbase.rest.records import (
    read_balance,
    read_candle,
    read_fees,
    read_fill,
    read_fill_row,
    read_liquidity,
    read_order,
    read_report,
)
from quietmaker.coinbase.times import read_time
from quietmaker.core.orders import OrderState
from quietmaker.core.units import SECOND, Instant, Liquidity, Rate, Side
from quietmaker.errors import WireError
from quietmaker.ports import Mismatched, Rejected
from tests.coinbase.rig import intent
from tests.market.shared import SAMPLES, product, shared

ADA = product("ADA-USDT", "0.0001", "0.1")
BTC = product()
ETH = product("ETH-USD")


def sample(name: str) -> Any:
    """Return a sample's content."""
    return json.loads((shared(SAMPLES) / name).read_text())


def test_the_orders_of_the_samples() -> None:
    (row,) = sample("rest_orders_filled.recorded_2023.json")["orders"]
    report = read_report(read_order(row), ADA)
    assert (report.state, report.filled, report.reason) == (OrderState.FILLED, 100, "")
    assert report.client_id == "a0f970a2-05fa-4e1f-9517-f6702c33cfd1"
    single = read_order(sample("doc_style_rest_order.json")["order"])
    assert read_report(single, BTC).state is OrderState.OPEN
    assert single.post_only is False
    listed = sample("doc_style_rest_orders_list.json")["orders"]
    assert [read_order(each).post_only for each in listed] == [False, None]
    assert read_report(read_order(listed[1]), ETH).filled == 3_250_000
    assert sample("rest_orders_empty.recorded.json")["orders"] == []


def test_the_executions_of_the_samples() -> None:
    (row,) = sample("rest_fills.recorded_2023.json")["fills"]
    fill = read_fill_row(row)
    read = read_fill(fill, ADA, "c", Liquidity.TAKER)
    assert read_liquidity(fill) is Liquidity.TAKER
    assert (read.side, read.price, read.size) == (Side.SELL, 3_920, 100)
    assert read.fee == Decimal("0.03136")
    assert read.trade_id == "19fc7eee-f4b4-40a7-8104-033da1db5311"
    one, two = map(read_fill_row, sample("doc_style_rest_fills.json")["fills"])
    assert read_fill(one, BTC, "c", Liquidity.MAKER).fee == Decimal("1.14")
    assert read_fill(two, ETH, "c", Liquidity.TAKER).size == 3_250_000


def test_the_accounts_of_the_samples() -> None:
    for name in ("rest_accounts.recorded.json", "doc_style_rest_accounts.json"):
        rows = [read_balance(row) for row in sample(name)["accounts"]]
        assert None not in rows
        assert "USD" in {row.currency for row in rows if row is not None}


def test_the_rates_the_clock_and_the_candles_of_the_samples() -> None:
    rates = read_fees(sample("rest_transaction_summary.recorded_by_ccxt.json"))
    assert (rates.maker, rates.taker) == (Rate(6_000_000), Rate(8_000_000))
    assert read_time(sample("rest_time.recorded.json")) == 1_790_735_849_298_000_000
    hours = sample("rest_candles.recorded.json")["candles"]
    bars = [read_candle(row, BTC, Instant(1_800_000_000 * SECOND)) for row in hours]
    assert [bar.low for bar in bars] == [6_605_514, 6_585_735]


def test_the_products_of_the_samples() -> None:
    for name in ("rest_product_btc_usd.recorded.json", "rest_products_sample.recorded.json"):
        answer = products_from_answer((shared(SAMPLES) / name).read_bytes())
        assert "BTC-USD" in answer.products
        assert answer.refused == {}


SUBMITS: dict[str, Callable[[object], bool]] = {
    "success_documented": lambda o: isinstance(o, Mismatched),
    "success_recorded_2024_05_OLD_SCHEMA": lambda o: isinstance(o, Mismatched),
    "failure_documented": lambda o: (
        o
        == Rejected(
            reason="UNKNOWN_FAILURE_REASON: Market orders cannot be placed with empty order sizes"
        )
    ),
    "failure_recorded_by_ccxt": lambda o: (
        o == Rejected(reason="PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE")
    ),
    "failure_shape_insufficient_fund": lambda o: o == Rejected(reason="INSUFFICIENT_FUND"),
    "failure_shape_post_only": lambda o: o == Rejected(reason="INVALID_LIMIT_PRICE_POST_ONLY"),
}


@pytest.mark.parametrize("name", sorted(SUBMITS))
def test_p2_no_recorded_answer_is_taken_for_the_answer_to_our_order(name: str) -> None:
    body = json.dumps(sample("rest_create_order_responses.json")[name]).encode()
    answer = Answer(status=200, headers={}, body=body)
    assert SUBMITS[name](read_submit(answer, intent(), BTC, frozenset({"BTC-USD"})))


def test_each_answer_to_an_order_has_a_stated_meaning() -> None:
    assert set(sample("rest_create_order_responses.json")) == set(SUBMITS)


def test_the_cancellations_of_the_samples() -> None:
    assert read_cancels(sample("rest_cancel_response.documented.json")) == {
        "0000-00000": None,
        "1111-11111": "UNKNOWN_CANCEL_ORDER",
    }
    with pytest.raises(WireError, match="no list 'results'"):
        read_cancels(sample("rest_edit_response.documented.json"))  # orders are never edited


def test_the_errors_of_the_samples() -> None:
    errors = sample("rest_errors.recorded_and_documented.json")
    told = {
        name: refusal_of(row.get("status", 400), json.dumps(row["body"]).encode())
        for name, row in errors.items()
        if isinstance(row.get("body"), dict)
    }
    assert told == {
        "404_recorded_by_gocryptotrader": "NOT_FOUND: valid product_id is required",
        "400_recorded_by_gocryptotrader": 'HTTP_400: parsing field "product_type": "OPTIONS" '
        "is not a valid value",
        "order_not_found_recorded_by_ccxt": "HTTP_400: order with this orderID was not found",
        "429_coinbase_app_documented": "HTTP_429",
        "batch_cancel_too_many": "InvalidArgument: Too many orderIDs entered, limit is 100",
    }
    assert reason_of(errors["default_openapi_shape"]) == "string"
    assert meaning(errors["401_sdk_issue_19"]["status"]) is Meaning.UNSIGNED
    assert meaning(errors["403_sdk_special_case"]["status"]) is Meaning.REFUSED


def test_every_rest_sample_is_looked_at() -> None:
    ours = {path.name for path in shared(SAMPLES).glob("*rest_*")}
    public = {
        "rest_product_book.recorded.json": "books come from the stream; never quoted from REST",
        "rest_market_trades_ticker.recorded.json": "trades come from the stream",
        "sdk_rest_requests.observed.jsonl": "what the official SDK sends: for the exchange's server",
    }
    read = {
        "rest_orders_filled.recorded_2023.json",
        "doc_style_rest_order.json",
        "doc_style_rest_orders_list.json",
        "rest_orders_empty.recorded.json",
        "rest_fills.recorded_2023.json",
        "doc_style_rest_fills.json",
        "rest_accounts.recorded.json",
        "doc_style_rest_accounts.json",
        "rest_transaction_summary.recorded_by_ccxt.json",
        "rest_time.recorded.json",
        "rest_candles.recorded.json",
        "rest_product_btc_usd.recorded.json",
        "rest_products_sample.recorded.json",
        "rest_create_order_responses.json",
        "rest_cancel_response.documented.json",
        "rest_edit_response.documented.json",
        "rest_errors.recorded_and_documented.json",
    }
    assert ours == read | set(public)
