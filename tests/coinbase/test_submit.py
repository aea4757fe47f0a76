"""What becomes of an order: a row of the table in `failures`, a test."""

from __future__ import annotations

import copy
import json
from typing import Any

import jwt
import pytest

from quietmaker.coinbase.rest.limits import RateLimits
from quietmaker.core.orders import Purpose, TimeInForce
from quietmaker.core.units import SECOND, Instant, Nanos, Side
from quietmaker.errors import WireError
from quietmaker.ports import Accepted, Mismatched, Rejected, SubmitOutcome, Unknown
from tests.coinbase.rig import KEY, Rig, intent, order_row, rig, success
from tests.coinbase.stub import Action, Drop, Hang, Raw, Reply, Request, Reset, Script, answer

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
GTC = {"base_size": "0.0015", "limit_price": "65000.12", "post_only": True}


def taken(request: Request) -> Action:
    """Answer as Coinbase does when it takes an order."""
    return answer(success(request.json))


def changed(**more: Any) -> Script:
    """Answer with a success of which something is different."""

    def act(request: Request) -> Action:
        body = success(request.json)
        for path, value in more.items():
            at = body
            *way, last = path.split("__")
            for step in way:
                at = at[step]
            if value is None:
                del at[last]
            else:
                at[last] = value
        return answer(body)

    return act


def refusal(**fields: Any) -> dict[str, Any]:
    """Return Coinbase's answer to an order that it does not take."""
    return {"success": False, "error_response": fields, "order_configuration": None}


def sent(*script: Script, read: float = 5.0) -> tuple[SubmitOutcome, Rig]:
    """Send an order to a server that acts so."""
    with rig(read=read) as r:
        r.stub.script.extend(script)
        outcome = r.exchange.submit(intent())
        assert not r.stub.script, "not all of the script was played"
        bodies = {request.body for request in r.stub.asked("/orders")}
        assert len(bodies) <= 1, "an order was sent again with another body"
        return outcome, r


def test_g1_the_body_holds_exactly_the_price_and_size_of_the_intent() -> None:
    _, r = sent(taken)
    (request,) = r.stub.asked("/orders")
    assert request.method == "POST"
    assert request.json == {
        "client_order_id": "qm1-BTC-USD-B1",
        "product_id": "BTC-USD",
        "side": "BUY",
        "order_configuration": {"limit_limit_gtc": GTC},
    }
    assert request.headers["content-type"] == "application/json"
    scheme, _, token = request.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    claims = jwt.decode(
        token,
        KEY.private_key.public_key(),
        algorithms=["ES256"],
        options={"verify_exp": False, "verify_nbf": False},
    )
    assert claims["uri"] == f"POST 127.0.0.1:{r.stub.port}/api/v3/brokerage/orders"
    assert request.headers["host"] == f"127.0.0.1:{r.stub.port}"


@pytest.mark.parametrize(
    ("price", "size", "texts"),
    [
        (6_500_000, 100_000_000, ("65000", "1")),
        (1, 1, ("0.01", "0.00000001")),
        (10_000_000_000, 340_000_000_000, ("100000000", "3400")),
    ],
)
def test_p17_numbers_are_plain_decimals(price: int, size: int, texts: tuple[str, str]) -> None:
    with rig() as r:
        r.stub.route("POST", "/orders", taken)
        assert isinstance(r.exchange.submit(intent(price=price, size=size)), Accepted)
        (request,) = r.stub.asked("/orders")
        fields = request.json["order_configuration"]["limit_limit_gtc"]
        assert (fields["limit_price"], fields["base_size"]) == texts


@pytest.mark.parametrize(
    ("meant", "why"),
    [
        (intent(size=0), "must be positive"),
        (intent(price=0), "must be positive"),
        (intent(post_only=False), "must be post-only"),
        (intent(tif=TimeInForce.IOC, post_only=False), "must be post-only"),
        (intent(tif=TimeInForce.IOC, purpose=Purpose.EXIT), "does not rest"),
        (intent(tif=TimeInForce.GTD), "has no time"),
        (intent(symbol="NO-USD"), "not known"),
    ],
)
def test_p17_p18_what_must_not_be_sent_is_not_sent(meant: Any, why: str) -> None:
    with rig() as r:
        outcome = r.exchange.submit(meant)
        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("not_sent: ")
        assert why in outcome.reason
        assert r.stub.asked("/orders") == []


@pytest.mark.parametrize(
    ("meant", "configuration"),
    [
        (intent(), {"limit_limit_gtc": GTC}),
        (
            intent(tif=TimeInForce.GTD, expire_at=Instant(1_786_309_500_123_456_789)),
            {"limit_limit_gtd": {**GTC, "end_time": "2026-08-09T21:05:00.123456Z"}},
        ),
        (
            intent(post_only=False, purpose=Purpose.EXIT),
            {"limit_limit_gtc": {**GTC, "post_only": False}},
        ),
        (
            intent(tif=TimeInForce.IOC, post_only=False, purpose=Purpose.EXIT),
            {"sor_limit_ioc": {"base_size": "0.0015", "limit_price": "65000.12"}},
        ),
        (
            intent(tif=TimeInForce.FOK, post_only=False, purpose=Purpose.EXIT),
            {"limit_limit_fok": {"base_size": "0.0015", "limit_price": "65000.12"}},
        ),
    ],
)
def test_each_time_in_force_has_its_variant(meant: Any, configuration: Any) -> None:
    with rig() as r:
        r.stub.route("POST", "/orders", taken)
        assert r.exchange.submit(meant) == Accepted(order_id="o-1")
        assert r.stub.asked("/orders")[0].json["order_configuration"] == configuration


# --- 2xx ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        taken,
        changed(success_response__side=None),
        changed(success_response__client_order_id=None),
        changed(order_configuration=None),
        changed(order_configuration__limit_limit_gtc__post_only=None),
        changed(order_configuration__limit_limit_gtc__post_only="true"),
        changed(order_configuration__limit_limit_gtc__limit_price="65000.1200"),
        changed(something_new=["x"]),
        changed(order_id="o-1", failure_reason="UNKNOWN_FAILURE_REASON"),
        changed(success_response__order_id=None, order_id="o-1"),
        lambda request: answer(success(request.json), 201),
    ],
)
def test_p1_a_success_is_accepted_whatever_else_is_missing_or_new(script: Script) -> None:
    outcome, r = sent(script)
    assert outcome == Accepted(order_id="o-1")
    assert r.watch.requests["orders", "200"] + r.watch.requests["orders", "201"] == 1


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        (changed(success_response__client_order_id="other"), "client_order_id is other"),
        (changed(success_response__product_id="ETH-USD"), "product_id is ETH-USD"),
        (changed(success_response__side="SELL"), "side is SELL"),
        (changed(success_response__side=5), "side is 5"),
        (changed(order_configuration__limit_limit_gtc__limit_price="65000.13"), "limit_price"),
        (changed(order_configuration__limit_limit_gtc__base_size="0.15"), "base_size"),
        (changed(order_configuration__limit_limit_gtc__base_size=0.0015), "base_size"),
        (changed(order_configuration__limit_limit_gtc__base_size="x"), "base_size"),
        (changed(order_configuration__limit_limit_gtc__post_only=False), "post_only"),
        (changed(order_configuration__limit_limit_gtc__quote_size="5"), "in quote"),
        (changed(order_configuration={"sor_limit_ioc": GTC}), "sor_limit_ioc, not limit_limit_gtc"),
        (changed(order_configuration="x"), "no object"),
    ],
)
def test_p2_another_order_under_our_client_id_is_never_accepted(
    script: Script, detail: str
) -> None:
    outcome, _ = sent(script)
    assert isinstance(outcome, Mismatched)
    assert outcome.order_id == "o-1"
    assert detail in outcome.detail


def test_p5_the_alias_of_a_product_is_the_product() -> None:
    with rig() as r:
        r.stub.script.append(changed(success_response__product_id="BTC-USD"))
        assert r.exchange.submit(intent(symbol="BTC-USDC")) == Accepted(order_id="o-1")
        r.stub.script.append(changed(success_response__product_id="BTC-USDC"))
        assert isinstance(r.exchange.submit(intent("qm2")), Mismatched)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"error": "INSUFFICIENT_FUND"}, "INSUFFICIENT_FUND"),
        (
            {
                "error": "INSUFFICIENT_FUND",
                "preview_failure_reason": "PREVIEW_INSUFFICIENT_FUND",
                "new_order_failure_reason": "UNKNOWN_FAILURE_REASON",
            },
            "INSUFFICIENT_FUND",
        ),
        (
            {
                "error": "UNKNOWN_FAILURE_REASON",
                "new_order_failure_reason": "INVALID_LIMIT_PRICE_POST_ONLY",
            },
            "INVALID_LIMIT_PRICE_POST_ONLY",
        ),
        (
            {"error": "", "preview_failure_reason": "PREVIEW_INVALID_PRICE_PRECISION"},
            "PREVIEW_INVALID_PRICE_PRECISION",
        ),
        ({"new_order_failure_reason": "BRAND_NEW_2027"}, "BRAND_NEW_2027"),
        ({"error": "UNKNOWN_FAILURE_REASON", "message": ""}, "UNKNOWN_FAILURE_REASON"),
        (
            {"error": "UNKNOWN_FAILURE_REASON", "error_details": "no\nempty  sizes"},
            "UNKNOWN_FAILURE_REASON: no empty sizes",
        ),
        ({"error": 5, "message": None}, "UNKNOWN_FAILURE_REASON"),
        ({"error": "two words; and a label"}, "UNKNOWN_FAILURE_REASON"),
        ({}, "UNKNOWN_FAILURE_REASON"),
    ],
)
def test_a_refusal_is_told_in_the_word_of_whichever_field_holds_it(
    fields: dict[str, Any], reason: str
) -> None:
    outcome, _ = sent(answer(refusal(**fields)))
    assert outcome == Rejected(reason=reason)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"success": null}',
        b'{"success": "true"}',
        b'{"success": 1, "success_response": {"order_id": "o-1"}}',
        b'{"success": true}',
        b'{"success": true, "success_response": []}',
        b'{"success": true, "success_response": {"order_id": ""}}',
        b'{"success": true, "success_response": {"order_id": "UNKNOWN"}}',
        b'{"success": true, "success_response": {"order_id": 7}}',
        b'{"success": true, "order_id": "o-1"}',
        b'{"success": true, "success_response": {"order_id": "o-1", "side": "BUY"}}',
        HTML,
        b"\xff\xfe\x00",
    ],
)
def test_an_answer_that_cannot_be_read_leaves_the_order_unknown(body: bytes) -> None:
    outcome, _ = sent(Reply(body=body))
    assert isinstance(outcome, Unknown)


def test_a_duplicate_proves_that_an_order_exists_and_is_no_refusal_at_first() -> None:
    duplicate = answer(refusal(new_order_failure_reason="DUPLICATE_CLIENT_ORDER_ID"))
    with rig() as r:
        r.stub.script.extend([duplicate, duplicate])
        assert r.exchange.submit(intent()) == Unknown(detail="DUPLICATE_CLIENT_ORDER_ID")
        assert r.exchange.submit(intent()) == Rejected(reason="DUPLICATE_CLIENT_ORDER_ID")


# --- other statuses -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 410, 413, 415, 422, 431, 451])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error":"INVALID_ARGUMENT","error_details":"x"}', "INVALID_ARGUMENT: x"),
        (b'{"error":"unknown","message":"parsing field"}', "HTTP_%d: parsing field"),
        (HTML, "HTTP_%d"),
        (b"", "HTTP_%d"),
    ],
)
def test_a_client_error_proves_that_the_order_was_not_taken(
    status: int, body: bytes, reason: str
) -> None:
    outcome, _ = sent(Reply(status=status, body=body))
    assert outcome == Rejected(reason=reason.replace("%d", str(status)))


@pytest.mark.parametrize(
    "status", [300, 301, 302, 307, 308, 408, 409, 425, 499, 500, 501, 502, 503, 504, 520, 599, 999]
)
@pytest.mark.parametrize("body", [HTML, b'{"error":"internal"}', b""])
def test_p7_any_other_status_leaves_the_order_unknown(status: int, body: bytes) -> None:
    outcome, _ = sent(Reply(status=status, body=body))
    assert isinstance(outcome, Unknown)


def test_p3_a_refused_token_is_replaced_twice_with_the_same_client_id() -> None:
    no = Reply(status=401, body=b"Unauthorized\n")
    with rig() as r:
        replies = iter([no, no, None])
        r.stub.route("POST", "/orders", lambda request: next(replies) or taken(request))
        assert r.exchange.submit(intent()) == Accepted(order_id="o-1")
        requests = r.stub.asked("/orders")
        assert len({request.body for request in requests}) == 1
        tokens = {request.headers["authorization"] for request in requests}
        assert len(tokens) == 3
        assert len(r.stub.asked("/time")) == 2  # a wrong clock is the first cause
        assert r.watch.requests == {
            ("products", "200"): 1,
            ("orders", "401"): 2,
            ("orders", "200"): 1,
            ("time", "200"): 2,
        }


def test_p3_a_burst_of_refused_tokens_is_a_refusal_since_nothing_was_placed() -> None:
    with rig() as r:
        r.stub.route("POST", "/orders", Reply(status=401, body=b"Unauthorized"))
        assert r.exchange.submit(intent()) == Rejected(reason="unauthorized: HTTP_401")
        assert len(r.stub.asked("/orders")) == 3


def test_p3_a_wrong_clock_is_found_and_the_next_token_is_right() -> None:
    with rig() as r:
        there = r.clock.at + 900 * SECOND

        def act(request: Request) -> Action:
            token = request.headers["authorization"].split()[1]
            claims = jwt.decode(token, options={"verify_signature": False})
            good = claims["nbf"] <= there // SECOND < claims["exp"]
            return taken(request) if good else Reply(status=401, body=b"Unauthorized")

        r.stub.route("POST", "/orders", act)
        r.stub.route("GET", "/time", answer({"epochMillis": str(there // 10**6)}))
        assert r.exchange.submit(intent()) == Accepted(order_id="o-1")
        assert len(r.stub.asked("/orders")) == 2
        assert r.exchange.submit(intent("qm2")) == Accepted(order_id="o-1")
        assert len(r.stub.asked("/orders")) == 3


def test_too_many_requests_are_sent_again_shortly_with_the_same_client_id() -> None:
    outcome, r = sent(Reply(status=429, body=b"slow down"), taken)
    assert outcome == Accepted(order_id="o-1")
    assert len(r.stub.asked("/orders")) == 2
    assert 0.25 <= sum(r.pauses) <= 0.5


def test_too_many_requests_for_longer_are_a_refusal_since_nothing_was_placed() -> None:
    outcome, r = sent(answer({}, 429, retry_after="5"))
    assert outcome == Rejected(reason="rate_limited")
    assert r.pauses == []


def test_an_order_is_not_kept_waiting_by_our_own_limits() -> None:
    tight = RateLimits(private_per_second=1, public_per_second=1, per_hour=60, urgent_share=50)
    with rig(limits=tight) as r:
        r.stub.route("POST", "/orders", taken)
        for number in range(59):  # one was used to ask for the products
            r.clock.advance(SECOND)
            assert isinstance(r.exchange.submit(intent(f"qm{number}")), Accepted)
        r.clock.advance(SECOND)
        r.exchange.submit(intent("qmx"))
        outcome = r.exchange.submit(intent("qmy"))
        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("rate_limited: the limit per_hour")
        assert len([q for q in r.stub.asked("/orders") if q.json["client_order_id"] == "qmy"]) == 0


# --- the network ----------------------------------------------------------------------------------


def test_a_connection_that_cannot_be_made_proves_that_nothing_was_sent() -> None:
    with rig() as r:
        r.stub.close()
        outcome = r.exchange.submit(intent())
        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("not_sent: 127.0.0.1:")
        assert "refused" in outcome.reason
        assert r.watch.requests["orders", "unreachable"] == 1


@pytest.mark.parametrize("ending", [Drop(), Reset()])
def test_a_connection_that_breaks_after_the_request_leaves_it_unknown(ending: Action) -> None:
    outcome, r = sent(ending)
    assert isinstance(outcome, Unknown)
    assert "connection" in outcome.detail
    assert len(r.stub.asked("/orders")) == 1


def test_silence_leaves_the_order_unknown_and_its_connection_unused() -> None:
    with rig(read=0.2) as r:
        r.stub.script.append(Hang())
        assert r.exchange.submit(intent()) == Unknown(detail="no answer in time")
        assert r.watch.requests["orders", "timeout"] == 1
        r.stub.route("POST", "/orders", taken)
        assert isinstance(r.exchange.submit(intent("qm2")), Accepted)
        first, second = r.stub.asked("/orders")
        assert first.connection != second.connection


def test_an_answer_that_never_ends_is_given_up_in_time() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    with rig(read=0.2) as r:
        r.stub.script.append(Raw(data=head, close=False))
        assert r.exchange.submit(intent()) == Unknown(detail="no answer in time")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"\r\n\r\n",
    ],
)
def test_a_broken_answer_leaves_the_order_unknown(data: bytes) -> None:
    outcome, r = sent(Raw(data=data))
    assert isinstance(outcome, Unknown)
    assert len(r.stub.asked("/orders")) == 1


def warmed(r: Rig) -> None:
    """Have an open connection for orders that was used once."""
    r.stub.script.append(taken)
    assert isinstance(r.exchange.submit(intent("qm-first")), Accepted)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_for_an_order() -> None:
    with rig() as r:
        warmed(r)
        r.stub.hang_up()
        r.stub.route("POST", "/orders", taken)
        assert isinstance(r.exchange.submit(intent()), Accepted)
        assert len(r.stub.asked("/orders")) == 2
        assert r.watch.issues == {}


@pytest.mark.parametrize("ending", [Drop(), Reset()])
def test_a_kept_connection_closed_under_the_request_is_no_double_and_no_unknown(
    ending: Action,
) -> None:
    with rig() as r:
        warmed(r)
        r.stub.script.extend([ending, taken])
        assert r.exchange.submit(intent()) == Accepted(order_id="o-1")
        _, second, third = r.stub.asked("/orders")
        assert second.body == third.body
        assert second.connection != third.connection


def test_an_order_is_sent_again_once_even_when_every_kept_connection_is_closed() -> None:
    with rig() as r:
        r.exchange.time()
        r.stub.script.extend([Drop(), Drop(), Drop()])
        assert isinstance(r.exchange.submit(intent()), Unknown)
        assert len(r.stub.asked("/orders")) == 2


def test_half_an_answer_on_a_kept_connection_is_no_reason_to_send_again() -> None:
    with rig() as r:
        warmed(r)
        half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
        r.stub.script.extend([Raw(data=half), taken])
        assert isinstance(r.exchange.submit(intent()), Unknown)
        assert len(r.stub.asked("/orders")) == 2


def test_p2_the_order_that_was_named_instead_is_not_found_to_be_ours_later() -> None:
    with rig() as r:
        r.stub.script.append(changed(success_response__side="SELL"))
        meant = intent()
        assert isinstance(r.exchange.submit(meant), Mismatched)
        other = order_row("o-1", meant.client_id, side="SELL")
        page = answer({"orders": [other], "has_next": False})
        r.stub.route("GET", "/orders/historical/batch", page)
        with pytest.raises(WireError, match="another order of this client id"):
            r.exchange.order(meant.client_id, since=meant.decided_at)


def test_a_refusal_after_a_request_that_may_have_arrived_says_nothing() -> None:
    with rig() as r:
        warmed(r)
        r.stub.script.extend([Drop(), answer(refusal(error="INSUFFICIENT_FUND"))])
        outcome = r.exchange.submit(intent())
        assert isinstance(outcome, Unknown)
        assert "INSUFFICIENT_FUND" in outcome.detail
        r.stub.script.extend([Drop(), Drop()])
        assert isinstance(r.exchange.submit(intent("qm2")), Unknown)


def test_what_follows_an_answer_never_becomes_the_next_answer() -> None:
    body = json.dumps(
        success(
            {
                "product_id": "BTC-USD",
                "side": "BUY",
                "client_order_id": "qm-first",
                "order_configuration": {"limit_limit_gtc": copy.deepcopy(GTC)},
            }
        )
    ).encode()
    one = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    forged = one.replace(b"qm-first", b"qm-secnd")
    with rig() as r:
        r.stub.script.append(Raw(data=one + forged, close=False))
        assert r.exchange.submit(intent("qm-first")) == Accepted(order_id="o-1")
        r.stub.script.append(answer(refusal(error="INSUFFICIENT_FUND")))
        assert r.exchange.submit(intent("qm-secnd")) == Rejected(reason="INSUFFICIENT_FUND")


def test_a_server_that_says_close_is_believed() -> None:
    with rig() as r:
        r.stub.script.append(lambda q: answer(success(q.json), Connection="close"))
        r.stub.route("POST", "/orders", taken)
        for number in range(2):
            assert isinstance(r.exchange.submit(intent(f"qm{number}")), Accepted)
        assert len({q.connection for q in r.stub.asked("/orders")}) == 2


def test_connections_and_tokens_for_orders_are_ready_ahead_of_need() -> None:
    with rig() as r:
        r.exchange.time()
        r.stub.route("POST", "/orders", taken)
        for number in range(20):
            assert isinstance(r.exchange.submit(intent(f"qm{number}")), Accepted)
        tokens = {q.headers["authorization"] for q in r.stub.asked("/orders")}
        assert len(tokens) == 20
        assert len({q.connection for q in r.stub.asked("/orders")}) == 1
        assert r.stub.connections == 3  # one for questions, two for orders
        r.clock.advance(30 * SECOND)
        r.exchange.keep_ready()
        r.clock.advance(Nanos(40 * SECOND))
        r.exchange.submit(intent("qmx"))
        last = r.stub.asked("/orders")[-1]
        assert last.headers["authorization"] not in tokens


def test_without_a_key_nothing_is_sent() -> None:
    with rig(signer=False) as r:
        outcome = r.exchange.submit(intent())
        assert isinstance(outcome, Rejected)
        assert outcome.reason.startswith("unauthorized: ")
        assert r.stub.asked("/orders") == []


def test_sides_and_ids_are_those_of_the_intent() -> None:
    with rig() as r:
        r.stub.route("POST", "/orders", taken)
        r.exchange.submit(intent("qm-s", side=Side.SELL, purpose=Purpose.EXIT))
        body = r.stub.asked("/orders")[0].json
        assert (body["side"], body["client_order_id"]) == ("SELL", "qm-s")
