"""`quietmaker health`: whether the running instance is well, for a container's health check.

It needs no shell, no curl and no configuration: the instance says in its home where it answers.
"""

from __future__ import annotations

import json
import os
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import click

from quietmaker.errors import NotRunning
from supervisors.asking import DIRECT
from supervisors.commands.options import json_option, write_json
from supervisors.home import Home

PATIENCE: Final = 2.5
"""Seconds for an answer. The management port gives one within a second, so this is a verdict."""
_ANSWERED: Final = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an instance says of itself.

    Attributes:
        ok: whether it is well, or ready.
        detail: why not, or what it does.
    """

    ok: bool
    detail: str


@click.command()
@click.option("--ready", is_flag=True, help="Ask whether it can trade, check by check.")
@json_option
def health(ready: bool, as_json: bool) -> int:
    """Say whether the running instance is well: 0 if so, 1 if not, 3 if none runs.

    Well means that the process lives and moves; a restart would help if not. Ready means that it can
    trade: market, books, exchange. A container is judged by the first, a deployment by the second.
    """
    instance = Home.from_env(os.environ).instance()
    verdict = judge(instance.management_url, ready=ready)
    if as_json:
        write_json(
            {
                "ok": verdict.ok,
                "detail": verdict.detail,
                "version": instance.version,
                "revision": instance.revision,
            }
        )
    else:
        word = "ready" if ready else "healthy"
        click.echo(f"{word if verdict.ok else f'not {word}'}: {verdict.detail}")
    return 0 if verdict.ok else 1


def judge(url: str, *, ready: bool) -> Verdict:
    """Ask a management port.

    Raises:
        NotRunning: if nothing answers there.
        TimeoutError: if it accepts, and does not answer.
    """
    path = f"{url}/-/{'ready' if ready else 'healthy'}"
    try:
        with DIRECT.open(path, timeout=PATIENCE) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except TimeoutError as error:
        raise TimeoutError(f"{path} did not answer within {PATIENCE:g} s") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise TimeoutError(f"{path} cannot be reached within {PATIENCE:g} s") from error
        raise NotRunning(f"{path} cannot be reached: {error.reason}") from error
    if status not in _ANSWERED:
        return Verdict(False, f"{path} answers {status}; that is no management port of ours")
    return _read(json.loads(body), ready=ready)


def _read(said: Mapping[str, Any], *, ready: bool) -> Verdict:
    if not ready:
        return Verdict(bool(said["healthy"]), str(said["detail"]))
    failing = [f"{n} ({c['detail']})" for n, c in said["checks"].items() if not c["ok"]]
    return Verdict(bool(said["ready"]), ", ".join(failing) or "every check passes")
