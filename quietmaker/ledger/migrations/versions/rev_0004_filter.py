"""The symbol filter: the operator's word, and the round trips of shadow trading."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables."""
    run_sql("0004_filter.up.sql")


def downgrade() -> None:
    """Drop the tables and what they hold."""
    run_sql("0004_filter.down.sql")
