"""Whatever comes in whatever order: quotes are legal, every unit is owned, the money adds up.

The watch on the desk (tests/kit/watch.py) checks after every single event that no submitted price
crosses or leaves the grid, that no entry is less or more than the exchange takes, that every held unit
has one live owner, and that at most one exit order can execute, never beyond the position.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.commands import Alert, AlertKind, Command, SubmitOrder
from quietmaker.core.events import OrderMoved, TraderEvent
from quietmaker.core.exit_desk import Owner
from quietmaker.core.fees import FeeRates
from quietmaker.core.gates import SWITCHABLE
from quietmaker.core.orders import NEXT, ExitReason, Intent, Move, OrderState
from quietmaker.core.params import TraderParams
from quietmaker.core.positions import replay
from quietmaker.core.rounds import net_of
from quietmaker.core.trader import Trader
from quietmaker.core.units import EXACT, add
from tests.kit.chaos import CHAOS_PRODUCT, Chaos, Step
from tests.properties.strategies import FACTS, MARKET, ODDITIES, ORDERS, configurations, fees, steps

RUNS = steps(MARKET + ORDERS + ORDERS + ODDITIES + FACTS, longest=120)


def trader(params: TraderParams) -> Trader:
    return Trader(CHAOS_PRODUCT, params, id_prefix="qm1")


def run(
    params: TraderParams, rates: FeeRates, run_of: list[Step], *, reload: TraderParams
) -> Chaos:
    chaos = Chaos([trader(params)], fees=rates, reloads=[params, reload])
    chaos.run(run_of)
    return chaos


@given(configurations(), fees(), RUNS, configurations())
def test_no_order_of_events_breaks_a_guarantee(
    params: TraderParams, rates: FeeRates, events: list[Step], reload: TraderParams
) -> None:
    run(params, rates, events, reload=reload)


@given(
    st.sets(st.sampled_from(sorted(gate.value for gate in SWITCHABLE))).flatmap(
        lambda names: configurations(without=frozenset(names))
    ),
    fees(),
    RUNS,
)
def test_switching_gates_off_never_lets_a_price_cross(
    params: TraderParams, rates: FeeRates, events: list[Step]
) -> None:
    run(params, rates, events, reload=params)


@given(configurations(), fees(), RUNS, configurations())
def test_the_round_trips_are_the_cash_to_the_last_digit(
    params: TraderParams, rates: FeeRates, events: list[Step], reload: TraderParams
) -> None:
    chaos = run(params, rates, events, reload=reload)
    chaos.flatten()
    state = chaos.trader.state
    assert not state.orders
    left = state.position
    sign = left.entry.sign if left.entry is not None else 0
    inside = EXACT.add(chaos.product.notional(sign * left.cost, 1), left.fees)
    nets = add(*(trip.net for trip in chaos.heard.trips))
    assert EXACT.subtract(nets, inside) == chaos.heard.cash(chaos.product)


@given(configurations(), fees(), RUNS)
def test_the_books_rebuilt_from_the_fills_agree_with_the_trader(
    params: TraderParams, rates: FeeRates, events: list[Step]
) -> None:
    chaos = run(params, rates, events, reload=params)
    chaos.flatten()
    rebuilt, closed = replay((fill, 0) for fill in chaos.heard.fills)
    held = chaos.trader.state.position
    assert (rebuilt.lots, rebuilt.entry) == (held.lots, held.entry)
    cash = EXACT.subtract(net_of(closed, chaos.product), rebuilt.fees)
    sign = rebuilt.entry.sign if rebuilt.entry is not None else 0
    cash = EXACT.subtract(cash, chaos.product.notional(sign * rebuilt.cost, 1))
    assert cash == chaos.heard.cash(chaos.product)


@given(configurations(), fees(), RUNS)
def test_a_position_is_always_left_in_the_end(
    params: TraderParams, rates: FeeRates, events: list[Step]
) -> None:
    chaos = run(params, rates, events, reload=params)
    chaos.flatten()
    owners = chaos.trader.exits.ownership()
    assert all(each.owner is Owner.DUST for each in owners)
    assert all(order.state is OrderState.OPEN for order in chaos.trader.state.orders.values())


@given(configurations(), fees(), RUNS)
def test_every_round_trip_is_named_by_an_entry_and_told_by_what_closed_it(
    params: TraderParams, rates: FeeRates, events: list[Step]
) -> None:
    chaos = run(params, rates, events, reload=params)
    sent = sent_orders(chaos)
    for trip in chaos.heard.trips:
        assert trip.id in sent
        closing = sent[trip.closing_order]
        assert trip.exit_reason is (closing.exit_reason or ExitReason.PAIRED)


@given(configurations(sides=((True, False), (False, True))), fees(), RUNS)
def test_an_exit_names_the_entry_that_names_its_round_trip(
    params: TraderParams, rates: FeeRates, events: list[Step]
) -> None:
    chaos = run(params, rates, events, reload=params)
    sent = sent_orders(chaos)
    for trip in chaos.heard.trips:
        assert sent[trip.closing_order].passive_order_id == trip.id
        assert sent[trip.id].passive_order_id == trip.id


@given(configurations(), fees(), RUNS)
def test_the_same_events_lead_to_the_same_commands(
    params: TraderParams, rates: FeeRates, events: list[Step]
) -> None:
    first = run(params, rates, events, reload=params)
    again = trader(params)
    commands = [command for event in first.heard.events for command in again.on(event)]
    assert commands == first.heard.commands


@given(configurations(), fees(), RUNS)
def test_orders_move_only_as_the_table_allows(
    params: TraderParams, rates: FeeRates, events: list[Step]
) -> None:
    first = run(params, rates, events, reload=params)
    again = trader(params)
    for event in first.heard.events:
        before = {order.intent.client_id: order.state for order in again.state.orders.values()}
        commands = again.on(event)
        for client_id, was in before.items():
            allowed = legal(was, event, client_id)
            if not allowed:
                assert AlertKind.ILLEGAL_MOVE in alerts(commands)
            order = again.state.orders.get(client_id)
            if order is not None:
                assert order.state in allowed | {was}


def legal(was: OrderState, event: TraderEvent, client_id: str) -> set[OrderState]:
    """Return where one event may bring an order, our own cancellation after it included."""
    state = was
    if isinstance(event, OrderMoved) and event.client_id == client_id:
        if event.move not in NEXT[was]:
            return set()
        state = NEXT[was][event.move]
    cancelling = NEXT[state].get(Move.CANCEL_SENT)
    return {was, state} if cancelling is None else {was, state, cancelling}


def alerts(commands: Sequence[Command]) -> set[AlertKind]:
    return {command.kind for command in commands if isinstance(command, Alert)}


def sent_orders(chaos: Chaos) -> dict[str, Intent]:
    return {
        said.intent.client_id: said.intent
        for said in chaos.heard.commands
        if isinstance(said, SubmitOrder)
    }
