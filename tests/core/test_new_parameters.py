"""New parameters under resting quotes: what is quoted anew, what keeps its place, what exits do."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.commands import CancelReason
from quietmaker.core.orders import Move
from quietmaker.core.params import QuoteParams, RiskParams
from quietmaker.core.units import Side
from tests.core.test_entries import quoting, ready
from tests.kit.desk import Desk
from tests.kit.makers import (
    make_exits,
    make_gates,
    make_intent,
    make_params,
    make_quote,
    make_risk,
    make_working,
)


def reasons(desk: Desk) -> list[CancelReason]:
    return [each.reason for each in desk.cancels]


@pytest.mark.parametrize(
    "quote",
    [
        make_quote(level_sizes=("10",)),
        make_quote(level_spacing="0.002"),
        make_quote(max_position="40"),
        make_quote(inventory_skew="0.001"),
        make_quote(time_to_live=60),
        make_quote(price_floor=9_000),
        make_quote(price_ceiling=11_000),
    ],
)
def test_what_quotes_are_made_of_is_quoted_anew(quote: QuoteParams) -> None:
    desk = quoting()
    first = desk.entry()
    desk.configure(make_params(quote=quote))
    assert reasons(desk) == [CancelReason.CONFIG]
    assert desk.entry().client_id != first.client_id


@pytest.mark.parametrize(
    "risk",
    [
        make_risk(max_order_notional="30"),
        make_risk(max_exposure="60"),
        make_risk(max_open_orders=3),
    ],
)
def test_limits_are_judged_anew_on_what_rests(risk: RiskParams) -> None:
    desk = quoting()
    desk.configure(make_params(risk=risk))
    assert reasons(desk) == [CancelReason.CONFIG]


def test_a_quote_that_the_new_limits_forbid_goes_and_does_not_come_back() -> None:
    desk = quoting()
    desk.configure(make_params(risk=make_risk(max_order_notional="10")))
    assert desk.entries(Side.BUY) == []
    assert reasons(desk) == [CancelReason.CONFIG]


def test_a_quote_outside_of_a_new_band_goes_although_it_need_not_move_yet() -> None:
    """A tolerance of ten ticks would have kept it, below the new floor, until the market moved."""
    desk = quoting(refresh_ticks=10)
    desk.configure(make_params(quote=make_quote(refresh_ticks=10, price_floor=10_005)))
    assert desk.entries(Side.BUY) == []


def test_everything_else_leaves_quotes_their_place_in_the_queue() -> None:
    desk = quoting()
    first = desk.entry()
    desk.configure(
        make_params(
            quote=make_quote(max_age=600, cooldown=1, refresh_ticks=2, post_only_rejects=9),
            gates=make_gates(edge_buffer="0.0001"),
            exits=make_exits(min_profit="0.005"),
            risk=make_risk(max_daily_loss="9", max_orders_per_minute=7),
            strategy_tag="other",
        )
    )
    assert desk.entry() == first
    assert desk.cancels == []


def test_a_quote_on_its_way_is_called_back_when_it_arrives() -> None:
    desk = quoting()
    desk.answering = False
    desk.touch(9_990, 10_100)  # the old one is cancelled
    desk.move(desk.cancels[-1].client_id, Move.CANCELLED, filled=0)
    under_way = desk.sent[-1].client_id
    desk.configure(make_params(quote=make_quote(level_sizes=("10",))))
    before = len(desk.cancels)
    desk.move(under_way, Move.ACCEPTED)
    assert [(each.client_id, each.reason) for each in desk.cancels[before:]] == [
        (under_way, CancelReason.CONFIG)
    ]


def test_the_next_order_has_the_new_tag() -> None:
    desk = quoting()
    desk.configure(make_params(strategy_tag="other", quote=make_quote(level_sizes=("10",))))
    assert desk.entry().strategy_tag == "other"


def test_a_position_keeps_its_exit_at_the_new_target_whatever_else_is_new() -> None:
    desk = quoting()
    desk.fill(desk.entry())
    before = desk.exit().price
    desk.configure(
        make_params(
            quote=make_quote(bid=False, ask=False),
            exits=make_exits(min_profit="0.01"),
            risk=make_risk(max_order_notional="0.01"),
        )
    )
    assert desk.exit().price > before
    assert desk.trader.state.position.lots == 250


def test_an_adopted_quote_that_the_new_configuration_would_not_make_is_cancelled() -> None:
    """A reload while its trader was away: the order was sent by the old limits."""
    desk = Desk(
        params=make_params(
            risk=make_risk(max_order_notional="10"), quote=make_quote(level_sizes=("10",))
        ),
        ready=False,
    )
    ready(desk)
    desk.touch(10_000, 10_100)
    old = make_intent("qm0-X-USD-BE7", Side.BUY, 10_000, 250)
    desk.recover(orders=[make_working(old)], next_sequence=8)
    assert [each.client_id for each in desk.cancels] == ["qm0-X-USD-BE7"]
    assert desk.entry().size * Decimal("0.1") <= 10
