"""How much of a journal the database does not hold yet: what is missed by who reads the database only."""

from __future__ import annotations

import os
from pathlib import Path

from quietmaker.ledger import sql
from quietmaker.ledger.database import once, rows
from quietmaker.ledger.journal.disk import RealDisk
from quietmaker.ledger.journal.folder import holds_journal
from quietmaker.ledger.journal.segment import read_folder

_QUERIES = sql.load("journal_waiting.sql")


def waiting_records(folder: Path, url: str) -> int:
    """Return how many records of a journal nobody applied; nothing may write to it meanwhile.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
        LedgerError: if the journal cannot be read.
    """
    if not holds_journal(folder):
        return 0
    content = read_folder(folder, RealDisk())
    for segment in content.segments:
        os.close(segment.handle)
    journal = str(content.segments[0].about.journal)
    found = once(
        lambda: url,
        lambda cursor: rows(cursor, _QUERIES["applied"], journal=journal),
        snapshot=True,
    )
    return max(content.last - (int(found[0][0]) if found else 0), 0)
