"""Tokens: whose they are, for how long, and for which request."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.core.units import SECOND
from quietmaker.errors import QuietmakerError, SafetyRefusal
from quietmaker.exchange.server.auth import Authenticator, Denied
from quietmaker.exchange.server.keys import KeyRing, Permissions, new_key, read_key
from quietmaker.exchange.testing import ManualClock

NOW = 1_800_000_000
HOST = "127.0.0.1:8443"
PATH = "/api/v3/brokerage/accounts"
URI = f"GET {HOST}{PATH}"


class Lock:
    """A key, and who verifies its tokens."""

    def __init__(self, folder: Path, *, ed25519_key: bool = False) -> None:
        """Make a key and an authenticator that knows it."""
        self.folder = folder
        self.path = new_key(
            folder, name="k", ed25519_key=ed25519_key, permissions=Permissions(can_trade=False)
        )
        self.name: str = json.loads(self.path.read_text())["name"]
        self.clock = ManualClock(NOW * SECOND)
        self.ring = KeyRing(folder)
        self.ring.refresh()
        self.authenticator = Authenticator(self.ring, self.clock)
        body = json.loads(self.path.read_text())
        self.private: Any = (
            ApiKey.load(self.path)
            if ed25519_key
            else serialization.load_pem_private_key(body["privateKey"].encode(), None)
        )

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token as the official SDK makes it, with changes; None leaves a claim out."""
        said = {"sub": self.name, "iss": "cdp", "nbf": NOW, "exp": NOW + 120, "uri": URI} | claims
        said = {name: value for name, value in said.items() if value is not None}
        head = {"kid": self.name, "nonce": "0" * 64} | (headers or {})
        return jwt.encode(said, self.private, algorithm="ES256", headers=head)

    def check(self, token: str, *, method: str = "GET", host: str = HOST, path: str = PATH) -> bool:
        """Return whether a token is good for a request."""
        try:
            asyncio.run(self.authenticator.rest(token, method=method, host=host, path=path))
        except Denied:
            return False
        return True


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    return Lock(tmp_path / "keys")


def test_a_token_of_the_sdk_s_shape_is_good(lock: Lock) -> None:
    assert lock.check(lock.token())


@pytest.mark.parametrize("ed25519_key", [False, True])
def test_tokens_of_our_own_signer_are_good_for_both_kinds_of_key(
    tmp_path: Path, ed25519_key: bool
) -> None:
    lock = Lock(tmp_path, ed25519_key=ed25519_key)
    signer = Signer(ApiKey.load(lock.path), lock.clock)
    assert lock.check(signer.rest("GET", HOST, PATH))
    key = asyncio.run(lock.authenticator.socket(signer.socket()))
    assert key.name == lock.name
    assert key.permissions == Permissions(can_trade=False)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "coinbase-cloud", "aud": ["retail_rest_api_proxy"], "iat": NOW},
        {"iss": None},
        {"uri": None, "uris": [URI]},
        {"uri": f"GET api.coinbase.com{PATH}"},
        {"uri": f"GET {HOST.upper()}{PATH}"},
        {"uri": f"GET http://{HOST}{PATH}"},
        {"nbf": NOW + 4},
        {"exp": NOW - 4},
        {"nbf": NOW - 60, "exp": NOW + 0.5},
    ],
)
def test_what_other_clients_say_is_good_too(lock: Lock, claims: dict[str, Any]) -> None:
    assert lock.check(lock.token(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"uri": None},
        {"uri": f"POST {HOST}{PATH}"},
        {"uri": f"GET {HOST}{PATH}/x"},
        {"uri": f"GET {HOST}{PATH}?limit=1"},
        {"uri": f"GET https://{HOST}{PATH}"},
        {"uri": f"GET elsewhere{PATH}"},
        {"uris": ["", 7]},
        {"nbf": NOW + 6},
        {"exp": NOW - 5},
        {"exp": None},
        {"nbf": None},
        {"nbf": "now"},
        {"sub": "another"},
        {"sub": None},
    ],
)
def test_a_token_for_something_else_is_no_token(lock: Lock, claims: dict[str, Any]) -> None:
    assert not lock.check(lock.token(**claims))


def test_a_token_is_for_one_method_and_host_and_path(lock: Lock) -> None:
    token = lock.token()
    assert not lock.check(token, method="POST")
    assert not lock.check(token, host="127.0.0.1:1")
    assert not lock.check(token, path="/api/v3/brokerage/orders")


def test_another_signature_is_no_signature(lock: Lock) -> None:
    lock.private = ec.generate_private_key(ec.SECP256R1())
    assert not lock.check(lock.token())


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA"])
def test_the_algorithm_is_that_of_the_key(lock: Lock, algorithm: str) -> None:
    claims = {"sub": lock.name, "nbf": NOW, "exp": NOW + 120, "uri": URI}
    key: Any = {"none": None, "HS256": "a secret of thirty-two characters!!"}.get(
        algorithm, ed25519.Ed25519PrivateKey.generate()
    )
    token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": lock.name})
    assert not lock.check(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 40, "e30.e30.e30", "x" * 9000])
def test_what_is_no_token_is_denied(lock: Lock, token: str) -> None:
    assert not lock.check(token)


@pytest.mark.parametrize("kid", [None, 7, "unknown", ["x"]])
def test_a_key_that_was_never_issued_is_denied(lock: Lock, kid: Any) -> None:
    head = {"alg": "ES256", "typ": "JWT"} | ({} if kid is None else {"kid": kid})
    parts = lock.token().split(".")
    parts[0] = base64.urlsafe_b64encode(json.dumps(head).encode()).rstrip(b"=").decode()
    assert not lock.check(".".join(parts))


def test_a_key_made_while_the_exchange_runs_is_accepted_at_once(lock: Lock) -> None:
    path = new_key(lock.folder, name=None, ed25519_key=True, permissions=Permissions())
    signer = Signer(ApiKey.load(path), lock.clock)
    assert lock.check(signer.rest("GET", HOST, PATH))


def test_a_key_that_was_removed_is_refused_after_the_next_look(lock: Lock) -> None:
    lock.path.unlink()
    assert lock.check(lock.token())
    lock.ring.refresh()
    assert not lock.check(lock.token())


# --- key files ----------------------------------------------------------------------------------


def test_key_files_are_for_the_owner_alone_and_never_replaced(lock: Lock) -> None:
    assert lock.path.stat().st_mode & 0o777 == 0o600
    assert lock.folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(SafetyRefusal, match="choose another --name"):
        new_key(lock.folder, name="k", ed25519_key=False, permissions=Permissions())
    with pytest.raises(QuietmakerError, match="cannot name a key"):
        new_key(lock.folder, name="../k", ed25519_key=False, permissions=Permissions())
    assert [path.name for path in lock.folder.iterdir()] == ["k.json"]


def test_a_file_that_is_no_key_is_told_once_and_harms_no_other(lock: Lock) -> None:
    for name, text in {
        "empty": "",
        "list": "[]",
        "nameless": '{"privateKey": "x"}',
        "secretless": '{"name": "x"}',
        "short": '{"name": "x", "privateKey": "AAAA"}',
        "pem": '{"name": "x", "privateKey": "-----BEGIN EC PRIVATE KEY-----\\nx"}',
    }.items():
        (lock.folder / f"{name}.json").write_text(text)
        with pytest.raises(QuietmakerError, match="keys new"):
            read_key(lock.folder / f"{name}.json")
    assert len(lock.ring.refresh()) == 6
    assert lock.ring.refresh() == []
    assert lock.check(lock.token())
