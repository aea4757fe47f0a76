"""API keys that the exchange issues: one file each, in the format of Coinbase's developer platform.

The file is what a client is configured with (``name`` or ``id``, and ``privateKey``); the exchange
derives the public half from it. What the key may do stands beside it, where clients do not look.
Keys are files so that a running exchange and the command line need no other connection: a new file
is accepted and a removed one refused as soon as the folder was looked at again.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from quietmaker.errors import QuietmakerError, SafetyRefusal

_ORGANIZATION: Final = "8a0f6d9e-4b60-5a4e-9a53-0d5f2f3c7a11"
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Public: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
Private: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What a key may do."""

    can_view: bool = True
    can_trade: bool = True
    can_transfer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key that the exchange accepts.

    Attributes:
        name: what tokens name it by.
        public: verifies its tokens.
        algorithm: that its tokens must be signed with.
        permissions: what it may do.
    """

    name: str
    public: Public
    algorithm: str
    permissions: Permissions


def new_key(folder: Path, *, name: str | None, ed25519_key: bool, permissions: Permissions) -> Path:
    """Make a key and return its file, readable by the owner alone.

    Args:
        folder: where the exchange keeps its keys.
        name: of the file, without its ending; a running number when None.
        ed25519_key: an Ed25519 key instead of ECDSA P-256.
        permissions: what it may do.

    Raises:
        SafetyRefusal: if there is such a key already.
        QuietmakerError: if the name is no file name, or the file cannot be written.
    """
    if name is not None and not _FILE_NAME.fullmatch(name):
        raise QuietmakerError(
            f"{name!r} cannot name a key; use letters, digits, dots, dashes and underscores"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps(_fresh(ed25519_key, permissions), indent=2) + "\n"
    numbers = range(1, 1_000_000)
    for candidate in [name] if name is not None else (f"key-{number}" for number in numbers):
        path = folder / f"{candidate}.json"
        try:
            _write_new(path, text)
        except FileExistsError:
            continue
        except OSError as error:
            raise QuietmakerError(f"{path} cannot be written ({error.strerror})") from error
        return path
    raise SafetyRefusal(f"{folder / f'{name}.json'} exists; choose another --name, or remove it")


def read_key(path: Path) -> Key:
    """Read a key file.

    Raises:
        QuietmakerError: if it is none; says why.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(body, dict):
            raise TypeError("is no JSON object")
        name = body.get("name") or body.get("id")
        if not isinstance(name, str):
            raise TypeError("has no name")
        public = _private(body.get("privateKey")).public_key()
    except (OSError, ValueError, TypeError) as error:
        raise QuietmakerError(
            f"{path} is no key ({error}); remove it, or make one with `quietmaker exchange keys new`"
        ) from error
    algorithm = "EdDSA" if isinstance(public, ed25519.Ed25519PublicKey) else "ES256"
    permissions = _permissions(body.get("permissions"))
    return Key(name=name, public=public, algorithm=algorithm, permissions=permissions)


class KeyRing:
    """The keys of a folder. `refresh` reads files and belongs into a thread; `find` does not."""

    def __init__(self, folder: Path) -> None:
        """Take this folder; nothing is read yet."""
        self._folder = folder
        self._seen: Mapping[Path, int] = {}
        self._keys: Mapping[str, Key] = {}

    def find(self, name: str) -> Key | None:
        """Return the key of a name, as of the last look into the folder."""
        return self._keys.get(name)

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._keys)

    def refresh(self) -> list[str]:
        """Look into the folder again. Return what is wrong with files that are no keys, once each."""
        seen: dict[Path, int] = {}
        if self._folder.is_dir():
            for path in sorted(self._folder.glob("*.json")):
                try:
                    seen[path] = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue  # removed between the two looks
        if seen == self._seen:
            return []
        problems: list[str] = []
        keys: dict[str, Key] = {}
        for path in seen:
            try:
                key = read_key(path)
            except QuietmakerError as error:
                problems.append(str(error))
            else:
                keys[key.name] = key
        self._seen, self._keys = seen, keys
        return problems


def _fresh(ed25519_key: bool, permissions: Permissions) -> dict[str, Any]:
    identity = str(uuid.uuid4())
    may = {
        "can_view": permissions.can_view,
        "can_trade": permissions.can_trade,
        "can_transfer": permissions.can_transfer,
    }
    if ed25519_key:
        private = ed25519.Ed25519PrivateKey.generate()
        raw = private.private_bytes_raw() + private.public_key().public_bytes_raw()
        secret = base64.b64encode(raw).decode()
        return {"id": identity, "name": identity, "privateKey": secret, "permissions": may}
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    name = f"organizations/{_ORGANIZATION}/apiKeys/{identity}"
    return {"name": name, "privateKey": pem.decode(), "permissions": may}


def _private(secret: object) -> Private:
    if not isinstance(secret, str):
        raise TypeError("has no privateKey")
    if secret.lstrip().startswith("-----BEGIN"):
        key = serialization.load_pem_private_key(secret.encode(), password=None)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            return key
        raise ValueError("the key is neither ECDSA P-256 nor Ed25519")
    try:
        raw = base64.b64decode("".join(secret.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("privateKey is neither PEM nor base64") from error
    if len(raw) not in {32, 64}:
        raise ValueError(f"an Ed25519 key has 32 or 64 bytes, not {len(raw)}")
    return ed25519.Ed25519PrivateKey.from_private_bytes(raw[:32])


def _permissions(stated: object) -> Permissions:
    if not isinstance(stated, dict):
        return Permissions()
    return Permissions(
        can_view=stated.get("can_view") is not False,
        can_trade=stated.get("can_trade") is not False,
        can_transfer=stated.get("can_transfer") is True,
    )


def _write_new(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, and replaces none."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.link(waiting, path)
    finally:
        waiting.unlink(missing_ok=True)
