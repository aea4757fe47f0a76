"""Where the exchange is, and how a connection to it is made: verified, in time, or not at all."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import ConfigError

PREFIX: Final = "/api/v3/brokerage"
_PORTS: Final[Mapping[str, int]] = {"https": 443, "http": 80}


class NotSentError(Exception):
    """The request did not leave: it was not executed. `code` is a fixed word for counters."""

    def __init__(self, code: str, detail: str) -> None:
        """Say why."""
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long is waited: for a connection with its TLS, and for a whole answer to a request."""

    connect: Nanos
    read: Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the exchange's REST interface is."""

    scheme: str
    host: str
    port: int
    prefix: str

    @staticmethod
    def parse(url: str) -> Origin:
        """Read a base URL; without a path it gets Coinbase's.

        Raises:
            ConfigError: if it is none, or if it would send tokens in the clear to another machine.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"{url!r} is no address: {error}; use https://host[:port]") from None
        if parts.scheme not in _PORTS or not host or parts.query or parts.username is not None:
            raise ConfigError(f"{url!r} is no address of an exchange; use https://host[:port]")
        if parts.scheme == "http" and not _is_here(host):
            raise ConfigError(f"{url!r} would send tokens in the clear; use https://")
        prefix = parts.path.rstrip("/") or PREFIX
        return Origin(
            scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], prefix=prefix
        )

    @property
    def authority(self) -> str:
        """Return the host as the header ``Host`` and tokens have it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def tls_context(origin: Origin, ca_file: Path | None) -> ssl.SSLContext | None:
    """Return how servers are verified, or None where there is no TLS.

    Raises:
        ConfigError: if the file holds no certificates.
    """
    if origin.scheme == "http":
        return None
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca_file}: no certificates to trust can be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect(origin: Origin, context: ssl.SSLContext | None, timeouts: Timeouts) -> socket.socket:
    try:
        sock = socket.create_connection((origin.host, origin.port), timeouts.connect / SECOND)
    except OSError as error:
        raise _unreachable(origin, error) from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return sock if context is None else context.wrap_socket(sock, server_hostname=origin.host)
    except (OSError, ValueError) as error:
        sock.close()
        raise _unreachable(origin, error) from error


def _unreachable(origin: Origin, error: Exception) -> NotSentError:
    code = "timeout" if isinstance(error, TimeoutError) else "unreachable"
    if isinstance(error, ssl.SSLError) and not isinstance(error, TimeoutError):
        code = "tls"
    return NotSentError(code, f"{origin.authority} cannot be reached: {words(error)}")


def words(error: Exception) -> str:
    """Return what went wrong in a few words; an answer's own bytes are not to be trusted in logs."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).encode("ascii", "replace").decode()[:120] or type(error).__name__


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
