"""REST: which path is answered by what, who may ask, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson
from aiohttp import web

from quietmaker.exchange.server import (
    rest_account,
    rest_app,
    rest_history,
    rest_market,
    rest_orders,
)
from quietmaker.exchange.server.auth import Authenticator, Denied
from quietmaker.exchange.server.keys import Key
from quietmaker.exchange.server.limits import RateLimiter, Verdict
from quietmaker.exchange.server.monitor import Monitor
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.rest_wire import Refused, not_found

API: Final = "/api/v3/brokerage"
_BEARER: Final = "bearer "
_TOO_MANY: Final = orjson.dumps(
    {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
)
_SCOPES: Final = "Missing required scopes"

Public: TypeAlias = Callable[[Office, web.Request], Awaitable[web.Response]]
Private: TypeAlias = Callable[[Office, web.Request, Key], Awaitable[web.Response]]
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

PUBLIC: Final[tuple[tuple[str, Public], ...]] = (
    ("/time", rest_market.time),
    ("/market/products", rest_market.products),
    ("/market/product_book", rest_market.product_book),
    ("/market/products/{product_id}", rest_market.product),
    ("/market/products/{product_id}/candles", rest_market.candles),
    ("/market/products/{product_id}/ticker", rest_market.trades),
)
"""GET without a token."""

TWINS: Final[tuple[tuple[str, Public], ...]] = (
    ("/products", rest_market.products),
    ("/product_book", rest_market.product_book),
    ("/products/{product_id}", rest_market.product),
    ("/products/{product_id}/candles", rest_market.candles),
    ("/products/{product_id}/ticker", rest_market.trades),
    ("/best_bid_ask", rest_market.best_bid_ask),
)
"""GET with a token, of what is public otherwise."""

VIEWS: Final[tuple[tuple[str, Private], ...]] = (
    ("/accounts", rest_account.accounts),
    ("/accounts/{account_id}", rest_account.account),
    ("/key_permissions", rest_account.key_permissions),
    ("/portfolios", rest_account.portfolios),
    ("/transaction_summary", rest_account.transaction_summary),
    ("/orders/historical/batch", rest_history.orders),
    ("/orders/historical/fills", rest_history.fills),
    ("/orders/historical/{order_id}", rest_history.order),
)
"""GET with a token that may view."""

TRADES: Final[tuple[tuple[str, Private], ...]] = (
    ("/orders", rest_orders.create),
    ("/orders/preview", rest_orders.preview),
    ("/orders/edit", rest_orders.edit),
    ("/orders/edit_preview", rest_orders.edit_preview),
    ("/orders/batch_cancel", rest_orders.batch_cancel),
)
"""POST with a token that may trade."""

OLDER: Final[tuple[tuple[str, Public], ...]] = (
    ("/v2/time", rest_app.time),
    ("/v2/currencies", rest_app.currencies),
    ("/v2/currencies/crypto", rest_app.crypto_currencies),
    ("/v2/exchange-rates", rest_app.exchange_rates),
    ("/v2/prices/{symbol}/{kind}", rest_app.price),
)
"""GET without a token, of the older API; these paths are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Lets requests in: tokens, scopes, rate limits; and answers what handlers refuse."""

    office: Office
    authenticator: Authenticator
    monitor: Monitor
    private: RateLimiter
    public: RateLimiter

    def open_to_all(self, handler: Public) -> Handler:
        """Return a handler that needs no token; one that is sent is not looked at."""

        async def handle(request: web.Request) -> web.StreamResponse:
            verdict = self.public.take(request.remote or "")
            return await self._answered(lambda: handler(self.office, request), verdict, request)

        return handle

    def open_to_keys(self, handler: Private, *, trades: bool) -> Handler:
        """Return a handler that needs a token of a key that may do this."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                key = await self._key(request)
            except Denied as denial:
                self.monitor.log("token_denied", str(denial))
                return self._count(request, web.Response(status=401, text="Unauthorized"))
            verdict = self.private.take(key.name)
            may = key.permissions.can_trade if trades else key.permissions.can_view

            async def allowed() -> web.Response:
                if not may:
                    raise Refused(403, "PERMISSION_DENIED", _SCOPES)
                return await handler(self.office, request, key)

            return await self._answered(allowed, verdict, request)

        return handle

    async def _key(self, request: web.Request) -> Key:
        header = request.headers.get("Authorization", "")
        if not header.lower().startswith(_BEARER):
            raise Denied("no bearer token")
        return await self.authenticator.rest(
            header[len(_BEARER) :].strip(),
            method=request.method,
            host=request.headers.get("Host", ""),
            path=request.rel_url.raw_path,
        )

    async def _answered(
        self,
        work: Callable[[], Awaitable[web.Response]],
        verdict: Verdict | None,
        request: web.Request,
    ) -> web.Response:
        if verdict is not None and not verdict.passed:
            response = web.Response(
                status=429,
                body=_TOO_MANY,
                content_type="application/json",
                headers={"retry-after": str(verdict.wait)},
            )
        else:
            try:
                response = await work()
            except Refused as refused:
                response = refused.answer()
        if verdict is not None:
            response.headers.update(verdict.headers)
        return self._count(request, response)

    def _count(self, request: web.Request, response: web.Response) -> web.Response:
        resource = request.match_info.route.resource
        route = "" if resource is None else resource.canonical.removeprefix(API)
        self.monitor.count("requests", f"{request.method} {route} {response.status}")
        return response


def routes(gate: Gate) -> list[web.RouteDef]:
    """Return every route of the API."""

    def twin(handler: Public) -> Private:
        async def handle(office: Office, request: web.Request, key: Key) -> web.Response:
            del key
            return await handler(office, request)

        return handle

    views = [*VIEWS, *((path, twin(handler)) for path, handler in TWINS)]
    return [
        *(web.get(API + path, gate.open_to_all(handler)) for path, handler in PUBLIC),
        *(web.get(path, gate.open_to_all(handler)) for path, handler in OLDER),
        web.get("/v2/accounts", gate.open_to_keys(rest_app.accounts, trades=False)),
        *(web.get(API + path, gate.open_to_keys(handler, trades=False)) for path, handler in views),
        *(
            web.post(API + path, gate.open_to_keys(handler, trades=True))
            for path, handler in TRADES
        ),
    ]


@web.middleware
async def in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what no handler answers in the API's own shape."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return not_found(f"no such path: {request.path[:200]}").answer()
    except web.HTTPMethodNotAllowed as error:
        refusal = Refused(501, "UNIMPLEMENTED", f"Method Not Allowed: {error.method[:20]}")
        return refusal.answer()
    except web.HTTPRequestEntityTooLarge:
        return Refused(413, "INVALID_ARGUMENT", "the body is too large").answer()
