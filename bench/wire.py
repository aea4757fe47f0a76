"""The wire against its floor: `python -m bench.wire` prints one JSON line per measurement.

This process is the exchange: it sends the frames, takes the orders, and keeps the time. The floor and we
run in processes of their own, in turn, on plain WebSocket and HTTP over loopback, with the same bytes.

`wire.frames`: 20 symbols' level2, as fast as it goes. Ours counts until the market of the last trader stands
at the last book: stream, sequence and heartbeat checks, decoder, books, slots, actors, core. A trader has
taken that touch, or it lies in the box within which it decides nothing. The floor receives and decodes the
same frames.

`wire.latency`: a change of a book opens the spread, and a trader decides an order. From just after the last
byte of the change was given to the socket until the first byte of the request can be read, some hundred
times a second with little other traffic, and idle in between. The floor decodes the change and sends at
once the bytes of one of our requests. The clock of a measurement stops when this process is woken, which
costs both sides the same. Once with the books in memory, once with the intent durable in the journal
before it is sent; `intent_*` is that part alone.

Compiled, as in a wheel, are the core with its book and the decoder of frames; socket, session, stream and
actors are interpreted. On a machine that others use too, `share_by_cpu` is the steadier figure: the floor
starves first.

floor: websocket-client as bare as it gets and orjson, which we decode with too (`bench.wire_floor`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.native import ROOT, environment, native
from bench.wire_exchange import Exchange, Peer
from bench.wire_traffic import (
    SYMBOLS,
    Walk,
    behind,
    message,
    numbered,
    opening,
    stream,
)

ROUNDS: Final = 5
FRAMES: Final = 20_000
BLOCK: Final = 250
REPETITIONS: Final = 2_000
WARM_UP: Final = 10
"""Changes at the beginning of a block that are not counted."""
PATIENCE: Final = 60.0


class Child:
    """A process that is measured."""

    def __init__(self, exchange: Exchange, library: Path, *arguments: str) -> None:
        """Start it."""
        self._exchange = exchange
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", *arguments],
            cwd=ROOT,
            env=environment(library),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._said = b""

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def line(self) -> str:
        """Serve it until it says a line; return that."""
        self._exchange.until(self._spoke, within=PATIENCE, what="an answer of a measured process")
        line, _, self._said = self._said.partition(b"\n")
        return line.decode()

    def _spoke(self) -> bool:
        assert self._process.stdout is not None
        self._said += self._process.stdout.read() or b""
        if self._process.poll() is not None:
            raise RuntimeError("a measured process ended; its last words are above")
        return b"\n" in self._said

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Bench:
    """One exchange and whoever is connected to it."""

    def __init__(self, library: Path, stack: ExitStack, *, gap: bool) -> None:
        """Start the exchange."""
        self.exchange = Exchange(gap=gap)
        stack.callback(self.exchange.close)
        self._library = library
        self._stack = stack

    def ours(self, books: str) -> Child:
        """Start our side, up to where it trades."""
        child = self._start("bench.wire_ours", self.exchange.url, books)
        child.line()
        return child

    def floor(self, mode: str, *arguments: str, request: bytes = b"") -> Child:
        """Start the floor, up to where it listens."""
        url = f"ws://127.0.0.1:{self.exchange.port}/floor"
        child = self._start("bench.wire_floor", mode, url, *arguments)
        if request:
            child.tell(request.hex())
        child.line()
        return child

    def _start(self, *arguments: str) -> Child:
        child = Child(self.exchange, self._library, *arguments)
        self._stack.callback(child.close)
        return child

    def peer(self, path: str) -> Peer:
        """Return the WebSocket of a path."""
        found = self.exchange.socket(path)
        assert found is not None, path
        return found


# --- frames a second ----------------------------------------------------------------------------


def measure_frames(library: Path, rounds: int) -> dict[str, object]:
    """Return how fast a full stream is taken, in turn with the floor."""
    source = random.Random(1)
    with ExitStack() as stack:
        bench = Bench(library, stack, gap=False)
        ours = bench.ours("memory")
        floor = bench.floor("frames", str(len(SYMBOLS)))
        walks = [Walk(symbol, source) for symbol in SYMBOLS]
        taken: dict[str, list[tuple[float, float]]] = {"floor": [], "ours": []}
        count = size = 0
        for _ in range(rounds):
            frames = list(stream(walks, FRAMES, source))
            count = len(frames)
            touches = {symbol: (w.bid, w.ask) for symbol, w in zip(SYMBOLS, walks, strict=True)}
            for name, child, path, question in (
                ("floor", floor, "/floor", str(count)),
                ("ours", ours, "/", json.dumps({"touches": touches})),
            ):
                bench.exchange.serve(0.1)
                peer = bench.peer(
                    path
                )  # from here on nobody else may send: the frames are numbered
                data = b"".join(
                    message(numbered(each, peer.number + place))
                    for place, each in enumerate(frames)
                )
                peer.number += count
                size = len(data)
                child.tell(question)
                began = time.monotonic_ns()
                peer.sock.sendall(data)
                answer = json.loads(child.line())
                taken[name].append(((answer["at"] - began) / 1e9, answer["cpu"]))
        speeds = {n: [count / wall for wall, _ in each] for n, each in taken.items()}
        by_cpu = {n: count * rounds / sum(cpu for _, cpu in each) for n, each in taken.items()}
        return {
            "bench": "wire.frames",
            "symbols": len(SYMBOLS),
            "frames": count * rounds,
            "bytes_per_frame": round(size / count),
            "floor_frames_per_s": round(_median(speeds["floor"])),
            "frames_per_s": round(_median(speeds["ours"])),
            "share_of_floor": round(_median(speeds["ours"]) / _median(speeds["floor"]), 3),
            "floor_frames_per_cpu_s": round(by_cpu["floor"]),
            "frames_per_cpu_s": round(by_cpu["ours"]),
            "share_by_cpu": round(by_cpu["ours"] / by_cpu["floor"], 3),
        }


# --- latency ------------------------------------------------------------------------------------


def measure_latency(library: Path, repetitions: int) -> list[dict[str, object]]:
    """Return how long an order takes, books in memory and durable, in turn with the floor."""
    taken: dict[str, list[int]] = {"floor": [], "memory": [], "durable": []}
    intents: dict[str, list[int]] = {}
    with ExitStack() as stack:
        sides: dict[str, tuple[Bench, Child, str]] = {}
        for books in ("memory", "durable"):
            bench = Bench(library, stack, gap=True)
            sides[books] = (bench, bench.ours(books), "/")
            _block(bench, "/", WARM_UP)
        bench = Bench(library, stack, gap=True)
        request = sides["memory"][0].exchange.order
        port = str(bench.exchange.port)
        floor = bench.floor("orders", "127.0.0.1", port, request=request)
        sides["floor"] = (bench, floor, "/floor")
        done = 0
        while done < repetitions:
            for name, (bench, _, path) in sides.items():
                for other, _, _ in sides.values():
                    other.exchange.serve(0.02)
                _quiet(bench, path)
                _block(bench, path, WARM_UP)
                taken[name] += _block(bench, path, min(BLOCK, repetitions - done))
            done += min(BLOCK, repetitions - done)
        for books in ("memory", "durable"):
            child = sides[books][1]
            child.tell(json.dumps({"report": True}))
            intents[books] = json.loads(child.line())["taken"]
    return [
        _latency(books, taken["floor"], taken[books], intents[books], len(request))
        for books in ("memory", "durable")
    ]


def _quiet(bench: Bench, path: str) -> None:
    """Let books that were silent be heard again."""
    source = random.Random(len(path))
    for symbol in SYMBOLS:
        bench.peer(path).send(behind(symbol, source))
    bench.exchange.serve(0.3)


def _block(bench: Bench, path: str, count: int) -> list[int]:
    """Return the latencies of so many orders, in nanoseconds."""
    exchange, peer, source = bench.exchange, bench.peer(path), random.Random(count)
    ours = path == "/"
    taken: list[int] = []
    for number in range(count):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        other = SYMBOLS[(number + 7) % len(SYMBOLS)]
        exchange.serve(0.002 + 0.002 * source.random())
        peer.send(behind(other, source))
        exchange.serve(0.001 + 0.002 * source.random())
        orders, cancels = exchange.orders, exchange.cancels
        peer.send(opening(symbol, wide=True))
        sent = time.monotonic_ns()
        exchange.until(lambda: exchange.orders > orders, within=5, what=f"an order in {symbol}")  # noqa: B023
        taken.append(exchange.order_at - sent)
        exchange.serve(0.002)
        peer.send(opening(symbol, wide=False))
        if ours:
            exchange.until(
                lambda: exchange.cancels > cancels,  # noqa: B023
                within=8,
                what=f"a cancellation in {symbol}",
            )
    exchange.serve(0.005)
    return taken


def _latency(
    books: str, floor: Sequence[int], ours: Sequence[int], intents: Sequence[int], size: int
) -> dict[str, object]:
    line: dict[str, Any] = {
        "bench": f"wire.latency.{books}",
        "orders": len(ours),
        "request_bytes": size,
    }
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        line[f"floor_{name}_us"] = _quantile(floor, share)
        line[f"{name}_us"] = _quantile(ours, share)
        line[f"{name}_ratio"] = round(line[f"{name}_us"] / line[f"floor_{name}_us"], 2)
        line[f"intent_{name}_us"] = _quantile(intents, share)
    return line


def _quantile(values: Sequence[int], share: float) -> float:
    return round(sorted(values)[int(share * (len(values) - 1))] / 1_000, 1)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    """Measure, and print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--interpreted", action="store_true", help="measure the working tree as it is"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--only", choices=("frames", "latency"))
    chosen = parser.parse_args()
    library = ROOT if chosen.interpreted else native()
    kind: Mapping[str, object] = {
        "json": "orjson",
        "compiled_core": any(library.glob("quietmaker/core/trader*.so")),
    }
    if chosen.only != "latency":
        print(json.dumps({**measure_frames(library, chosen.rounds), **kind}), flush=True)
    if chosen.only != "frames":
        for line in measure_latency(library, chosen.repetitions):
            print(json.dumps({**line, **kind}), flush=True)


if __name__ == "__main__":
    main()
