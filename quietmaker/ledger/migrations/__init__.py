"""Alembic's script directory. Each revision is a pair of plain SQL files, run by `run_sql`."""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run_sql(name: str) -> None:
    """Run one SQL file of this directory on the migration's connection, as psql would."""
    script = (Path(__file__).parent / name).read_text(encoding="utf-8")
    driver = op.get_bind().connection.dbapi_connection
    if driver is None:
        raise RuntimeError(f"{name}: the migration has no connection")
    cursor = driver.cursor()
    cursor.execute(script)
    cursor.close()
