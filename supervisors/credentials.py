"""The API key, from the environment: a file that Coinbase made, or a name and a secret.

Never from the configuration: files of settings are copied, shown and shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from quietmaker.coinbase.auth import ApiKey
from quietmaker.errors import SafetyRefusal

FILE: Final = "QUIETMAKER_API_KEY_FILE"
"""Path of the JSON file that Coinbase offers for download with a new key."""
NAME: Final = "QUIETMAKER_API_KEY_NAME"
SECRET: Final = "QUIETMAKER_API_KEY_SECRET"
SECRET_FILE: Final = f"{SECRET}_FILE"


def api_key(env: Mapping[str, str]) -> ApiKey:
    """Return the key that the environment names.

    Raises:
        SafetyRefusal: if there is none, or two that may differ.
        ConfigError: if it cannot be read.
    """
    by_name = [name for name in (SECRET, SECRET_FILE) if env.get(name)]
    if env.get(FILE):
        if by_name or env.get(NAME):
            raise SafetyRefusal(
                f"{FILE} and {NAME} both name an API key; remove one of them from the environment"
            )
        return ApiKey.load(Path(env[FILE]))
    if not env.get(NAME) or len(by_name) != 1:
        raise SafetyRefusal(
            f"no API key: set {FILE} to the file that Coinbase made for it, or {NAME} together with "
            f"either {SECRET} or {SECRET_FILE}"
        )
    return ApiKey.parse(env[NAME], _secret(env))


def _secret(env: Mapping[str, str]) -> str:
    if env.get(SECRET):
        return env[SECRET]
    path = Path(env[SECRET_FILE])
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SafetyRefusal(f"{SECRET_FILE}: {path} cannot be read: {error}") from error
