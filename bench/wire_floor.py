"""The floor of `bench.wire`, in a process of its own: websocket-client and orjson, and nothing besides.

`frames URL COUNT`: receives so many frames, decodes each, and says when it was done and what it took.
`orders URL HOST PORT`: sends a prebuilt request, which comes over standard input, at once whenever the first
level of a change is removed; it never ends by itself.

websocket-client is used as bare as it gets: no lock, no validation of UTF-8, which orjson does anyway, and
messages as bytes. orjson, because we decode with it too.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any

import orjson
import websocket


def main() -> None:
    """Do what the command line says."""
    mode, url, *rest = sys.argv[1:]
    line = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
    connect: Any = line.connect
    connect(url, sockopt=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),))
    if mode == "frames":
        _frames(line, int(rest[0]))
    else:
        _orders(line, rest[0], int(rest[1]))


def _frames(line: websocket.WebSocket, snapshots: int) -> None:
    receive, loads = line.recv_data, orjson.loads
    for _ in range(snapshots):
        receive()
    print("ready", flush=True)
    for asked in sys.stdin:
        count = int(asked)
        cpu = time.process_time()
        for _ in range(count):
            loads(receive()[1])
        print(json.dumps({"at": time.monotonic_ns(), "cpu": time.process_time() - cpu}), flush=True)


def _orders(line: websocket.WebSocket, host: str, port: int) -> None:
    request = bytes.fromhex(sys.stdin.readline())
    rest = socket.create_connection((host, port))
    rest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    receive, loads, send = line.recv_data, orjson.loads, rest.sendall
    print("ready", flush=True)
    while True:
        code, data = receive()
        if code != websocket.ABNF.OPCODE_TEXT:
            return
        body = loads(data)
        event = body["events"][0]
        if event.get("type") == "update" and event["updates"][0]["new_quantity"] == "0":
            send(request)
            rest.recv(65_536)


if __name__ == "__main__":
    main()
