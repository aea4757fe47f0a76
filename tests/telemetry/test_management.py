"""The management port answers, whatever the callbacks do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from quietmaker.errors import ConfigError
from quietmaker.telemetry.management import Check, ManagementServer

GOOD = {"market": Check(True, "0.2 s old"), "ledger": Check(True)}


class Callbacks:
    """Callbacks whose answers a test chooses."""

    def __init__(self) -> None:
        self.health_answer: Check | Exception = Check(True)
        self.ready_answer: Mapping[str, Check] | Exception = GOOD
        self.hang: threading.Event | None = None
        self.asked = 0

    def health(self) -> Check:
        self.asked += 1
        if self.hang is not None:
            self.hang.wait()
        if isinstance(self.health_answer, Exception):
            raise self.health_answer
        return self.health_answer

    def ready(self) -> Mapping[str, Check]:
        if isinstance(self.ready_answer, Exception):
            raise self.ready_answer
        return self.ready_answer

    def expose(self, accept: str) -> tuple[bytes, str]:
        if accept == "explode":
            raise RuntimeError("no metrics today")
        return b"quietmaker_ready 1\n", "text/plain; version=0.0.4"


@dataclass
class Answer:
    """What the server sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.body)
        return found


@pytest.fixture
def callbacks() -> Callbacks:
    return Callbacks()


@pytest.fixture
def server(callbacks: Callbacks) -> Iterator[ManagementServer]:
    server = ManagementServer(
        host="127.0.0.1",
        port=0,
        expose=callbacks.expose,
        health=callbacks.health,
        ready=callbacks.ready,
    )
    server.start()
    yield server
    if callbacks.hang is not None:
        callbacks.hang.set()
    server.stop()


def ask(server: ManagementServer, path: str, method: str = "GET", accept: str = "") -> Answer:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request(method, path, headers={"Accept": accept})
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = Answer(response.status, headers, response.read())
    connection.close()
    return answer


def test_metrics_are_served_with_their_content_type(server: ManagementServer) -> None:
    answer = ask(server, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    assert answer.body == b"quietmaker_ready 1\n"


def test_metrics_that_cannot_be_made_are_an_error_with_a_reason(server: ManagementServer) -> None:
    answer = ask(server, "/metrics", accept="explode")
    assert answer.status == 500
    assert "no metrics today" in str(answer.json()["error"])
    assert ask(server, "/metrics").status == 200


@pytest.mark.parametrize("path", ["/-/healthy", "/livez", "/-/healthy?verbose=1"])
def test_a_healthy_process_says_so(server: ManagementServer, path: str) -> None:
    answer = ask(server, path)
    assert answer.status == 200
    assert answer.json() == {"healthy": True, "detail": ""}


def test_an_unhealthy_process_says_why(server: ManagementServer, callbacks: Callbacks) -> None:
    callbacks.health_answer = Check(False, "the gateway hangs")
    answer = ask(server, "/-/healthy")
    assert answer.status == 503
    assert answer.json()["detail"] == "the gateway hangs"


@pytest.mark.parametrize("path", ["/-/ready", "/readyz"])
def test_readiness_shows_every_check(server: ManagementServer, path: str) -> None:
    answer = ask(server, path)
    assert answer.status == 200
    checks = {"market": {"ok": True, "detail": "0.2 s old"}, "ledger": {"ok": True, "detail": ""}}
    assert answer.json() == {"ready": True, "checks": checks}


def test_one_failed_check_is_enough_not_to_be_ready(
    server: ManagementServer, callbacks: Callbacks
) -> None:
    callbacks.ready_answer = {**GOOD, "ledger": Check(False, "database away")}
    answer = ask(server, "/-/ready")
    assert answer.status == 503
    assert answer.json()["ready"] is False


def test_without_any_check_nothing_is_ready(server: ManagementServer, callbacks: Callbacks) -> None:
    callbacks.ready_answer = {}
    assert ask(server, "/-/ready").status == 503


def test_callbacks_that_raise_are_an_answer_with_the_reason(
    server: ManagementServer, callbacks: Callbacks
) -> None:
    callbacks.health_answer = ValueError("no heartbeat")
    callbacks.ready_answer = KeyError("feed")
    healthy, ready = ask(server, "/-/healthy"), ask(server, "/-/ready")
    assert (healthy.status, ready.status) == (503, 503)
    assert "ValueError: no heartbeat" in str(healthy.json()["detail"])
    assert "KeyError: 'feed'" in str(ready.json()["checks"])
    callbacks.health_answer = Check(True)
    assert ask(server, "/-/healthy").status == 200


def test_a_callback_that_hangs_is_reported_in_time_and_asked_only_once(
    server: ManagementServer, callbacks: Callbacks
) -> None:
    callbacks.hang = threading.Event()
    first, second = ask(server, "/-/healthy"), ask(server, "/-/healthy")
    assert (first.status, second.status) == (503, 503)
    assert "has not answered within" in str(first.json()["detail"])
    assert callbacks.asked == 1
    assert ask(server, "/metrics").status == 200
    callbacks.hang.set()
    callbacks.hang = None
    assert ask(server, "/-/healthy").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
def test_head_has_the_same_headers_and_no_body(server: ManagementServer, path: str) -> None:
    get, head = ask(server, path), ask(server, path, "HEAD")
    assert head.status == get.status
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))
    assert head.body == b""


def test_other_paths_and_methods_are_refused_with_a_hint(server: ManagementServer) -> None:
    unknown = ask(server, "/metric")
    assert unknown.status == 404
    assert "/metrics" in str(unknown.json()["error"])
    posted = ask(server, "/-/ready", "POST")
    assert posted.status == 405
    assert posted.headers["allow"] == "GET, HEAD"


def test_a_client_that_says_nothing_does_not_block_the_others(server: ManagementServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(b"GET /metr")
        assert ask(server, "/-/healthy").status == 200


def test_many_clients_at_once_are_all_answered(server: ManagementServer) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(server, "/-/ready").status))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 20


def test_a_port_in_use_is_refused_with_the_name_of_the_setting(
    server: ManagementServer, callbacks: Callbacks
) -> None:
    with pytest.raises(
        ConfigError, match=rf"127\.0\.0\.1:{server.port} is in use; .* management\.port"
    ):
        ManagementServer(
            host="127.0.0.1",
            port=server.port,
            expose=callbacks.expose,
            health=callbacks.health,
            ready=callbacks.ready,
        )


def test_an_address_that_is_not_ours_is_refused_with_the_name_of_the_setting(
    callbacks: Callbacks,
) -> None:
    with pytest.raises(ConfigError, match=r"check management\.host"):
        ManagementServer(
            host="192.0.2.1",
            port=0,
            expose=callbacks.expose,
            health=callbacks.health,
            ready=callbacks.ready,
        )


def test_a_server_that_was_never_started_can_be_stopped_and_frees_its_port(
    callbacks: Callbacks,
) -> None:
    def make(port: int) -> ManagementServer:
        return ManagementServer(
            host="127.0.0.1",
            port=port,
            expose=callbacks.expose,
            health=callbacks.health,
            ready=callbacks.ready,
        )

    first = make(0)
    first.stop()
    second = make(first.port)
    assert second.port == first.port
    assert second.url == f"http://127.0.0.1:{first.port}"
    second.stop()
