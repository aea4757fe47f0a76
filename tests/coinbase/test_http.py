"""Connections: verified, in time, to the right place, and never two requests on one."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from quietmaker.coinbase.rest.http import LARGEST, Answer, LostError, Session
from quietmaker.coinbase.rest.origin import NotSentError, Origin, Timeouts, tls_context
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import ConfigError
from quietmaker.ports import Accepted, Rejected
from tests.actors.fakes import HandClock
from tests.coinbase.rig import certificate, intent, rig, success
from tests.coinbase.stub import Hang, Raw, Reply, Request, Stub, answer

SOON = Timeouts(connect=Nanos(SECOND), read=Nanos(2 * SECOND))


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Return a server."""
    one = Stub()
    yield one
    one.close()


class Opener(Protocol):
    """Opens sessions."""

    def __call__(
        self,
        url: str,
        *,
        clock: HandClock | None = None,
        timeouts: Timeouts = SOON,
        trusted: Path | None = None,
    ) -> Session:
        """Return a session with a server."""


@pytest.fixture
def session() -> Iterator[Opener]:
    """Return what opens sessions, and close them."""
    opened: list[Session] = []

    def opener(
        url: str,
        *,
        clock: HandClock | None = None,
        timeouts: Timeouts = SOON,
        trusted: Path | None = None,
    ) -> Session:
        origin = Origin.parse(url)
        one = Session(
            origin,
            context=tls_context(origin, trusted),
            timeouts=timeouts,
            idle=Nanos(45 * SECOND),
            clock=clock or HandClock(),
        )
        opened.append(one)
        return one

    yield opener
    for one in opened:
        one.close()


def get(one: Session, target: str = "/x") -> Answer:
    """Ask for something."""
    return one.request("GET", target, token=None, body=None)


@pytest.mark.parametrize(
    ("url", "authority", "prefix"),
    [
        ("https://api.coinbase.com", "api.coinbase.com", "/api/v3/brokerage"),
        ("https://api.coinbase.com:443/", "api.coinbase.com", "/api/v3/brokerage"),
        ("https://127.0.0.1:8443", "127.0.0.1:8443", "/api/v3/brokerage"),
        ("http://localhost:8080/other/", "localhost:8080", "/other"),
        ("http://[::1]:8080", "[::1]:8080", "/api/v3/brokerage"),
        ("http://127.0.0.2:80", "127.0.0.2", "/api/v3/brokerage"),
    ],
)
def test_an_address_has_a_host_as_tokens_name_it(url: str, authority: str, prefix: str) -> None:
    origin = Origin.parse(url)
    assert (origin.authority, origin.prefix) == (authority, prefix)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.coinbase.com", "in the clear"),
        ("http://192.168.1.5:8080", "in the clear"),
        ("ftp://api.coinbase.com", "no address"),
        ("api.coinbase.com", "no address"),
        ("https://", "no address"),
        ("https://user:pass@api.coinbase.com", "no address"),
        ("https://api.coinbase.com:99999", "no address"),
        ("https://api.coinbase.com/?x=1", "no address"),
        ("https://[::1", "no address"),
    ],
)
def test_tokens_leave_the_machine_over_tls_only(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Origin.parse(url)


def secured(folder: Path, host: str) -> tuple[Stub, Path]:
    """Return a server with a certificate for a host, and the certificate."""
    public, private = certificate(folder, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return Stub(tls=context), public


def test_orders_go_over_tls_to_a_server_that_the_given_file_vouches_for(tmp_path: Path) -> None:
    stub, public = secured(tmp_path, "127.0.0.1")
    with rig(stub=stub, ca_file=public) as r:
        r.exchange.time()
        r.stub.route("POST", "/orders", lambda q: answer(success(q.json)))
        for number in range(3):
            assert isinstance(r.exchange.submit(intent(f"qm{number}")), Accepted)
        assert len({q.connection for q in r.stub.asked("/orders")}) == 1
        r.stub.hang_up()
        assert isinstance(r.exchange.submit(intent("qm9")), Accepted)
        assert len(r.stub.asked("/orders")) == 4


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "example.com"])
def test_a_server_that_nobody_vouches_for_is_sent_nothing(
    tmp_path: Path, session: Opener, host: str
) -> None:
    stub, public = secured(tmp_path, host)
    other, _ = certificate(tmp_path, "localhost")
    trusted = other if host == "127.0.0.1" else public
    one = session(stub.url, trusted=trusted)
    with pytest.raises(NotSentError, match="cannot be reached: ") as refused:
        get(one)
    assert refused.value.code == "tls"
    assert stub.requests == []
    stub.close()


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    origin = Origin.parse("https://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        tls_context(origin, path)
    path.write_text("nonsense")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        tls_context(origin, path)


def test_a_plain_server_where_tls_is_expected_proves_that_nothing_was_sent(
    stub: Stub, session: Opener
) -> None:
    one = session(stub.url.replace("http:", "https:"))
    stub.script.append(Raw(data=b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    threading.Timer(0.2, stub.hang_up).start()
    with pytest.raises(NotSentError):
        get(one)


def test_a_server_that_never_shakes_hands_is_given_up_in_time(stub: Stub, session: Opener) -> None:
    quickly = Timeouts(connect=Nanos(SECOND // 5), read=Nanos(SECOND))
    one = session(stub.url.replace("http:", "https:"), timeouts=quickly)
    with pytest.raises(NotSentError) as late:
        get(one)
    assert late.value.code == "timeout"


def test_an_answer_in_drips_does_not_hold_a_request_beyond_its_time(
    stub: Stub, session: Opener
) -> None:
    clock = HandClock()
    one = session(stub.url, clock=clock)
    release = threading.Event()

    def drip(request: Request) -> Raw:
        clock.advance(3 * SECOND)  # as if the bytes so far had taken that long
        release.set()
        return Raw(data=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", close=False)

    stub.script.append(drip)
    with pytest.raises(LostError) as late:
        get(one)
    assert late.value.code == "timeout"


def test_an_answer_without_end_is_not_kept_in_memory(
    stub: Stub, session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST > 10 << 20
    monkeypatch.setattr("quietmaker.coinbase.rest.http.LARGEST", 100_000)
    body = b"x" * 200_000
    stub.script.extend([Reply(body=body), Raw(data=b"HTTP/1.1 200 OK\r\n\r\n" + body)])
    one = session(stub.url)
    for _ in range(2):
        with pytest.raises(LostError, match="more than 100000 bytes"):
            get(one)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
def test_every_form_of_body_is_read(stub: Stub, session: Opener, data: bytes) -> None:
    stub.script.append(Raw(data=data))
    assert get(session(stub.url)).body == b"abcde"


def test_hints_before_an_answer_do_not_shift_the_answers(stub: Stub, session: Opener) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    stub.script.append(Raw(data=hint + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"))
    with pytest.raises(LostError, match="status 103"):
        get(session(stub.url))


def test_a_large_answer_is_read_whole(stub: Stub, session: Opener) -> None:
    body = bytes(range(256)) * 20_000
    stub.script.append(Reply(body=body))
    assert get(session(stub.url)).body == body


def test_a_connection_is_kept_and_left_when_it_was_idle_for_long(
    stub: Stub, session: Opener
) -> None:
    clock = HandClock()
    stub.route("GET", "/x", Reply())
    one = session(stub.url, clock=clock)
    for pause in (0, 44, 44, 45, 1):
        clock.advance(pause * SECOND)
        get(one)
    assert [request.connection for request in stub.requests] == [0, 0, 0, 1, 1]
    one.close()
    get(one)
    assert stub.requests[-1].connection == 2


def test_a_request_never_waits_for_anothers_answer(stub: Stub, session: Opener) -> None:
    arrived = threading.Event()

    def held(request: Request) -> Hang:
        arrived.set()
        return Hang()

    stub.route("GET", "/slow", held)
    stub.route("GET", "/quick", Reply(body=b"1"))
    one = session(stub.url)
    lost: list[LostError] = []

    def ask() -> None:
        try:
            get(one, "/slow")
        except LostError as error:
            lost.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert arrived.wait(5)
    assert get(one, "/quick").body == b"1"
    stub.close()
    thread.join(5)
    assert len(lost) == 1


def test_lines_are_made_ready_and_lost_ones_replaced(stub: Stub, session: Opener) -> None:
    clock = HandClock()
    stub.route("GET", "/x", Reply())
    one = session(stub.url, clock=clock)
    one.keep_ready(2)
    get(one)
    stub.hang_up()
    one.keep_ready(2)
    get(one)
    assert len({request.connection for request in stub.requests}) == 2
    stub.close()
    clock.advance(30 * SECOND)
    with pytest.raises(NotSentError):
        one.keep_ready(2)


def test_a_query_cannot_smuggle_anything_into_a_request() -> None:
    with rig() as r:
        r.exchange.learn("qm1", "../x?a=b&c#d\r\nEvil: 1")
        r.stub.route("GET", "/orders/historical/batch", answer({"orders": [], "has_next": False}))
        assert r.exchange.order("qm1", since=r.clock.now()) is None
        first = r.stub.requests[-2]
        assert first.path.startswith("/api/v3/brokerage/orders/historical/..%2Fx%3Fa%3Db")
        assert "evil" not in first.headers


def test_orders_have_connections_of_their_own() -> None:
    with rig() as r:
        r.exchange.time()
        r.stub.route("POST", "/orders", lambda q: answer({"success": False, "error_response": {}}))
        assert isinstance(r.exchange.submit(intent()), Rejected)
        asked = {q.connection for q in r.stub.requests if q.method == "GET"}
        assert r.stub.asked("/orders")[0].connection not in asked
