"""Orders on the wire: what is sent for an intent, and what the answers about orders say.

* The body holds exactly the price and size of the intent, as plain decimals: neither `1E+1` nor `0E-36`.
* A success is compared with what was sent. Coinbase answers a client id that was used before with the
  order that used it; without the comparison that old order would be taken for the new one.
* What is missing in an answer is tolerated as long as what is there identifies the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from quietmaker.coinbase.rest.failures import (
    DUPLICATE,
    Meaning,
    load,
    meaning,
    reason_of,
    refusal_of,
    tidy,
)
from quietmaker.coinbase.rest.http import Answer
from quietmaker.coinbase.times import TimeError, instant, stamp
from quietmaker.core.grid import NumberError, number
from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import MILLISECOND, plain
from quietmaker.errors import WireError
from quietmaker.ports import Accepted, Mismatched, Rejected, Unknown

MOST_CANCELS: Final = 100
"""Order ids in one cancel request."""
NO_ORDER: Final = frozenset({"", "UNKNOWN"})
"""What stands where an order id is missing; never to be sent back."""

Configuration: TypeAlias = Mapping[str, Mapping[str, str | bool]]
_VARIANTS: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "limit_limit_gtc",
    TimeInForce.GTD: "limit_limit_gtd",
    TimeInForce.IOC: "sor_limit_ioc",
    TimeInForce.FOK: "limit_limit_fok",
}
_RESTING: Final = frozenset({TimeInForce.GTC, TimeInForce.GTD})


class UnsendableError(Exception):
    """An intent that must not or cannot be put into a request."""


def configuration(intent: Intent, product: Product) -> Configuration:
    """Return the `order_configuration` of an intent.

    Raises:
        UnsendableError: if it has none, or if it is an entry that could take liquidity.
    """
    if intent.size <= 0 or intent.price <= 0:
        raise UnsendableError("price and size must be positive")
    rests = intent.time_in_force in _RESTING
    if intent.purpose is Purpose.ENTRY and not (intent.post_only and rests):
        raise UnsendableError("an entry must be post-only and rest")
    if intent.post_only and not rests:
        raise UnsendableError("an order that does not rest cannot be post-only")
    fields: dict[str, str | bool] = {
        "base_size": plain(product.size(intent.size)),
        "limit_price": plain(product.price(intent.price)),
    }
    if rests:
        fields["post_only"] = intent.post_only
    if intent.time_in_force is TimeInForce.GTD:
        if intent.expire_at is None:
            raise UnsendableError("an order that is good till a time has no time")
        fields["end_time"] = stamp(intent.expire_at)
    return {_VARIANTS[intent.time_in_force]: fields}


def order_body(intent: Intent, product: Product) -> bytes:
    """Return the body of `POST /orders`: the same bytes for the same intent, always.

    Raises:
        UnsendableError: if there is none.
    """
    return orjson.dumps(
        {
            "client_order_id": intent.client_id,
            "product_id": intent.symbol,
            "side": intent.side.value,
            "order_configuration": configuration(intent, product),
        }
    )


def read_submit(
    answer: Answer, intent: Intent, product: Product, symbols: frozenset[str]
) -> Accepted | Rejected | Mismatched | Unknown:
    """Return what an answer to `POST /orders` says, but for 401 and 429, which do not decide.

    Args:
        answer: of any status.
        intent: what was sent.
        product: of the intent.
        symbols: the names that the exchange may call the product by.
    """
    said = meaning(answer.status)
    if said in {Meaning.REFUSED, Meaning.UNSIGNED, Meaning.LIMITED}:
        return Rejected(reason=refusal_of(answer.status, answer.body))
    if said is not Meaning.ANSWERED:
        return Unknown(detail=f"HTTP {answer.status}: {refusal_of(answer.status, answer.body)}")
    try:
        body = load(answer.body, "orders")
    except WireError as error:
        return Unknown(detail=str(error))
    if body.get("success") is False:
        refusal = _mapping(body.get("error_response")) or _mapping(body.get("failure_response"))
        return Rejected(reason=reason_of(refusal or body))
    if body.get("success") is not True:
        return Unknown(detail="the answer says neither success nor failure")
    return _read_success(body, intent, product, symbols)


def is_duplicate(reason: str) -> bool:
    """Return whether a refusal says that there is an order of this client id."""
    return reason.partition(":")[0] == DUPLICATE


def _read_success(
    body: Mapping[str, Any], intent: Intent, product: Product, symbols: frozenset[str]
) -> Accepted | Mismatched | Unknown:
    success = _mapping(body.get("success_response"))
    named = success.get("order_id") or body.get("order_id")  # the latter until September 2024
    if not isinstance(named, str) or named in NO_ORDER:
        return Unknown(detail="the answer says success and names no order")
    echoed = {**success, "order_configuration": body.get("order_configuration")}
    wrong = difference(echoed, intent, product, symbols)
    if wrong:
        return Mismatched(order_id=named, detail=wrong)
    if not (success.get("client_order_id") or _mapping(body.get("order_configuration"))):
        return Unknown(detail="the answer says success and does not say of what")
    return Accepted(order_id=named)


def difference(
    row: Mapping[str, Any], intent: Intent, product: Product, symbols: frozenset[str]
) -> str:
    """Return in what an order of the exchange is not the one that was meant; empty if in nothing.

    What the exchange does not state is no difference.
    """
    for key, meant in (
        ("client_order_id", frozenset({intent.client_id})),
        ("product_id", symbols | {intent.symbol}),
        ("side", frozenset({intent.side.value})),
    ):
        value = row.get(key)
        if value not in (None, "") and (not isinstance(value, str) or value not in meant):
            return f"{key} is {tidy(str(value))}, not {min(meant)}"
    stated = row.get("order_configuration")
    if stated is None or stated == {}:
        return ""
    if not isinstance(stated, dict):
        return "order_configuration is no object"
    return _configuration_difference(stated, configuration(intent, product))


def _configuration_difference(stated: Mapping[str, Any], meant: Configuration) -> str:
    ((variant, fields),) = meant.items()
    found = stated.get(variant)
    if not isinstance(found, dict):
        return f"it is {tidy(', '.join(map(str, stated)))}, not {variant}"
    if found.get("quote_size"):
        return "its size is in quote"
    for key, value in fields.items():
        other = found.get(key)
        if other not in (None, "") and not _same(key, other, value):
            return f"{key} is {tidy(str(other))}, not {value}"
    return ""


def _same(key: str, stated: Any, meant: str | bool) -> bool:
    if isinstance(meant, bool):
        return str(stated).lower() == str(meant).lower()
    if not isinstance(stated, str):
        return False
    try:
        if key == "end_time":  # it may come back less exact than it was sent
            return abs(instant(stated) - instant(meant)) < 1_000 * MILLISECOND
        return number(stated) == number(meant)
    except (NumberError, TimeError):
        return False


def cancel_body(order_ids: Sequence[str]) -> bytes:
    """Return the body of `POST /orders/batch_cancel`.

    Raises:
        ValueError: if the list is empty, too long, or holds what is no id: such requests were seen to
            hang, or to fail as a whole.
    """
    if not 0 < len(order_ids) <= MOST_CANCELS or not NO_ORDER.isdisjoint(order_ids):
        raise ValueError(f"{len(order_ids)} order ids cannot be cancelled in one request")
    return orjson.dumps({"order_ids": list(order_ids)})


def read_cancels(body: Mapping[str, Any]) -> Mapping[str, str | None]:
    """Return the outcome by order id: None when the cancellation is queued, else why it is not.

    Raises:
        WireError: if the answer has no list of results.
    """
    results = body.get("results")
    if not isinstance(results, list):
        raise WireError("orders_batch_cancel: the answer has no list 'results'")
    outcomes: dict[str, str | None] = {}
    for row in results:
        result = _mapping(row)
        order_id = result.get("order_id")
        if not isinstance(order_id, str):
            continue
        if result.get("success") is True:
            outcomes[order_id] = None
        elif order_id not in outcomes:
            reason = result.get("failure_reason")
            outcomes[order_id] = tidy(reason) if isinstance(reason, str) and reason else NO_RESULT
    return outcomes


NO_RESULT: Final = "UNKNOWN_CANCEL_FAILURE_REASON"
"""Coinbase's word for not saying why."""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
