"""What fault rules do to requests and answers: a middleware before every handler but the admin's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from quietmaker.core.units import MILLISECOND, SECOND, Instant
from quietmaker.exchange.server.faults import Faults, Rule
from quietmaker.exchange.server.faults_json import changed, truncated
from quietmaker.exchange.server.frames import rfc3339

ADMIN: Final = "/admin"
BAD_GATEWAY: Final = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    "</body>\r\n</html>\r\n"
)
TOO_MANY: Final = b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'
_SLICE: Final = 0.25


def fault_middleware(faults: Faults) -> Middleware:
    """Return the middleware; it belongs outside of authentication and rate limits."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(ADMIN):
            return await handler(request)
        rules: Sequence[Rule] = ()
        if faults.active("rest"):
            rules = tuple(faults.fire("rest", await _subject(request)))
        answer = await _answer(request, handler, rules)
        if faults.active("clock") and request.path.endswith("/time"):
            answer = _skewed(answer, faults)
        return answer

    return handle


async def _answer(
    request: web.Request, handler: Handler, fired: Sequence[Rule]
) -> web.StreamResponse:
    rules = {rule.point.name: rule for rule in fired}
    if "rest.unauthorized" in rules:
        return web.Response(status=401, text="Unauthorized")
    if (rule := rules.get("rest.rate_limited")) is not None:
        return _rate_limited(rule)
    delay = rules.get("rest.delay")
    if delay is not None and delay.parameters["when"] == "before":
        await asyncio.sleep(_seconds(delay))
    broken = await _broken(request, handler, rules)
    if broken is not None:
        return broken
    answer = await handler(request)
    for rule in fired:
        _rewrite(answer, rule, changed)
    if (rule := rules.get("rest.truncate")) is not None:
        _rewrite(answer, rule, truncated)
    if delay is not None and delay.parameters["when"] == "after":
        await asyncio.sleep(_seconds(delay))
    return answer


async def _broken(
    request: web.Request, handler: Handler, rules: Mapping[str, Rule]
) -> web.StreamResponse | None:
    """Return the answer of a request whose real answer gets lost; None when no rule says so."""
    for name in ("rest.bad_gateway", "rest.timeout", "rest.abort"):
        rule = rules.get(name)
        if rule is None:
            continue
        if rule.parameters["placed"]:
            await handler(request)
        if name == "rest.bad_gateway":
            return web.Response(
                status=rule.parameters["status"], text=BAD_GATEWAY, content_type="text/html"
            )
        if name == "rest.timeout":
            await _hold(request, _seconds(rule))
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=504)
    return None


async def _hold(request: web.Request, seconds: float) -> None:
    """Say nothing for a while, or until the client has gone."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0:
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(min(left, _SLICE))


def _rate_limited(rule: Rule) -> web.Response:
    said = rule.parameters
    headers = {
        "retry-after": said["retry_after"],
        "x-ratelimit-limit": said["limit"],
        "x-ratelimit-remaining": said["remaining"],
        "x-ratelimit-reset": said["reset"],
    }
    return web.Response(
        status=429,
        body=TOO_MANY,
        content_type="application/json",
        headers={name: value for name, value in headers.items() if value},
    )


def _rewrite(
    answer: web.StreamResponse, rule: Rule, change: Callable[[bytes, Rule], bytes]
) -> None:
    if not isinstance(answer, web.Response) or answer.content_type != "application/json":
        return
    if isinstance(answer.body, bytes) and answer.body:
        answer.body = change(answer.body, rule)


def _skewed(answer: web.StreamResponse, faults: Faults) -> web.StreamResponse:
    """Return the answer of /time by a clock that is wrong."""
    rules = tuple(faults.fire("clock", {"where": "rest"}))
    if not rules or not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
        return answer
    body = orjson.loads(answer.body)
    millis = int(body["epochMillis"]) + sum(rule.parameters["ms"] for rule in rules)
    second = Instant(millis // 1000 * SECOND)
    body |= {
        "iso": rfc3339(second),
        "epochSeconds": str(millis // 1000),
        "epochMillis": str(millis),
    }
    answer.body = orjson.dumps(body)
    return answer


async def _subject(request: web.Request) -> dict[str, str]:
    subject = {"method": request.method, "path": request.path}
    if request.method == "POST":
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return subject
        if isinstance(body, dict):
            subject |= _order_keys(body)
    return subject


def _order_keys(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what of an order request can be matched."""
    keys = {"product": "product_id", "side": "side", "client_order_id": "client_order_id"}
    found = {key: str(body[name]) for key, name in keys.items() if name in body}
    configuration = body.get("order_configuration")
    if isinstance(configuration, dict):
        for variant in configuration.values():
            if isinstance(variant, dict):
                found["post_only"] = str(bool(variant.get("post_only"))).lower()
    return found


def _seconds(rule: Rule) -> float:
    return float(max(rule.parameters["ms"], 0)) * MILLISECOND / SECOND
