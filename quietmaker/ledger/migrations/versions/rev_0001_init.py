"""The first schema: intents, events, fills, round trips, and what is derived from them."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    run_sql("0001_init.up.sql")


def downgrade() -> None:
    """Drop everything."""
    run_sql("0001_init.down.sql")
