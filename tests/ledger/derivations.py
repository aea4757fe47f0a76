"""Reading what a database derived, and a trader's whole life as facts, for the tests of derivation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import psycopg2

from quietmaker.core.commands import DustLeft, RoundTrip, SubmitOrder
from quietmaker.core.events import OrderFilled
from quietmaker.core.orders import Fill, Intent
from quietmaker.core.product import Product
from quietmaker.core.trader import Trader
from quietmaker.core.units import Nanos
from quietmaker.ledger.derivation.derive import Trip
from quietmaker.ledger.reading.reports import Reports
from quietmaker.ports import FillMarked, Ledger
from tests.kit.chaos import Chaos
from tests.ledger.makers import at

Table = list[tuple[object, ...]]

LOTS = (
    "SELECT trade_id, side, size, remaining, price, fee, fee_remaining, opened_ns FROM lots"
    ' ORDER BY opened_ns, trade_id COLLATE "C"'
)
ALLOCATIONS = (
    "SELECT open_trade_id, close_trade_id, side, size, open_price, close_price, open_fee, close_fee, net,"
    ' trip_id FROM allocations ORDER BY closed_ns, close_trade_id COLLATE "C", opened_ns,'
    ' open_trade_id COLLATE "C"'
)
TRIPS = (
    "SELECT trip_id, id, symbol, entry, size, opened_ns, closed_ns, exit_reason, entry_value, exit_value,"
    " fees, spread_captured, price_move, adverse_selection, net, net_return_ppb, maker_fills, taker_fills,"
    ' dust, closing_order, strategy_tag, config_sha FROM round_trips ORDER BY closed_ns, trip_id COLLATE "C"'
)
DAYS = (
    "SELECT symbol, day, trips, wins, net, fees, entry_value FROM symbol_days ORDER BY symbol, day"
)
RESULTS = "SELECT client_id, trips, pnl FROM executions WHERE trips > 0 ORDER BY client_id"


def query(url: str, statement: str) -> Table:
    """Return the rows of a statement."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found: Table = cursor.fetchall()
    connection.close()
    return found


def derived(url: str) -> tuple[Table, ...]:
    """Return everything that is derived, in its order, after checking that it agrees with the facts."""
    reports = Reports(lambda: url)
    drift = reports.derived_drift()
    reports.close()
    assert drift == []
    return tuple(query(url, each) for each in (LOTS, ALLOCATIONS, TRIPS, DAYS, RESULTS))


def quiet(url: str) -> None:
    """Return once every other connection has ended, and with it told the statistics what it did."""
    others = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(1_000):
        if query(url, others) == [(0,)]:
            return
    raise AssertionError("somebody is still connected")


def trip_columns(trip: Trip, product: Product) -> tuple[object, ...]:
    """Return a derived round trip as the columns of `TRIPS`."""
    record = trip.record
    return (
        *(trip.trip_id, record.id, record.symbol, record.entry.value, product.size(record.lots)),
        *(record.opened_at, record.closed_at, record.exit_reason.value),
        *(record.entry_value, record.exit_value, record.fees, record.spread_captured),
        *(record.price_move, trip.adverse_selection, record.net, record.net_return),
        *(record.maker_fills, record.taker_fills, product.size(record.dust)),
        *(record.closing_order, record.strategy_tag, record.config_sha),
    )


def begin(ledger: Ledger) -> int:
    """Begin a run."""
    return ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What one trader did, as the ledger hears of it, and what the trader itself said came of it.

    Attributes:
        marks: the mid that the trader booked each fill with.
        cash: what all fills moved, fees included.
    """

    intents: Sequence[Intent]
    fills: Sequence[Fill]
    marks: Sequence[FillMarked]
    dust: Sequence[DustLeft]
    trips: Sequence[RoundTrip]
    cash: Decimal
    flat: bool


def life_of(chaos: Chaos, again: Trader) -> Life:
    """Return the life of a trader that went through chaos; a twin tells the mids at its fills."""
    marks: dict[str, FillMarked] = {}
    for event in chaos.heard.events:
        if isinstance(event, OrderFilled) and (state := again.state).bid and state.ask:
            marks.setdefault(
                event.fill.trade_id,
                FillMarked(
                    trade_id=event.fill.trade_id,
                    symbol=event.fill.symbol,
                    horizon=Nanos(0),
                    twice_mid=state.bid + state.ask,
                ),
            )
        again.on(event)
    said = chaos.heard.commands
    return Life(
        intents=[each.intent for each in said if isinstance(each, SubmitOrder)],
        fills=chaos.heard.fills,
        marks=list(marks.values()),
        dust=[each for each in said if isinstance(each, DustLeft)],
        trips=chaos.heard.trips,
        cash=chaos.heard.cash(chaos.product),
        flat=not chaos.trader.state.position.lots,
    )
