"""The books beside the orders: the journal's position, cash, tie-outs, configurations, operators, imports."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables."""
    run_sql("0002_books.up.sql")


def downgrade() -> None:
    """Drop the tables and what they hold."""
    run_sql("0002_books.down.sql")
