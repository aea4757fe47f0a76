"""Start a program as another user: a small process of its own, because PostgreSQL refuses to run as root.

Run by path (``python -I -S launch.py UID GID CAPABILITY PROGRAM ARGS...``), before any thread exists.
CAPABILITY is the number of one Linux capability to keep, or ``-1``. The data directory and the wheel may
lie below directories that only root can enter (``/root``, a mode 0700 temporary directory); keeping one
capability lets the server reach them, where the alternative would be to open those directories to everyone.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_V3 = 0x20080522


def main(arguments: list[str]) -> None:
    """Drop to the user and become the program. Returns only by raising OSError."""
    uid, gid, capability = (int(word) for word in arguments[:3])
    command = arguments[3:]
    if capability >= 0:
        _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if capability >= 0:
        _keep(capability)
    os.execv(command[0], command)


def _keep(capability: int) -> None:
    bit = 1 << capability
    header = struct.pack("=Ii", _CAPABILITY_V3, 0)
    sets = struct.pack("=6I", bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable
    _call("capset", header, sets)
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _call(name: str, *arguments: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    if getattr(libc, name)(*words) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
