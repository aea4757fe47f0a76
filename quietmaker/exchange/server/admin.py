"""The admin endpoint: faults in, state out, a market by hand. For tests and operators on this machine.

It answers on loopback only, and only to requests that address it by a loopback name: a web page that
a browser on this machine shows cannot reach it by a name of its own. It can be left out altogether.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson
from aiohttp import web

from quietmaker.core.grid import NumberError, number
from quietmaker.core.units import add, plain
from quietmaker.exchange.server.admin_market import MarketError, parse_market
from quietmaker.exchange.server.catalogue import FLAGS
from quietmaker.exchange.server.channels_user import order_state
from quietmaker.exchange.server.connection import Ending
from quietmaker.exchange.server.desk import Desk
from quietmaker.exchange.server.faults import FaultError, Faults, parse_rule
from quietmaker.exchange.server.faults_points import POINTS
from quietmaker.exchange.server.frames import rfc3339
from quietmaker.exchange.server.house import House
from quietmaker.exchange.server.hub import Hub
from quietmaker.exchange.server.monitor import Tally

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATES: Final = ("", *FLAGS, "offline", "delisted")
"""Market states that a product can be put into; empty: tradable."""
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


class _BadRequest(Exception):  # noqa: N818 - what it is
    """The request cannot be done; the message is the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """What the admin endpoint can reach.

    Attributes:
        desk: orders, records and the floor.
        hub: connections and channels.
        house: what is listed.
        faults: the rules in force.
        tally: what was counted.
    """

    desk: Desk
    hub: Hub
    house: House
    faults: Faults
    tally: Tally

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application."""
        return [
            web.get("/admin/faults", _guarded(self._list_faults)),
            web.post("/admin/faults", _guarded(self._install_faults)),
            web.delete("/admin/faults", _guarded(self._clear_faults)),
            web.delete("/admin/faults/{number}", _guarded(self._remove_fault)),
            web.get("/admin/points", _guarded(self._points)),
            web.get("/admin/state", _guarded(self._state)),
            web.post("/admin/market", _guarded(self._market)),
            web.post("/admin/product", _guarded(self._product)),
            web.post("/admin/cash", _guarded(self._cash)),
            web.post("/admin/close", _guarded(self._close)),
        ]

    # --- faults ---------------------------------------------------------------------------------

    async def _list_faults(self, request: web.Request) -> web.StreamResponse:
        del request
        return _json({"rules": [rule.describe() for rule in self.faults.installed()]})

    async def _install_faults(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        rules = body.get("rules", [body]) if isinstance(body, dict) else body
        if not isinstance(rules, list):
            raise _BadRequest("say one rule, a list of rules, or an object with rules")
        try:
            parsed = [parse_rule(rule) for rule in rules]  # all or none
        except FaultError as error:
            raise _BadRequest(str(error)) from error
        installed = [self.faults.install(rule) for rule in parsed]
        return _json({"rules": [rule.describe() for rule in installed]})

    async def _clear_faults(self, request: web.Request) -> web.StreamResponse:
        seed = request.query.get("seed")
        if seed is not None and not seed.isdecimal():
            raise _BadRequest(f"seed is a whole number, not {seed!r}")
        removed = len(self.faults.installed())
        self.faults.clear(seed=None if seed is None else int(seed))
        return _json({"removed": removed})

    async def _remove_fault(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["number"]
        if not number.isdecimal() or not self.faults.remove(int(number)):
            return _json(
                {"error": f"no rule has the id {number}; GET /admin/faults lists them"}, 404
            )
        return _json({"removed": 1})

    async def _points(self, request: web.Request) -> web.StreamResponse:
        del request
        rows = {
            point.name: {
                "meaning": point.meaning,
                "match": sorted(point.match),
                "parameters": dict(point.parameters),
            }
            for point in POINTS.values()
        }
        return _json({"points": rows})

    # --- state ----------------------------------------------------------------------------------

    async def _state(self, request: web.Request) -> web.StreamResponse:
        del request
        now = self.desk.now()
        records = self.desk.records
        live = [order_state(record, portfolio="") for record in records.live()]
        balances = self.desk.floor.core.account.balances()
        return _json(
            {
                "time": rfc3339(now),
                "orders": live,
                "orders_total": records.count,
                "fills": records.listed(now),
                "positions": {s: plain(size) for s, size in records.positions.items()},
                "balances": {
                    currency: {
                        "available": plain(balance.available),
                        "hold": plain(balance.hold),
                        "total": plain(add(balance.available, balance.hold)),
                    }
                    for currency, balance in balances.items()
                },
                "market": self._touches(),
                "market_ended": self.desk.floor.ended,
                "connections": self._connections(),
                "counts": {f"{name}.{label}": n for (name, label), n in self.tally.counts.items()},
                "faults": len(self.faults.installed()),
            }
        )

    def _touches(self) -> dict[str, Any]:
        touches = {}
        for symbol, product in self.desk.floor.products.items():
            bids, asks = self.desk.floor.core.symbol(symbol).book()
            touches[symbol] = {
                side: [plain(product.price(rows[0][0])), plain(product.size(rows[0][1]))]
                for side, rows in (("bid", bids), ("ask", asks))
                if rows
            }
        return touches

    def _connections(self) -> list[dict[str, Any]]:
        return [
            {
                "id": line.number,
                "endpoint": line.endpoint.value,
                "peer": line.peer,
                "subscriptions": line.state,
                "told": line.told,
                "backlog": line.backlog,
            }
            for line in self.hub.connections.values()
        ]

    # --- acts -----------------------------------------------------------------------------------

    async def _market(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        floor = self.desk.floor
        said = body.get("events", [body]) if isinstance(body, dict) else body
        if not isinstance(said, list):
            raise _BadRequest("say one market event, a list of them, or an object with events")
        self.desk.now()
        at = floor.reached
        try:
            events = [parse_market(event, floor.products, at) for event in said]
        except MarketError as error:
            raise _BadRequest(str(error)) from error
        for event in events:
            floor.happen(event)
        self.desk.wake()
        return _json({"events": len(events), "time": rfc3339(at)})

    async def _product(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        if not isinstance(body, dict) or body.keys() != {"product", "state"}:
            raise _BadRequest("say product and state")
        symbol, state = body["product"], body["state"]
        market = self.house.canonical(symbol) if isinstance(symbol, str) else None
        if market is None:
            raise _BadRequest(f"the exchange lists no {symbol!r}")
        if state not in STATES:
            known = ", ".join(repr(each) for each in STATES)
            raise _BadRequest(f"{state!r} is no market state; there are {known}")
        self.house.change_state(market, state)
        self.hub.status(market)
        return _json({"product": market, "state": state})

    async def _cash(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        if not isinstance(body, dict) or body.keys() != {"currency", "amount"}:
            raise _BadRequest("say currency and amount, which is negative for a withdrawal")
        currency, said = body["currency"], body["amount"]
        if not isinstance(currency, str) or not currency.isalnum() or not currency.isupper():
            raise _BadRequest(f"{currency!r} is no currency, such as USD")
        amount = _amount(said)
        self.desk.now()
        account = self.desk.floor.core.account
        try:
            account.move(currency, amount)
        except ValueError as error:
            raise _BadRequest(str(error)) from error
        return _json({"currency": currency, "available": plain(account.available(currency))})

    async def _close(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        if not isinstance(body, dict):
            raise _BadRequest(
                "say an object: endpoint, connection, code, reason, abort; {} for all"
            )
        unknown = body.keys() - {"endpoint", "connection", "code", "reason", "abort"}
        code, reason = body.get("code", 1000), body.get("reason", "")
        if unknown or type(code) is not int or not isinstance(reason, str):
            raise _BadRequest("endpoint, connection, code (a number), reason (text), abort")
        closed = 0
        for line in tuple(self.hub.connections.values()):
            if body.get("endpoint", line.endpoint.value) != line.endpoint.value:
                continue
            if body.get("connection", line.number) != line.number:
                continue
            if body.get("abort"):
                line.abort(Ending.ADMIN)
            else:
                line.close(Ending.ADMIN, code, reason)
            closed += 1
        return _json({"closed": closed})


def _amount(said: object) -> Decimal:
    """Return a signed amount, which is told as decimal text like every other number."""
    text = said if isinstance(said, str) else ""
    try:
        amount = number(text.removeprefix("-"))
    except NumberError as error:
        raise _BadRequest(f"amount is decimal text, such as '-12.5', not {said!r}") from error
    if not amount:
        raise _BadRequest("an amount of 0 moves nothing")
    return -amount if text.startswith("-") else amount


def _guarded(handler: Handler) -> Handler:
    """Return the handler behind the door that only this machine comes through."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if not _is_local(request):
            return _json({"error": "the admin endpoint answers on loopback only"}, 403)
        try:
            return await handler(request)
        except _BadRequest as error:
            return _json({"error": str(error)}, 400)

    return handle


def _is_local(request: web.Request) -> bool:
    try:
        remote = ipaddress.ip_address(request.remote or "")
    except ValueError:
        return False
    name = request.host
    if not name.endswith("]"):
        head, colon, _ = name.rpartition(":")
        name = head if colon else name
    return remote.is_loopback and name.lower() in _NAMES


async def _body(request: web.Request) -> Any:
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise _BadRequest(f"the body is not JSON: {error}") from error


def _json(body: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
