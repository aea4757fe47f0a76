"""Whatever is answered, nothing but an error of ours comes out, and no order is accepted by accident."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.core.units import Instant
from quietmaker.errors import WireError
from quietmaker.ports import Accepted, Mismatched, Rejected, Unknown
from tests.coinbase.rig import Rig, fill_row, intent, order_row, rig, success
from tests.coinbase.stub import Action, Raw, Reply, Request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
QUESTIONS: dict[str, Callable[[CoinbaseExchange], object]] = {
    "order": lambda e: e.order("qm1", since=Instant(10**18)),
    "unknown order": lambda e: e.order("qm2", since=Instant(10**18)),
    "open_orders": lambda e: e.open_orders(),
    "fills": lambda e: e.fills(Instant(10**18)),
    "fills_of": lambda e: e.fills_of(["o-1"]),
    "balances": lambda e: e.balances(),
    "fees": lambda e: e.fees(),
    "products": lambda e: e.products(),
    "candles": lambda e: e.candles("BTC-USD"),
    "time": lambda e: e.time(),
    "permissions": lambda e: e.permissions(),
    "cancel": lambda e: e.cancel(["qm1"]),
}
GOOD: list[dict[str, Any]] = [
    {"order": order_row("o-1", "qm1")},
    {"orders": [order_row("o-1", "qm1")], "has_next": False, "cursor": ""},
    {"fills": [fill_row()], "cursor": ""},
    {"results": [{"success": True, "order_id": "o-1", "failure_reason": ""}]},
    {"fee_tier": {"maker_fee_rate": "0.006", "taker_fee_rate": "0.012"}},
    {"can_view": True, "can_trade": True, "can_transfer": False},
    {"candles": [{"start": "1786309500", "low": "1", "high": "2"}]},
    {"epochMillis": "1786309500000", "iso": "2026-08-09T21:05:00Z"},
    {
        "accounts": [
            {
                "uuid": "u",
                "currency": "USD",
                "type": "FIAT",
                "available_balance": {"value": "1", "currency": "USD"},
                "hold": {"value": "1", "currency": "USD"},
            }
        ],
        "has_next": False,
    },
]


def places(value: Any) -> list[tuple[Any, ...]]:
    """Return every place inside a JSON value."""
    steps: list[Any] = []
    if isinstance(value, dict):
        steps = list(value)
    elif isinstance(value, list):
        steps = list(range(len(value)))
    return [(), *((step, *rest) for step in steps for rest in places(value[step]))]


@st.composite
def mutated(draw: st.DrawFn, bodies: list[dict[str, Any]]) -> bytes:
    """Return a good answer with one or two places replaced, or removed, or cut off."""
    body = json.loads(json.dumps(draw(st.sampled_from(bodies))))
    for _ in range(draw(st.integers(1, 2))):
        inner = [place for place in places(body) if place]
        if not inner:
            break
        path = draw(st.sampled_from(inner))
        at = body
        for step in path[:-1]:
            at = at[step]
        if draw(st.booleans()) or not isinstance(at, dict):
            at[path[-1]] = draw(JSON)
        else:
            del at[path[-1]]
    text = json.dumps(body).encode()
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text


@pytest.fixture(scope="module")
def standing() -> Any:
    """Return one server and exchange for all the examples."""
    with rig() as r:
        r.exchange.learn("qm1", "o-1")
        yield r


def asks(r: Rig, question: str, action: Action) -> None:
    """Ask, and get an answer or an error of ours."""
    r.stub.script.clear()
    routes, r.stub.routes = r.stub.routes, {}
    r.stub.script.extend([action] * 8)
    try:
        QUESTIONS[question](r.exchange)
    except WireError:
        pass
    finally:
        r.stub.routes = routes
        r.stub.requests.clear()


@settings(max_examples=150)
@given(st.sampled_from(sorted(QUESTIONS)), JSON, st.integers(200, 599))
def test_any_json_is_answered_or_refused(
    standing: Rig, question: str, body: Any, status: int
) -> None:
    asks(standing, question, Reply(status=status, body=json.dumps(body).encode()))


@settings(max_examples=300)
@given(st.sampled_from(sorted(QUESTIONS)), mutated(GOOD))
def test_any_mutation_of_a_good_answer_is_answered_or_refused(
    standing: Rig, question: str, body: bytes
) -> None:
    asks(standing, question, Reply(body=body))


@settings(max_examples=60)
@given(st.sampled_from(sorted(QUESTIONS)), st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(standing: Rig, question: str, data: bytes) -> None:
    asks(standing, question, Raw(data=data))


@settings(max_examples=60)
@given(st.sampled_from(sorted(QUESTIONS)), st.binary(max_size=200))
def test_any_bytes_in_a_header_or_body_are_answered_or_refused(
    standing: Rig, question: str, data: bytes
) -> None:
    asks(standing, question, Raw(data=b"HTTP/1.1 200 OK\r\n" + data))
    asks(standing, question, Reply(body=data))


def ordered(r: Rig, script: Action | Callable[[Request], Action]) -> object:
    """Send an order to a server that acts so."""
    r.stub.script.clear()
    r.stub.script.append(script)
    r.stub.route("POST", "/orders", Reply(status=502))
    outcome = r.exchange.submit(intent())
    r.stub.requests.clear()
    return outcome


@settings(max_examples=150)
@given(JSON, st.integers(200, 599))
def test_no_json_is_a_success_unless_it_is_one(standing: Rig, body: Any, status: int) -> None:
    outcome = ordered(standing, Reply(status=status, body=json.dumps(body).encode()))
    assert isinstance(outcome, Rejected | Unknown)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_no_bytes_are_a_success_unless_they_are_one(standing: Rig, data: bytes) -> None:
    assert isinstance(ordered(standing, Raw(data=data)), Unknown)
    assert isinstance(ordered(standing, Reply(body=data)), Unknown)


MEANT = {
    "client_order_id": "qm1-BTC-USD-B1",
    "product_id": "BTC-USD",
    "side": "BUY",
    "order_configuration": {
        "limit_limit_gtc": {"base_size": "0.0015", "limit_price": "65000.12", "post_only": True}
    },
}


@settings(max_examples=400)
@given(mutated([success(MEANT)]))
def test_p2_a_success_with_anything_changed_is_accepted_only_when_it_is_still_ours(
    standing: Rig, body: bytes
) -> None:
    outcome = ordered(standing, Reply(body=body))
    assert isinstance(outcome, Accepted | Mismatched | Unknown | Rejected)
    if isinstance(outcome, Accepted):
        read = json.loads(body)
        named = read.get("success_response", {})
        assert read["success"] is True
        assert outcome.order_id
        assert named.get("client_order_id") in {MEANT["client_order_id"], None, ""}
        assert named.get("product_id") in {"BTC-USD", None, ""}
        assert named.get("side") in {"BUY", None, ""}
        stated = (read.get("order_configuration") or {}).get("limit_limit_gtc", {})
        assert stated.get("base_size") in {"0.0015", None, ""}
        assert stated.get("limit_price") in {"65000.12", None, ""}
