"""What is derived from fills: lots, allocations, round trips, sums of days; and a role that only reads."""

from __future__ import annotations

from quietmaker.ledger.migrations import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables; the rows come from the fills when the ledger is opened next."""
    run_sql("0005_derived.up.sql")
    run_sql("grafana_ro.sql")


def downgrade() -> None:
    """Go back to round trips that are stored as they were told."""
    run_sql("0005_derived.down.sql")
