"""From `halt` to the last cancel request: `python -m bench.control` prints one JSON line per distance.

Two hundred symbols have a quote each at an exchange in this process (`bench.wire_exchange`), with a change of
some book every other millisecond. At a moment of chance `halt` is posted to our management port, from just
before the first byte of the POST until the request that cancels the last of the quotes can be read here.
Then `resume`, and as soon as everything is quoted again the next round. Ours is a process of its own,
composed as a run is, its books durable.

Once with an exchange that answers at once, once with one that answers cancellations after 50 ms: one request
cancels at most a hundred orders, so the last one waits for an answer.

Compiled, as in a wheel, is the core; the rest is interpreted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Final

SYMBOLS: Final = 200
ROUNDS: Final = 100
FAR: Final = 0.05
"""Seconds after which an exchange far away answers."""
PATIENCE: Final = 60.0
EVERY: Final = 0.002

os.environ.setdefault("QUIETMAKER_BENCH_SYMBOLS", str(SYMBOLS))

from bench import wire, wire_traffic  # noqa: E402 - they read how many symbols there are
from bench.native import ROOT, native  # noqa: E402
from bench.wire_exchange import Exchange  # noqa: E402


class Halting:
    """One exchange, and our side that is halted and resumed."""

    def __init__(self, bench: wire.Bench, port: int, token: str, seed: int) -> None:
        """Command this port."""
        self._bench = bench
        self.exchange: Exchange = bench.exchange
        self._port, self._token = port, token
        self._random = random.Random(seed)

    def quote(self) -> None:
        """Serve until every symbol is quoted."""
        deadline = time.monotonic() + PATIENCE
        while len(self.exchange.resting) < len(wire_traffic.SYMBOLS):
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(self.exchange.resting)} symbols are quoted")
            self._traffic(1)

    def round(self) -> tuple[float, float, int]:
        """Halt; return the milliseconds until the first and the last cancel request, and how many."""
        exchange = self.exchange
        self._traffic(self._random.randint(50, 150))
        exchange.cancel_at.clear()
        with closing(socket.create_connection(("127.0.0.1", self._port))) as door:
            request = self._request("halt")
            began = time.monotonic_ns()
            door.sendall(request)
            while exchange.resting:
                if time.monotonic_ns() - began > PATIENCE * 1e9:
                    raise RuntimeError(f"{len(exchange.resting)} orders are left")
                self._traffic(1)
            times = [(at - began) / 1e6 for at, _ in exchange.cancel_at]
            self._answer(door)
        return times[0], times[-1], len(times)

    def resume(self) -> None:
        """Let it quote again."""
        exchange = self.exchange
        # What was cancelled is told first: an answer may be under way still.
        exchange.serve(2 * FAR)
        with closing(socket.create_connection(("127.0.0.1", self._port))) as door:
            door.sendall(self._request("resume"))
            self._answer(door)

    def _request(self, word: str) -> bytes:
        body = b'{"reason": "bench", "by": "bench"}'
        head = (
            f"POST /-/control/{word} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _answer(self, door: socket.socket) -> None:
        """Read the answer; the exchange is served meanwhile."""
        door.setblocking(False)
        said = b""
        deadline = time.monotonic() + PATIENCE
        while b"\r\n\r\n" not in said:
            if time.monotonic() > deadline:
                raise RuntimeError("the management port did not answer")
            self._traffic(1)
            try:
                said += door.recv(1 << 16)
            except BlockingIOError:
                continue
        if b" 200 " not in said.partition(b"\r\n")[0]:
            raise RuntimeError(f"the management port refused: {said!r}")

    def _traffic(self, changes: int) -> None:
        peer = self._bench.peer("/")
        for _ in range(changes):
            symbol = self._random.choice(wire_traffic.SYMBOLS)
            peer.send(wire_traffic.behind(symbol, self._random))
            self.exchange.serve(EVERY)


def measure(rounds: int, late: float, *, interpreted: bool) -> dict[str, object]:
    """Return how long halts took."""
    library = ROOT if interpreted else native()
    first: list[float] = []
    last: list[float] = []
    requests: list[int] = []
    with ExitStack() as stack:
        bench = wire.Bench(library, stack, gap=True)
        bench.exchange.late = late
        child = bench.ours("durable")
        for symbol in wire_traffic.SYMBOLS:
            bench.peer("/").send(wire_traffic.opening(symbol, wide=True))
            bench.exchange.serve(EVERY)
        child.tell(json.dumps({"serve": True}))
        door = json.loads(child.line())
        halting = Halting(bench, door["port"], door["token"], seed=1)
        for _ in range(rounds):
            halting.quote()
            began, ended, count = halting.round()
            first.append(began)
            last.append(ended)
            requests.append(count)
            halting.resume()
    return {
        "bench": "control.halt",
        "symbols": len(wire_traffic.SYMBOLS),
        "rounds": rounds,
        "answers_after_ms": round(late * 1_000),
        "cancel_requests_p50": sorted(requests)[len(requests) // 2],
        "first_p50_ms": _quantile(first, 0.5),
        "first_p99_ms": _quantile(first, 0.99),
        "last_p50_ms": _quantile(last, 0.5),
        "last_p99_ms": _quantile(last, 0.99),
        "compiled_core": any(library.glob("quietmaker/core/trader*.so")),
    }


def _quantile(values: Sequence[float], share: float) -> float:
    return round(sorted(values)[int(share * (len(values) - 1))], 1)


def main() -> None:
    """Measure, and print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--interpreted", action="store_true", help="measure the working tree as it is"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    for late in (0.0, FAR):
        print(json.dumps(measure(chosen.rounds, late, interpreted=chosen.interpreted)), flush=True)


if __name__ == "__main__":
    main()
