"""Where an instance keeps its state: one folder, `QUIETMAKER_HOME`, ``./var`` when unset.

Two instances with different homes and ports never meet. Commands find the running instance through its
home. A lock on a file says whether one runs: the operating system frees it however the process ends. The
file tells what its holder does: a command that starts the stopped instance's database for a moment holds
the lock as well, so that nobody starts a second server on the same data, and yet is no instance.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from quietmaker.errors import NotRunning, QuietmakerError, SafetyRefusal

VARIABLE: Final = "QUIETMAKER_HOME"
PATIENCE: Final = 30.0
"""Seconds to wait for a command that holds the home for a moment."""
_POLL_SECONDS: Final = 0.05
_PRIVATE_FOLDER: Final = 0o700
_PRIVATE_FILE: Final = 0o600


class Tenant(Enum):
    """Who holds a home: an instance, or a command that needs its database for a moment."""

    INSTANCE = "instance"
    COMMAND = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A running instance, as it says of itself.

    Attributes:
        started_at: UTC, ISO 8601.
        management_url: where its management port answers.
    """

    pid: int
    mode: str
    version: str
    revision: str
    config_sha: str
    started_at: str
    management_url: str


@dataclass(frozen=True, slots=True)
class Home:
    """The folder, and the paths of everything in it."""

    root: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Home:
        """Return the home that the environment names."""
        return cls(Path(env.get(VARIABLE) or "var").absolute())

    @property
    def database(self) -> Path:
        """Return the folder of the embedded database."""
        return self.root / "database"

    @property
    def journal(self) -> Path:
        """Return the folder of the journal, which the database is fed from."""
        return self.root / "journal"

    @property
    def logs(self) -> Path:
        """Return the folder of the logs of a detached run."""
        return self.root / "logs"

    @property
    def exchange(self) -> Path:
        """Return the folder of the paper exchange: its keys, certificates and description."""
        return self.root / "exchange"

    @property
    def lock(self) -> Path:
        """Return the file whose lock says that an instance runs."""
        return self.root / "lock"

    @property
    def control_token(self) -> Path:
        """Return the file of the token that commands bring to the running instance."""
        return self.root / "control.token"

    @property
    def instance_file(self) -> Path:
        """Return the file in which the running instance describes itself."""
        return self.root / "instance.json"

    def create(self) -> None:
        """Create the folder, for the owner alone.

        Raises:
            QuietmakerError: if it cannot be created; names the variable.
        """
        try:
            self.root.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
            self.root.chmod(_PRIVATE_FOLDER)
        except OSError as error:
            reason = error.strerror or str(error)
            raise QuietmakerError(
                f"{self.root} cannot be used ({reason}); set {VARIABLE}"
            ) from error

    @contextmanager
    def claim(
        self, tenant: Tenant = Tenant.INSTANCE, *, patience: float = PATIENCE
    ) -> Iterator[None]:
        """Be the only one under this home while the block runs.

        Args:
            tenant: who claims it.
            patience: seconds to wait while a command holds it.

        Raises:
            SafetyRefusal: if an instance runs.
            TimeoutError: if a command holds it for longer.
        """
        self.create()
        handle = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            self._await(handle, patience)
            os.pwrite(handle, f"{tenant.value:<16}\n".encode(), 0)
            self.instance_file.unlink(missing_ok=True)
            yield
            self.instance_file.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def _await(self, handle: int, patience: float) -> None:
        deadline = time.monotonic() + patience
        instance_seen = False
        while not _locked(handle):
            if _told(handle) is Tenant.INSTANCE:
                # A holder of this very moment has not written yet what it is: look twice.
                if instance_seen:
                    raise SafetyRefusal(
                        f"an instance already runs under {self.root}; stop it, or set {VARIABLE}"
                    )
                instance_seen = True
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"a command has used the database of {self.root} for {patience:g} s; let it end,"
                    f" and try again"
                )
            time.sleep(_POLL_SECONDS)

    def new_token(self) -> str:
        """Make the token that commands bring to this run, readable by the owner alone; return it."""
        token = secrets.token_urlsafe(32)
        waiting = self.control_token.with_suffix(".new")
        waiting.unlink(missing_ok=True)
        handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
        waiting.replace(self.control_token)
        return token

    def publish(self, instance: Instance) -> None:
        """Describe the running instance; readers see the old or the new description, never half of one."""
        waiting = self.instance_file.with_suffix(".new")
        handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(instance), file, indent=2)
            file.write("\n")
        waiting.replace(self.instance_file)

    def instance(self) -> Instance:
        """Return the running instance.

        Raises:
            NotRunning: if none runs, or it has not described itself yet.
        """
        if self.tenant() is not Tenant.INSTANCE:
            raise NotRunning(f"no instance runs under {self.root}; start one, or set {VARIABLE}")
        try:
            found = json.loads(self.instance_file.read_text(encoding="utf-8"))
            return Instance(**found)
        except (OSError, ValueError, TypeError) as error:
            raise NotRunning(f"the instance under {self.root} has not come up yet") from error

    def tenant(self) -> Tenant | None:
        """Return who holds the home now, None if nobody does."""
        try:
            handle = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return None if _locked(handle) else _told(handle)
        finally:
            os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _told(handle: int) -> Tenant:
    """Return who holds the lock, as the holder wrote it; an instance unless it is surely something else."""
    told = os.pread(handle, 32, 0).decode(errors="replace").strip()
    return Tenant.COMMAND if told == Tenant.COMMAND.value else Tenant.INSTANCE
