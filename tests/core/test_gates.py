"""Entry gates, each reached through the trader; at the boundary equal passes."""

from __future__ import annotations

import pytest

from quietmaker.core.commands import Gate
from quietmaker.core.events import Mode
from quietmaker.core.gates import SWITCHABLE, required_rate
from quietmaker.core.market import StaleReason
from quietmaker.core.params import GateParams
from quietmaker.core.state import State
from quietmaker.core.units import Side, rate
from tests.core.gate_stories import STORIES, plain
from tests.kit.desk import Desk
from tests.kit.makers import (
    FEES,
    FREE,
    make_gates,
    make_params,
    make_product,
    make_quote,
)

NOTHING: frozenset[str] = frozenset()
ANY_TICK = make_gates(max_tick_share="10")


def test_every_gate_has_a_story() -> None:
    assert set(STORIES) == set(Gate)


@pytest.mark.parametrize("gate", STORIES)
def test_the_gate_refuses_and_is_named(gate: Gate) -> None:
    desk = STORIES[gate].arrange(NOTHING)
    assert desk.gate() is gate
    waiting = [] if gate is not Gate.ORDER_UNRESOLVED else [desk.entry()]
    assert desk.entries() == waiting


@pytest.mark.parametrize("gate", STORIES)
def test_quoting_goes_on_when_the_fact_changes(gate: Gate) -> None:
    desk = STORIES[gate].arrange(NOTHING)
    STORIES[gate].heal(desk)
    assert desk.gate() is None
    assert desk.entries()


@pytest.mark.parametrize("gate", sorted(SWITCHABLE, key=str))
def test_without_the_gate_the_story_ends_differently(gate: Gate) -> None:
    desk = STORIES[gate].arrange(frozenset({gate.value}))
    assert desk.gate() is None
    assert desk.entries()


@pytest.mark.parametrize("gate", sorted(set(Gate) - SWITCHABLE, key=str))
def test_a_fact_cannot_be_switched_off(gate: Gate) -> None:
    desk = STORIES[gate].arrange(frozenset({gate.value}))
    assert desk.gate() is gate


@pytest.mark.parametrize("gate", [gate for gate in STORIES if gate is not Gate.ORDER_UNRESOLVED])
def test_a_refusal_pulls_what_rests(gate: Gate) -> None:
    desk = STORIES[gate].arrange(NOTHING)
    assert not any(booked.open for booked in desk.booked.values() if booked.intent.side is Side.BUY)


def test_a_gate_is_told_once_and_again_only_when_it_changes() -> None:
    desk = STORIES[Gate.EXCLUDED].arrange(NOTHING)
    before = len(desk.said)
    for step in range(5):
        desk.touch(10_000 + step, 10_100 + step)
    assert desk.said[before:] == []


# --- boundaries ---------------------------------------------------------------------------------


def quoted(
    bid: int,
    ask: int,
    *,
    gates: GateParams | None = None,
    free: bool = False,
    improve: int = 0,
    candle_range: tuple[int, int] = (1, 10**6),
) -> Gate | None:
    """Return the gate of the bid side on a fresh market."""
    desk = Desk(
        params=make_params(gates=gates, quote=make_quote(improve_ticks=improve)),
        fees=FREE if free else FEES,
        candle_range=candle_range,
    )
    desk.touch(bid, ask)
    return desk.gate()


def test_a_spread_of_exactly_the_required_share_passes() -> None:
    # 2 * 0.25 % + 0.005 % of a mid of 40,000 ticks is 202 ticks.
    assert quoted(39_899, 40_101, gates=ANY_TICK) is None
    assert quoted(39_899, 40_100, gates=ANY_TICK) is Gate.SPREAD_BELOW_REQUIRED


def test_the_spread_is_judged_with_our_own_quote_in_place() -> None:
    assert quoted(39_899, 40_101, gates=ANY_TICK, improve=1) is Gate.SPREAD_BELOW_REQUIRED
    assert quoted(39_898, 40_102, gates=ANY_TICK, improve=1) is None


def test_without_fees_in_the_requirement_the_least_spread_decides() -> None:
    gates = make_gates(include_fees=False, min_spread="0.005")
    assert quoted(39_900, 40_100, gates=gates) is None
    assert quoted(39_900, 40_099, gates=gates) is Gate.SPREAD_BELOW_REQUIRED


def test_the_least_spread_decides_when_it_exceeds_the_fees() -> None:
    gates = make_gates(min_spread="0.01")
    assert quoted(39_800, 40_200, gates=gates) is None
    assert quoted(39_800, 40_199, gates=gates) is Gate.SPREAD_BELOW_REQUIRED


def test_a_spread_of_one_tick_never_suffices() -> None:
    gates = make_gates(min_spread="0", edge_buffer="0", max_tick_share="10")
    assert quoted(10_000, 10_001, gates=gates, free=True) is Gate.SPREAD_BELOW_REQUIRED
    assert quoted(10_000, 10_002, gates=gates, free=True) is None


def test_a_tick_of_exactly_the_allowed_share_of_the_edge_passes() -> None:
    gates = make_gates(min_spread="0", edge_buffer="0")  # a quarter: the edge is four ticks
    assert quoted(10_000, 10_004, gates=gates, free=True) is None
    assert quoted(10_000, 10_003, gates=gates, free=True) is Gate.TICK_TOO_COARSE


def test_the_edge_is_what_two_maker_fees_leave_of_the_spread() -> None:
    # 50 ticks of a mid of 10,000 go to the fees; four are left of 54.
    assert quoted(9_973, 10_027) is None
    assert quoted(9_974, 10_027) is Gate.TICK_TOO_COARSE


def test_fees_are_no_cost_of_the_edge_when_they_are_not_counted() -> None:
    gates = make_gates(include_fees=False)
    assert quoted(9_998, 10_002, gates=gates) is None
    assert quoted(9_998, 10_001, gates=gates) is Gate.TICK_TOO_COARSE


def test_a_range_of_exactly_the_required_share_passes() -> None:
    assert quoted(39_899, 40_101, gates=ANY_TICK, candle_range=(40_000, 40_202)) is None
    assert (
        quoted(39_899, 40_101, gates=ANY_TICK, candle_range=(40_000, 40_201))
        is Gate.INSUFFICIENT_VOLATILITY
    )


def test_a_range_of_one_tick_never_suffices() -> None:
    gates = make_gates(min_spread="0", edge_buffer="0", max_tick_share="10")
    assert (
        quoted(10_000, 10_004, gates=gates, free=True, candle_range=(5, 6))
        is Gate.INSUFFICIENT_VOLATILITY
    )
    assert quoted(10_000, 10_004, gates=gates, free=True, candle_range=(5, 7)) is None


@pytest.mark.parametrize(("need", "have", "passes"), [(5, 4, False), (4, 4, True), (1, 0, False)])
def test_enough_candles_pass_and_too_few_are_insufficient_data(
    need: int, have: int, *, passes: bool
) -> None:
    desk = Desk(params=make_params(gates=make_gates(min_candles=need)), candle_range=None)
    desk.load_candles(9_800, 10_200, count=have)
    desk.touch(10_000, 10_100)
    assert (desk.gate() is None) is passes
    assert passes or desk.gate() is Gate.INSUFFICIENT_DATA


def test_a_window_that_empties_with_time_stops_quoting() -> None:
    desk = plain(NOTHING)
    assert desk.gate() is None
    desk.wait(300)
    assert desk.gate() is Gate.INSUFFICIENT_DATA
    assert desk.entries() == []


def test_trades_of_the_tape_make_the_candles() -> None:
    desk = Desk(params=make_params(gates=make_gates(min_candles=1)), candle_range=None)
    desk.touch(10_000, 10_100)
    desk.trade(9_900)
    desk.trade(10_050)
    assert desk.gate() is Gate.INSUFFICIENT_DATA
    desk.wait(300)
    assert desk.gate() is None


# --- what it says ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (
            Gate.SPREAD_BELOW_REQUIRED,
            ("0.995 %", "100 ticks", "< required 2 %", "gates.min_spread_pct"),
        ),
        (Gate.TICK_TOO_COARSE, ("is 0.010 %", "more than 1 % of", "gates.max_tick_share_pct")),
        (Gate.INSUFFICIENT_VOLATILITY, ("insufficient_volatility", "0.199 %", "0.505 %")),
        (Gate.INSUFFICIENT_DATA, ("4 of 5", "5 needed", "gates.min_candles")),
        (Gate.EXCLUDED, ("win_rate",)),
        (Gate.PRODUCT_NOT_TRADABLE, ("cancel_only",)),
        (Gate.STALE_DATA, ("sequence_gap",)),
        (Gate.COOLDOWN, ("15 s", "quote.cooldown_seconds")),
        (Gate.POSITION_OPEN, ("0.00000 left of 25", "quote.max_position")),
        (Gate.PRICE_BAND, ("10000 ticks", "None to 9999", "quote.price_")),
        (Gate.BELOW_MINIMUM, ("0.5", "least is 1.0", "quote.level_sizes")),
        (Gate.INSUFFICIENT_FUNDS, ("needs 25.1", "20.0", "USD")),
        (Gate.RISK_REFUSED, ("25.0", "24.99", "risk.max_order_notional")),
        (Gate.SIDE_OFF, ("quote.sides",)),
    ],
)
def test_a_refusal_says_its_numbers_and_its_setting(gate: Gate, words: tuple[str, ...]) -> None:
    detail = STORIES[gate].arrange(NOTHING).hold().detail
    for word in words:
        assert word in detail, detail


@pytest.mark.parametrize(
    ("min_spread", "told"),
    [("0", "1.990 % (2 ticks)"), ("0.019900497", "1.990 % (2 ticks)"), ("0.0199005", "1.99005 %")],
)
def test_a_requirement_of_two_ticks_is_told_as_such(min_spread: str, told: str) -> None:
    desk = Desk(
        product=make_product(tick="0.01"),
        params=make_params(gates=make_gates(min_spread=min_spread, edge_buffer="0")),
        fees=FREE,
    )
    desk.touch(100, 101)
    assert f"spread 0.995 % (1 ticks) < required {told} (" in desk.hold().detail


def test_the_requirement_needs_the_fees() -> None:
    state = State(make_product(), make_params(), id_prefix="qm1")
    with pytest.raises(ValueError, match="needs the fee rates"):
        required_rate(state)
    state.fees = FEES
    assert required_rate(state) == rate("0.00505")


# --- which comes first ----------------------------------------------------------------------------


def test_a_halt_is_told_before_anything_else() -> None:
    desk = plain(NOTHING)
    desk.exclude("win_rate")
    desk.lose_data(StaleReason.SILENT)
    desk.mode(Mode.HALT)
    assert desk.gate() is Gate.HALTED
    desk.mode(Mode.RUN)
    assert desk.gate() is Gate.EXCLUDED
    desk.exclude(None)
    assert desk.gate() is Gate.STALE_DATA


@pytest.mark.parametrize("reason", StaleReason)
def test_any_doubt_about_the_book_stops_quoting_until_the_next_touch(reason: StaleReason) -> None:
    desk = plain(NOTHING)
    desk.lose_data(reason)
    expected = Gate.BOOK_CROSSED if reason is StaleReason.CROSSED else Gate.STALE_DATA
    assert desk.gate() is expected
    assert desk.entries() == []
    desk.touch(10_000, 10_100)
    assert desk.gate() is None


@pytest.mark.parametrize(
    ("sizes", "gate"), [((0, 5), Gate.STALE_DATA), ((5, 0), Gate.STALE_DATA), ((5, 5), None)]
)
def test_an_empty_side_is_no_touch(sizes: tuple[int, int], gate: Gate | None) -> None:
    desk = plain(NOTHING)
    desk.touch(10_000, 10_100, bid_size=sizes[0], ask_size=sizes[1])
    assert desk.gate() is gate


def test_a_crossed_book_is_seen_while_the_symbol_is_excluded() -> None:
    desk = STORIES[Gate.EXCLUDED].arrange(NOTHING)
    desk.touch(10_050, 10_050)
    desk.exclude(None)
    assert desk.gate() is Gate.BOOK_CROSSED
