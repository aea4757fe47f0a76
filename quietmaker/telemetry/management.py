"""The management port: ``/metrics``, ``/-/healthy``, ``/-/ready``, ``/-/status``, and actions by POST.

It answers on its own daemon threads.

It shares nothing with trading but the callbacks it is given, and answers when they raise or hang.
Health says whether the process should be restarted; it looks at no database and no exchange. Readiness
says whether it can trade, check by check.
"""

from __future__ import annotations

import errno
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Final

from quietmaker.errors import ConfigError
from quietmaker.telemetry.actions import LONGEST, Action, Actions
from quietmaker.telemetry.guard import Captured
from quietmaker.telemetry.probe import Failed, Probe

Expose = Callable[[str], tuple[bytes, str]]
"""From an Accept header to the metrics and their content type."""

_PATHS: Final = ("/metrics", "/-/healthy", "/-/ready", "/-/status")
_ALIASES: Final = {"/livez": "/-/healthy", "/readyz": "/-/ready"}
_JSON: Final = "application/json; charset=utf-8"
_CLIENT_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """The answer of one check."""

    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    content_type: str
    body: bytes
    allow: str = ""


class ManagementServer:
    """Serves metrics and health."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        expose: Expose,
        health: Callable[[], Check],
        ready: Callable[[], Mapping[str, Check]],
        status: Callable[[], Mapping[str, object]] = dict,
        actions: Mapping[str, Action] = MappingProxyType({}),
        token: str = "",
    ) -> None:
        """Bind the port; 0 takes a free one. Nothing is answered before `start`.

        Args:
            host: address to listen on.
            port: TCP port.
            expose: makes the answer to ``/metrics``.
            health: whether the process is well; looks at nothing outside of it.
            ready: whether it can trade, check by check.
            status: the document of ``/-/status``; empty while there is none.
            actions: what may be asked for by POST, by path.
            token: that a POST must bring (``Authorization: Bearer ...``).

        Raises:
            ConfigError: if the address cannot be bound; names the setting.
        """
        self._health = Probe("health", health)
        self._ready = Probe("readiness", ready)
        self._status = Probe("status", status)
        self._actions = Actions(actions, token)
        self._expose = expose
        self._host = host
        self._server = _bind(host, port, self._handler())
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="management",
            daemon=True,
        )

    @property
    def url(self) -> str:
        """Return the address at which it answers."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def answer(self, path: str, accept: str) -> _Answer:
        """Return what is answered to a GET."""
        match _ALIASES.get(path, path):
            case "/metrics":
                return self._metrics(accept)
            case "/-/healthy":
                return self._healthy()
            case "/-/ready":
                return self._readiness()
            case "/-/status":
                return self._status_page()
            case _:
                return _json(
                    HTTPStatus.NOT_FOUND, {"error": f"no such path; there is {', '.join(_PATHS)}"}
                )

    def act(self, path: str, authorization: str, body: bytes) -> _Answer:
        """Return what is answered to a POST."""
        if not self._actions.offers(path):
            if path in {*_PATHS, *_ALIASES}:
                problem = {"error": "only GET and HEAD are answered here"}
                found = _json(HTTPStatus.METHOD_NOT_ALLOWED, problem)
                return _Answer(found.status, found.content_type, found.body, "GET, HEAD")
            known = ", ".join(self._actions.paths) or "none"
            return _json(HTTPStatus.NOT_FOUND, {"error": f"no such action; there is {known}"})
        if len(body) > LONGEST:
            return _json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "the body is too long"})
        answer = self._actions.perform(path, authorization, body)
        return _json(answer.status, answer.document)

    def _metrics(self, accept: str) -> _Answer:
        with Captured() as capture:
            body, content_type = self._expose(accept)
            return _Answer(HTTPStatus.OK, content_type, body)
        return _json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"metrics: {capture}"})

    def _healthy(self) -> _Answer:
        found = self._health.ask()
        check = Check(False, found.reason) if isinstance(found, Failed) else found
        status = HTTPStatus.OK if check.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(status, {"healthy": check.ok, "detail": check.detail})

    def _readiness(self) -> _Answer:
        found = self._ready.ask()
        checks = {"readiness": Check(False, found.reason)} if isinstance(found, Failed) else found
        # Without a single check nothing is known to be ready.
        ready = bool(checks) and all(check.ok for check in checks.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        shown = {name: {"ok": check.ok, "detail": check.detail} for name, check in checks.items()}
        return _json(status, {"ready": ready, "checks": shown})

    def _status_page(self) -> _Answer:
        found = self._status.ask()
        if isinstance(found, Failed):
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": found.reason})
        if not found:
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "there is no status yet"})
        return _json(HTTPStatus.OK, found)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            """One request; the connection is closed after it."""

            timeout = _CLIENT_PATIENCE
            server_version = "quietmaker"
            sys_version = ""

            def do_GET(self) -> None:
                self._send(server.answer(self._path(), self.headers.get("Accept", "")), body=True)

            def do_HEAD(self) -> None:
                self._send(server.answer(self._path(), self.headers.get("Accept", "")), body=False)

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "0")
                # One byte more than is taken tells that it is too long.
                wanted = (
                    min(int(length), LONGEST + 1) if length.isascii() and length.isdigit() else 0
                )
                body = self.rfile.read(wanted)
                given = self.headers.get("Authorization", "")
                self._send(server.act(self._path(), given, body), body=True)

            def do_PUT(self) -> None:
                problem = {"error": "only GET, HEAD and POST are answered here"}
                found = _json(HTTPStatus.METHOD_NOT_ALLOWED, problem)
                self._send(
                    _Answer(found.status, found.content_type, found.body, "GET, HEAD"), body=True
                )

            do_DELETE = do_PATCH = do_OPTIONS = do_PUT  # noqa: N815 - http.server's names

            def _path(self) -> str:
                return self.path.partition("?")[0]

            def _send(self, answer: _Answer, *, body: bool) -> None:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.body)))
                self.send_header("Cache-Control", "no-store")
                if answer.allow:
                    self.send_header("Allow", answer.allow)
                self.end_headers()
                if body:
                    self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep quiet: a scrape every few seconds is not news."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong, except that a client went away."""
        del request, client_address
        if not isinstance(sys.exc_info()[1], OSError):
            logging.getLogger("management").error("a request failed", exc_info=True)


class _Server6(_Server):
    address_family = socket.AF_INET6


def _bind(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return (_Server6 if ":" in host else _Server)((host, port), handler)
    except OSError as error:
        raise ConfigError(_bind_problem(host, port, error)) from error


def _bind_problem(host: str, port: int, error: OSError) -> str:
    where = f"management port {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use; choose another management.port, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"{where} needs privileges; choose a management.port above 1023"
    reason = error.strerror or str(error)
    return f"{where} cannot be bound ({reason}); check management.host and management.port"


def _json(status: HTTPStatus, content: Mapping[str, object]) -> _Answer:
    return _Answer(status, _JSON, json.dumps(content).encode() + b"\n")
