"""How every story of a fault must end: nothing lost, nothing twice, equal to the last digit, pulled in time.

Each check compares the two sides: what the exchange knows and noted, and what the books say. None asks
the bot for its opinion of itself but where it names the actors.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.commands import AlertKind, Gate
from quietmaker.core.orders import TERMINAL, Intent, OrderState, Purpose
from quietmaker.core.units import EXACT, SECOND, ZERO, Liquidity, Side
from quietmaker.exchange.server.records import ENDED, FillRecord, OrderStatus
from quietmaker.ledger.memory import MemoryLedger
from tests.chaos.market import CASH, MIDDLE, PRODUCTS
from tests.chaos.rig import Rig

ENDS: Final = {
    OrderStatus.FILLED: OrderState.FILLED,
    OrderStatus.CANCELLED: OrderState.CANCELLED,
    OrderStatus.EXPIRED: OrderState.EXPIRED,
    OrderStatus.FAILED: OrderState.FAILED,
}
GRACE: Final = SECOND
"""How long after a loss a cancellation may take to arrive: its request may just have been under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which a symbol's data was not to be trusted; `until` is None when it did not end."""

    symbol: str
    since: int
    until: int | None


def ends_well(
    rig: Rig,
    *,
    alerts: Collection[AlertKind] = (),
    strays: Collection[str] = (),
    grace: int = GRACE,
    pulled: bool = True,
    crashes: bool = False,
) -> None:
    """Wait until the bot has caught up in a market that stands still, stop it, and check everything.

    Args:
        rig: the bot and its exchange, with no fault in force any more.
        alerts: kinds that this fault may lead to.
        strays: orders that had been given up when they arrived; another one stands in their place.
        grace: how long a cancellation may take to arrive.
        pulled: whether to check that quotes were pulled; not where cancellations are what fails.
        crashes: whether actors were made to fail.
    """
    rig.until(lambda: not rig.stale(), "every book is trusted again")
    rig.until(lambda: not differences(rig), "both sides agree")
    rig.until(lambda: not exposed(rig), "every filled unit has its exit")
    rig.stop()
    assert differences(rig) == []
    assert [live.client_id for live in rig.live] == []
    once(rig, strays)
    money(rig)
    quiet(rig, alerts, crashes=crashes)
    silent_while_stale(rig)
    if pulled:
        pulled_when_stale(rig, grace)


# --- orders and executions --------------------------------------------------------------------------


def differences(rig: Rig) -> list[str]:
    """Return in what the books and the exchange differ."""
    return [*_orders(rig), *_fills(rig)]


def _orders(rig: Rig) -> Iterator[str]:
    records = {record.client_id: record for record in rig.orders}
    ledger = rig.ledger
    with ledger._mutex:
        states = {client_id: _state(ledger, client_id) for client_id in ledger.intents}
        sent = {fact.client_id for fact in ledger.events if fact.what == "sent"}
    for client_id, record in records.items():
        state = states.get(client_id)
        if state is None:
            yield f"{client_id} is at the exchange and not in the books"
        elif record.ended and state is not ENDS[record.status]:
            yield f"{client_id} is {record.status} there and {state.value} in the books"
        elif not record.ended and state in TERMINAL:
            yield f"{client_id} is {record.status} there and over in the books"
        if client_id not in sent:
            yield f"{client_id} is at the exchange and was not noted as sent"
    for client_id, state in states.items():
        if client_id not in records and state is not OrderState.FAILED:
            yield f"{client_id} is {state.value} in the books and the exchange never had it"


def _state(ledger: MemoryLedger, client_id: str) -> OrderState:
    """Return where an order stands by the books: one that its fills make up has ended, told or not."""
    order = ledger._working(ledger.intents[client_id])
    return OrderState.FILLED if order.filled >= order.intent.size else order.state


def _fills(rig: Rig) -> Iterator[str]:
    theirs = {fill.trade_id: fill for fill in _executions(rig)}
    with rig.ledger._mutex:
        ours = dict(rig.ledger.fills)
    yield from (f"execution {each} is not in the books" for each in theirs.keys() - ours.keys())
    yield from (f"execution {each} was invented" for each in ours.keys() - theirs.keys())
    for trade_id in ours.keys() & theirs.keys():
        fill, there = ours[trade_id], theirs[trade_id]
        product = PRODUCTS[fill.symbol]
        said = (fill.client_id, fill.side, product.price(fill.price), product.size(fill.size))
        if said != (there.client_id, there.side, there.price, there.size):
            yield f"execution {trade_id} is {there} and in the books {fill}"
        if (fill.fee, fill.liquidity) != (there.commission, there.liquidity):
            yield f"execution {trade_id} costs {there.commission} and in the books {fill.fee}"


def _executions(rig: Rig) -> list[FillRecord]:
    served = rig.served
    fills: list[FillRecord] = served.on_loop(lambda: list(served.server.desk.records._fills))
    return fills


def once(rig: Rig, strays: Collection[str]) -> None:
    """Check that nothing was sent twice: one order per client id, one living order per purpose."""
    counted = Counter(record.client_id for record in rig.orders)
    assert [each for each, times in counted.items() if times > 1] == []
    living: dict[tuple[str, Side, Purpose], set[str]] = defaultdict(set)
    for note in rig.journal.notes:
        if note.client_id in strays:
            continue
        intent = rig.ledger.intents[note.client_id]
        group = living[intent.symbol, intent.side, intent.purpose]
        if note.what in ENDED:
            group.discard(note.client_id)
        elif note.what == OrderStatus.OPEN:
            group.add(note.client_id)
            assert len(group) == 1, f"two orders where one was meant: {group}"


def exposed(rig: Rig) -> list[str]:
    """Return the symbols whose position is not covered by exits that work at the exchange.

    What is too little for the exchange to take stays, tracked, until there is more.
    """
    found = []
    for symbol in rig.symbols:
        core = rig.core(symbol)
        held = PRODUCTS[symbol].size(core.state.position.lots)
        working = sum(
            (
                record.leaves
                for record in rig.live
                if record.symbol == symbol
                and _intent(rig, record.client_id).purpose is Purpose.EXIT
            ),
            ZERO,
        )
        dust = core.state.position.lots < PRODUCTS[symbol].least_lots(MIDDLE)
        if held != working and not dust:
            found.append(symbol)
    return found


def _intent(rig: Rig, client_id: str) -> Intent:
    return rig.ledger.intents[client_id]


# --- money ------------------------------------------------------------------------------------------


def money(rig: Rig) -> None:
    """Check that position and cash of the books are the exchange's, to the last digit."""
    cash, held = CASH, dict.fromkeys(rig.symbols, ZERO)
    for fill in rig.ledger.fills.values():
        product = PRODUCTS[fill.symbol]
        size, value = product.size(fill.size), product.notional(fill.price, fill.size)
        sign = Decimal(fill.side.sign)
        held[fill.symbol] = EXACT.add(held[fill.symbol], EXACT.multiply(sign, size))
        cash = EXACT.subtract(cash, EXACT.add(EXACT.multiply(sign, value), fill.fee))
    served = rig.served
    balances = served.on_loop(served.server.desk.floor.core.account.balances)
    total = {each: EXACT.add(row.available, row.hold) for each, row in balances.items()}
    assert total["USD"] == cash
    assert {s: total.get(PRODUCTS[s].base, ZERO) for s in rig.symbols} == held
    for symbol in rig.symbols:
        core = rig.last_cores[symbol]
        assert PRODUCTS[symbol].size(core.state.position.lots) == held[symbol]


def quiet(rig: Rig, alerts: Collection[AlertKind], *, crashes: bool) -> None:
    """Check that nobody crashed, nothing was refused, and nothing was alarmed of but what may be."""
    assert rig.ledger.refused == []
    assert {alert.kind for alert in rig.ledger.alerts} <= set(alerts), rig.ledger.alerts
    if not crashes:
        assert (rig.counted("actor_failures"), rig.counted("actor_restarts")) == ({}, {})
    makers = [f for f in rig.ledger.fills.values() if _intent(rig, f.client_id).post_only]
    assert [fill for fill in makers if fill.liquidity is not Liquidity.MAKER] == []


# --- stale data -------------------------------------------------------------------------------------


def told_windows(rig: Rig) -> list[Window]:
    """Return when the streams themselves said that they were not to be trusted."""
    windows: list[Window] = []
    for symbol in rig.symbols:
        market: int | None = None
        user: int | None = None
        since: int | None = None
        for at, whose, reason in rig.overheard.losses:
            if whose not in {symbol, ""}:
                continue
            if whose:
                market = at if reason else None
            else:
                user = at if reason else None
            lost = market is not None or user is not None
            if lost and since is None:
                since = at
            elif not lost and since is not None:
                windows.append(Window(symbol=symbol, since=since, until=at))
                since = None
        if since is not None:
            windows.append(Window(symbol=symbol, since=since, until=None))
    return windows


def held_windows(rig: Rig) -> list[Window]:
    """Return when the traders themselves held entries back for stale data, as the books have it."""
    windows: list[Window] = []
    since: dict[tuple[str, Side], int] = {}
    for hold in rig.ledger.holds:
        key = (hold.symbol, hold.side)
        if hold.gate is Gate.STALE_DATA:
            since.setdefault(key, hold.now)
        elif key in since:
            windows.append(Window(symbol=hold.symbol, since=since.pop(key), until=hold.now))
    windows += [Window(symbol=s, since=at, until=None) for (s, _), at in since.items()]
    return windows


def silent_while_stale(rig: Rig) -> None:
    """Check that no entry was decided while its trader knew, and none arrived long after the stream told."""
    entries = [i for i in rig.ledger.intents.values() if i.purpose is Purpose.ENTRY]
    held = held_windows(rig)
    for window in held:
        for entry in entries:
            inside = window.since <= entry.decided_at < (window.until or entry.decided_at + 1)
            assert not (entry.symbol == window.symbol and inside), f"{entry} in {window}"
    for window in told_windows(rig):
        heard = any(
            each.symbol == window.symbol
            and each.since <= window.since + GRACE
            and (each.until is None or each.until >= window.since)
            for each in held
        )
        assert heard, f"{window} was told, and the trader did not hold: {held}"
        for note in rig.journal.notes:
            if note.what != "submit" or note.symbol != window.symbol:
                continue
            if _intent(rig, note.client_id).purpose is not Purpose.ENTRY:
                continue
            inside = window.since + GRACE < note.at < (window.until or note.at + 1)
            assert not inside, f"{note} arrived in {window}"


def pulled_when_stale(rig: Rig, grace: int) -> None:
    """Check that each entry that worked when its data became stale was asked to be cancelled, or ended."""
    over = {str(each) for each in ENDED} | {"cancel"}
    for window in [*held_windows(rig), *told_windows(rig)]:
        notes = [n for n in rig.journal.notes if n.symbol == window.symbol]
        working = {
            n.client_id
            for n in notes
            if n.what == OrderStatus.OPEN
            and n.at < window.since
            and _intent(rig, n.client_id).purpose is Purpose.ENTRY
        }
        gone = {n.client_id for n in notes if n.what in over and n.at <= window.since + grace}
        assert working <= gone, f"{working - gone} went on working in {window}"
