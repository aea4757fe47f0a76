"""The modes that operators, breakers and the roster impose: a halt survives a restart."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table, and let the role that only reads see it."""
    run_sql("0006_modes.up.sql")
    run_sql("grafana_ro.sql")


def downgrade() -> None:
    """Drop the table and what it holds."""
    run_sql("0006_modes.down.sql")
