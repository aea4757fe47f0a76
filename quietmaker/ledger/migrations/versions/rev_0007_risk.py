"""Breakers and equities: what the risk guard remembers over a restart."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables, and let the role that only reads see them."""
    run_sql("0007_risk.up.sql")
    run_sql("grafana_ro.sql")


def downgrade() -> None:
    """Drop the tables and what they hold."""
    run_sql("0007_risk.down.sql")
