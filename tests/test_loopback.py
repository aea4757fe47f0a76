"""No test contacts another machine, and neither does a process that a test starts."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

TRY = "import socket; socket.create_connection(({host!r}, 9), timeout=1)"


@pytest.mark.parametrize("host", ["192.0.2.1", "api.coinbase.com", "2001:db8::1"])
def test_another_machine_cannot_be_reached_from_a_test(host: str) -> None:
    with pytest.raises(OSError, match="no other machine"):
        socket.create_connection((host, 443), timeout=1)


def test_a_process_that_a_test_starts_cannot_reach_another_machine_either() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRY.format(host="192.0.2.1")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "tests reach no other machine" in done.stderr


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
