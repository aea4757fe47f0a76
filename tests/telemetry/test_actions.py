"""An action is done for whoever brings the token, and for nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection

import pytest

from quietmaker.telemetry.actions import LONGEST, Answer, Request
from quietmaker.telemetry.management import Check, ManagementServer

TOKEN = "s3cret-token"
PATH = "/-/control/halt"


class Halt:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.asked.append(request)
        if request.document.get("explode"):
            raise RuntimeError("no halting today")
        return Answer(HTTPStatus.OK, {"mode": "halt"})


@pytest.fixture
def halt() -> Halt:
    return Halt()


@pytest.fixture
def server(halt: Halt) -> Iterator[ManagementServer]:
    server = ManagementServer(
        host="127.0.0.1",
        port=0,
        expose=lambda accept: (b"", accept),
        health=lambda: Check(True),
        ready=dict,
        actions={PATH: halt},
        token=TOKEN,
    )
    server.start()
    yield server
    server.stop()


def post(
    server: ManagementServer, body: bytes = b"", *, path: str = PATH, token: str = f"Bearer {TOKEN}"
) -> tuple[int, dict[str, object]]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("POST", path, body=body, headers={"Authorization": token} if token else {})
    response = connection.getresponse()
    answer: dict[str, object] = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_an_action_gets_the_document_and_its_answer_is_answered(
    server: ManagementServer, halt: Halt
) -> None:
    assert post(server, b'{"symbol": "A-USD"}') == (200, {"mode": "halt"})
    assert halt.asked == [Request(path=PATH, document={"symbol": "A-USD"})]


@pytest.mark.parametrize(
    "token",
    ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xe9"],
)
def test_nothing_is_done_without_the_token(
    server: ManagementServer, halt: Halt, token: str
) -> None:
    status, answer = post(server, token=token)
    assert (status, halt.asked) == (401, [])
    assert TOKEN not in str(answer)


def test_without_a_token_of_its_own_a_server_does_nothing_for_anybody(halt: Halt) -> None:
    server = ManagementServer(
        host="127.0.0.1",
        port=0,
        expose=lambda accept: (b"", accept),
        health=lambda: Check(True),
        ready=dict,
        actions={PATH: halt},
    )
    server.start()
    try:
        assert post(server, token="Bearer ")[0] == 401
    finally:
        server.stop()
    assert halt.asked == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"halt"', b"[" * 20_000])
def test_a_body_that_is_no_object_is_refused(
    server: ManagementServer, halt: Halt, body: bytes
) -> None:
    assert (post(server, body)[0], halt.asked) == (400, [])


def test_a_body_without_end_is_refused(server: ManagementServer, halt: Halt) -> None:
    assert (post(server, b" " * (LONGEST + 1))[0], halt.asked) == (413, [])


def test_an_unknown_action_is_told_what_there_is(server: ManagementServer) -> None:
    status, answer = post(server, path="/-/control/explode")
    assert status == 404
    assert PATH in str(answer["error"])


def test_an_action_that_fails_is_an_answer_and_the_server_goes_on(
    server: ManagementServer, halt: Halt
) -> None:
    status, answer = post(server, b'{"explode": true}')
    assert (status, answer["error"]) == (500, f"{PATH}: RuntimeError: no halting today")
    assert post(server)[0] == 200
    assert len(halt.asked) == 2


def test_what_is_asked_for_is_not_done_by_asking_with_get(
    server: ManagementServer, halt: Halt
) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", PATH, headers={"Authorization": f"Bearer {TOKEN}"})
    assert connection.getresponse().status == 404
    connection.close()
    assert halt.asked == []
