"""The tie-out: differences as they were noted, what executions sum to, where the next window begins."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables and columns."""
    run_sql("0003_tie_out.up.sql")


def downgrade() -> None:
    """Drop them and what they hold."""
    run_sql("0003_tie_out.down.sql")
