"""The books: whether they can be reached, fit this program, and what stands in them that stops trading."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from quietmaker.core.modes import words
from quietmaker.errors import NotRunning
from quietmaker.ledger import modes
from quietmaker.ledger.tie_out import PostgresTieOutBooks
from supervisors.desk import check_schema, database_open
from supervisors.doctor.rows import Patient, Row, ok, skipped, warn


def database(patient: Patient) -> Iterator[Row]:
    """Look at the database, at the modes that stand, and at differences that nobody resolved."""
    if patient.settings is None:
        yield skipped("database", "no configuration says where")
        return
    try:
        with database_open(patient.settings, patient.home) as url:
            check_schema(url)
            yield ok("database", "reachable, and of this program's schema")
            yield from _modes(url)
            yield from _differences(url)
    except NotRunning as error:
        yield ok("database", f"none yet ({error})")


def _modes(url: str) -> Iterator[Row]:
    stands = modes.standing(lambda: url)
    for each in stands:
        scope = "" if each.scope is None else f" --symbol {each.scope}"
        yield warn(
            "modes",
            f"{each.mode.value} for {each.scope or 'the whole account'}: {words(each)}",
            f"quietmaker resume{scope}, when it is over",
        )
    if not stands:
        yield ok("modes", "nothing is paused, drained or halted")


def _differences(url: str) -> Iterator[Row]:
    with contextlib.closing(PostgresTieOutBooks(lambda: url)) as books:
        found = books.start().differences
    for each in found:
        yield warn(
            "tie-out",
            f"{each.kind.value} {each.subject}: {each.detail}",
            "docs/tie-out.md; quietmaker db accept where nothing can mend it",
        )
    if not found:
        yield ok("tie-out", "no difference between books and exchange is open")
