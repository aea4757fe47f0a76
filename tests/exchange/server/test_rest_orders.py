"""Orders over REST: the variants, the reasons, repeats, changes, cancellations."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.exchange.server.serving import BASE, BOOK, USDC, Served, serve
from tests.exchange.support import SYMBOL

FIVE: dict[str, Any] = {"base_size": "5", "limit_price": "0.1"}


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve a market of 0.1 x 0.102."""
    with serve() as server:
        server.market(BOOK)
        yield server


def send(served: Served, client_id: str, variant: str = "limit_limit_gtc", **fields: Any) -> Any:
    """Send an order and return the answer; capitals are fields of the body itself."""
    body = {
        "client_order_id": client_id,
        "product_id": fields.pop("PRODUCT", SYMBOL),
        "side": fields.pop("SIDE", "BUY"),
        "order_configuration": {variant: fields},
    }
    status, answer = served.ask("POST", f"{BASE}/orders", body)
    assert status == 200, answer
    return answer


def placed(served: Served, *args: Any, **fields: Any) -> dict[str, Any]:
    """Send an order that is taken, and return it as it is then."""
    answer = send(served, *args, **fields)
    assert answer["success"], answer
    return served.order(answer["success_response"]["order_id"])


def reason(answer: Any) -> str:
    """Return why an order was refused, by the rule that clients use."""
    error = answer["error_response"]
    assert answer["success"] is False
    for name in ("new_order_failure_reason", "error", "preview_failure_reason"):
        if error[name] and not error[name].startswith("UNKNOWN_"):
            return str(error[name])
    raise AssertionError(error)


def balances(served: Served) -> dict[str, tuple[Decimal, Decimal]]:
    """Return what is available and held, by currency."""
    _, body = served.ask("GET", f"{BASE}/accounts")
    return {
        row["currency"]: (
            Decimal(row["available_balance"]["value"]),
            Decimal(row["hold"]["value"]),
        )
        for row in body["accounts"]
    }


def test_a_resting_order_holds_its_value_and_the_dearer_fee(served: Served) -> None:
    order = placed(served, "a", base_size="5", limit_price="0.1", post_only=True)
    assert (order["status"], order["time_in_force"]) == ("OPEN", "GOOD_UNTIL_CANCELLED")
    assert order["outstanding_hold_amount"] == "0.502"
    assert balances(served)["USD"] == (1000 - Decimal("0.502"), Decimal("0.502"))


def test_the_configuration_is_echoed_as_it_was_sent(served: Served) -> None:
    fields: dict[str, Any] = {"base_size": "5.0", "limit_price": "0.1000", "post_only": True}
    answer = send(served, "a", **fields)
    assert answer["order_configuration"] == {"limit_limit_gtc": fields}
    order = served.order(answer["success_response"]["order_id"])
    assert order["order_configuration"] == {"limit_limit_gtc": fields}


def test_a_repeated_client_id_is_answered_with_the_first_order(served: Served) -> None:
    first = send(served, "a", base_size="5", limit_price="0.1")
    again = send(served, "a", "sor_limit_ioc", base_size="9", limit_price="0.102", SIDE="SELL")
    assert again == first
    assert len(served.orders) == 1


def test_a_repeat_is_recognised_after_the_order_has_ended(served: Served) -> None:
    first = send(served, "a", "sor_limit_ioc", base_size="5", limit_price="0.102")
    assert send(served, "a", "sor_limit_ioc", base_size="5", limit_price="0.102") == first
    assert balances(served)["TNSR"][0] == 1005


def test_a_refused_client_id_may_be_used_again(served: Served) -> None:
    assert (
        reason(send(served, "a", base_size="5", limit_price="0.10001")) == "INVALID_PRICE_PRECISION"
    )
    placed(served, "a", base_size="5", limit_price="0.1")


def test_an_immediate_order_takes_what_is_there_and_pays_the_taker_rate(served: Served) -> None:
    order = placed(served, "a", "sor_limit_ioc", base_size="40", limit_price="0.102")
    assert (order["status"], order["filled_size"]) == ("CANCELLED", "30")
    assert (order["filled_value"], order["total_fees"]) == ("3.06", "0.01224")
    assert order["total_value_after_fees"] == "3.07224"
    assert order["outstanding_hold_amount"] == "0"


def test_fill_or_kill_is_filled_whole_or_not_at_all(served: Served) -> None:
    killed = placed(served, "a", "limit_limit_fok", base_size="31", limit_price="0.102")
    assert (killed["status"], killed["number_of_fills"]) == ("CANCELLED", "0")
    filled = placed(served, "b", "limit_limit_fok", base_size="30", limit_price="0.102")
    assert (filled["status"], filled["time_in_force"]) == ("FILLED", "FILL_OR_KILL")


def test_a_market_order_in_base(served: Served) -> None:
    order = placed(served, "a", "market_market_ioc", base_size="5", SIDE="SELL")
    assert (order["status"], order["order_type"]) == ("FILLED", "MARKET")
    assert order["average_filled_price"] == "0.1"
    assert order["size_in_quote"] is False


def test_a_market_buy_in_quote_spends_no_more_than_was_said(served: Served) -> None:
    order = placed(served, "a", "market_market_ioc", quote_size="1")
    assert order["status"] == "FILLED"
    assert order["size_in_quote"] is order["size_inclusive_of_fees"] is True
    assert Decimal("0.98") < Decimal(order["total_value_after_fees"]) <= 1
    _, body = served.ask("GET", f"{BASE}/orders/historical/fills?order_ids={order['order_id']}")
    [fill] = body["fills"]
    assert fill["size_in_quote"] is True
    assert Decimal(fill["size"]) / Decimal(fill["price"]) == Decimal(order["filled_size"])


def test_a_limit_order_in_quote_becomes_base_at_its_price(served: Served) -> None:
    order = placed(served, "a", quote_size="1", limit_price="0.099", post_only=True)
    assert order["outstanding_hold_amount"] == str(
        Decimal("0.099") * Decimal("10.1") * Decimal("1.004")
    )


def test_an_order_with_an_end_expires(served: Served) -> None:
    order = placed(
        served,
        "a",
        "limit_limit_gtd",
        base_size="5",
        limit_price="0.1",
        end_time="2199-01-01T00:00:00Z",
    )
    assert (order["status"], order["time_in_force"]) == ("OPEN", "GOOD_UNTIL_DATE_TIME")
    refused = send(
        served,
        "b",
        "limit_limit_gtd",
        base_size="5",
        limit_price="0.1",
        end_time="2020-01-01T00:00:00Z",
    )
    assert reason(refused) == "END_TIME_IS_IN_THE_PAST"
    missing = send(served, "c", "limit_limit_gtd", base_size="5", limit_price="0.1")
    assert reason(missing) == "GTD_ORDERS_MUST_HAVE_END_TIME"


def test_an_alias_shares_the_book_and_settles_in_its_own_currency(served: Served) -> None:
    order = placed(served, "a", "sor_limit_ioc", base_size="5", limit_price="0.102", PRODUCT=USDC)
    assert (order["product_id"], order["status"]) == (USDC, "FILLED")
    after = balances(served)
    assert after["USD"][0] == 1000
    assert after["USDC"][0] == 500 - Decimal("0.51") * Decimal("1.004")


@pytest.mark.parametrize(
    ("variant", "fields", "wanted"),
    [
        ("limit_limit_gtc", {"base_size": "5", "limit_price": "0.102", "post_only": True},
         "INVALID_LIMIT_PRICE_POST_ONLY"),
        ("limit_limit_gtc", {"base_size": "90000", "limit_price": "0.1"}, "INSUFFICIENT_FUND"),
        ("limit_limit_gtc", {"base_size": "0.05", "limit_price": "0.1"}, "INVALID_SIZE_PRECISION"),
        ("limit_limit_gtc", {"base_size": "0", "limit_price": "0.1"},
         "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"),
        ("limit_limit_gtc", {"base_size": "9000000", "limit_price": "0.1"},
         "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
        ("limit_limit_gtc", {"base_size": "0.1", "limit_price": "0.001"},
         "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        ("limit_limit_gtc", {"base_size": "5", "limit_price": "0"}, "INVALID_LIMIT_PRICE"),
        ("limit_limit_gtc", {"base_size": "5", "limit_price": "1e30"}, "INVALID_LIMIT_PRICE"),
        ("limit_limit_gtc", {"limit_price": "0.1"}, "INVALID_REQUEST"),
        ("limit_limit_fok", {"base_size": "5", "limit_price": "0.102", "post_only": True},
         "POST_ONLY_NOT_ALLOWED_WITH_FOK"),
        ("limit_limit_gtc", {"base_size": "5", "limit_price": "0.1", "PRODUCT": "NO-USD"},
         "INVALID_PRODUCT_ID"),
        ("limit_limit_gtc", {"base_size": "5", "limit_price": "0.1", "SIDE": "HOLD"}, "INVALID_SIDE"),
        ("market_market_fok", {"base_size": "5"}, "UNSUPPORTED_ORDER_CONFIGURATION"),
        ("stop_limit_stop_limit_gtc", {"base_size": "5", "limit_price": "1", "stop_price": "1"},
         "UNSUPPORTED_ORDER_CONFIGURATION"),
        ("market_market_ioc", {"quote_size": "0.001"}, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        ("market_market_ioc", {"quote_size": "5", "SIDE": "SELL"}, "INVALID_REQUEST"),
        ("market_market_ioc", {"quote_size": "5.0001"}, "PREVIEW_INVALID_QUOTE_SIZE_PRECISION"),
    ],
)  # fmt: skip
def test_a_refusal_names_its_reason(
    served: Served, variant: str, fields: dict[str, Any], wanted: str
) -> None:
    before = balances(served)
    assert reason(send(served, "a", variant, **fields)) == wanted
    assert balances(served) == before
    assert served.orders == []


@pytest.mark.parametrize(
    "change",
    [
        {"client_order_id": ""},
        {"client_order_id": None},
        {"client_order_id": "x" * 129},
        {"order_configuration": {"limit_limit_gtc": {**FIVE, "base_size": 5}}},
        {"order_configuration": {"limit_limit_gtc": []}},
        {"order_configuration": []},
        {"product_id": 7},
        {"order_configuration": {"limit_limit_gtd": {**FIVE, "end_time": "soon"}}},
    ],
)  # fmt: skip
def test_what_is_no_order_is_a_bad_request(served: Served, change: dict[str, Any]) -> None:
    variant = {"base_size": "5", "limit_price": "0.1"}
    body = {
        "client_order_id": "a",
        "product_id": SYMBOL,
        "side": "BUY",
        "order_configuration": {"limit_limit_gtc": variant},
    } | change
    status, answer = served.ask("POST", f"{BASE}/orders", body)
    assert status == 400
    assert set(answer) == {"error", "error_details", "message"}


def test_attached_orders_are_refused_and_not_forgotten(served: Served) -> None:
    body = {
        "client_order_id": "a",
        "product_id": SYMBOL,
        "side": "BUY",
        "order_configuration": {"limit_limit_gtc": {"base_size": "5", "limit_price": "0.1"}},
        "attached_order_configuration": {"trigger_bracket_gtc": {"limit_price": "0.2"}},
    }
    _, answer = served.ask("POST", f"{BASE}/orders", body)
    assert reason(answer) == "UNSUPPORTED_ORDER_CONFIGURATION"


# --- cancellations and changes ------------------------------------------------------------------


def cancel(served: Served, *ids: str) -> list[dict[str, Any]]:
    """Cancel orders and return the results."""
    status, body = served.ask("POST", f"{BASE}/orders/batch_cancel", {"order_ids": list(ids)})
    assert status == 200
    results: list[dict[str, Any]] = body["results"]
    return results


def test_each_cancellation_is_answered_in_its_place(served: Served) -> None:
    open_id = served.place("a")
    filled = placed(served, "b", "sor_limit_ioc", base_size="5", limit_price="0.102")["order_id"]
    results = cancel(served, filled, open_id, "unknown", open_id)
    assert [(row["success"], row["failure_reason"]) for row in results] == [
        (False, "ORDER_IS_FULLY_FILLED"),
        (True, "UNKNOWN_CANCEL_FAILURE_REASON"),
        (False, "UNKNOWN_CANCEL_ORDER"),
        (False, "DUPLICATE_CANCEL_REQUEST"),
    ]
    order = served.order(open_id)
    assert (order["status"], order["outstanding_hold_amount"]) == ("CANCELLED", "0")
    assert cancel(served) == []


def edit(served: Served, order_id: str, **fields: Any) -> str:
    """Edit an order; return why not, or nothing."""
    status, body = served.ask("POST", f"{BASE}/orders/edit", {"order_id": order_id, **fields})
    assert status == 200
    if body["success"]:
        return ""
    [error] = body["errors"]
    found = {word for word in error.values() if not word.startswith("UNKNOWN_")}
    assert len(found) == 1
    return str(found.pop())


def test_an_edit_changes_price_and_total_size_and_the_hold(served: Served) -> None:
    order_id = served.place("a", price="0.1", size="5")
    assert edit(served, order_id, price="0.099", size="8") == ""
    order = served.order(order_id)
    assert order["status"] == "OPEN"
    assert Decimal(order["outstanding_hold_amount"]) == Decimal("0.792") * Decimal("1.004")
    [entry] = order["edit_history"]
    assert (entry["price"], entry["size"]) == ("0.099", "8")


def test_an_edit_that_cannot_be_done_says_why(served: Served) -> None:
    order_id = served.place("a", price="0.1", size="5")
    assert edit(served, order_id, price="0.1") == "INVALID_EDITED_SIZE"
    assert edit(served, order_id, size="5") == "INVALID_EDITED_PRICE"
    assert edit(served, order_id, price="0.1", size="5") == "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"
    assert (
        edit(served, order_id, price="0.102", size="5") == "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"
    )
    assert edit(served, order_id, price="0.1", size="90000") == "PREVIEW_INSUFFICIENT_FUND"
    assert edit(served, order_id, price="0.10001", size="5") == "PREVIEW_INVALID_PRICE_PRECISION"
    assert edit(served, "unknown", price="0.1", size="5") == "ORDER_NOT_FOUND"
    cancel(served, order_id)
    assert edit(served, order_id, price="0.1", size="6") == "ONLY_OPEN_ORDERS_CAN_BE_EDITED"


# --- previews -----------------------------------------------------------------------------------


def preview(served: Served, variant: str, side: str = "BUY", **fields: Any) -> Any:
    """Preview an order."""
    body = {"product_id": SYMBOL, "side": side, "order_configuration": {variant: fields}}
    status, answer = served.ask("POST", f"{BASE}/orders/preview", body)
    assert status == 200, answer
    return answer


def test_a_preview_says_what_an_order_would_cost_and_places_nothing(served: Served) -> None:
    before = balances(served)
    rests = preview(served, "limit_limit_gtc", base_size="5", limit_price="0.1")
    assert rests["errs"] == []
    assert (rests["order_total"], rests["commission_total"]) == ("0.50125", "0.00125")
    takes = preview(served, "market_market_ioc", base_size="10")
    assert (takes["order_total"], takes["commission_total"]) == ("1.02408", "0.00408")
    assert (takes["best_bid"], takes["best_ask"]) == ("0.1", "0.102")
    sells = preview(served, "sor_limit_ioc", "SELL", base_size="10", limit_price="0.1")
    assert sells["order_total"] == "0.996"
    assert balances(served) == before
    assert served.orders == []


def test_a_preview_says_why_an_order_would_be_refused(served: Served) -> None:
    poor = preview(served, "limit_limit_gtc", base_size="90000", limit_price="0.1")
    assert poor["errs"] == ["PREVIEW_INSUFFICIENT_FUND"]
    fine = preview(served, "limit_limit_gtc", base_size="5", limit_price="0.10001")
    assert fine["errs"] == ["PREVIEW_INVALID_PRICE_PRECISION"]
