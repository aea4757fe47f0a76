"""How a running paper exchange describes itself to who wants to reach it: one file under its home."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from quietmaker.exchange.server.app import MARKET_PATHS, USER_PATH
from quietmaker.exchange.server.listeners import Addresses

FOLDER: Final = "exchange"
FILE: Final = "instance.json"
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeInstance:
    """A running paper exchange.

    Attributes:
        rest_url: REST over TLS, without the API's path.
        http_url: REST over plain HTTP.
        market_ws_url: market channels over TLS.
        user_ws_url: channels of the account over TLS.
        market_ws_plain_url: market channels without TLS.
        user_ws_plain_url: channels of the account without TLS.
        ca: the authority that its certificate is to be trusted by.
        keys: the folder of its keys.
        started_at: UTC, ISO 8601.
    """

    pid: int
    rest_url: str
    http_url: str
    market_ws_url: str
    user_ws_url: str
    market_ws_plain_url: str
    user_ws_plain_url: str
    ca: str
    keys: str
    started_at: str

    @classmethod
    def at(cls, addresses: Addresses, *, ca: Path, keys: Path, started_at: str) -> ExchangeInstance:
        """Describe this process."""
        market = MARKET_PATHS[-1]
        return cls(
            pid=os.getpid(),
            rest_url=addresses.rest_url,
            http_url=addresses.http_url,
            market_ws_url=addresses.socket_url(market, tls=True),
            user_ws_url=addresses.socket_url(USER_PATH, tls=True),
            market_ws_plain_url=addresses.socket_url(market, tls=False),
            user_ws_plain_url=addresses.socket_url(USER_PATH, tls=False),
            ca=str(ca),
            keys=str(keys),
            started_at=started_at,
        )

    def publish(self, path: Path) -> None:
        """Write the description; readers see all of it or none."""
        waiting = path.with_suffix(".new")
        handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
        waiting.replace(path)
