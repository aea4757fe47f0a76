"""Who we are to Coinbase: the API key, and the tokens (JWT) that are signed with it.

* A token names the key (`sub`, header `kid`), lives for two minutes, and for REST is bound to one method,
  host and path without the query (`uri`). A socket's token is bound to nothing.
* `nbf` lies a few seconds back: a token from the future is refused, and clocks differ.
* Times can be those of the exchange's clock (`Signer.correct`), so that a host whose clock went wrong can
  still cancel and leave.
* Each request has a token of its own, with a nonce of its own. Signing takes some 40 µs, which would double
  the time between a decision and the first byte of its order; `TokenStock` mints ahead of need.

No text of a key or token appears in `repr`, in logs or in errors.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import ConfigError
from quietmaker.ports import Clock

LIFETIME: Final = 120
"""Seconds that Coinbase accepts a token for."""
EARLY: Final = 5
"""Seconds by which `nbf` lies back."""

_PEM: Final = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]*PRIVATE KEY)-----(?P<body>.*?)-----END (?P=label)-----",
    re.DOTALL,
)
_REMEDY: Final = "copy the private key again from the file that Coinbase made for it"
_NAMES: Final = ("name", "id", "keyName", "key_name")
_SECRETS: Final = ("privateKey", "private_key", "key_secret")

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the Coinbase Developer Platform.

    Attributes:
        name: ``organizations/{org}/apiKeys/{id}``, or a bare id.
        private_key: ECDSA on P-256, or Ed25519.
    """

    name: str
    private_key: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """Return the signature algorithm in the words of JWT."""
        return "EdDSA" if isinstance(self.private_key, Ed25519PrivateKey) else "ES256"

    @staticmethod
    def parse(name: str, secret: str) -> ApiKey:
        r"""Read a key from its name and its text.

        Args:
            name: as Coinbase names it.
            secret: SEC1 or PKCS8 PEM, whose line ends may have become ``\n``, blanks or nothing on
                their way through an environment, or the base64 of an Ed25519 key of 32 or 64 bytes.

        Raises:
            ConfigError: if it is neither; the message never shows the text.
        """
        if not name.strip():
            raise ConfigError(f"the API key has no name; {_REMEDY}")
        text = secret.strip().strip("\"'").replace("\\r", "").replace("\\n", "\n")
        found = _PEM.search(text)
        private = _from_base64(text) if found is None else _from_pem(found)
        return ApiKey(name=name.strip(), private_key=private)

    @staticmethod
    def load(path: Path) -> ApiKey:
        """Read a key from the JSON file that Coinbase offers for download.

        Raises:
            ConfigError: if the file cannot be read or holds no key.
        """
        try:
            body = orjson.loads(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{path}: the API key cannot be read: {error.strerror}") from error
        except orjson.JSONDecodeError:
            raise ConfigError(f"{path}: not a JSON file; {_REMEDY}") from None
        row = body if isinstance(body, dict) else {}
        try:
            return ApiKey.parse(_text(row, _NAMES), _text(row, _SECRETS))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


class Signer:
    """Signs requests. Thread-safe."""

    def __init__(self, key: ApiKey, clock: Clock) -> None:
        """Sign with a key, at the times of a clock."""
        self._key = key
        self._clock = clock
        self._ahead = Nanos(0)

    def __repr__(self) -> str:
        """Name the key and nothing else."""
        return f"Signer({self._key.name!r}, {self._key.algorithm})"

    def correct(self, ahead: Nanos) -> None:
        """Take note of how far the exchange's clock is ahead of ours (negative: behind)."""
        self._ahead = ahead

    def rest(self, method: str, host: str, path: str) -> str:
        """Return a token for one REST request.

        Args:
            method: ``GET`` or ``POST``.
            host: as in the header ``Host``, with a port that is not the scheme's own.
            path: without the query.
        """
        return self._sign({"uri": f"{method} {host}{path.partition('?')[0]}"})

    def socket(self) -> str:
        """Return a token for one subscribe or unsubscribe message."""
        return self._sign({})

    def _sign(self, bound: dict[str, Any]) -> str:
        now = Instant(self._clock.now() + self._ahead) // SECOND
        not_before = now - EARLY
        claims = {
            "sub": self._key.name,
            "iss": "cdp",
            "nbf": not_before,
            "exp": not_before + LIFETIME,
            **bound,
        }
        return jwt.encode(
            claims,
            self._key.private_key,
            algorithm=self._key.algorithm,
            headers={"kid": self._key.name, "nonce": secrets.token_hex(32)},
        )


class TokenStock:
    """Tokens for one kind of request, minted ahead of need; each is handed out once. Thread-safe."""

    def __init__(self, mint: Callable[[], str], *, clock: Clock, size: int, longest: Nanos) -> None:
        """Start empty.

        Args:
            mint: makes one token.
            clock: for the age of tokens.
            size: tokens to keep.
            longest: age from which a token is not handed out any more; well inside its life.
        """
        self._mint = mint
        self._clock = clock
        self._size = size
        self._longest = longest
        self._stock: deque[tuple[Nanos, str]] = deque()

    def __len__(self) -> int:
        """Return how many tokens wait, stale ones among them."""
        return len(self._stock)

    def take(self) -> str:
        """Return a token that nobody else has; it is minted on the spot when none waits."""
        oldest = self._clock.monotonic() - self._longest
        while self._stock:
            try:
                minted, token = self._stock.popleft()
            except IndexError:  # another thread took the last one
                break
            if minted > oldest:
                return token
        return self._mint()

    def refill(self) -> None:
        """Throw away what has become too old to wait any longer, and mint what is missing.

        Called off the order path: after an answer, and regularly while nothing is sent.
        """
        now = self._clock.monotonic()
        waiting = tuple(self._stock)
        if any(now - minted > self._longest // 2 for minted, _ in waiting):
            self._stock.clear()
        for _ in range(self._size - len(self._stock)):
            self._stock.append((now, self._mint()))

    def clear(self) -> None:
        """Forget all tokens: one was refused, or the clock was wrong."""
        self._stock.clear()


def _text(row: dict[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = row.get(key)
        if isinstance(value, str) and value.strip():
            return value
    raise ConfigError(f"has no {keys[0]!r}; {_REMEDY}")


def _from_pem(found: re.Match[str]) -> PrivateKey:
    body = re.sub(r"\s+", "", found["body"])
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    label = found["label"]
    pem = "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""))
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ConfigError("the API key's PEM is encrypted; store it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(f"the API key's PEM cannot be read; {_REMEDY}") from None
    if isinstance(private, Ed25519PrivateKey):
        return private
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return private
    raise ConfigError("the API key is neither ECDSA on P-256 nor Ed25519; make a key that is")


def _from_base64(text: str) -> PrivateKey:
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"the API key is neither PEM nor base64; {_REMEDY}") from None
    if len(raw) not in {32, 64}:
        raise ConfigError(f"the API key has {len(raw)} bytes, not 32 or 64; {_REMEDY}")
    private = Ed25519PrivateKey.from_private_bytes(raw[:32])
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    if len(raw) == 64 and raw[32:] != public:
        raise ConfigError(f"the two halves of the API key do not belong together; {_REMEDY}")
    return private
