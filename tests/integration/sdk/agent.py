"""Uses Coinbase's SDK as it is told: a request per line of standard input, an answer per line of output.

It runs in the SDK's own virtual environment and calls nothing but the SDK's public methods; the test at
the other end is `remote`. What a call returns is answered as plain JSON, what it raises by name.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import sys
from multiprocessing import AuthenticationError
from typing import Any

import requests
from coinbase.rest import RESTClient
from coinbase.websocket import (
    WSClient,
    WSClientConnectionClosedException,
    WSClientException,
    WSUserClient,
)
from coinbase.websocket.types.websocket_response import WebsocketResponse

KINDS = {"rest": RESTClient, "market": WSClient, "user": WSUserClient}
RAISED = (
    requests.RequestException,
    WSClientException,
    WSClientConnectionClosedException,
    AuthenticationError,
    KeyError,
)


class Agent:
    """The clients that were asked for, and the frames that they heard."""

    def __init__(self) -> None:
        self._clients: list[Any] = []
        self._heard: dict[int, queue.SimpleQueue[str]] = {}

    def make(self, kind: str, options: dict[str, Any]) -> int:
        """Make a client and return its number."""
        number = len(self._clients)
        if kind != "rest":
            heard: queue.SimpleQueue[str] = queue.SimpleQueue()
            self._heard[number] = heard
            options = {
                **options,
                "on_message": heard.put,
                "on_open": lambda: heard.put('{"sdk": "on_open"}'),
                "on_close": lambda: heard.put('{"sdk": "on_close"}'),
            }
        self._clients.append(KINDS[kind](**options))
        return number

    def call(self, client: int, method: str, args: list[Any], options: dict[str, Any]) -> Any:
        """Call a method of a client and return what it returns, as a dictionary if it is an object."""
        found = getattr(self._clients[client], method)(*args, **options)
        return found.to_dict() if hasattr(found, "to_dict") else found

    def is_open(self, client: int) -> bool:
        """Return whether a client's socket is open."""
        socket = self._clients[client].websocket
        return socket is not None and bool(socket.open)

    def ended(self, client: int, timeout: float) -> bool:
        """Return whether the connection of a client ends within so many seconds."""
        made = self._clients[client]
        if made.websocket is None:
            return True
        closing = asyncio.run_coroutine_threadsafe(made.websocket.wait_closed(), made.loop)
        try:
            closing.result(timeout)
        except TimeoutError:
            return False
        return True

    def typed(self, message: dict[str, Any]) -> Any:
        """Return a message as the SDK's own types read it."""
        found = WebsocketResponse(message)
        return {"channel": found.channel, "sequence_num": found.sequence_num}

    def hear(self, client: int, timeout: float) -> Any:
        """Return the next message that a client was called back with, None after so many seconds."""
        try:
            return json.loads(self._heard[client].get(timeout=timeout))
        except queue.Empty:
            return None


def main() -> None:
    """Answer until standard input is closed."""
    logging.disable(logging.CRITICAL)
    agent = Agent()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"returned": getattr(agent, request["do"])(*request["with"])}
        except RAISED as error:
            response = getattr(error, "response", None)
            answer = {
                "raised": type(error).__name__,
                "message": str(error),
                "status": None if response is None else response.status_code,
                "text": "" if response is None else response.text,
            }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
