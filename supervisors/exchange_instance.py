"""How a running paper exchange describes itself to who wants to reach it: one file under its home."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from quietmaker.errors import NotRunning

FILE: Final = "instance.json"
FIRST_KEY: Final = "run"
"""The key that every exchange has: `quietmaker run` and a newcomer trade with it."""
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
    def read(cls, path: Path) -> ExchangeInstance:
        """Return the description that a running exchange published.

        Raises:
            NotRunning: if there is none yet, or it is another version's.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise NotRunning(f"{path} describes no running paper exchange") from error

    @property
    def first_key(self) -> Path:
        """Return the file of the key that every exchange has."""
        return Path(self.keys) / f"{FIRST_KEY}.json"

    def publish(self, path: Path) -> None:
        """Write the description; readers see all of it or none."""
        waiting = path.with_suffix(".new")
        handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
        waiting.replace(path)
