"""The API key comes from the environment, once, and is never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from quietmaker.errors import SafetyRefusal
from supervisors.credentials import api_key

NAME = "organizations/o/apiKeys/k"
PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    .decode()
)


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_key_can_be_given_in_each_of_three_ways(tmp_path: Path) -> None:
    file = write(tmp_path / "key.json", json.dumps({"name": NAME, "privateKey": PEM}))
    secret_file = write(tmp_path / "secret", PEM)
    ways = [
        {"QUIETMAKER_API_KEY_FILE": file},
        {"QUIETMAKER_API_KEY_NAME": NAME, "QUIETMAKER_API_KEY_SECRET": PEM},
        {"QUIETMAKER_API_KEY_NAME": NAME, "QUIETMAKER_API_KEY_SECRET_FILE": secret_file},
    ]
    keys = [api_key(env) for env in ways]
    assert {key.name for key in keys} == {NAME}
    assert len({key.private_key.private_numbers().private_value for key in keys}) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "no API key: set QUIETMAKER_API_KEY_FILE"),
        ({"QUIETMAKER_API_KEY_NAME": NAME}, "together with either"),
        ({"QUIETMAKER_API_KEY_SECRET": PEM}, "no API key"),
        (
            {"QUIETMAKER_API_KEY_FILE": "/k", "QUIETMAKER_API_KEY_NAME": NAME},
            "both name an API key",
        ),
        (
            {"QUIETMAKER_API_KEY_NAME": NAME, "QUIETMAKER_API_KEY_SECRET_FILE": "/no/such"},
            "/no/such cannot be read",
        ),
    ],
)
def test_a_key_that_is_missing_or_given_twice_stops_the_start(
    env: dict[str, str], message: str
) -> None:
    with pytest.raises(SafetyRefusal, match=message) as caught:
        api_key(env)
    assert "PRIVATE" not in str(caught.value)
