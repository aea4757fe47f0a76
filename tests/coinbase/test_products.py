"""The answer about products, and the timestamps."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.coinbase.products import products_from_answer
from quietmaker.coinbase.times import TimeError, instant
from quietmaker.errors import WireError
from quietmaker.market.files import read_all
from tests.market.shared import PRODUCTS, SAMPLES, shared

ROW: dict[str, Any] = {
    "product_id": "RAY-USD",
    "base_increment": "0.01",
    "quote_increment": "0.0001",
    "price_increment": "0.0001",
    "base_min_size": "0.1",
    "base_max_size": "8392879.9179048862681724",
    "quote_min_size": "1",
    "status": "online",
    "product_type": "SPOT",
}


def one(**changes: object) -> str:
    """Return an answer of one product."""
    return json.dumps({"products": [{**ROW, **changes}]})


def test_the_recorded_answer_has_920_products_of_which_400_are_aliases() -> None:
    answer = products_from_answer(read_all(shared(PRODUCTS)))
    assert len(answer.products) == 920
    assert len(answer.aliases) == 400
    assert answer.aliases["BTC-USDC"] == "BTC-USD"
    assert not answer.refused
    untradable = {symbol for symbol, item in answer.products.items() if item.untradable}
    assert len(untradable) == 8
    assert answer.products["TNSR-USD"].tick == Decimal("0.00001")


def test_a_single_product_answer_is_read_too() -> None:
    path = shared(SAMPLES) / "rest_product_btc_usd.recorded.json"
    answer = products_from_answer(path.read_bytes())
    assert list(answer.products) == ["BTC-USD"]


def test_every_number_of_a_product_is_exact() -> None:
    product = products_from_answer(one()).products["RAY-USD"]
    assert (product.tick, product.lot) == (Decimal("0.0001"), Decimal("0.01"))
    assert product.min_size == Decimal("0.1")
    assert product.max_size == Decimal("8392879.9179048862681724")
    assert (product.base, product.quote) == ("RAY", "USD")


def test_the_quote_increment_stands_in_for_a_missing_price_increment() -> None:
    answer = products_from_answer(one(price_increment="", quote_increment="0.5"))
    assert answer.products["RAY-USD"].tick == Decimal("0.5")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "delisted"}, "delisted"),
        ({"status": None}, "status_unknown"),
        ({"trading_disabled": True}, "trading_disabled"),
        ({"is_disabled": True}, "is_disabled"),
        ({"cancel_only": True}, "cancel_only"),
        ({"auction_mode": True}, "auction_mode"),
        ({"view_only": True}, "view_only"),
        ({"limit_only": True, "post_only": True}, ""),
    ],
)
def test_a_maker_may_order_unless_a_flag_forbids_it(
    changes: dict[str, object], reason: str
) -> None:
    assert products_from_answer(one(**changes)).products["RAY-USD"].untradable == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"price_increment": "0"},
        {"price_increment": "abc"},
        {"base_increment": None},
        {"base_min_size": 1},
        {"product_type": "FUTURE"},
    ],
)
def test_a_product_that_cannot_be_read_is_named_and_spoils_no_other(
    changes: dict[str, object],
) -> None:
    rows = [{**ROW, **changes}, {**ROW, "product_id": "OK-USD"}]
    answer = products_from_answer(json.dumps({"products": rows}))
    assert list(answer.products) == ["OK-USD"]
    assert list(answer.refused) == ["RAY-USD"]


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", '{"products": []}', '{"products": {}}', "Unauthorized"]
)
def test_what_is_no_answer_about_products_is_refused_by_name(answer: str) -> None:
    with pytest.raises(WireError):
        products_from_answer(answer)


@given(data=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_the_named_error(data: bytes) -> None:
    with pytest.raises(WireError):
        products_from_answer(data)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-08-09T21:05:48.228568804Z", 1_786_309_548_228_568_804),
        ("2026-08-09T21:05:48.228568804123Z", 1_786_309_548_228_568_804),
        ("2026-08-09T23:05:48+02:00", 1_786_309_548_000_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000_000),
    ],
)
def test_timestamps_keep_every_nanosecond(text: str, nanos: int) -> None:
    assert instant(text) == nanos


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-08-09", "2026-08-09T21:05:48", "2026-13-09T21:05:48Z"),
        *("2026-08-09T21:05:48.Z", "2026-08-09 21:05:48Z", "2026-08-09T21:05:48.1Zx"),
        "2026-08-09T21:05:4٨Z",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(TimeError):
        instant(text)
