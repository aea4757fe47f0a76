"""`quietmaker exchange` as an operator starts it: a process of its own, on ports of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import urllib3

ROOT = Path(__file__).parents[2]
TIMEOUT = 20.0


class ExchangeProcess:
    """A running exchange.

    Attributes:
        home: its QUIETMAKER_HOME.
        instance: how it describes itself.
    """

    def __init__(self, home: Path, *args: str) -> None:
        """Start it and wait until it listens.

        Raises:
            AssertionError: if it ended instead.
        """
        self.home = home
        self._env = {**os.environ, "QUIETMAKER_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self._http = urllib3.PoolManager(retries=False, timeout=TIMEOUT)
        self._errors = (home / "stderr.txt").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            self._command("--port", "0", "--tls-port", "0", "--watch-stdin", *args),
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            self.instance: dict[str, Any] = self._listening()
        except AssertionError:
            self.close()
            raise

    def new_key(self, *options: str) -> Path:
        """Make a key that the running exchange accepts and return its file."""
        made = subprocess.run(
            self._command("keys", "new", *options),
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        return Path(made.stdout.strip())

    @property
    def key(self) -> Path:
        """Return the file of the key that every exchange has."""
        return Path(self.instance["keys"]) / "run.json"

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the admin endpoint."""
        answer = self._http.request(
            method,
            f"{self.instance['http_url']}/admin{path}",
            body=None if body is None else json.dumps(body),
        )
        assert answer.status == 200, answer.data
        return answer.json()

    def market(self, *events: dict[str, Any]) -> None:
        """Let something happen in the market."""
        self.admin("POST", "/market", list(events))

    def trade(self, product: str, price: str, size: str, aggressor: str) -> None:
        """Let a trade happen."""
        said = {"price": price, "size": size, "aggressor": aggressor}
        self.market({"product": product, "trade": said})

    def fault(self, point: str, **rule: Any) -> None:
        """Let something go wrong from now on."""
        self.admin("POST", "/faults", {"point": point, **rule})

    def clear(self) -> None:
        """Remove the faults and close the sockets."""
        self.admin("DELETE", "/faults")
        self.admin("POST", "/close", {})

    def close(self) -> int:
        """End it as its parent's death would, and return its status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._http.clear()
        self._process.stdin.close()
        status = self._process.wait(TIMEOUT)
        self._process.stdout.close()
        self._errors.close()
        return status

    def _listening(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if '"exchange_listening"' in line:
                text = (self.home / "exchange/instance.json").read_text(encoding="utf-8")
                instance: dict[str, Any] = json.loads(text)
                return instance
        self._errors.seek(0)
        raise AssertionError(f"the exchange ended: {self._errors.read()}")

    @staticmethod
    def _command(*args: str) -> list[str]:
        return [sys.executable, "-m", "supervisors.cli", "exchange", *args]
