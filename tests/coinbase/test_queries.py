"""What the exchange is asked, how its answers are read, and what is asked again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import OrderState
from quietmaker.core.units import SECOND, Instant, Liquidity, Lots, Rate, Side, Ticks
from quietmaker.errors import ExchangeRefused, ExchangeUnavailable, WireError
from quietmaker.ports import Accepted, Balance, OrderReport
from tests.coinbase.rig import PRODUCTS, Rig, fill_row, intent, order_row, rig, success
from tests.coinbase.stub import Action, Drop, Hang, Raw, Reply, Request, Reset, answer

LIST = "/orders/historical/batch"
FILLS = "/orders/historical/fills"
AT = Instant(1_786_309_548 * SECOND)
"""2026-08-09T21:05:48Z, when the orders of the rig were made."""


def listed(*rows: dict[str, Any], has_next: bool = False, cursor: str = "") -> Reply:
    """Return a page of orders."""
    return answer({"orders": list(rows), "sequence": "0", "has_next": has_next, "cursor": cursor})


def filled(*rows: dict[str, Any], cursor: str = "") -> Reply:
    """Return a page of executions."""
    return answer({"fills": list(rows), "cursor": cursor})


def by_status(rows: dict[str, list[dict[str, Any]]]) -> Any:
    """Answer with the orders of the status that is asked for."""
    return lambda request: listed(*rows.get(request.query["order_status"][0], []))


# --- asking again ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(status=500),
        Reply(status=502, body=b"<html>"),
        Reply(status=503),
        Reply(status=408),
        Reply(status=429),
        Drop(),
        Reset(),
        Raw(data=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        Raw(data=b"nonsense\r\n\r\n"),
        Reply(status=401, body=b"Unauthorized"),
    ],
)
def test_p3_p7_a_question_is_asked_again_where_that_may_help(trouble: Action) -> None:
    with rig() as r:
        r.stub.route("GET", "/transaction_summary", answer(FEES))
        r.stub.script.extend([trouble])
        assert r.exchange.fees().maker == Rate(6_000_000)
        assert len(r.stub.asked("/transaction_summary")) == 2


@pytest.mark.parametrize(
    ("trouble", "times", "error"),
    [
        (Reply(status=502, body=b"<html>"), 3, ExchangeUnavailable),
        (Drop(), 3, ExchangeUnavailable),
        (Reply(status=401, body=b"Unauthorized"), 3, ExchangeRefused),
        (
            Reply(status=403, body=b'{"error_details":"Missing required scopes"}'),
            1,
            ExchangeRefused,
        ),
        (Reply(status=400), 1, ExchangeRefused),
        (Reply(status=404), 1, ExchangeRefused),
        (Reply(status=302), 1, ExchangeUnavailable),
        (Reply(body=b"not json"), 1, WireError),
        (Reply(body=b"[]"), 1, WireError),
    ],
)
def test_a_question_is_not_asked_for_ever(
    trouble: Action, times: int, error: type[WireError]
) -> None:
    with rig() as r:
        r.stub.route("GET", "/transaction_summary", trouble)
        with pytest.raises(error, match="transaction_summary"):
            r.exchange.fees()
        assert len(r.stub.asked("/transaction_summary")) == times


def test_a_silent_exchange_is_unavailable_and_not_asked_beyond_the_time_of_an_answer() -> None:
    with rig(read=0.2) as r:
        r.stub.route("GET", "/transaction_summary", Hang())
        with pytest.raises(ExchangeUnavailable, match="no answer in time"):
            r.exchange.fees()
        assert len(r.stub.asked("/transaction_summary")) <= 3
        assert sum(r.pauses) <= 0.2


def test_pauses_between_attempts_grow() -> None:
    with rig() as r:
        r.stub.route("GET", "/transaction_summary", Reply(status=503))
        with pytest.raises(ExchangeUnavailable):
            r.exchange.fees()
        assert r.pauses == [0.2, 0.4]


def test_the_wait_that_the_exchange_asks_for_is_kept() -> None:
    with rig() as r:
        r.stub.script.append(answer({}, 429, retry_after="3"))
        r.stub.route("GET", "/transaction_summary", answer(FEES))
        began = r.clock.at
        r.exchange.fees()
        assert 3 * SECOND <= r.clock.at - began <= 4 * SECOND
        assert r.watch.issues["rate_limited"] == 1


def test_no_error_shows_a_token() -> None:
    with rig() as r:
        for trouble in (Reply(status=401), Reply(status=502), Drop(), Reply(status=400)):
            r.stub.route("GET", "/transaction_summary", trouble)
            with pytest.raises(WireError) as raised:
                r.exchange.fees()
            error: BaseException | None = raised.value
            while error is not None:
                assert "eyJ" not in f"{error!r}{error}"
                error = error.__cause__ or error.__context__
        assert "eyJ" not in repr(r.exchange)


# --- cancelling -----------------------------------------------------------------------------------


def place(r: Rig, *client_ids: str) -> None:
    """Place orders with the ids o-<client id>."""
    r.stub.route(
        "POST",
        "/orders",
        lambda q: answer(success(q.json, "o-" + q.json["client_order_id"])),
    )
    for client_id in client_ids:
        assert isinstance(r.exchange.submit(intent(client_id)), Accepted)


def queued(request: Request) -> Action:
    """Answer that every cancellation is queued."""
    word = "UNKNOWN_CANCEL_FAILURE_REASON"
    return answer(
        {
            "results": [
                {"success": True, "failure_reason": word, "order_id": order_id}
                for order_id in reversed(request.json["order_ids"])
            ]
        }
    )


def test_cancellations_go_out_by_the_hundred_and_come_back_in_order() -> None:
    ids = [f"qm{number}" for number in range(250)]
    with rig() as r:
        place(r, *ids)
        r.stub.route("POST", "/orders/batch_cancel", queued)
        outcomes = r.exchange.cancel(ids)
        assert [o.client_id for o in outcomes] == ids
        assert {o.reason for o in outcomes} == {None}
        sizes = [len(q.json["order_ids"]) for q in r.stub.asked("/orders/batch_cancel")]
        assert sizes == [100, 100, 50]


@pytest.mark.parametrize(
    "word",
    [
        "UNKNOWN_CANCEL_ORDER",
        "DUPLICATE_CANCEL_REQUEST",
        "ORDER_IS_FULLY_FILLED",
        "COMMANDER_REJECTED_CANCEL_ORDER",
        "BRAND_NEW_2027",
    ],
)
def test_a_refused_cancellation_is_an_outcome_and_no_error(word: str) -> None:
    with rig() as r:
        place(r, "qm1", "qm2")
        row = {"success": False, "failure_reason": word, "order_id": "o-qm1"}
        other = {"success": True, "order_id": "o-qm2"}
        r.stub.route("POST", "/orders/batch_cancel", answer({"results": [row, other]}))
        outcomes = r.exchange.cancel(["qm1", "qm2"])
        assert [o.reason for o in outcomes] == [word, None]


def test_an_id_without_a_result_is_not_taken_for_cancelled() -> None:
    with rig() as r:
        place(r, "qm1")
        for results in ([], [{"success": True}], ["x"], [{"order_id": "o-qm1"}]):
            r.stub.route("POST", "/orders/batch_cancel", answer({"results": results}))
            (outcome,) = r.exchange.cancel(["qm1"])
            assert outcome.reason == "UNKNOWN_CANCEL_FAILURE_REASON"


def test_p21_an_empty_list_or_an_unknown_id_is_never_sent() -> None:
    with rig() as r:
        assert r.exchange.cancel([]) == ()
        r.exchange.learn("qm1", "")
        r.exchange.learn("qm1", "UNKNOWN")
        r.stub.route("GET", LIST, listed())
        (outcome,) = r.exchange.cancel(["qm1"])
        assert outcome.reason == "UNKNOWN_CANCEL_ORDER"
        assert r.stub.asked("/orders/batch_cancel") == []


def test_an_order_whose_id_is_not_known_is_looked_up_before_it_is_cancelled() -> None:
    with rig() as r:
        place(r, "qm1")
        r.stub.route("GET", LIST, by_status({"PENDING": [order_row("o-9", "qm9")]}))
        r.stub.route("POST", "/orders/batch_cancel", queued)
        outcomes = r.exchange.cancel(["qm9", "qm1", "qm8"])
        assert [o.reason for o in outcomes] == [None, None, "UNKNOWN_CANCEL_ORDER"]
        sent = [q.json["order_ids"] for q in r.stub.asked("/orders/batch_cancel")]
        assert sent == [["o-qm1"], ["o-9"]]  # what is known does not wait for what is not


def test_an_id_that_the_user_stream_told_needs_no_question() -> None:
    with rig() as r:
        r.exchange.learn("qm9", "o-9")
        r.stub.route("POST", "/orders/batch_cancel", queued)
        assert r.exchange.cancel(["qm9"])[0].reason is None
        assert r.stub.asked(LIST) == []


def test_p7_a_cancellation_goes_on_being_asked_for_and_then_nobody_knows() -> None:
    with rig() as r:
        place(r, "qm1")
        r.stub.route("POST", "/orders/batch_cancel", Reply(status=502, body=b"<html>"))
        with pytest.raises(ExchangeUnavailable, match="orders_batch_cancel: HTTP_502"):
            r.exchange.cancel(["qm1"])
        assert len(r.stub.asked("/orders/batch_cancel")) == 3


def test_one_failed_batch_does_not_keep_the_others_from_being_sent() -> None:
    ids = [f"qm{number}" for number in range(150)]
    with rig() as r:
        place(r, *ids)
        r.stub.script.extend([Reply(status=400)])
        r.stub.route("POST", "/orders/batch_cancel", queued)
        with pytest.raises(ExchangeRefused):
            r.exchange.cancel(ids)
        assert len(r.stub.asked("/orders/batch_cancel")) == 2


# --- orders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PENDING", OrderState.PENDING),
        ("QUEUED", OrderState.PENDING),
        ("OPEN", OrderState.OPEN),
        ("EDIT_QUEUED", OrderState.OPEN),
        ("CANCEL_QUEUED", OrderState.CANCEL_PENDING),
        ("FILLED", OrderState.FILLED),
        ("CANCELLED", OrderState.CANCELLED),
        ("EXPIRED", OrderState.EXPIRED),
        ("FAILED", OrderState.FAILED),
        ("filled", OrderState.FILLED),
        ("UNKNOWN_ORDER_STATUS", OrderState.OPEN),
        ("BRAND_NEW_2027", OrderState.OPEN),
    ],
)
def test_p6_every_status_has_a_state_and_an_unknown_one_is_live(
    status: str, state: OrderState
) -> None:
    with rig() as r:
        r.exchange.learn("qm1-BTC-USD-B1", "o-1")
        row = order_row(status=status, filled_size="0.0005", new_field={})
        r.stub.route("GET", "/orders/historical/o-1", answer({"order": row}))
        assert r.exchange.order("qm1-BTC-USD-B1", since=AT) == OrderReport(
            order_id="o-1",
            client_id="qm1-BTC-USD-B1",
            symbol="BTC-USD",
            state=state,
            filled=Lots(50_000),
            reason="",
        )
        known = status.upper() in {"UNKNOWN_ORDER_STATUS", "BRAND_NEW_2027"}
        assert r.watch.issues["unknown_order_status"] == known


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"reject_reason": "HOLD_FAILURE"}, "HOLD_FAILURE"),
        ({"reject_reason": "REJECT_REASON_UNSPECIFIED", "reject_message": "no"}, "no"),
        ({"cancel_message": "User requested cancel"}, "User requested cancel"),
        ({"reject_reason": None}, ""),
    ],
)
def test_an_order_that_ended_badly_says_why(more: dict[str, Any], reason: str) -> None:
    with rig() as r:
        r.exchange.learn("qm1-BTC-USD-B1", "o-1")
        row = order_row(status="FAILED", **more)
        r.stub.route("GET", "/orders/historical/o-1", answer({"order": row}))
        report = r.exchange.order("qm1-BTC-USD-B1", since=AT)
        assert report is not None
        assert report.reason == reason


def test_an_order_of_unknown_id_is_found_among_those_created_since() -> None:
    pages = {
        "": listed(order_row("o-3", "x"), has_next=True, cursor="a b&c"),
        "a b&c": listed(order_row("o-2", "y"), order_row("o-1", "qm1"), has_next=True, cursor="z"),
    }
    with rig() as r:
        r.stub.route("GET", LIST, lambda q: pages[q.query.get("cursor", [""])[0]])
        report = r.exchange.order("qm1", since=AT)
        assert report is not None
        assert report.order_id == "o-1"
        first, second = r.stub.asked(LIST)
        assert first.query["start_date"] == ["2026-08-09T21:04:48.000000Z"]  # clocks differ
        assert "order_status" not in first.query
        assert second.query["start_date"] == first.query["start_date"]
        r.stub.route("GET", "/orders/historical/o-1", answer({"order": order_row("o-1", "qm1")}))
        assert r.exchange.order("qm1", since=AT) == report
        assert len(r.stub.asked(LIST)) == 2  # by now its id is known


def test_an_order_id_that_is_anothers_by_now_is_looked_for_among_all() -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        r.stub.route("GET", "/orders/historical/o-1", answer({"order": order_row("o-1", "qm2")}))
        r.stub.route("GET", LIST, listed(order_row("o-3", "qm1")))
        report = r.exchange.order("qm1", since=AT)
        assert report is not None
        assert report.order_id == "o-3"


@pytest.mark.parametrize(
    "gone",
    [
        answer({"error": "NOT_FOUND"}, 404),
        answer({"error": "unknown", "error_details": "order with this orderID was not found"}, 400),
        answer({"error": "unknown", "error_details": "order with this orderID was not found"}),
    ],
)
def test_an_order_that_the_exchange_does_not_have_is_none(gone: Reply) -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        r.stub.route("GET", "/orders/historical/o-1", gone)
        r.stub.route("GET", LIST, listed(order_row("o-2", "other")))
        assert r.exchange.order("qm1", since=AT) is None
        assert r.exchange.order("qm2", since=AT) is None


def test_not_having_been_able_to_ask_is_no_answer() -> None:
    with rig() as r:
        r.stub.route("GET", LIST, Reply(status=503))
        with pytest.raises(ExchangeUnavailable):
            r.exchange.order("qm1", since=AT)


def test_p2_a_query_does_not_take_another_order_for_the_one_that_was_sent() -> None:
    with rig() as r:
        r.stub.script.append(Drop())
        r.exchange.submit(intent("qm1"))
        row = order_row("o-1", "qm1", side="SELL")
        r.stub.route("GET", LIST, listed(row))
        with pytest.raises(WireError, match="another order of this client id"):
            r.exchange.order("qm1", since=AT)
        assert r.watch.issues["echo_mismatch"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"orders": [order_row("o-2", "x")], "has_next": True, "cursor": ""},
        {"orders": [order_row("o-2", "x")], "has_next": True, "cursor": "round"},
        {"orders": [order_row("o-2", "x")], "has_next": True, "cursor": 5},
        {"orders": None, "has_next": False},
        {"has_next": False},
        {"orders": [{}]},
        {"orders": ["x"]},
    ],
)
def test_a_list_that_is_not_complete_is_an_error_and_never_an_end(body: Any) -> None:
    with rig() as r:
        r.stub.route("GET", LIST, answer(body))
        with pytest.raises(WireError):
            r.exchange.order("qm1", since=AT)
        with pytest.raises(WireError):
            r.exchange.open_orders()


def test_p6_every_live_status_is_asked_for_alone() -> None:
    rows = {
        "PENDING": [order_row("o-1", "qm1", status="PENDING", created_time="2026-08-09T21:00:03Z")],
        "QUEUED": [order_row("o-2", "qm2", status="QUEUED", created_time="2026-08-09T21:00:02Z")],
        "OPEN": [order_row("o-1", "qm1", created_time="2026-08-09T21:00:03Z")],
        "CANCEL_QUEUED": [
            order_row("o-4", "qm4", status="CANCEL_QUEUED", created_time="2026-08-09T21:00:01Z")
        ],
    }
    with rig() as r:
        r.stub.route("GET", LIST, by_status(rows))
        reports = r.exchange.open_orders()
        assert [(each.client_id, each.state) for each in reports] == [
            ("qm4", OrderState.CANCEL_PENDING),
            ("qm2", OrderState.PENDING),
            ("qm1", OrderState.OPEN),
        ]
        asked = [q.query["order_status"] for q in r.stub.asked(LIST)]
        assert asked == [["PENDING"], ["QUEUED"], ["OPEN"], ["EDIT_QUEUED"], ["CANCEL_QUEUED"]]


def test_a_status_that_the_exchange_does_not_know_can_hold_no_order() -> None:
    def act(request: Request) -> Action:
        status = request.query["order_status"][0]
        return Reply(status=400) if status == "EDIT_QUEUED" else listed()

    with rig() as r:
        r.stub.route("GET", LIST, act)
        assert r.exchange.open_orders() == ()
        assert r.watch.issues["status_not_known"] == 1
        r.stub.route("GET", LIST, Reply(status=400))
        with pytest.raises(ExchangeRefused):
            r.exchange.open_orders()


def test_foreign_orders_are_left_alone_and_ours_are_never_skipped() -> None:
    foreign = order_row("o-7", "by hand", product_id="ADA-USDT")
    unserved = order_row("o-8", "qm8", product_id="ADA-USDT")
    by_hand = order_row("o-9", "by hand", filled_size="not a number")
    with rig() as r:
        r.stub.route("GET", LIST, by_status({"OPEN": [foreign, unserved, by_hand, order_row()]}))
        assert [each.order_id for each in r.exchange.open_orders()] == ["o-1"]
        assert r.watch.issues == {"foreign_order": 2, "unreadable_foreign_order": 1}
        ours = order_row("o-9", "qm9", filled_size="0.000000001")
        r.stub.route("GET", LIST, by_status({"OPEN": [ours]}))
        with pytest.raises(WireError, match="order o-9: filled_size"):
            r.exchange.open_orders()


# --- executions -----------------------------------------------------------------------------------


def test_executions_are_read_to_the_last_page_and_each_once() -> None:
    pages = {
        "": filled(
            fill_row("e-3", trade_time="2026-08-09T21:05:53.123456789Z"),
            fill_row("e-2"),
            cursor="c",
        ),
        "c": filled(
            fill_row("e-2"), fill_row("e-1", trade_time="2026-08-09T21:05:49Z"), cursor="d"
        ),
        "d": filled(cursor="d"),
    }
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        r.stub.route("GET", FILLS, lambda q: pages[q.query.get("cursor", [""])[0]])
        told = r.exchange.fills(AT)
        assert [each.fill.trade_id for each in told] == ["t-e-1", "t-e-2", "t-e-3"]
        first = told[0]
        assert first.order_id == "o-1"
        assert first.fill.client_id == "qm1"
        assert first.fill.side is Side.BUY
        assert (first.fill.price, first.fill.size) == (Ticks(6_500_012), Lots(100_000))
        assert first.fill.fee == Decimal("0.1625003")
        assert first.fill.liquidity is Liquidity.MAKER
        assert told[-1].fill.at == AT + 5 * SECOND + 123_456_789
        query = r.stub.asked(FILLS)[0].query
        assert query["start_sequence_timestamp"] == ["2026-08-09T21:04:48.000000Z"]
        assert r.exchange.fills(told[-1].fill.at) == told[-1:]


@pytest.mark.parametrize("digits", ["", ".1", ".123456", ".123456789", ".123456789123"])
def test_p9_times_have_any_number_of_digits(digits: str) -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        row = fill_row(trade_time=f"2026-08-09T21:05:50{digits}Z")
        r.stub.route("GET", FILLS, filled(row))
        (told,) = r.exchange.fills(AT)
        assert told.fill.at // SECOND == AT // SECOND + 2


def test_the_orders_of_executions_are_looked_up_when_they_are_not_known() -> None:
    rows = [order_row("o-1", "qm1"), order_row("o-5", "by hand")]
    with rig() as r:
        r.stub.route(
            "GET", FILLS, filled(fill_row("e-1"), fill_row("e-5", "o-5"), fill_row("e-6", "o-6"))
        )
        r.stub.route("GET", LIST, listed(*rows))
        told = r.exchange.fills(AT)
        assert [each.fill.client_id for each in told] == ["qm1", "by hand"]
        assert r.watch.issues["fill_without_order"] == 1
        assert r.stub.asked(LIST)[0].query["order_ids"] == ["o-1", "o-5", "o-6"]


@pytest.mark.parametrize("kind", ["REVERSAL", "CORRECTION", "SYNTHETIC", "BRAND_NEW"])
def test_what_is_no_execution_is_counted_and_never_booked(kind: str) -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        r.stub.route("GET", FILLS, filled(fill_row("e-2", trade_type=kind), fill_row("e-1")))
        assert [each.fill.trade_id for each in r.exchange.fills(AT)] == ["t-e-1"]
        assert r.watch.issues == {f"fill_{kind.lower()}": 1}


@pytest.mark.parametrize("word", ["UNKNOWN_LIQUIDITY_INDICATOR", "BRAND_NEW", "", None])
def test_unknown_liquidity_is_the_makers_for_post_only_orders_alone(word: Any) -> None:
    with rig() as r:
        place(r, "qm1")
        r.exchange.learn("qm1", "o-qm1")
        r.exchange.learn("qm2", "o-2")
        rows = [fill_row("e-1", "o-qm1"), fill_row("e-2", "o-2")]
        for row in rows:
            row["liquidity_indicator"] = word
        r.stub.route("GET", FILLS, filled(*rows))
        told = r.exchange.fills(AT)
        assert [each.fill.liquidity for each in told] == [Liquidity.MAKER, Liquidity.TAKER]
        assert r.watch.issues == {"unknown_liquidity": 2}


def test_a_size_in_quote_is_converted() -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        row = fill_row(size_in_quote=True, size="97.50", price="65000")
        r.stub.route("GET", FILLS, filled(row))
        (told,) = r.exchange.fills(AT)
        assert told.fill.size == Lots(150_000)


@pytest.mark.parametrize(
    "more",
    [
        {"price": "x"},
        {"price": "65000.123"},
        {"price": "0"},
        {"size": None},
        {"size": "-1"},
        {"size": "1e400"},
        {"size": "9" * 60},
        {"commission": ""},
        {"commission": None},
        {"side": "HOLD"},
        {"trade_time": "yesterday", "sequence_timestamp": None},
        {"trade_time": None, "sequence_timestamp": None},
        {"size_in_quote": True, "size": "0.0000001"},
    ],
)
def test_an_execution_of_ours_that_cannot_be_read_is_an_error_and_a_foreign_one_is_not(
    more: dict[str, Any],
) -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        r.exchange.learn("by hand", "o-2")
        r.stub.route("GET", FILLS, filled(fill_row(**more)))
        with pytest.raises(WireError, match="fill e-1"):
            r.exchange.fills(AT)
        r.stub.route("GET", FILLS, filled(fill_row("e-2", "o-2", **more)))
        assert r.exchange.fills(AT) == ()
        assert r.watch.issues == {"unreadable_foreign_fill": 1}


def test_executions_of_other_products_are_left_alone() -> None:
    with rig() as r:
        row = fill_row(product_id="ADA-USDT")
        r.stub.route("GET", FILLS, filled(row))
        assert r.exchange.fills(AT) == ()
        assert r.watch.issues == {"foreign_fill": 1}
        assert r.stub.asked(LIST) == []


def test_everything_executed_on_the_account_is_told_for_a_tie_out() -> None:
    hand, other = {"trade_time": "2026-08-09T21:06:00Z"}, {"trade_time": "2026-08-09T21:06:01Z"}
    rows = [
        fill_row("e-1"),
        fill_row("e-2", "o-2", product_id="ADA-USDT", price="0.5", size="3", **hand),
        fill_row("e-3", "o-3", product_id="ADA-USDT", trade_type="REVERSAL", **other),
        fill_row("e-4", "o-4", size_in_quote=True, size="97.50", price="65000", **other),
        fill_row("e-5", "o-1", trade_time="2026-08-09T22:00:00Z"),
    ]
    with rig() as r:
        r.stub.route("GET", FILLS, filled(*rows))
        r.stub.route("GET", LIST, listed(order_row("o-1", "qm1"), order_row("o-2", "by hand")))
        told = r.exchange.executions(AT, Instant(AT + 600 * SECOND))
        assert [(each.trade_id, each.client_id, each.undoes) for each in told] == [
            ("t-e-1", "qm1", ""),
            ("t-e-2", "by hand", ""),
            ("t-e-3", "", "REVERSAL"),
            ("t-e-4", "", ""),
        ]
        assert (told[1].price, told[1].size, told[1].currencies) == (
            Decimal("0.5"),
            Decimal(3),
            ("ADA", "USDT"),
        )
        assert told[3].size == Decimal("0.0015")
        span = r.stub.asked(FILLS)[0].query
        assert span["start_sequence_timestamp"] < ["2026-08-09T21:05:48Z"]
        assert span["end_sequence_timestamp"] > ["2026-08-09T21:15:48Z"]
        assert r.watch.issues == {}


@pytest.mark.parametrize("more", [{"price": "x"}, {"size": "-1"}, {"commission": None}])
def test_for_a_tie_out_too_ours_must_be_readable_and_somebody_elses_need_not(
    more: dict[str, Any],
) -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        r.exchange.learn("by hand", "o-2")
        r.stub.route("GET", FILLS, filled(fill_row(**more)))
        with pytest.raises(WireError, match="fill e-1"):
            r.exchange.executions(AT, Instant(AT + 600 * SECOND))
        r.stub.route("GET", FILLS, filled(fill_row("e-2", "o-2", **more)))
        assert r.exchange.executions(AT, Instant(AT + 600 * SECOND)) == ()
        assert r.watch.issues == {"unreadable_foreign_fill": 1}


def test_a_rebate_is_a_fee_below_zero() -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        r.stub.route("GET", FILLS, filled(fill_row(commission="-0.05")))
        assert r.exchange.fills(AT)[0].fill.fee == Decimal("-0.05")


def test_the_executions_of_some_orders_are_asked_for_by_fifty() -> None:
    ids = [f"o-{number}" for number in range(60)]

    def act(request: Request) -> Action:
        rows = [fill_row(f"e-{order_id}", order_id) for order_id in request.query["order_ids"]]
        return filled(*rows, fill_row("e-x", "o-x"))

    with rig() as r:
        for order_id in ids:
            r.exchange.learn(f"qm-{order_id}", order_id)
        r.stub.route("GET", FILLS, act)
        told = r.exchange.fills_of([*ids, ids[0]])
        assert {each.order_id for each in told} == set(ids)
        assert len(told) == 60
        assert len(r.stub.asked(FILLS)) == 2
        assert r.exchange.fills_of([]) == ()


def test_pages_of_executions_end_when_nothing_new_comes() -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        number = iter(range(99))
        r.stub.route("GET", FILLS, lambda _: filled(fill_row(), cursor=f"c{next(number)}"))
        assert len(r.exchange.fills(AT)) == 1
        assert len(r.stub.asked(FILLS)) == 2


def test_pages_of_executions_that_go_round_in_a_circle_are_an_error() -> None:
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        number = iter(range(99))
        r.stub.route("GET", FILLS, lambda _: filled(fill_row(f"e-{next(number)}"), cursor="c"))
        with pytest.raises(WireError, match="no end"):
            r.exchange.fills(AT)


# --- the account ----------------------------------------------------------------------------------


def account(currency: str, available: str, on_hold: str, **more: Any) -> dict[str, Any]:
    """Return an account as the exchange lists it."""
    return {
        "uuid": f"{currency}-{available}-{on_hold}",
        "currency": currency,
        "available_balance": {"value": available, "currency": currency},
        "hold": {"value": on_hold, "currency": currency},
        "type": "ACCOUNT_TYPE_CRYPTO",
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
        **more,
    }


def accounts(*rows: Any, cursor: str = "") -> Reply:
    """Return a page of accounts."""
    return answer(
        {"accounts": list(rows), "has_next": bool(cursor), "cursor": cursor, "size": len(rows)}
    )


def test_p15_balances_are_those_that_spot_orders_are_settled_in() -> None:
    pages = {
        "": accounts(
            account("USD", "100.5", "0.25", type="ACCOUNT_TYPE_FIAT"),
            account("USD", "7", "0", type="FIAT", uuid="second"),
            account("USD", "1000000", "0", platform="ACCOUNT_PLATFORM_CFM_CONSUMER"),
            account("BTC", "1000000", "0", type="ACCOUNT_TYPE_VAULT"),
            account("BTC", "1000000", "0", type="ACCOUNT_TYPE_PERP_FUTURES"),
            account("BTC", "1000000", "0", platform="ACCOUNT_PLATFORM_INTX"),
            account("BTC", "5", "5", deleted_at="2026-01-01T00:00:00Z"),
            cursor="next",
        ),
        "next": accounts(
            account("BTC", "0.1", "0.2"), account("USD", "7", "0", type="FIAT", uuid="second")
        ),
    }
    with rig() as r:
        r.stub.route("GET", "/accounts", lambda q: pages[q.query.get("cursor", [""])[0]])
        assert r.exchange.balances() == {
            "USD": Balance(currency="USD", available=Decimal("107.5"), hold=Decimal("0.25")),
            "BTC": Balance(currency="BTC", available=Decimal("0.1"), hold=Decimal("0.2")),
        }
        assert r.stub.asked("/accounts")[0].query["limit"] == ["250"]


@pytest.mark.parametrize(
    "more",
    [
        {"hold": None},
        {"hold": {}},
        {"available_balance": {"value": "", "currency": "USD"}},
        {"available_balance": {"value": "NaN", "currency": "USD"}},
        {"available_balance": {"value": 5, "currency": "USD"}},
        {"available_balance": {"value": "5", "currency": "EUR"}},
    ],
)
def test_a_traded_balance_that_cannot_be_read_is_an_error_and_never_nought(
    more: dict[str, Any],
) -> None:
    with rig() as r:
        r.stub.route("GET", "/accounts", accounts(account("USD", "1", "0", **more)))
        with pytest.raises(WireError, match="account of USD"):
            r.exchange.balances()
        r.stub.route("GET", "/accounts", accounts(account("DOGE", "1", "0", **more)))
        assert r.exchange.balances() == {}
        assert r.watch.issues == {"unreadable_account": 1}


FEES = {
    "total_volume": 0.5,
    "fee_tier": {
        "pricing_tier": "Advanced 1",
        "taker_fee_rate": "0.012",
        "maker_fee_rate": "0.006",
    },
}


@pytest.mark.parametrize(
    ("maker", "taker", "rates"),
    [
        ("0.006", "0.012", (6_000_000, 12_000_000)),
        ("0", "0.000045", (0, 45_000)),
        ("-0.0001", "0.0005", (-100_000, 500_000)),
        ("0.00000000001", "0.1", (1, 100_000_000)),
    ],
)
def test_fee_rates_are_exact_or_rounded_against_us(
    maker: str, taker: str, rates: tuple[int, int]
) -> None:
    with rig() as r:
        tier = {"maker_fee_rate": maker, "taker_fee_rate": taker}
        r.stub.route("GET", "/transaction_summary", answer({"fee_tier": tier}))
        assert r.exchange.fees() == FeeRates(maker=Rate(rates[0]), taker=Rate(rates[1]))
        assert r.stub.asked("/transaction_summary")[0].query == {"product_type": ["SPOT"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"fee_tier": None},
        {"fee_tier": {"maker_fee_rate": "0.006"}},
        {"fee_tier": {"maker_fee_rate": "", "taker_fee_rate": "0.012"}},
        {"fee_tier": {"maker_fee_rate": "0.006", "taker_fee_rate": None}},
        {"fee_tier": {"maker_fee_rate": 0.006, "taker_fee_rate": "0.012"}},
        {"fee_tier": {"maker_fee_rate": "0.6", "taker_fee_rate": "1.2"}},
        {"fee_tier": {"maker_fee_rate": "0.006", "taker_fee_rate": "-0.01"}},
        {"fee_tier": {"maker_fee_rate": "x", "taker_fee_rate": "0.012"}},
    ],
)
def test_a_fee_rate_that_is_missing_is_an_error_and_never_nought(body: Any) -> None:
    with rig() as r:
        r.stub.route("GET", "/transaction_summary", answer(body))
        with pytest.raises(WireError, match="transaction_summary"):
            r.exchange.fees()


def test_permissions_are_told_and_never_assumed() -> None:
    with rig() as r:
        said = {"can_view": True, "can_trade": True, "can_transfer": False, "portfolio_uuid": "p"}
        r.stub.route("GET", "/key_permissions", answer(said))
        told = r.exchange.permissions()
        assert (told.view, told.trade, told.transfer) == (True, True, False)
        for more in ({"can_transfer": None}, {"can_transfer": "false"}, {"can_view": 1}):
            r.stub.route("GET", "/key_permissions", answer(said | more))
            with pytest.raises(WireError, match="key_permissions"):
                r.exchange.permissions()


# --- the market -----------------------------------------------------------------------------------


def test_products_come_in_pages_and_with_their_aliases() -> None:
    pages = {
        "": answer(
            {
                "products": PRODUCTS[:2],
                "pagination": {"next_cursor": "n", "has_next": True},
            }
        ),
        "n": answer(
            {"products": PRODUCTS[2:], "pagination": {"next_cursor": "", "has_next": False}}
        ),
    }
    with rig() as r:
        r.stub.route("GET", "/products", lambda q: pages[q.query.get("cursor", [""])[0]])
        assert list(r.exchange.products()) == ["BTC-USD", "BTC-USDC", "ADA-USDT"]
        assert r.exchange.aliases == {"BTC-USDC": "BTC-USD"}
        query = r.stub.asked("/products")[-1].query
        assert query["product_type"] == ["SPOT"]
        assert query["get_tradability_status"] == ["true"]


def test_without_a_key_public_questions_are_answered_and_unsigned() -> None:
    with rig(signer=False) as r:
        assert "BTC-USD" in r.exchange.products()
        assert r.exchange.time() > 0
        assert not any("authorization" in q.headers for q in r.stub.requests)
        assert all(q.headers["cache-control"] == "no-cache" for q in r.stub.requests)
        with pytest.raises(ExchangeRefused, match="needs an API key"):
            r.exchange.fees()
        with pytest.raises(ExchangeRefused, match="needs an API key"):
            r.exchange.open_orders()


def test_g1_orders_are_counted_in_the_increments_that_were_known_first() -> None:
    finer = [{**PRODUCTS[0], "price_increment": "0.001"}]
    with rig() as r:
        r.stub.route("GET", "/products", answer({"products": finer}))
        assert r.exchange.products()["BTC-USD"].tick == Decimal("0.001")
        assert r.watch.issues == {"increments_changed": 1}
        r.stub.route("POST", "/orders", lambda q: answer(success(q.json)))
        r.exchange.submit(intent())
        body = r.stub.asked("/orders")[0].json
        assert body["order_configuration"]["limit_limit_gtc"]["limit_price"] == "65000.12"


def test_candles_are_told_oldest_first_and_only_readable_recent_ones() -> None:
    with rig() as r:
        last = r.clock.at // SECOND // 300 * 300

        def candle(start: int, low: str = "65000", high: str = "65010.5") -> dict[str, str]:
            return {"start": str(start), "low": low, "high": high, "open": low, "close": high}

        rows = [
            candle(last),
            candle(last - 300, low="x"),
            candle(last - 600),
            candle(last - 600),
            candle(last - 900, low="70000"),
            candle(last - 901),
            candle(last + 3_000),
            candle(last - 400 * 300),
            "x",
        ]
        path = "/market/products/BTC-USD/candles"
        r.stub.route("GET", path, answer({"candles": rows}))
        bars = r.exchange.candles("BTC-USD")
        assert [bar.start // SECOND for bar in bars] == [last - 600, last]
        assert (bars[0].low, bars[0].high) == (6_500_000, 6_501_050)
        assert bars[0].at == r.clock.at
        assert r.watch.issues == {"unreadable_candle": 5}
        query = r.stub.asked(path)[0].query
        assert query["granularity"] == ["FIVE_MINUTE"]
        assert query["start"] == [str(last - 349 * 300)]
        with pytest.raises(WireError, match="not served"):
            r.exchange.candles("NO-USD")


@pytest.mark.parametrize(
    ("body", "moment"),
    [
        (
            {"iso": "2026-09-30T02:37:29Z", "epochMillis": "1790735849298"},
            1_790_735_849_298_000_000,
        ),
        ({"epochMillis": 1_790_735_849_298}, 1_790_735_849_298_000_000),
        ({"epochSeconds": "1790735849"}, 1_790_735_849_000_000_000),
        ({"iso": "2026-09-30T02:37:29.5Z"}, 1_790_735_849_500_000_000),
        ({"iso": "2026-09-30T02:37:29Z", "epochMillis": "x"}, 1_790_735_849_000_000_000),
    ],
)
def test_the_clock_is_read_from_its_most_exact_form(body: Any, moment: int) -> None:
    with rig() as r:
        r.stub.route("GET", "/time", answer(body))
        assert r.exchange.time() == moment


@pytest.mark.parametrize(
    "body", [{}, {"iso": None}, {"epochMillis": "9" * 30}, {"iso": "9999-01-01T00:00:00Z"}, []]
)
def test_a_clock_that_cannot_be_read_is_an_error(body: Any) -> None:
    with rig() as r:
        r.stub.route("GET", "/time", answer(body))
        with pytest.raises(WireError):
            r.exchange.time()
        assert len(r.stub.asked("/time")) == 1
