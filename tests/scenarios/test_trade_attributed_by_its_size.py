"""A strategy was switched off for losses that another had made: trades were told apart by their size.

Who decided an order, and which entry it belongs to, is written on the order when it is decided, and stays
on everything that follows from it.

Incident A11.
"""

from __future__ import annotations

from quietmaker.core.orders import ExitReason
from quietmaker.core.params import TraderParams
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote


def params(tag: str, size: str) -> TraderParams:
    return make_params(quote=make_quote(level_sizes=(size,)), strategy_tag=tag)


def test_two_strategies_with_one_size_are_told_apart() -> None:
    for tag in ("passivemm", "shadow"):
        desk = Desk(params=params(tag, "31"))
        desk.touch(10_000, 10_100)
        desk.fill(desk.entry())
        desk.fill(desk.exit())
        assert {intent.strategy_tag for intent in desk.sent} == {tag}
        assert desk.trip.strategy_tag == tag


def test_every_order_of_a_round_trip_names_its_entry() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.fill(entry, 100)
    desk.fill(entry, 150)
    desk.fill(desk.exit(), 100)
    desk.touch(9_700, 9_800)
    assert len(desk.sent) == 4
    assert {intent.passive_order_id for intent in desk.sent} == {entry.client_id}
    assert desk.trip.id == entry.client_id
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS
    assert desk.trip.config_sha == "c0ffee"


def test_every_order_carries_what_it_was_decided_on() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    for intent in desk.sent:
        assert (intent.bid, intent.ask) == (10_000, 10_100)
        assert intent.inputs
        assert intent.decided_at
