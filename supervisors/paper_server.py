"""The paper exchange of a run: a process of its own, reached like any other exchange.

It lives as long as the run that started it: it reads its standard input, which is a pipe of ours, and
ends when the pipe does, however we end. So nobody is left behind, not even after kill -9.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Final

from quietmaker.coinbase.auth import ApiKey
from quietmaker.errors import NotRunning, QuietmakerError
from supervisors.exchange_instance import FILE, ExchangeInstance
from supervisors.home import Home

UP_WITHIN: Final = 40.0
"""Seconds for its start: a recording of a day may have to be looked through."""
POLL: Final = 0.05
LOG: Final = "exchange.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where an exchange answers.

    Attributes:
        ca_file: whom its TLS is to be trusted by; None for the system's own.
    """

    rest: str
    market: str
    user: str
    ca_file: Path | None


class PaperServer:
    """A paper exchange that we started."""

    def __init__(self, process: subprocess.Popen[bytes], home: Home, log: IO[bytes]) -> None:
        """Wrap a started process."""
        self._process = process
        self._home = home
        self._log = log

    @classmethod
    def start(
        cls,
        home: Home,
        *,
        config_file: Path,
        overrides: Sequence[str],
        balances: Mapping[str, Decimal],
        session: str,
        env: Mapping[str, str],
    ) -> PaperServer:
        """Start it on free ports; `await_up` waits for it.

        Args:
            home: its state lies in the folder ``exchange`` of this home.
            config_file: whose section ``paper`` it plays.
            overrides: as for the run.
            balances: what its account begins with, by currency.
            session: prefix of its order and trade ids.
            env: its environment.
        """
        home.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home.exchange / FILE).unlink(missing_ok=True)
        log = (home.logs / LOG).open("ab")
        command = [sys.executable, "-m", "supervisors.cli", "exchange"]
        command += ["--config", str(config_file), "--watch-stdin", "--session", session]
        command += ["--port", "0", "--tls-port", "0"]
        for override in overrides:
            command += ["--set", override]
        for currency, amount in balances.items():
            command += ["--balance", f"{currency}={amount:f}"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**env, "QUIETMAKER_HOME": str(home.root)},
            start_new_session=True,  # Ctrl-C is for us: it must answer while we cancel
        )
        return cls(process, home, log)

    def await_up(self, unwanted: Callable[[], bool]) -> tuple[Endpoints, ApiKey] | None:
        """Return where it answers, and a key of its account, once it does; None if nobody waits any more.

        Args:
            unwanted: whether the wait can end.

        Raises:
            QuietmakerError: if it ends, or takes too long; names its log.
        """
        deadline = time.monotonic() + UP_WITHIN
        where = f"its log is {self._home.logs / LOG}"
        while time.monotonic() < deadline:
            if unwanted():
                return None
            if (code := self._process.poll()) is not None:
                raise QuietmakerError(
                    f"the paper exchange ended with {code}: {self._last_words()}; {where}"
                )
            try:
                instance = ExchangeInstance.read(self._home.exchange / FILE)
            except NotRunning:
                time.sleep(POLL)
                continue
            return endpoints(instance), ApiKey.load(instance.first_key)
        raise QuietmakerError(f"the paper exchange did not come up in {UP_WITHIN:g} s; {where}")

    @property
    def alive(self) -> bool:
        """Return whether the process runs."""
        return self._process.poll() is None

    def stop(self, timeout: float) -> None:
        """Let it end. Idempotent."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _last_words(self) -> str:
        lines = (self._home.logs / LOG).read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"


def endpoints(instance: ExchangeInstance) -> Endpoints:
    """Return where a paper exchange answers over TLS, by its own description."""
    return Endpoints(
        rest=instance.rest_url,
        market=instance.market_ws_url,
        user=instance.user_ws_url,
        ca_file=Path(instance.ca),
    )
