"""The role that reads and cannot write, for dashboards: rights at every start, a note where it is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

READER: Final = "grafana_ro"
_SCRIPT: Final = Path(__file__).parent / "migrations" / "grafana_ro.sql"


def ensure_reader(cursor: Cursor) -> str:
    """Make the role where this user may, and give it its rights; return a note if it is missing."""
    cursor.execute(_SCRIPT.read_text(encoding="utf-8"))
    cursor.execute("SELECT current_user FROM pg_roles WHERE rolname = %s", (READER,))
    if cursor.fetchall():
        return ""
    cursor.execute("SELECT current_user")
    ((user,),) = cursor.fetchall()
    return (
        f"the database has no role {READER} for dashboards, and {user} may not make one: let an administrator"
        f" run CREATE ROLE {READER} LOGIN PASSWORD '...'; it gets its rights at the next start"
    )
