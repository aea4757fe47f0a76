"""Fills shuffled, repeated, delayed and split give the same lots and the same money, to the last digit.

A real trader lives through chaos; the ledger hears of it in any order and must come to what the trader said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from quietmaker.core.commands import DustLeft
from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import Fill
from quietmaker.core.params import TraderParams
from quietmaker.core.trader import Trader
from quietmaker.core.units import ZERO, Lots, add, minus
from quietmaker.ledger.derivation.derive import Trip
from quietmaker.ports import FillMarked, Ledger, LedgerFact
from tests.kit.chaos import CHAOS_PRODUCT, Chaos, Step
from tests.ledger.derivations import Life, begin, derived, life_of, trip_columns
from tests.ledger.prompt import PromptLedger, PromptMemory
from tests.properties.strategies import MARKET, ODDITIES, ORDERS, configurations, fees, steps

STEPS = steps(MARKET + ORDERS + ORDERS + ODDITIES, longest=120)
PRODUCTS = {CHAOS_PRODUCT.symbol: CHAOS_PRODUCT}


def live(params: TraderParams, rates: FeeRates, taken: list[Step], *, prompt: bool) -> Life:
    """Let a trader live, and leave what it holds in the end."""
    trader, twin = (Trader(CHAOS_PRODUCT, params, id_prefix="qm1") for _ in range(2))
    chaos = Chaos([trader], fees=rates, prompt=prompt)
    try:
        chaos.run(taken)
        chaos.flatten()
    except AssertionError as error:
        if "never rests" not in str(error):  # at one moment, on an exchange without latency
            raise
        reject()
    return life_of(chaos, twin)


def in_order(life: Life) -> list[LedgerFact]:
    """Return the facts as they happened: each fill with its mark, then what a round trip left."""
    marks = {mark.trade_id: mark for mark in life.marks}
    dust = {each.trade_id: each for each in life.dust}
    told: list[LedgerFact] = []
    for fill in life.fills:
        told += [f for f in (fill, marks.get(fill.trade_id), dust.get(fill.trade_id)) if f]
    return told


def in_disorder(life: Life, data: st.DataObject) -> list[list[LedgerFact]]:
    """Return the facts shuffled, some of them twice, over several writes; no mark before its fill."""
    order = data.draw(st.permutations(life.fills))
    delay = st.integers(0, len(order))
    keyed: list[tuple[float, LedgerFact]] = []
    places = {fill.trade_id: place for place, fill in enumerate(order)}
    keyed += [(place, fill) for place, fill in enumerate(order)]
    later: list[FillMarked | DustLeft] = [*life.marks, *life.dust]
    for fact in later:
        keyed.append((places[fact.trade_id] + data.draw(delay) + 0.5, fact))
    told = [fact for _, fact in sorted(keyed, key=lambda pair: pair[0])]
    told += data.draw(st.lists(st.sampled_from(told), max_size=5)) if told else []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(told)), max_size=6)))
    return [told[a:b] for a, b in zip([0, *cuts], [*cuts, len(told)], strict=True)]


def tell(ledger: Ledger, life: Life, writes: Sequence[Sequence[LedgerFact]]) -> None:
    """Let a ledger hear of a life."""
    begin(ledger)
    for intent in life.intents:
        ledger.write_intent(intent)
    for facts in writes:
        ledger.write(facts)


def remembered(life: Life, writes: Sequence[Sequence[LedgerFact]]) -> PromptMemory:
    """Return a ledger in memory that heard of a life."""
    ledger = PromptMemory()
    tell(ledger, life, writes)
    return ledger


@settings(max_examples=60, deadline=None)
@given(configurations(), fees(), STEPS)
def test_the_traders_own_round_trips_are_those_that_the_ledger_derives(
    params: TraderParams, rates: FeeRates, taken: list[Step]
) -> None:
    life = live(params, rates, taken, prompt=True)
    ledger = remembered(life, [in_order(life)])
    found = [trip.record for trip in ledger.round_trips(CHAOS_PRODUCT)]
    assert found == [replace(trip, config_sha="c0ffee") for trip in life.trips]


@settings(max_examples=60, deadline=None)
@given(configurations(), fees(), STEPS, st.data())
def test_what_is_derived_is_the_money_that_moved(
    params: TraderParams, rates: FeeRates, taken: list[Step], data: st.DataObject
) -> None:
    life = live(params, rates, taken, prompt=False)
    ledger = remembered(life, in_disorder(life, data))
    trips = ledger.round_trips(CHAOS_PRODUCT)
    lots = ledger.books(PRODUCTS).symbols[CHAOS_PRODUCT.symbol].lots
    inside = [
        minus(-CHAOS_PRODUCT.notional(lot.entry.sign * lot.price, lot.lots), lot.fee)
        for lot in lots
    ]
    nets = [trip.record.net for trip in trips]
    assert add(*nets, *inside, ledger.open_result(CHAOS_PRODUCT)) == life.cash


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(configurations(), fees(), STEPS, st.data())
def test_any_order_of_telling_derives_the_same_on_postgresql_and_in_memory(
    new_database: Callable[[], str],
    params: TraderParams,
    rates: FeeRates,
    taken: list[Step],
    data: st.DataObject,
) -> None:
    life = live(params, rates, taken, prompt=data.draw(st.booleans()))
    found = []
    for writes in ([in_order(life)], in_disorder(life, data), [[f] for f in in_order(life)]):
        url = new_database()
        ledger = PromptLedger(lambda url=url: url, products=PRODUCTS)  # type: ignore[misc]
        tell(ledger, life, writes)
        found.append((derived(url), ledger.books(PRODUCTS).symbols))
        ledger.close()
    assert found[0] == found[1] == found[2]
    memory = remembered(life, in_disorder(life, data))
    (_, allocations, trips, _, results), books = found[0]
    assert trips == [trip_columns(t, CHAOS_PRODUCT) for t in memory.round_trips(CHAOS_PRODUCT)]
    assert books == memory.books(PRODUCTS).symbols
    net = add(*(row[8] for row in allocations if row[9] is not None))  # type: ignore[arg-type]
    assert net == add(*(trip[14] for trip in trips))  # type: ignore[arg-type]
    assert net == add(*(row[2] for row in results))  # type: ignore[arg-type]
    if life.flat:
        assert net == life.cash


def split(fill: Fill, parts: Sequence[int]) -> list[Fill]:
    """Return the executions that one would have been in parts; the fee stays what it was."""
    sizes = [part for part in (*parts, fill.size - sum(parts)) if part > 0]
    if any(part <= 0 for part in parts) or sum(parts) >= fill.size:
        return [fill]
    share = (fill.fee / len(sizes)).quantize(Decimal("1e-8"))
    paid = [share] * (len(sizes) - 1)
    paid.append(minus(fill.fee, add(ZERO, *paid)))
    return [
        replace(fill, trade_id=f"{fill.trade_id}.{n}", size=Lots(size), fee=fee)
        for n, (size, fee) in enumerate(zip(sizes, paid, strict=True))
    ]


@settings(max_examples=60, deadline=None)
@given(configurations(), fees(), STEPS, st.data())
def test_executions_in_smaller_parts_come_to_the_same_result(
    params: TraderParams, rates: FeeRates, taken: list[Step], data: st.DataObject
) -> None:
    life = live(params, rates, taken, prompt=True)
    parts = st.lists(st.integers(1, 60), max_size=3)
    marks = {mark.trade_id: mark for mark in life.marks}
    dust = {each.trade_id: each for each in life.dust}
    told: list[LedgerFact] = []
    for fill in life.fills:
        pieces = split(fill, data.draw(parts))
        told += pieces
        if mark := marks.get(fill.trade_id):
            told += [replace(mark, trade_id=piece.trade_id) for piece in pieces]
        if left := dust.get(fill.trade_id):
            told.append(replace(left, trade_id=pieces[-1].trade_id))
    whole = remembered(life, [in_order(life)]).round_trips(CHAOS_PRODUCT)
    pieces_of = remembered(life, [told]).round_trips(CHAOS_PRODUCT)
    assert [sums(trip) for trip in pieces_of] == [sums(trip) for trip in whole]
    assert add(*(trip.record.net for trip in pieces_of)) == add(*(t.record.net for t in whole)) or (
        not life.flat
    )


def sums(trip: Trip) -> tuple[object, ...]:
    """Return what does not depend on how a fee is shared out between two round trips of one fill."""
    record = trip.record
    return (
        *(record.id, record.lots, record.opened_at, record.closed_at, record.exit_reason),
        *(record.entry_value, record.exit_value, record.spread_captured, record.price_move),
    )
