"""What clients ask for: one subscription message, read and refused by the exchange's rules.

- One channel per message. A channel that the endpoint does not have is answered like a bad token:
  ``authentication failure``.
- A token is checked whenever one is sent, and must be sent for the channels of an account. What was
  subscribed stays subscribed however old the token gets.
- Products that the exchange does not have are left out of the acknowledgement; when none is left, or
  the list is no list of names, the answer is ``failure to subscribe``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

import orjson

AUTHENTICATION: Final = "authentication failure"
SUBSCRIBE: Final = "failure to subscribe"
NO_REQUEST: Final = "invalid message: expected a JSON object with type subscribe or unsubscribe"
TOO_MANY: Final = "rate limit exceeded"


class Endpoint(StrEnum):
    """The two doors. Most market channels need no token; the user door has no market channels."""

    MARKET = "market"
    USER = "user"


class Channel(StrEnum):
    """What can be subscribed to."""

    HEARTBEATS = "heartbeats"
    LEVEL2 = "level2"
    MARKET_TRADES = "market_trades"
    TICKER = "ticker"
    TICKER_BATCH = "ticker_batch"
    CANDLES = "candles"
    STATUS = "status"
    USER = "user"
    FUTURES_BALANCE_SUMMARY = "futures_balance_summary"


BY_PRODUCT: Final = frozenset(
    {
        Channel.LEVEL2,
        Channel.MARKET_TRADES,
        Channel.TICKER,
        Channel.TICKER_BATCH,
        Channel.CANDLES,
        Channel.STATUS,
    }
)
"""Channels whose subscription is a set of products; the others are on or off."""

PRIVATE: Final = frozenset({Channel.USER, Channel.FUTURES_BALANCE_SUMMARY})
"""Channels of an account: they need a token."""

CHANNELS: Final = {
    Endpoint.MARKET: frozenset(Channel),
    Endpoint.USER: PRIVATE | {Channel.HEARTBEATS},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Wants a channel. `products` is empty where the channel has none, or all of them are meant."""

    channel: Channel
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Wants a channel no more; without products, none of it."""

    channel: Channel
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Gets an error frame instead."""

    message: str


Request: TypeAlias = Subscribe | Unsubscribe | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it was understood, and whether a good token came with it."""

    request: Request
    authenticated: bool


def token_in(text: str | bytes) -> str | None:
    """Return the token that came with a message, to be verified before the message is read."""
    body = _body(text)
    token = None if body is None else body.get("jwt")
    return token if isinstance(token, str) and token else None


def read_message(text: str | bytes, endpoint: Endpoint, *, good: bool) -> Message:
    """Read a message of a client.

    Args:
        text: the message.
        endpoint: the door that it came through.
        good: whether its token is good now; False without one.
    """
    body = _body(text)
    if body is None:
        return _refused(NO_REQUEST)
    channel = _channel(body.get("channel"), endpoint)
    open_to_all = not body.get("jwt") and channel not in PRIVATE
    if channel is None or not (good or open_to_all):
        return _refused(AUTHENTICATION)
    products = _names(body.get("product_ids"))
    if products is None:
        return Message(request=Refused(message=SUBSCRIBE), authenticated=good)
    kind = Subscribe if body["type"] == "subscribe" else Unsubscribe
    return Message(request=kind(channel=channel, products=products), authenticated=good)


def _body(text: str | bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    known = isinstance(body, dict) and body.get("type") in ("subscribe", "unsubscribe")
    return body if known else None


def _refused(message: str) -> Message:
    return Message(request=Refused(message=message), authenticated=False)


def _channel(name: Any, endpoint: Endpoint) -> Channel | None:
    try:
        channel = Channel(name)
    except ValueError:
        return None
    return channel if channel in CHANNELS[endpoint] else None


def _names(raw: Any) -> tuple[str, ...] | None:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        return None
    return tuple(dict.fromkeys(raw))
