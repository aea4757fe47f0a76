"""Keys in every form that Coinbase has handed out, and tokens as the exchange wants them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.coinbase.auth import EARLY, LIFETIME, ApiKey, Signer, TokenStock
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import ConfigError
from tests.actors.fakes import HandClock

NAME = "organizations/00000000-0000-0000-0000-000000000001/apiKeys/00000000-0000-0000-0000-000000000002"
EC = generate_private_key(SECP256R1())
ED = Ed25519PrivateKey.generate()
PLAIN = NoEncryption()


def pem(
    key: Any,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption = PLAIN,
) -> str:
    """Return a key's PEM."""
    text: bytes = key.private_bytes(Encoding.PEM, form, encryption)
    return text.decode()


SEC1 = pem(EC, PrivateFormat.TraditionalOpenSSL)
SEED = ED.private_bytes_raw()
PUBLIC = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def decoded(token: str, key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> dict[str, Any]:
    """Verify a token's signature and return its claims, whatever the time."""
    body: dict[str, Any] = jwt.decode(
        token,
        key.public_key(),
        algorithms=["ES256", "EdDSA"],
        options={"verify_exp": False, "verify_nbf": False},
    )
    return body


@pytest.mark.parametrize(
    "text",
    [
        SEC1,
        pem(EC),
        SEC1.replace("\n", "\\n"),
        SEC1.replace("\n", "\r\n"),
        SEC1.replace("\n", " "),
        SEC1.replace("\n", ""),
        f'  "{SEC1.strip()}"  ',
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + SEC1,
    ],
    ids=range(8),
)
def test_p3_an_ecdsa_key_is_read_however_its_line_ends_were_mangled(text: str) -> None:
    key = ApiKey.parse(NAME, text)
    assert key.algorithm == "ES256"
    assert decoded(Signer(key, HandClock()).socket(), EC)["sub"] == NAME


@pytest.mark.parametrize(
    "text",
    [
        pem(ED),
        pem(ED).replace("\n", "\\n"),
        base64.b64encode(SEED).decode(),
        base64.b64encode(SEED + PUBLIC).decode(),
        base64.b64encode(SEED + PUBLIC).decode() + "\n",
    ],
    ids=range(5),  # keys differ between processes, and test names may not
)
def test_an_ed25519_key_is_read_as_pem_and_as_raw_base64(text: str) -> None:
    key = ApiKey.parse(NAME, text)
    assert key.algorithm == "EdDSA"
    assert decoded(Signer(key, HandClock()).socket(), ED)["sub"] == NAME


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 bytes"),
        ("not a key!", "neither PEM nor base64"),
        (base64.b64encode(b"x" * 31).decode(), "31 bytes"),
        (base64.b64encode(SEED + SEED).decode(), "do not belong together"),
        (pem(generate_private_key(SECP384R1())), "neither ECDSA on P-256 nor Ed25519"),
        (pem(generate_rsa(65_537, 2_048)), "neither ECDSA on P-256 nor Ed25519"),
        (pem(EC, encryption=BestAvailableEncryption(b"pass")), "passphrase"),
        (SEC1[:60] + "AAAA" + SEC1[64:], "cannot be read"),
        (
            EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            "PEM",
        ),
    ],
    ids=range(9),
)
def test_what_is_no_key_is_refused_without_showing_it(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        ApiKey.parse(NAME, text)
    assert refused.value.__cause__ is None
    body = text.strip().splitlines()
    assert not any(len(line) > 8 and line in str(refused.value) for line in body)


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        ApiKey.parse("n", text)
    except ConfigError:
        return
    assert len("".join(text.split()).strip("\"'")) >= 43


@pytest.mark.parametrize("names", [("name", "privateKey"), ("id", "privateKey")])
def test_a_key_file_of_coinbase_is_read(tmp_path: Path, names: tuple[str, str]) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps({names[0]: NAME, names[1]: SEC1, "more": 1}))
    assert ApiKey.load(path).name == NAME


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read"),
        ("{", "not a JSON file"),
        ("[]", "has no 'name'"),
        (json.dumps({"name": NAME}), "has no 'privateKey'"),
        (json.dumps({"name": NAME, "privateKey": 5}), "has no 'privateKey'"),
        (json.dumps({"name": NAME, "privateKey": "nonsense!"}), "neither PEM nor base64"),
    ],
)
def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "key.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=why) as refused:
        ApiKey.load(path)
    assert str(path) in str(refused.value)


def test_a_key_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="no name"):
        ApiKey.parse(" ", SEC1)


def test_no_secret_is_in_any_text_of_key_and_signer() -> None:
    for private, text in ((EC, SEC1), (ED, base64.b64encode(SEED).decode())):
        key = ApiKey.parse(NAME, text)
        signer = Signer(key, HandClock())
        shown = f"{key!r}{key}{signer!r}{signer}"
        number = getattr(private, "private_numbers", None)
        assert "PRIVATE" not in shown
        assert "Key object" not in shown
        assert text not in shown
        assert number is None or str(number().private_value) not in shown


@pytest.mark.parametrize(("private", "text"), [(EC, SEC1), (ED, pem(ED))], ids=["EC", "ED"])
def test_a_token_has_the_claims_and_header_that_coinbase_documents(
    private: EllipticCurvePrivateKey | Ed25519PrivateKey, text: str
) -> None:
    clock = HandClock()
    signer = Signer(ApiKey.parse(NAME, text), clock)
    path = "/api/v3/brokerage/orders/historical/batch"
    token = signer.rest("GET", "api.coinbase.com", f"{path}?limit=5")
    head = jwt.get_unverified_header(token)
    nonce = head.pop("nonce")
    alg = "ES256" if private is EC else "EdDSA"
    assert head == {"alg": alg, "kid": NAME, "typ": "JWT"}
    assert len(nonce) == 64
    assert int(nonce, 16)
    start = clock.now() // SECOND - EARLY
    assert decoded(token, private) == {
        "sub": NAME,
        "iss": "cdp",
        "nbf": start,
        "exp": start + LIFETIME,
        "uri": f"GET api.coinbase.com{path}",
    }
    again = jwt.get_unverified_header(signer.rest("GET", "api.coinbase.com", path))
    assert again["nonce"] != nonce


def test_the_token_of_a_socket_is_bound_to_no_request() -> None:
    token = Signer(ApiKey.parse(NAME, SEC1), HandClock()).socket()
    assert set(decoded(token, EC)) == {"sub", "iss", "nbf", "exp"}


def test_p3_tokens_follow_the_clock_of_the_exchange() -> None:
    clock = HandClock()
    signer = Signer(ApiKey.parse(NAME, SEC1), clock)
    signer.correct(Nanos(-600 * SECOND))
    assert decoded(signer.socket(), EC)["nbf"] == clock.now() // SECOND - 600 - EARLY


class Mint:
    """Numbers its tokens."""

    def __init__(self) -> None:
        """Begin at one."""
        self.made = 0

    def __call__(self) -> str:
        """Return the next token."""
        self.made += 1
        return f"t{self.made}"


def stock(clock: HandClock, mint: Mint) -> TokenStock:
    """Return a stock of three tokens that are good for a minute."""
    return TokenStock(mint, clock=clock, size=3, longest=Nanos(60 * SECOND))


def test_each_token_of_the_stock_is_handed_out_once() -> None:
    clock, mint = HandClock(), Mint()
    kept = stock(clock, mint)
    kept.refill()
    assert (len(kept), mint.made) == (3, 3)
    assert [kept.take() for _ in range(4)] == ["t1", "t2", "t3", "t4"]
    kept.refill()
    assert kept.take() == "t5"


def test_a_token_that_waited_too_long_is_not_handed_out() -> None:
    clock, mint = HandClock(), Mint()
    kept = stock(clock, mint)
    kept.refill()
    clock.advance(60 * SECOND)
    assert kept.take() == "t4"
    assert len(kept) == 0


def test_a_stock_that_is_tended_never_runs_dry() -> None:
    clock, mint = HandClock(), Mint()
    kept = stock(clock, mint)
    for _ in range(100):
        kept.refill()
        clock.advance(10 * SECOND)
        made = mint.made
        kept.take()
        assert mint.made == made
    assert mint.made < 100 + 3 * 40


def test_a_cleared_stock_mints_anew() -> None:
    clock, mint = HandClock(), Mint()
    kept = stock(clock, mint)
    kept.refill()
    kept.clear()
    assert kept.take() == "t4"
