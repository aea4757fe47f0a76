"""What a tie-out tells the books: frozen facts, as those of the trading core are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.differences import Difference, Verdict
from quietmaker.core.evidence import CashKind, Checkpoint
from quietmaker.core.units import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceNoted:
    """Books and exchange were found not to agree, or to agree again.

    Attributes:
        resolution: why it is over; None while it is found.
    """

    at: Instant
    difference: Difference
    resolution: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMoved:
    """Money came or went without an execution of ours.

    Attributes:
        reference: names it once and for all.
        evidence: what it was concluded from, name and value.
        inferred: whether nobody but the balances tells of it.
    """

    at: Instant
    reference: str
    currency: str
    amount: Decimal
    kind: CashKind
    evidence: tuple[tuple[str, str], ...]
    inferred: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceSeen:
    """A balance at a quiet moment."""

    at: Instant
    currency: str
    available: Decimal
    hold: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOutDone:
    """Books and account were compared.

    Attributes:
        fills: executions of ours that agreed.
        orders: open orders that were compared.
        balances: currencies that were compared.
        differences: those that are believed and alarm.
        checkpoint: where the next window begins; None when nothing was concluded.
        opened_at: when the balances were first taken over; None before.
    """

    at: Instant
    verdict: Verdict
    fills: int
    orders: int
    balances: int
    differences: int
    detail: str
    checkpoint: Checkpoint | None
    opened_at: Instant | None
