"""`quietmaker doctor`: look at everything that a run needs, change nothing, and say what is wrong.

A check yields rows. One that breaks is a row as well: a doctor who faints is a bad sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from quietmaker.errors import QuietmakerError
from quietmaker.telemetry.guard import Captured
from supervisors.doctor import books, exchange, machine
from supervisors.doctor.rows import Finding, Patient, Row

__all__ = ["CHECKS", "Finding", "Patient", "Row", "examine"]

CHECKS: Final[Mapping[str, Callable[[Patient], Iterable[Row]]]] = {
    "config": machine.config,
    "home": machine.home,
    "lock": machine.lock,
    "disk": machine.disk,
    "secrets": machine.secrets,
    "port": machine.port,
    "database": books.database,
    "exchange": exchange.exchange,
}
"""Every check, in the order in which one explains the next."""


def examine(
    patient: Patient, checks: Mapping[str, Callable[[Patient], Iterable[Row]]] = CHECKS
) -> Iterator[Row]:
    """Yield what each check finds."""
    for name, check in checks.items():
        with Captured() as captured:
            yield from check(patient)
        error = captured.error
        if error is not None:
            told = isinstance(error, QuietmakerError) and str(error)
            yield Row(check=name, finding=Finding.FAIL, detail=told or str(captured))
