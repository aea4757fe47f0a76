"""``POST /-/reload``: a reload, or what would come of one, for whoever holds the token."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from quietmaker.telemetry.actions import Answer, Request
from supervisors.reloading.generations import Asked, Outcome, Result, Trigger
from supervisors.reloading.reloader import Reloader

PATH: Final = "/-/reload"
PATIENCE: Final = 4.0
"""Seconds that a request waits; a reload takes a fraction of one."""
LONGEST: Final = 200
"""Characters of a name."""
NOBODY: Final = "an unnamed holder of the token"


class ReloadAction:
    """Asks for reloads. Thread-safe."""

    def __init__(self, reloader: Callable[[], Reloader | None]) -> None:
        """Prepare.

        Args:
            reloader: does them; None while everything is put together.
        """
        self._reloader = reloader

    def perform(self, request: Request) -> Answer:
        """Wait for a reload and tell what became of it."""
        reloader = self._reloader()
        if reloader is None:
            return _error(
                HTTPStatus.SERVICE_UNAVAILABLE, "the instance is still starting; try again"
            )
        ticket = reloader.request(_asked(request))
        outcome = ticket.wait(PATIENCE)
        if outcome is not None:
            return _answer(outcome)
        if ticket.over:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "the instance is stopping")
        why = f"not decided within {PATIENCE:g} s; the log says what becomes of it"
        return _error(HTTPStatus.GATEWAY_TIMEOUT, why)


def _asked(request: Request) -> Asked:
    document = request.document
    from_command = document.get("trigger") == Trigger.CLI.value
    return Asked(
        trigger=Trigger.CLI if from_command else Trigger.API,
        by=str(document.get("by") or NOBODY)[:LONGEST],
        dry=document.get("dry_run") is True,
    )


def _answer(outcome: Outcome) -> Answer:
    page = outcome.page()
    if outcome.result is not Result.REJECTED or outcome.asked.dry:
        return Answer(HTTPStatus.OK, page)
    status = HTTPStatus.CONFLICT if outcome.unsafe else HTTPStatus.UNPROCESSABLE_ENTITY
    why = "\n  ".join(["reload refused, nothing was changed:", *outcome.problems])
    return Answer(status, {**page, "error": why})


def _error(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, {"error": why})
