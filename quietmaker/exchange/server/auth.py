"""Tokens: whether a request comes from a key that the exchange issued, now, and for this request.

What is required is what Coinbase's documentation, its SDK and other clients agree on: a signature by
the key that ``kid`` and ``sub`` name, ``nbf <= now < exp``, and for REST the request itself in ``uri``
or ``uris``: method, host as the client addressed it, and path without query. A token for a socket
names no request. ``iss`` and ``aud`` differ between clients and are not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import jwt
from jwt.types import Options

from quietmaker.core.units import SECOND
from quietmaker.exchange.server.keys import Key, KeyRing
from quietmaker.ports import Clock

LEEWAY: Final = 5
"""Seconds that the clocks of both sides may differ."""
API_HOST: Final = "api.coinbase.com"
"""Accepted besides the host of the request, for clients whose signer knows no other."""
_OPTIONS: Final[Options] = {
    "require": ["sub", "nbf", "exp"],
    "verify_signature": True,
    "verify_exp": False,  # against the exchange's clock, below
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
_LONGEST: Final = 8192


class Denied(Exception):  # noqa: N818 - what was decided
    """The token is not good. The message is for the operator; clients are told nothing."""


class UnknownKey(Denied):
    """The exchange has no such key, as far as it knows now."""


class Authenticator:
    """Verifies tokens against the keys of a ring and the exchange's clock."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        """Accept the keys of this ring."""
        self._ring = ring
        self._clock = clock

    async def rest(self, token: str, *, method: str, host: str, path: str) -> Key:
        """Return the key that a request is signed with.

        Raises:
            Denied: if the token is not good for this request.
        """
        key, claims = await self._fresh(token)
        check_request(claims, method=method, hosts=(host, API_HOST), path=path)
        return key

    async def socket(self, token: str) -> Key:
        """Return the key that a subscription is signed with.

        Raises:
            Denied: if the token is not good.
        """
        key, _ = await self._fresh(token)
        return key

    def verify(self, token: str) -> tuple[Key, Mapping[str, Any]]:
        """Return the key and the claims of a token that is good now, by the keys known so far.

        Raises:
            UnknownKey: if it names a key that is not known.
            Denied: if it is not good.
        """
        if len(token) > _LONGEST:
            raise Denied("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise Denied(f"no token: {error}") from error
        name = header.get("kid")
        key = self._ring.find(name) if isinstance(name, str) else None
        if key is None:
            raise UnknownKey(f"no key is named {str(name)[:120]!r}")
        try:
            claims = jwt.decode(token, key.public, algorithms=[key.algorithm], options=_OPTIONS)
        except jwt.InvalidTokenError as error:
            raise Denied(f"{key.name}: {error}") from error
        if claims["sub"] != key.name:
            raise Denied(f"{key.name}: the subject is another key")
        self._check_time(key, claims)
        return key, claims

    async def _fresh(self, token: str) -> tuple[Key, Mapping[str, Any]]:
        try:
            return self.verify(token)
        except UnknownKey:
            await asyncio.to_thread(self._ring.refresh)  # it may have been made a moment ago
            return self.verify(token)

    def _check_time(self, key: Key, claims: Mapping[str, Any]) -> None:
        now = self._clock.now() / SECOND
        begin, end = claims["nbf"], claims["exp"]
        if not isinstance(begin, int | float) or not isinstance(end, int | float):
            raise Denied(f"{key.name}: nbf and exp must be numbers of seconds")
        if begin > now + LEEWAY:
            raise Denied(f"{key.name}: not valid for another {begin - now:.1f} s; clock skew?")
        if end <= now - LEEWAY:
            raise Denied(f"{key.name}: expired {now - end:.1f} s ago")


def check_request(
    claims: Mapping[str, Any], *, method: str, hosts: tuple[str, ...], path: str
) -> None:
    """Check that a token was made for a request.

    Raises:
        Denied: if it was made for another one, or for none.
    """
    stated = claims.get("uris") or claims.get("uri")
    uris = stated if isinstance(stated, list) else [stated]
    wanted = {f"{method} {host.lower()}{path}" for host in hosts}
    for uri in uris:
        if isinstance(uri, str) and _normal(uri) in wanted:
            return
    raise Denied(f"the token is for {str(stated)[:200]!r}, not for {method} {path}")


def _normal(uri: str) -> str:
    """Return a uri claim with its host in lower case, and without the scheme of plain HTTP.

    Signers that cut off ``https://`` only (ccxt) leave the scheme that Coinbase does not serve.
    """
    method, _, rest = uri.partition(" ")
    rest = rest.removeprefix("http://")
    host, slash, path = rest.partition("/")
    return f"{method} {host.lower()}{slash}{path}"
