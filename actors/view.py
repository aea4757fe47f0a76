"""What a trader's core looks like from outside: read, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from actors.board import SideView, SymbolView
from quietmaker.core.commands import HoldChanged
from quietmaker.core.events import Mode
from quietmaker.core.exit_desk import Owner
from quietmaker.core.fees import fee_on
from quietmaker.core.modes import SEVERITY
from quietmaker.core.rounds import unrealised
from quietmaker.core.trader import Trader
from quietmaker.core.units import EXACT, ZERO, Instant, Side
from quietmaker.telemetry.metrics import SymbolSnapshot

_UNPROTECTED: Final = frozenset({Owner.NOBODY, Owner.PLACING})


def view_of(core: Trader, *, details: dict[Side, str], book_at: Instant | None) -> SymbolView:
    """Return the view of one symbol.

    Args:
        core: the trader's state machine.
        details: the numbers of the reason for not quoting, as last told.
        book_at: when its touch was last heard of.
    """
    state, product = core.state, core.state.product
    position = state.position
    sign = position.entry.sign if position.entry is not None else 0
    known = state.seen and state.stale is None
    levels = core.exits.levels
    reserved = sum(ladder.reserved() for ladder in core.entries.ladders)
    return SymbolView(
        symbol=product.symbol,
        quote_currency=product.quote,
        at=state.now,
        recovered=state.recovered,
        mode=state.mode.value,
        stale=state.stale.value if state.stale is not None else None,
        bid=product.price(state.bid) if known else None,
        ask=product.price(state.ask) if known else None,
        book_at=book_at,
        sides={ladder.side: _side(core, ladder.side, details) for ladder in core.entries.ladders},
        working=len(state.orders),
        position=product.size(sign * position.lots),
        held_lots=sign * position.lots,
        cost=product.notional(position.cost, 1),
        opened_at=position.opened_at,
        exit=_exit(core),
        unprotected=any(each.owner in _UNPROTECTED for each in core.exits.ownership()),
        exposure=product.notional(position.cost + reserved, 1),
        break_even=product.price(levels.break_even) if levels is not None else None,
        unrealized=_unrealized(core) if known else None,
    )


def _side(core: Trader, side: Side, details: dict[Side, str]) -> SideView:
    ladder = next(each for each in core.entries.ladders if each.side is side)
    product = core.state.product
    orders = [order for order in ladder.slots if order is not None and not order.done]
    return SideView(
        gate=ladder.gate.value if ladder.gate is not None else None,
        detail=details.get(side, "") if ladder.gate is not None else "",
        quotes=tuple(
            (product.price(order.intent.price), product.size(order.leaves), order.state.value)
            for order in orders
        ),
    )


def _exit(core: Trader) -> tuple[Decimal, Decimal, str, str] | None:
    order, product = core.exits.order, core.state.product
    if order is None or order.done:
        return None
    reason = order.intent.exit_reason
    return (
        product.price(order.intent.price),
        product.size(order.leaves),
        order.state.value,
        reason.value if reason is not None else "",
    )


def _unrealized(core: Trader) -> Decimal | None:
    """Return what leaving at the far touch as maker would earn after all fees."""
    state, position = core.state, core.state.position
    fees = state.exit_fees
    if position.entry is None or fees is None:
        return None
    price = state.ask if position.entry is Side.BUY else state.bid
    before = unrealised(
        state.product,
        entry=position.entry,
        cost=position.cost,
        fees=position.fees,
        lots=position.lots,
        price=price,
    )
    value = state.product.notional(price, position.lots)
    return EXACT.subtract(before, fee_on(value, fees.maker))


def snapshots(views: Iterable[SymbolView]) -> list[SymbolSnapshot]:
    """Return what a scrape shows of the symbols."""
    return [_snapshot(view) for view in views]


def _snapshot(view: SymbolView) -> SymbolSnapshot:
    bids, asks = view.sides.get(Side.BUY), view.sides.get(Side.SELL)
    spread = inventory = None
    if view.bid is not None and view.ask is not None:
        twice_mid = view.bid + view.ask
        spread = 2 * (view.ask - view.bid) / twice_mid
        inventory = view.position * twice_mid / 2
    return SymbolSnapshot(
        symbol=view.symbol,
        mode=SEVERITY[Mode(view.mode)],
        bid=bids.quotes[0][0] if bids is not None and bids.quotes else None,
        ask=asks.quotes[0][0] if asks is not None and asks.quotes else None,
        spread=spread,
        # Without a market the value at cost is the best that is known.
        inventory=(view.cost if view.position >= 0 else -view.cost)
        if inventory is None
        else inventory,
        unrealized=view.unrealized if view.position else ZERO,
        open_bids=_count(view, Side.BUY),
        open_asks=_count(view, Side.SELL),
        oldest_position=view.opened_at,
        unprotected=view.unprotected,
        book=view.book_at,
    )


def _count(view: SymbolView, side: Side) -> int:
    entries = view.sides.get(side)
    own = len(entries.quotes) if entries is not None else 0
    leaves = view.exit is not None and (view.position > 0) is (side is Side.SELL)
    return own + int(leaves)


def hold_text(hold: HoldChanged) -> str:
    """Say whether a side is quoted, and if not why."""
    if hold.gate is None:
        return f"{hold.side.value} is quoted"
    gate, detail = hold.gate.value, hold.detail
    reason = detail if detail.startswith(gate) else f"{gate}, {detail}" if detail else gate
    return f"{hold.side.value} is not quoted: {reason}"
