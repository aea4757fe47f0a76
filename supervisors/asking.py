"""Ask the running instance to do something, with the token that it keeps in its home."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from quietmaker.errors import ConfigError, NotRunning, QuietmakerError, SafetyRefusal
from supervisors.home import Home

PATIENCE: Final = 5.0
"""Seconds for an answer; a command is obeyed within milliseconds."""
DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""What is asked for is on this machine: a proxy of the environment is none of its business."""


def ask(home: Home, path: str, document: Mapping[str, object]) -> dict[str, Any]:
    """Post to the running instance and return its answer.

    Raises:
        NotRunning: if none runs, or it is not up yet.
        SafetyRefusal: if a rule forbids it.
        ConfigError: if it refuses its configuration.
        TimeoutError: if it does not answer; whether it obeyed is not known, and asking again is safe.
        QuietmakerError: if it refuses for another reason.
    """
    url = f"{home.instance().management_url}{path}"
    request = urllib.request.Request(
        url,
        data=json.dumps(document).encode(),
        headers={"Authorization": f"Bearer {_token(home)}", "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with DIRECT.open(request, timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise _refusal(error) from error
    except TimeoutError as error:
        raise TimeoutError(_silent(url)) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise TimeoutError(_silent(url)) from error
        raise NotRunning(f"{url} cannot be reached: {error.reason}") from error
    return found


def _silent(url: str) -> str:
    return f"{url} did not answer within {PATIENCE:g} s; whether it obeyed is not known: ask again"


def _token(home: Home) -> str:
    try:
        return home.control_token.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise QuietmakerError(
            f"{home.control_token} cannot be read ({error}); the instance makes it at its start, for the"
            f" user that runs it"
        ) from error


def _refusal(error: urllib.error.HTTPError) -> QuietmakerError | TimeoutError:
    body = error.read().decode(errors="replace")
    try:
        why = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        why = f"HTTP {error.code}: {body[:200]}"
    match error.code:
        case HTTPStatus.CONFLICT:
            return SafetyRefusal(why)
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return NotRunning(why)
        case HTTPStatus.UNPROCESSABLE_ENTITY:
            return ConfigError(why)
        case HTTPStatus.GATEWAY_TIMEOUT:
            return TimeoutError(why)
        case _:
            return QuietmakerError(why)
