"""Keeps a Python process on this machine: a connection to any other address fails, as without a network.

Tests put this folder first on `PYTHONPATH`, so that every process they start loads it, ours and others';
`tests/conftest.py` installs it in the test process itself.
"""

from __future__ import annotations

import errno
import ipaddress
import sys
from typing import Any

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


def is_local(host: object) -> bool:
    """Return whether a host, as given to a socket, is this machine."""
    if host is None or host in {"", b"", "localhost", b"localhost"}:
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def guard(event: str, args: tuple[Any, ...]) -> None:
    """Refuse to look up or reach another machine.

    Raises:
        OSError: the same that a machine without a network gives.
    """
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in _CONNECTING and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if not is_local(host):
        raise OSError(errno.ENETUNREACH, f"tests reach no other machine than this: {host}")


sys.addaudithook(guard)
