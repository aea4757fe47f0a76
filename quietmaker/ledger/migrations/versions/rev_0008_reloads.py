"""What became of each reload of the configuration."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table, and let the role that only reads see it."""
    run_sql("0008_reloads.up.sql")
    run_sql("grafana_ro.sql")


def downgrade() -> None:
    """Drop the table and what it holds."""
    run_sql("0008_reloads.down.sql")
