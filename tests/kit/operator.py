"""What the operator of a running paper exchange can do: keys, and everything under ``/admin``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import urllib3

from quietmaker.exchange.server.keys import Permissions, new_key
from supervisors.exchange_instance import ExchangeInstance

TIMEOUT = 20.0


class Operator:
    """Operates an exchange.

    Attributes:
        instance: how it describes itself.
    """

    def __init__(self, instance: ExchangeInstance) -> None:
        """Operate this one."""
        self.instance = instance
        self._http = urllib3.PoolManager(retries=False, timeout=TIMEOUT)

    def new_key(self, *, ed25519_key: bool = False, can_trade: bool = True) -> Path:
        """Make a key that the running exchange accepts and return its file."""
        permissions = Permissions(can_trade=can_trade)
        folder = Path(self.instance.keys)
        return new_key(folder, name=None, ed25519_key=ed25519_key, permissions=permissions)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the admin endpoint."""
        answer = self._http.request(
            method,
            f"{self.instance.http_url}/admin{path}",
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

    def leave(self) -> None:
        """Let go of the connections to it."""
        self._http.clear()
