"""The quiet box is an optimisation only: with it and without it, every event leads to the same commands.

Touches are dense around every threshold (tests/kit/chaos.py), the exchange answers at once for long
quiet stretches, and facts change in between.
"""

from __future__ import annotations

from unittest import mock

from hypothesis import given, settings

from quietmaker.core import quiet
from quietmaker.core.fees import FeeRates
from quietmaker.core.params import TraderParams
from quietmaker.core.trader import Trader
from tests.kit.chaos import CHAOS_PRODUCT, Chaos, Step, What
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote
from tests.properties.strategies import (
    FACTS,
    MARKET,
    ODDITIES,
    ORDERS,
    configurations,
    fees,
    steps,
)

CALM = steps(MARKET * 3 + (What.EXECUTE,) * 3 + FACTS, longest=160)
WILD = steps(MARKET * 2 + ORDERS + ODDITIES + FACTS, longest=120)


def twins(params: TraderParams) -> list[Trader]:
    boxed = Trader(CHAOS_PRODUCT, params, id_prefix="qm1")
    bare = Trader(CHAOS_PRODUCT, params, id_prefix="qm1")
    bare.boxed = False
    return [boxed, bare]


@settings(max_examples=200)
@given(configurations(), fees(), CALM, configurations())
def test_the_box_changes_nothing_while_the_exchange_answers_at_once(
    params: TraderParams, rates: FeeRates, events: list[Step], reload: TraderParams
) -> None:
    Chaos(twins(params), fees=rates, prompt=True, reloads=[params, reload]).run(events)


@given(configurations(), fees(), WILD, configurations())
def test_the_box_changes_nothing_while_answers_are_late_and_lost(
    params: TraderParams, rates: FeeRates, events: list[Step], reload: TraderParams
) -> None:
    Chaos(twins(params), fees=rates, reloads=[params, reload]).run(events)


def decisions(desk: Desk) -> int:
    """Return how many decisions a walk of two ticks around the touch costs."""
    with mock.patch.object(quiet, "quiet_box", wraps=quiet.quiet_box) as box:
        desk.trader.boxed = True
        for step in range(300):
            desk.touch(10_000 + step % 3 - 1, 10_100 + step % 3 - 1)
        return box.call_count


def test_most_touches_cost_no_decision() -> None:
    desk = Desk(params=make_params(quote=make_quote(refresh_ticks=3, max_age=10_000)))
    desk.touch(10_000, 10_100)
    assert desk.entry().price == 10_000
    assert decisions(desk) < 10


def test_most_touches_cost_no_decision_while_a_position_is_open() -> None:
    desk = Desk(
        params=make_params(quote=make_quote(refresh_ticks=3, max_age=10_000, cooldown=10_000))
    )
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    assert decisions(desk) < 20
