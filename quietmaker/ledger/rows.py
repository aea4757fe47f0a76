"""Between messages and rows: ticks and lots become decimals here, and decimals ticks and lots again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from quietmaker.core.commands import Alert, DustLeft, HoldChanged
from quietmaker.core.orders import (
    ExitReason,
    Fill,
    Intent,
    OrderState,
    Purpose,
    TimeInForce,
    Working,
)
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import EXACT, Instant, Side
from quietmaker.errors import LedgerError
from quietmaker.ledger.database import Row
from quietmaker.ledger.standing import at_recovery
from quietmaker.ports import FillMarked, OrderFact

_HALF = Decimal("0.5")
INTENT_COLUMNS = 16
"""How many columns of `intent_row`, after leaving out run and config, describe the intent itself."""


def product_of(products: Mapping[str, Product], symbol: str) -> Product:
    """Return a symbol's product.

    Raises:
        LedgerError: if it was never told; without it ticks and lots mean nothing.
    """
    try:
        return products[symbol]
    except KeyError:
        raise LedgerError(
            f"{symbol}: no product is known, so its ticks and lots mean nothing"
        ) from None


def intent_row(intent: Intent, product: Product) -> Row:
    """Return the columns that describe an intent."""
    return (
        intent.client_id,
        intent.symbol,
        intent.side.value,
        product.price(intent.price),
        product.size(intent.size),
        intent.post_only,
        intent.time_in_force.value,
        intent.expire_at,
        intent.purpose.value,
        intent.exit_reason.value if intent.exit_reason is not None else None,
        intent.strategy_tag,
        intent.passive_order_id,
        intent.decided_at,
        product.price(intent.bid),
        product.price(intent.ask),
        _object(intent.inputs),
    )


def intent_from(row: Row, product: Product) -> Intent:
    """Return the intent of which `intent_row` made these columns, and one more with its configuration."""
    return Intent(
        client_id=row[0],
        symbol=row[1],
        side=Side(row[2]),
        price=product.ticks(row[3]),
        size=product.lots(row[4]),
        post_only=row[5],
        time_in_force=TimeInForce(row[6]),
        expire_at=row[7],
        purpose=Purpose(row[8]),
        exit_reason=exit_reason(row[9]),
        strategy_tag=row[10],
        passive_order_id=row[11],
        decided_at=row[12],
        bid=product.ticks(row[13]),
        ask=product.ticks(row[14]),
        inputs=tuple(_pairs(row[15])),
        config_sha=row[16],
    )


def working_from(row: Row, product: Product, fills: list[tuple[str, Decimal]]) -> Working:
    """Return an order with its state and its fills (trade id and size)."""
    intent = intent_from(row, product)
    state, sent_ns, final = row[INTENT_COLUMNS + 1 :]
    state = OrderState(state)
    if final is None and state is OrderState.FILLED:
        final = product.size(intent.size)
    return Working(
        intent=intent,
        state=at_recovery(state),
        sent_at=Instant(sent_ns),
        filled=sum(product.lots(size) for _, size in fills),
        trade_ids={trade_id for trade_id, _ in fills},
        final=product.lots(final) if final is not None else None,
    )


def fill_row(fill: Fill, product: Product) -> Row:
    """Return a fill's columns."""
    return (
        fill.trade_id,
        fill.client_id,
        fill.symbol,
        fill.side.value,
        product.price(fill.price),
        product.size(fill.size),
        fill.fee,
        fill.liquidity.value,
        fill.at,
    )


def event_row(fact: OrderFact, product: Product) -> Row:
    """Return an order event's columns."""
    return (
        fact.client_id,
        fact.at,
        fact.what,
        fact.order_id,
        text(fact.reason),
        fact.cancel_reason.value if fact.cancel_reason is not None else None,
        product.size(fact.filled) if fact.filled is not None else None,
    )


def mark_row(fact: FillMarked, product: Product) -> Row:
    """Return a fill mark's columns; half a tick is exact in decimals."""
    return (fact.trade_id, fact.horizon, EXACT.multiply(product.price(fact.twice_mid), _HALF))


def dust_row(dust: DustLeft, product: Product) -> Row:
    """Return the columns of dust that was left."""
    return (dust.trade_id, dust.symbol, dust.now, product.size(dust.lots))


def hold_row(hold: HoldChanged) -> Row:
    """Return a hold's columns."""
    gate = hold.gate.value if hold.gate is not None else None
    return (hold.symbol, hold.side.value, hold.now, gate, text(hold.detail))


def alert_row(alert: Alert) -> Row:
    """Return an alert's columns."""
    return (alert.symbol, alert.now, alert.kind.value, text(alert.detail))


def exit_reason(value: str | None) -> ExitReason | None:
    """Return the exit rule of a column."""
    return ExitReason(value) if value is not None else None


def off_grid(error: OffGridError) -> LedgerError:
    """Return the error of a stored decimal that the product's increments can no longer express."""
    return LedgerError(
        f"the books hold what today's increments cannot express: {error}; close it by hand"
    )


def text(words: str) -> str:
    """Return free text as PostgreSQL can store it: without NUL, valid UTF-8."""
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _object(pairs: tuple[tuple[str, str], ...]) -> str:
    """Return a JSON object that keeps order and repetitions, which a dict would not."""
    return (
        "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"
    )


def _pairs(stored: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = json.loads(stored, object_pairs_hook=list)
    return pairs
