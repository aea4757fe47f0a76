"""Who runs the embedded server: ourselves, or, for root, a user without rights."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from quietmaker.errors import LedgerError

_LAUNCHER = Path(__file__).with_name("launch.py")
_NO_CAPABILITY = -1
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUser:
    """The user that the server's files belong to and its processes run as.

    Attributes:
        capability: the one Linux capability its processes keep, or -1.
        other: whether it is someone else than ourselves, so that a launcher is needed.
    """

    uid: int
    gid: int
    capability: int
    other: bool

    def command(self, program: Path, *arguments: str) -> list[str]:
        """Return the command line that runs a program as this user."""
        plain = [str(program), *arguments]
        if not self.other:
            return plain
        who = [str(self.uid), str(self.gid), str(self.capability)]
        return [sys.executable, "-I", "-S", str(_LAUNCHER), *who, *plain]

    def own(self, path: Path) -> None:
        """Give a file or directory to this user."""
        if self.other:
            os.chown(path, self.uid, self.gid)


def service_user(data: Path, program: Path) -> ServiceUser:
    """Choose the user for a data directory: its owner if root asks and it exists, else ``nobody``.

    Raises:
        LedgerError: if the data directory belongs to someone else, or there is no user to drop to.
    """
    owner = data.stat().st_uid if data.exists() else None
    me = os.geteuid()
    if me != 0:
        if owner not in {None, me}:
            raise LedgerError(
                f"{data} belongs to user {owner} and this process runs as {me}; run as that user, or give"
                f" this instance another QUIETMAKER_HOME"
            )
        return ServiceUser(uid=me, gid=os.getegid(), capability=_NO_CAPABILITY, other=False)
    try:
        entry = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    except KeyError:
        raise LedgerError(
            f"PostgreSQL refuses to run as root and there is no user {owner or 'nobody'} to run it as;"
            f" run as another user, or set a database URL"
        ) from None
    capability = _needed_capability(entry.pw_uid, data, program)
    return ServiceUser(uid=entry.pw_uid, gid=entry.pw_gid, capability=capability, other=True)


def _needed_capability(uid: int, data: Path, program: Path) -> int:
    reachable = all(_may_enter(p, uid) for path in (data, program) for p in path.parents)
    runnable = bool(program.stat().st_mode & stat.S_IXOTH)
    if reachable and runnable:
        return _NO_CAPABILITY
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        enough = runnable or capability == _CAP_DAC_OVERRIDE
        if enough and _permitted() >> capability & 1:
            return capability
    raise LedgerError(
        f"user {uid}, which the embedded PostgreSQL runs as, cannot reach {data} or {program};"
        f" make their parent directories searchable (chmod o+x), or run as another user than root"
    )


def _may_enter(directory: Path, uid: int) -> bool:
    status = directory.stat()
    return bool(status.st_mode & (stat.S_IXUSR if status.st_uid == uid else stat.S_IXOTH))


def _permitted() -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return 0  # not Linux: there are no capabilities to keep
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:"))
