"""What an answer that is not simply an answer means: decided once, here.

For a query (GET), and for a cancellation, which may be repeated at will:

| the exchange                             | meaning    | then                                 |
|------------------------------------------|------------|--------------------------------------|
| cannot be reached, breaks off, is silent |            | again a few times, then unavailable  |
| 2xx                                      | `ANSWERED` | read the body                        |
| 401                                      | `UNSIGNED` | again, with a fresh token, twice     |
| 429                                      | `LIMITED`  | again, when it may be                |
| 5xx, 408, 409, 425, 499                  | `TROUBLED` | again a few times, then unavailable  |
| other 4xx                                | `REFUSED`  | refused; 404 for an order: not known |
| anything else (3xx)                      | `STRANGE`  | unavailable                          |

For an order (POST /orders), where "again" is the identical request with the same client id:

| the exchange                                 | proves       | outcome                       |
|----------------------------------------------|--------------|-------------------------------|
| cannot be reached; TLS fails; closed before  | not executed | rejected: `not_sent`          |
| closes a kept-open connection without a word | nothing      | again once, then unknown      |
| breaks off, is silent, cannot be understood  | nothing      | unknown                       |
| 2xx, success, the order that was sent        | executed     | accepted                      |
| 2xx, success, another order                  | not executed | mismatched                    |
| 2xx, success, without an order's id          | nothing      | unknown                       |
| 2xx, no success, `DUPLICATE_CLIENT_ORDER_ID` | executed     | unknown; then rejected        |
| 2xx, no success                              | not executed | rejected, in Coinbase's word  |
| 2xx, unreadable or without `success`         | nothing      | unknown                       |
| 401                                          | not executed | again, twice; `unauthorized`  |
| 429                                          | not executed | again shortly; `rate_limited` |
| 400, 403, 404 and other 4xx                  | not executed | rejected, in Coinbase's word  |
| 408, 409, 425, 499, 5xx, 3xx                 | nothing      | unknown                       |

Once an attempt proved nothing, only a success says anything: a later refusal leaves the order unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final

import orjson

from quietmaker.errors import WireError

NOT_SENT: Final = "not_sent"
UNAUTHORIZED: Final = "unauthorized"
RATE_LIMITED: Final = "rate_limited"
DUPLICATE: Final = "DUPLICATE_CLIENT_ORDER_ID"
NO_REASON: Final = "UNKNOWN_FAILURE_REASON"

_UNCLEAR: Final = frozenset({408, 409, 425, 499})
"""Client errors after which the request may have been executed all the same."""
_REASONS: Final = ("new_order_failure_reason", "error", "preview_failure_reason")
_DETAILS: Final = ("error_details", "message")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}", re.ASCII)
_LONGEST: Final = 120


class Meaning(Enum):
    """What a status says of the request."""

    ANSWERED = auto()
    UNSIGNED = auto()
    LIMITED = auto()
    REFUSED = auto()
    TROUBLED = auto()
    STRANGE = auto()


def meaning(status: int) -> Meaning:
    """Return what a status says; every number has a meaning."""
    if 200 <= status < 300:
        return Meaning.ANSWERED
    if status == 401:
        return Meaning.UNSIGNED
    if status == 429:
        return Meaning.LIMITED
    if status in _UNCLEAR or 500 <= status < 600:
        return Meaning.TROUBLED
    return Meaning.REFUSED if 400 <= status < 500 else Meaning.STRANGE


def load(body: bytes, where: str) -> Mapping[str, Any]:
    """Read the body of an answer: a JSON object.

    Raises:
        WireError: if it is something else.
    """
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise WireError(f"{where}: the answer is not JSON ({str(error)[:80]})") from error
    if not isinstance(read, dict):
        raise WireError(f"{where}: the answer is a JSON {type(read).__name__}, not an object")
    return read


def reason_of(refusal: Mapping[str, Any]) -> str:
    """Return why an order was refused: a word, and after a colon what was said besides.

    Any of three fields can hold the word, while the others say `UNKNOWN_...` or are missing.
    """
    found = next(_words(refusal, _REASONS), None)
    if found is not None:
        return found
    said = details_of(refusal)
    return f"{NO_REASON}: {said}" if said else NO_REASON


def refusal_of(status: int, body: bytes) -> str:
    """Return why a request was refused with an HTTP status: a word, and after a colon the rest."""
    try:
        read = load(body, "")
    except WireError:  # Cloudflare and load balancers answer in HTML or plain text
        return f"HTTP_{status}"
    nested = read.get("error_response")
    refusal = nested if isinstance(nested, dict) else read
    word = next(_words(refusal, _REASONS), f"HTTP_{status}")
    said = details_of(refusal)
    return f"{word}: {said}" if said else word


def details_of(refusal: Mapping[str, Any]) -> str:
    """Return what a refusal says in its own words, shortened and harmless."""
    for key in _DETAILS:
        text = refusal.get(key)
        if isinstance(text, str) and text.strip():
            return tidy(text)
    return ""


def tidy(text: str) -> str:
    """Return foreign text as a short line that can be logged."""
    line = " ".join(text.split())[:_LONGEST]
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _words(refusal: Mapping[str, Any], keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        word = refusal.get(key)
        if isinstance(word, str) and _WORD.fullmatch(word) and not _is_unknown(word):
            yield word


def _is_unknown(word: str) -> bool:
    return word.upper() == "UNKNOWN" or word.upper().startswith("UNKNOWN_")
