"""Answers have the fields and types of recorded answers, in an exchange where something happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.exchange.server.samples import sample
from tests.exchange.server.serving import BASE, BOOK, Served, serve
from tests.exchange.support import SYMBOL


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve a market with trades, and an account with an open and a filled order."""
    with serve() as server:
        server.market(BOOK)
        server.place("open", price="0.1", size="5")
        filled = server.place("filled", side="SELL", price="0.103", size="2")
        server.trade("0.104", "50", "BUY")
        assert server.order(filled)["status"] == "FILLED"
        yield server


def ask(served: Served, path: str) -> dict[str, Any]:
    """Ask for something that is there."""
    status, body = served.ask("GET", BASE + path)
    assert status == 200, body
    assert isinstance(body, dict)
    return body


def compare(
    ours: Any, theirs: Any, *, where: str = "", beyond: frozenset[str] = frozenset()
) -> None:
    """Check that an answer has every recorded field with its type, and none that nobody knows of.

    Args:
        ours: the answer.
        theirs: the recorded one.
        where: path, for the message.
        beyond: fields that are newer than the recording, or known from the documentation.
    """
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        assert not theirs.keys() - ours.keys(), (where, theirs.keys() - ours.keys())
        assert not ours.keys() - theirs.keys() - beyond, (where, ours.keys() - theirs.keys())
        for key in theirs:
            compare(ours[key], theirs[key], where=f"{where}.{key}", beyond=beyond)
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        if theirs and ours:
            compare(ours[0], theirs[0], where=f"{where}[]", beyond=beyond)
    elif theirs is not None and ours is not None:
        number = isinstance(theirs, int | float) and not isinstance(theirs, bool)
        assert isinstance(ours, int | float if number else type(theirs)), (where, ours, theirs)


NEWER_PRODUCT = frozenset({"high_24h", "low_24h", "hidden_from_discovery"})


def test_time(served: Served) -> None:
    [recorded] = sample("rest_time.recorded.json")
    ours = ask(served, "/time")
    compare(ours, recorded)
    assert ours["iso"].endswith("Z")
    assert "." not in ours["iso"]


@pytest.mark.parametrize("path", ["/products", "/market/products"])
def test_products(served: Served, path: str) -> None:
    [recorded] = sample("rest_products_sample.recorded.json")
    compare(ask(served, path), recorded, beyond=NEWER_PRODUCT)


def test_a_product_is_answered_bare(served: Served) -> None:
    [recorded] = sample("rest_product_btc_usd.recorded.json")
    compare(ask(served, f"/products/{SYMBOL}"), recorded)
    assert ask(served, f"/market/products/{SYMBOL}") == ask(served, f"/products/{SYMBOL}")


def test_the_book(served: Served) -> None:
    [recorded] = sample("rest_product_book.recorded.json")
    compare(ask(served, f"/product_book?product_id={SYMBOL}"), recorded)


def test_candles(served: Served) -> None:
    [recorded] = sample("rest_candles.recorded.json")
    ours = ask(served, f"/market/products/{SYMBOL}/candles?granularity=ONE_MINUTE")
    compare(ours, recorded)
    assert ours["candles"]


def test_trades(served: Served) -> None:
    [recorded] = sample("rest_market_trades_ticker.recorded.json")
    ours = ask(served, f"/products/{SYMBOL}/ticker?limit=10")
    compare(ours, recorded)
    assert ours["trades"][0]["side"] == "SELL"  # the maker's: a buyer took


def test_accounts(served: Served) -> None:
    [recorded] = sample("rest_accounts.recorded.json")
    ours = ask(served, "/accounts")
    compare(ours, recorded)
    one = ask(served, f"/accounts/{ours['accounts'][0]['uuid']}")
    assert one == {"account": ours["accounts"][0]}


def test_the_fee_tier_and_its_numbers(served: Served) -> None:
    [recorded] = sample("rest_transaction_summary.recorded_by_ccxt.json")
    ours = ask(served, "/transaction_summary?product_type=SPOT")
    documented = frozenset(
        {"volume_breakdown", "has_cost_plus_commission", "volume_types_and_range"}
    )
    compare(ours, recorded, beyond=documented)
    assert ours["fee_tier"]["maker_fee_rate"] == "0.0025"
    assert isinstance(ours["total_fees"], float)
    assert ours["total_fees"] > 0


def test_an_empty_list_of_orders(served: Served) -> None:
    [recorded] = sample("rest_orders_empty.recorded.json")
    assert ask(served, "/orders/historical/batch?product_type=FUTURE") == recorded


NEWER_ORDER = frozenset(
    {
        "proof_token_required",
        "retail_portfolio_id",
        "originating_order_id",
        "attached_order_id",
        "attached_order_configuration",
        "current_pending_replace",
        "commission_detail_total",
        "workable_size",
        "workable_size_completion_pct",
        "product_details",
        "cost_basis_method",
        "displayed_order_config",
        "equity_trading_session",
    }
)


def test_orders(served: Served) -> None:
    [recorded] = sample("rest_orders_filled.recorded_2023.json")
    ours = ask(served, "/orders/historical/batch?order_status=FILLED")
    recorded["orders"][0]["order_configuration"] = ours["orders"][0]["order_configuration"]
    compare(ours, recorded, beyond=NEWER_ORDER)
    [documented] = sample("doc_style_rest_order.json")
    row = ask(served, f"/orders/historical/{ours['orders'][0]['order_id']}")
    compare(row, documented, beyond=NEWER_ORDER | {"edit_history", "cursor"})
    assert row["order"]["completion_percentage"] == recorded["orders"][0]["completion_percentage"]
    assert row["order"]["settled"] is True


def test_fills(served: Served) -> None:
    [recorded] = sample("rest_fills.recorded_2023.json")
    ours = ask(served, "/orders/historical/fills")
    del recorded["fills"][0]["cursor"]
    beyond = frozenset({"retail_portfolio_id", "fillSource", "commission_detail_total"})
    compare(ours, recorded, beyond=beyond)
    assert ours["cursor"] == ""


def test_the_answers_to_orders(served: Served) -> None:
    [documented] = sample("rest_create_order_responses.json")
    variant = {"base_size": "5", "limit_price": "0.1", "post_only": True}
    body = {
        "client_order_id": "shape",
        "product_id": SYMBOL,
        "side": "BUY",
        "order_configuration": {"limit_limit_gtc": variant},
    }
    status, taken = served.ask("POST", f"{BASE}/orders", body)
    assert status == 200
    compare(taken, documented["success_documented"], beyond=frozenset({"attached_order_id"}))
    variant["limit_price"] = "0.102"
    _, crossing = served.ask("POST", f"{BASE}/orders", body | {"client_order_id": "crossing"})
    shape = documented["failure_shape_post_only"]
    reason = shape["error_response"]["new_order_failure_reason"]
    assert crossing["error_response"]["new_order_failure_reason"] == reason
    variant |= {"limit_price": "0.1", "base_size": "90000"}
    _, poor = served.ask("POST", f"{BASE}/orders", body | {"client_order_id": "poor"})
    for key, value in documented["failure_shape_insufficient_fund"]["error_response"].items():
        if key.endswith(("reason", "error")):
            assert poor["error_response"][key] == value, key
    for refused in (crossing, poor):
        assert refused["success"] is False
        assert refused["order_configuration"]["limit_limit_gtc"]["post_only"] is True


def test_cancelling_and_editing(served: Served) -> None:
    [cancelled] = sample("rest_cancel_response.documented.json")
    order_id = served.place("to-cancel")
    _, ours = served.ask("POST", f"{BASE}/orders/batch_cancel", {"order_ids": [order_id, "x"]})
    assert [row | {"order_id": ""} for row in ours["results"]] == [
        row | {"order_id": ""} for row in cancelled["results"]
    ]
    [edited] = sample("rest_edit_response.documented.json")
    _, ours = served.ask(
        "POST", f"{BASE}/orders/edit", {"order_id": "x", "price": "1", "size": "1"}
    )
    compare(ours, edited)


def test_errors(served: Served) -> None:
    [recorded] = sample("rest_errors.recorded_and_documented.json")

    def refusal(method: str, path: str, body: Any = None) -> dict[str, Any]:
        status, answer = served.ask(method, BASE + path, body)
        return {"status": status, "body": answer}

    assert refusal("GET", "/products/NO-USD") == recorded["404_recorded_by_gocryptotrader"]
    assert (
        refusal("GET", "/products?product_type=OPTIONS")
        == recorded["400_recorded_by_gocryptotrader"]
    )
    missing = refusal("GET", "/orders/historical/none")
    assert missing["body"] == recorded["order_not_found_recorded_by_ccxt"]["body"]
    many = refusal("POST", "/orders/batch_cancel", {"order_ids": ["x"] * 101})
    assert many["status"] == 400
    assert recorded["batch_cancel_too_many"]["body"].items() <= many["body"].items()
