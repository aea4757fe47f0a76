"""More clients than a shell's limit of open files allows, most of them silent: others are served."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from supervisors.exchange_instance import ExchangeInstance
from tests.kit.paper_exchange import paper_exchange

SILENT = 300


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[ExchangeInstance]:
    """Return an exchange that began with few files; this process needs more itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SILENT // 2, hard))
    try:
        with paper_exchange(tmp_path, {}, "--public-rate", "0") as instance:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * SILENT)), hard))
            yield instance
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_silent_and_unfinished_clients_keep_nobody_else_waiting(exchange: ExchangeInstance) -> None:
    _, _, address = exchange.http_url.partition("//")
    host, _, port = address.partition(":")
    begun = (
        b"",
        b"GET /api/v3",
        b"POST /api/v3/brokerage/orders HTTP/1.1\r\nContent-Length: 9\r\n",
    )
    with contextlib.ExitStack() as crowd:
        for number in range(SILENT):
            client = crowd.enter_context(socket.create_connection((host, int(port)), timeout=20))
            client.sendall(begun[number % 3])
        with urllib3.PoolManager(retries=False, timeout=20) as pool:
            for _ in range(20):
                url = f"{exchange.http_url}/api/v3/brokerage/time"
                assert pool.request("GET", url, headers={"Connection": "close"}).status == 200
