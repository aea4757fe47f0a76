"""The test's end of `agent`: the SDK's clients, as if they were here."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kit.operator import Operator

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-sdk/bin/python"
PATIENCE = 20.0


class SdkError(Exception):
    """What the SDK raised.

    Attributes:
        kind: the exception's name.
        status: of the answer that it was raised for.
        text: body of that answer.
    """

    def __init__(self, kind: str, message: str, status: int | None, text: str) -> None:
        """Take it as it came."""
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.status = status
        self.text = text


class Sdk:
    """A process that runs the SDK against an exchange."""

    def __init__(self, exchange: Operator) -> None:
        """Start it."""
        self._exchange = exchange
        self._process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).with_name("agent.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "REQUESTS_CA_BUNDLE": exchange.instance.ca},
            text=True,
        )

    def rest(self, key: Path | None = None, **options: Any) -> Client:
        """Return a `RESTClient`; it knows its host, never a scheme."""
        host = self._exchange.instance.rest_url.removeprefix("https://")
        return self._make("rest", key, {"base_url": host, "timeout": PATIENCE, **options})

    def market(self, key: Path | None = None, *, tls: bool = True, **options: Any) -> SocketClient:
        """Return a `WSClient`, not yet open."""
        instance = self._exchange.instance
        url = instance.market_ws_url if tls else instance.market_ws_plain_url
        return self._make("market", key, {"base_url": url, **options})

    def user(self, key: Path | None, *, tls: bool = True, **options: Any) -> SocketClient:
        """Return a `WSUserClient`, not yet open."""
        instance = self._exchange.instance
        url = instance.user_ws_url if tls else instance.user_ws_plain_url
        return self._make("user", key, {"base_url": url, **options})

    def ask(self, do: str, *arguments: Any) -> Any:
        """Let the agent do something and return what that returned.

        Raises:
            SdkError: if the SDK raised.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, "with": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the SDK's process ended; its traceback is on standard error"
        answer = json.loads(line)
        if "raised" in answer:
            raise SdkError(answer["raised"], answer["message"], answer["status"], answer["text"])
        return answer["returned"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _make(self, kind: str, key: Path | None, options: dict[str, Any]) -> SocketClient:
        if key is not None:
            options = {**options, "key_file": str(key)}
        return SocketClient(self, self.ask("make", kind, options))


class Client:
    """A client of the SDK: its methods are this object's methods, its answers dictionaries."""

    def __init__(self, sdk: Sdk, number: int) -> None:
        """Stand for a client of the agent."""
        self._sdk = sdk
        self._number = number

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Return the SDK's method of this name."""

        def call(*args: Any, **options: Any) -> Any:
            return self._sdk.ask("call", self._number, method, args, options)

        return call


class SocketClient(Client):
    """A client with a socket: what it is called back with can be read here."""

    def is_open(self) -> bool:
        """Return whether its connection is open."""
        return bool(self._sdk.ask("is_open", self._number))

    def ended(self) -> None:
        """Wait for the end of its connection.

        Raises:
            AssertionError: if it does not end.
        """
        assert self._sdk.ask("ended", self._number, PATIENCE), "the connection is still open"

    def hear(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """Return the next message.

        Raises:
            AssertionError: if there is none in time.
        """
        message: dict[str, Any] | None = self._sdk.ask("hear", self._number, timeout)
        assert message is not None, f"the SDK heard nothing within {timeout} s"
        return message

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Return the messages up to the first that is wanted, that one included."""
        deadline = time.monotonic() + PATIENCE
        messages = [self.hear()]
        while not wanted(messages[-1]):
            assert time.monotonic() < deadline, f"not among {messages[-3:]}"
            messages.append(self.hear())
        return messages

    def until_channel(self, channel: str) -> dict[str, Any]:
        """Return the next message of a channel."""
        return self.until(lambda message: message.get("channel") == channel)[-1]
