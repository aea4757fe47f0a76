"""Rows of a tie-out: differences, cash, balances, verdicts; and the executions that it compares."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from quietmaker.core.differences import Difference, DifferenceKind
from quietmaker.core.evidence import Checkpoint, Execution, Flow, Flows, LiveOrder
from quietmaker.core.findings import BalanceSeen, CashMoved, DifferenceNoted, TieOutDone
from quietmaker.core.orders import TERMINAL, OrderState
from quietmaker.core.units import Instant, Liquidity, Side, plain
from quietmaker.ledger.database import Row
from quietmaker.ledger.rows import text


def difference_row(fact: DifferenceNoted) -> Row:
    """Return a note's columns."""
    each = fact.difference
    return (
        each.kind.value,
        text(each.subject),
        fact.at,
        text(each.ours),
        text(each.theirs),
        text(each.detail),
        None if fact.resolution is None else text(fact.resolution),
    )


def difference_from(row: Row) -> Difference:
    """Return a stored difference."""
    kind, subject, ours, theirs, detail = row
    return Difference(
        kind=DifferenceKind(kind), subject=subject, ours=ours, theirs=theirs, detail=detail
    )


def cash_row(fact: CashMoved) -> Row:
    """Return a movement's columns."""
    return (
        fact.reference,
        fact.currency,
        fact.amount,
        fact.kind.value,
        fact.at,
        json.dumps(dict(fact.evidence)),
        fact.inferred,
    )


def balance_row(fact: BalanceSeen) -> Row:
    """Return a balance's columns."""
    return (fact.currency, fact.at, fact.available, fact.hold)


def tie_out_row(fact: TieOutDone) -> Row:
    """Return a verdict's columns."""
    checkpoint = fact.checkpoint
    return (
        fact.at,
        fact.verdict.value,
        fact.fills,
        fact.orders,
        fact.balances,
        fact.differences,
        text(fact.detail),
        None if checkpoint is None else checkpoint.since,
        None if checkpoint is None else _flows_text(checkpoint.flows),
        fact.opened_at,
    )


def checkpoint_from(since: int, flows: str) -> Checkpoint:
    """Return a stored checkpoint."""
    found: dict[str, Any] = json.loads(flows)
    return Checkpoint(
        since=Instant(since),
        flows={
            symbol: Flow(fills=fills, base=Decimal(base), quote=Decimal(quote))
            for symbol, (fills, base, quote) in found.items()
        },
    )


def execution_from(row: Row) -> Execution:
    """Return a stored execution."""
    trade_id, client_id, symbol, side, price, size, fee, liquidity, at = row
    return Execution(
        trade_id=trade_id,
        client_id=client_id,
        symbol=symbol,
        side=Side(side),
        price=price,
        size=size,
        fee=fee,
        liquidity=Liquidity(liquidity),
        at=Instant(at),
    )


def live_order_from(row: Row) -> LiveOrder:
    """Return an order that is not settled."""
    client_id, symbol, filled, state, heard = row
    return LiveOrder(
        client_id=client_id,
        symbol=symbol,
        filled=filled,
        heard_at=Instant(heard),
        is_open=OrderState(state) not in TERMINAL,
    )


def _flows_text(flows: Flows) -> str:
    return json.dumps(
        {s: [flow.fills, plain(flow.base), plain(flow.quote)] for s, flow in sorted(flows.items())}
    )
