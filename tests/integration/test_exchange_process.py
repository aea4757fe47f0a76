"""The paper exchange as an operator starts it: `quietmaker exchange` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3
import websocket

from quietmaker.coinbase.auth import ApiKey, Signer
from supervisors.clock import SystemClock

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared/market-data/coinbase-advanced-2026-08-09"
PATIENCE = 45.0
BASE = "/api/v3/brokerage"
COMMAND = (sys.executable, "-m", "supervisors.cli", "exchange")
ANY_PORT = ("--port", "0", "--tls-port", "0")


class Running:
    """A running exchange, and a client of it over TLS."""

    def __init__(self, home: Path, *args: str) -> None:
        """Start it."""
        self.home = home
        self.env = {**os.environ, "QUIETMAKER_HOME": str(home)}
        self.process = subprocess.Popen(
            [*COMMAND, *ANY_PORT, *args],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.banner = self._banner()
        self.instance: dict[str, Any] = json.loads(
            (home / "exchange/instance.json").read_text(encoding="utf-8")
        )
        self.http = urllib3.PoolManager(ca_certs=self.instance["ca"], retries=False, timeout=10.0)
        self.key("run")

    def _banner(self) -> list[str]:
        """Return what it prints to people; it is published by then."""
        assert self.process.stderr is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("keys"):
            line = self.process.stderr.readline()
            assert line, f"it ended: {lines}"
            lines.append(line)
        return lines

    def key(self, name: str) -> None:
        """Use this key from now on."""
        path = Path(self.instance["keys"]) / f"{name}.json"
        self.signer = Signer(ApiKey.load(path), SystemClock())

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask over TLS."""
        url = self.instance["rest_url"] + BASE + path
        host = url.removeprefix("https://").partition("/")[0]
        token = self.signer.rest(method, host, (BASE + path).partition("?")[0])
        data = None if body is None else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {token}"}
        answer = self.http.request(method, url, body=data, headers=headers)
        return answer.status, orjson.loads(answer.data)

    def end(self) -> int:
        """Wait for its end and return its code."""
        return self.process.wait(PATIENCE)


@contextmanager
def running(home: Path, *args: str) -> Iterator[Running]:
    """Start an exchange, and end it whatever happens."""
    exchange = Running(home, *args)
    try:
        yield exchange
    finally:
        exchange.http.clear()
        if exchange.process.poll() is None:
            exchange.process.kill()
        exchange.process.communicate()


def command(home: Path, *args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *args],
        cwd=ROOT,
        env={**os.environ, "QUIETMAKER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **more,
    )


def until(check: Callable[[], bool]) -> None:
    """Ask again and again until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < deadline


def test_an_operator_trades_over_tls_and_ends_it_with_a_signal(tmp_path: Path) -> None:
    with running(tmp_path, "--balance", "USD=500", "--balance", "TNSR=100") as exchange:
        assert any(exchange.instance["ca"] in line for line in exchange.banner)
        status, accounts = exchange.ask("GET", "/accounts")
        assert status == 200
        assert {row["currency"] for row in accounts["accounts"]} == {"USD", "TNSR"}
        _, book = exchange.ask("GET", "/product_book?product_id=TNSR-USD&limit=1")
        order = {
            "client_order_id": "one",
            "product_id": "TNSR-USD",
            "side": "BUY",
            "order_configuration": {
                "limit_limit_gtc": {"base_size": "20", "limit_price": "0.05", "post_only": True}
            },
        }
        assert book["pricebook"]["bids"]
        _, placed = exchange.ask("POST", "/orders", order)
        assert placed["success"], placed
        order_id = placed["success_response"]["order_id"]
        stream = websocket.create_connection(
            exchange.instance["user_ws_url"],
            sslopt={"ca_certs": exchange.instance["ca"]},
            timeout=10,
        )
        message = {"type": "subscribe", "channel": "user", "jwt": exchange.signer.socket()}
        stream.send(orjson.dumps(message))
        snapshot = orjson.loads(stream.recv())
        assert snapshot["events"][0]["orders"][0]["order_id"] == order_id
        exchange.process.send_signal(signal.SIGTERM)
        assert exchange.end() == 0
        stream.close()
    assert not (tmp_path / "exchange/instance.json").exists()


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    with running(tmp_path, "--watch-stdin") as exchange:
        assert exchange.process.stdin is not None
        exchange.process.stdin.close()
        exchange.process.stdin = None
        assert exchange.end() == 0


def test_a_new_key_is_accepted_at_once_and_does_what_it_may(tmp_path: Path) -> None:
    with running(tmp_path) as exchange:
        made = command(tmp_path, "keys", "new", "--ed25519", "--view-only", "--name", "viewer")
        path = Path(made.stdout.strip())
        assert (path.name, stat.S_IMODE(path.stat().st_mode)) == ("viewer.json", 0o600)
        exchange.key("viewer")
        status, may = exchange.ask("GET", "/key_permissions")
        assert (status, may["can_view"], may["can_trade"]) == (200, True, False)
        status, refused = exchange.ask("POST", "/orders", {"client_order_id": "x"})
        assert (status, refused["error_details"]) == (403, "Missing required scopes")
        command(tmp_path, "keys", "new", "--can-transfer", "--name", "rich")
        exchange.key("rich")
        assert exchange.ask("GET", "/key_permissions")[1]["can_transfer"] is True
        path.unlink()
        exchange.key("rich")
        assert exchange.ask("GET", "/accounts")[0] == 200


def test_the_recorded_catalogue_and_market_are_served_together(tmp_path: Path) -> None:
    catalogue, recording = DATA / "market_products_920.json.gz", DATA / "COINBASE.jsonl.zst"
    if not recording.exists():
        pytest.skip(f"no {DATA}")
    args = ("--catalogue", str(catalogue), "--set", f"paper.market={recording}", "--loop")
    with running(tmp_path, *args, "--private-rate", "0") as exchange:  # it is asked without a pause
        _, listed = exchange.ask("GET", "/products")
        assert listed["num_products"] == 920

        def has_book() -> bool:
            _, book = exchange.ask("GET", "/product_book?product_id=BTC-USDC&limit=1")
            return bool(book["pricebook"]["bids"])

        until(has_book)
        variant = {"base_size": "100", "limit_price": "0.03", "post_only": True}
        order = {
            "client_order_id": "one",
            "product_id": "TNSR-USD",
            "side": "BUY",
            "order_configuration": {"limit_limit_gtc": variant},
        }
        _, refused = exchange.ask("POST", "/orders", order)
        reason = refused["error_response"]["preview_failure_reason"]
        assert reason == "PREVIEW_MISSING_PRODUCT_PRICE_BOOK"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--catalogue", "/nowhere"), ("/nowhere", "--catalogue")),
        (("--set", "paper.market=/nowhere"), ("/nowhere",)),
        (("--balance", "USD"), ("--balance",)),
        (("--balance", "USD=-1"), ("--balance",)),
    ],
)
def test_what_cannot_work_is_named(
    tmp_path: Path, args: tuple[str, ...], words: tuple[str, ...]
) -> None:
    ended = command(tmp_path, *ANY_PORT, *args)
    assert ended.returncode in {1, 2}
    assert all(word in ended.stderr for word in words)
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_taken_is_named_with_the_option(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = command(tmp_path, "--port", "0", "--tls-port", port)
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "--tls-port" in ended.stderr


def test_two_exchanges_do_not_share_a_home(tmp_path: Path) -> None:
    with running(tmp_path):
        second = command(tmp_path, *ANY_PORT)
        assert second.returncode == 6
        assert "QUIETMAKER_HOME" in second.stderr


def test_what_is_wrong_with_the_recording_that_plays_is_logged_with_its_place(
    tmp_path: Path,
) -> None:
    recording = tmp_path / "torn.jsonl"
    at = "2026-08-09T21:00:00Z"
    rows = [
        {"side": side, "event_time": at, "price_level": price, "new_quantity": "1"}
        for side, price in (("bid", "100"), ("offer", "101"))
    ]
    events = [{"type": "snapshot", "product_id": "1INCH-USD", "updates": rows}]
    frame = {"channel": "l2_data", "timestamp": at, "sequence_num": 0, "events": events}
    gap = {**frame, "timestamp": "2026-08-09T21:00:01Z", "sequence_num": 7}
    recording.write_text(f"{json.dumps(frame)}\n{json.dumps(gap)}\n", encoding="utf-8")
    with running(tmp_path / "home", "--set", f"paper.market={recording}") as exchange:
        assert exchange.process.stdout is not None
        said = [json.loads(exchange.process.stdout.readline()) for _ in range(2)]
    assert any(
        each.get("what") == "recording_fault"
        and f"sequence_gap, first at {recording}:2" in each["message"]
        for each in said
    ), said
