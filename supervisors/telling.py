"""The story of a trade in words and numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from quietmaker.core.orders import ExitReason, Purpose
from quietmaker.core.units import PPB, ROUNDED, add, plain
from quietmaker.ledger.reading.reports import ClosedTrip
from quietmaker.ledger.reading.split import split
from quietmaker.ledger.reading.stories import (
    FillStory,
    ImportedStory,
    NotFound,
    OrderStory,
    Story,
)
from supervisors.story import captured, markouts
from supervisors.tables import signed, span, to_second

_HUNDRED: Final = Decimal(100)
RULES: Final[Mapping[ExitReason, str]] = MappingProxyType(
    {
        ExitReason.BREAK_EVEN_PLUS: "the target: break-even at our fees and the wanted profit",
        ExitReason.TAKE_PROFIT: "the price reached the wanted profit",
        ExitReason.TRAILING_STOP: "the price fell back from its best by the allowed distance",
        ExitReason.MAX_LIFETIME: "held for the longest allowed time, and the price allowed break-even",
        ExitReason.TIMEOUT_LOSS: "held for the longest allowed time, with the price below break-even",
        ExitReason.STOP_LOSS: "the price went below the stop",
        ExitReason.FLATTEN: "the operator wanted it flat",
        ExitReason.HALT: "trading was halted",
        ExitReason.PAIRED: "a quote of the other side closed it",
    }
)


def tell(story: Story) -> Iterator[str]:
    """Yield the lines of a story."""
    currency = story.symbol.partition("-")[2]
    asked = next(order for order in story.orders if order.client_id == story.asked)
    for trip in story.trips:
        yield from _trip(trip, story.symbol, currency)
        yield ""
    if not story.trips:
        yield from _no_trip(story, asked)
        yield ""
    for order in _worth_telling(story, asked):
        yield from _order(order, currency)
        yield ""
    yield from _others(story, asked)
    for alert in story.alerts:
        yield f"alert {to_second(alert.at)}  {alert.kind}: {alert.detail}"


def tell_imported(order: ImportedStory) -> Iterator[str]:
    """Yield the lines of an imported order."""
    yield f"{order.symbol}  {order.order_id}  imported from a predecessor (batch {order.batch})"
    yield (
        f"  {to_second(order.order_time)}  {order.side} {plain(order.size)} at {plain(order.price)},"
        f" fees {plain(order.fees)}, {order.status}, source {order.source}"
    )
    if order.pnl is not None and order.entry_value is not None:
        yield (
            f"  it closed, first in first out, units bought for {plain(order.entry_value)} and held for up to"
            f" {span(order.hold_seconds)}: {signed(order.pnl)}"
        )
    yield "  what it was decided on is not known: the predecessor did not write it down"


def tell_not_found(id_: str, found: NotFound) -> Iterator[str]:
    """Yield what was looked at, and what may have been meant."""
    counts = ", ".join(f"{count} {name}" for name, count in found.looked_at.items())
    yield (
        f"nothing has the id {id_!r}: looked at client ids, exchange order ids, trade ids and imported ids"
        f" ({counts})"
    )
    for batch, line, reason in found.refused:
        yield f"an import refused it: batch {batch}, line {line}: {reason}"
    for name, kind in found.near:
        yield f"did you mean {name} ({kind.replace('_', ' ')})?"


def loss_in_words(trip: ClosedTrip, currency: str) -> str:
    """Return a result and what it was made of: ``-0.155 USD, 100 % fees``."""
    parts = split(fees=trip.fees, spread_captured=trip.spread_captured, price_move=trip.price_move)
    result = f"{signed(trip.net)} {currency}"
    return f"{result}, {parts.cause}" if parts.cause else result


def _trip(trip: ClosedTrip, symbol: str, currency: str) -> Iterator[str]:
    parts = split(fees=trip.fees, spread_captured=trip.spread_captured, price_move=trip.price_move)
    yield f"{symbol}  round trip {trip.id}  {loss_in_words(trip, currency)}"
    verbs = ("bought", "sold") if trip.entry.sign > 0 else ("sold", "bought")
    yield (
        f"  {verbs[0]} {plain(trip.size)} for {plain(trip.entry_value)}, {verbs[1]} for"
        f" {plain(trip.exit_value)}; held {span(trip.hold_seconds)},"
        f" {to_second(trip.opened_at)} to {to_second(trip.closed_at)} UTC"
    )
    yield f"  left by {trip.exit_reason.value}: {RULES[trip.exit_reason]}"
    yield _part(
        signed(trip.spread_captured), "spread captured: our prices against the mid at each fill"
    )
    yield _part(signed(trip.price_move), "price move: what the mid did between our fills")
    within = f"the mid's move within {trip.adverse_seconds} s of the entry"
    yield _part(_adverse(trip), f"of that adverse selection: {within}")
    share = f"{_percent_of(trip.fees, trip)} of what was traded"
    yield _part(signed(-trip.fees), f"fees: {_fills(trip)}, {share}")
    yield _part(signed(trip.net), f"{currency} net: {_verdict(parts.gross, trip.fees)}")
    if trip.dust:
        yield f"  {plain(trip.dust)} were left as dust: the exchange takes no order that small"


def _part(amount: str, words: str) -> str:
    return f"  {amount:>20}  {words}"


def _adverse(trip: ClosedTrip) -> str:
    return "unknown" if trip.adverse_selection is None else signed(trip.adverse_selection)


def _fills(trip: ClosedTrip) -> str:
    return f"{trip.maker_fills} maker and {trip.taker_fills} taker fills"


def _percent_of(amount: Decimal, trip: ClosedTrip) -> str:
    return _percent(ROUNDED.divide(amount, add(trip.entry_value, trip.exit_value)))


def _verdict(gross: Decimal, fees: Decimal) -> str:
    if gross >= fees:
        return f"the price made {plain(gross)}, more than the fees"
    if gross > 0:
        return f"the price made {plain(gross)}, and the fees took more: all of the loss is fees"
    if gross == 0:
        return "the price made nothing and lost nothing: all of the loss is fees"
    return f"the price lost {plain(-gross)}, and the fees came on top"


def _no_trip(story: Story, asked: OrderStory) -> Iterator[str]:
    filled = [order for order in story.orders if order.fills]
    held = add(*(order.held for order in story.orders))
    yield f"{story.symbol}  order {asked.client_id}  {asked.state.value}"
    if not filled:
        yield "  it never executed, and so cost nothing"
    elif held:
        yield f"  its position is open: {plain(held)} are held"
    else:
        yield "  it executed, and no round trip of it has closed yet"


def _worth_telling(story: Story, asked: OrderStory) -> list[OrderStory]:
    return [order for order in story.orders if order.fills or order is asked]


def _others(story: Story, asked: OrderStory) -> Iterator[str]:
    quiet = [order for order in story.orders if not order.fills and order is not asked]
    if not quiet:
        return
    reasons = Counter(
        event.cancel_reason
        for order in quiet
        for event in order.events
        if event.cancel_reason is not None
    )
    why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    more = " (and more)" if story.left_out else ""
    orders = "1 further order was" if len(quiet) == 1 else f"{len(quiet)} further orders{more} were"
    yield (
        f"{orders} placed for it and never executed"
        f"{f'; withdrawn for {why}' if why else ''} (--json has them all)"
    )


def _order(order: OrderStory, currency: str) -> Iterator[str]:
    kind = "entry" if order.purpose is Purpose.ENTRY else "exit"
    rule = f" by {order.exit_reason.value}" if order.exit_reason is not None else ""
    how = "post-only" if order.post_only else "may take"
    yield f"{kind}{rule}  {order.client_id}  {order.order_id or '(no exchange id)'}"
    yield (
        f"  {to_second(order.decided_at)}  decided: {order.side.value} {plain(order.size)} at"
        f" {plain(order.price)}, {how}, {order.time_in_force.value}; strategy {order.strategy_tag},"
        f" config {order.config_sha[:12]}, run {order.run}"
    )
    yield f"             on {_decision(order)}"
    for line in _happened(order, currency):
        yield f"  {line}"


def _decision(order: OrderStory) -> str:
    bid, ask = order.bid, order.ask
    words = [f"bid {plain(bid)}, ask {plain(ask)}"]
    if bid and ask:
        spread = ROUNDED.divide(2 * (ask - bid), bid + ask)
        words.append(f"spread {_percent(spread)}")
    inputs = dict(order.inputs)
    required = inputs.pop("required_ppb", "")
    if required.isdigit():
        words.append(f"required {_percent(Decimal(required) / PPB)}")
    low, high = inputs.pop("range_low", ""), inputs.pop("range_high", "")
    if low and high:
        words.append(_range(Decimal(low), Decimal(high), inputs.pop("candles", "")))
    words += [f"{name.replace('_', ' ')} {value}" for name, value in inputs.items() if value]
    return ", ".join(words)


def _range(low: Decimal, high: Decimal, candles: str) -> str:
    """Say how far the price ranged over the last closed candles: the volatility that was seen."""
    if not low + high:
        return "no candles"
    moved = _percent(ROUNDED.divide(2 * (high - low), high + low))
    return f"range {plain(low)} to {plain(high)} ({moved}) in {candles or 'some'} candles"


def _happened(order: OrderStory, currency: str) -> Iterator[str]:
    """Yield events and executions in the order of time, each at its distance from the decision."""
    begun = order.decided_at
    lines: list[tuple[datetime, int, str]] = []
    seen: set[tuple[str, str]] = set()
    for number, event in enumerate(order.events):
        if (key := (event.what, event.reason)) in seen and event.what == "accepted":
            continue  # the answer and the stream both tell it
        seen.add(key)
        words = [event.what.replace("_", " ")]
        words += [f"as {event.order_id}"] if event.order_id and event.what == "accepted" else []
        words += [f"because of {event.cancel_reason}"] if event.cancel_reason else []
        words += [f"({event.reason})"] if event.reason else []
        if event.filled is not None and event.what != "filled":
            words.append(f"with {plain(event.filled)} executed")
        lines.append((event.at, number, " ".join(words)))
    for number, fill in enumerate(order.fills, start=len(lines)):
        lines.append((fill.at, number, _filled(fill, order, currency)))
    for at, _, words_ in sorted(lines):
        yield f"{_after(at, begun):>11}  {words_}"


def _filled(fill: FillStory, order: OrderStory, currency: str) -> str:
    rate = ROUNDED.divide(fill.fee, fill.price * fill.size)
    words = [
        f"filled {plain(fill.size)} at {plain(fill.price)} as {fill.liquidity.value.lower()},"
        f" fee {plain(fill.fee)} {currency} ({_percent(rate)}), trade {fill.trade_id}"
    ]
    if (edge := captured(fill, order.side)) is not None:
        words.append(f"mid {plain(fill.mids[0])}: spread captured {signed(edge)}")
    if after := markouts(fill, order.side):
        told = ", ".join(f"{signed(amount)} after {s} s" for s, amount in after.items())
        words.append(f"the mid then moved by {told}")
    return "; ".join(words)


def _after(at: datetime, begun: datetime) -> str:
    seconds = (at - begun).total_seconds()
    return f"{seconds:+.3f} s" if abs(seconds) < 1000 else f"+{span(Decimal(int(seconds)))}"


def _percent(share: Decimal) -> str:
    text = f"{share * _HUNDRED:.4f}".rstrip("0").rstrip(".")
    return f"{text} %"
