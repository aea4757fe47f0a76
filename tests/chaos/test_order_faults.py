"""What goes wrong with orders, executions and the clock themselves, while the bot trades."""

from __future__ import annotations

from typing import Any

import pytest

import actors.clock
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import Move, OrderState
from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.server.records import OrderStatus
from tests.chaos.ending import ends_well
from tests.chaos.market import SYMBOLS
from tests.chaos.rig import Rig, running
from tests.chaos.test_request_faults import SUBMIT, rule


@pytest.mark.parametrize("milliseconds", [300, 2_500])
def test_executions_that_are_listed_late_are_booked_exactly_once_and_protected(
    milliseconds: int,
) -> None:
    with running() as rig:
        rig.trade(4)
        rig.suffer(rule("fills.late", {}, 0.5, ms=milliseconds), fired=4)
        rig.trade(2)
        ends_well(rig)


def test_executions_that_the_stream_garbled_and_the_exchange_lists_late_are_protected() -> None:
    """A query states the end before the list has the executions: who asked once must ask again."""
    garbled = {"channel": "user", "kind": "update", "status": ["FILLED", "OPEN"]}
    with running() as rig:
        rig.trade(2)
        rig.suffer(
            rule("ws.remove", garbled, 0.6, field="cumulative_quantity"),
            rule("fills.late", {}, 1, ms=1_500),
            fired=10,
        )
        ends_well(rig)


def test_the_user_stream_may_overtake_every_answer() -> None:
    late = rule("rest.delay", {"method": "POST"}, 0.5, ms=200, when="after")
    with running(before=[late]) as rig:
        rig.trade(8)
        overtaken = rig.fired
        rig.heal()
        assert overtaken
        ends_well(rig)


@pytest.mark.parametrize("status", ["CANCELLED", "FAILED", "EXPIRED"])
@pytest.mark.parametrize("entries", [True, False], ids=["entries", "exits"])
def test_an_order_that_dies_after_its_acceptance_is_replaced_and_none_rests_twice(
    status: str, *, entries: bool
) -> None:
    die = rule("order.die", {"side": "BUY" if entries else "SELL"}, 0.5, status=status)
    with running() as rig:
        rig.trade(4)
        rig.suffer(die, fired=4)
        rig.trade(4)
        ends_well(rig)


def test_an_end_that_is_told_twice_until_it_is_settled_ends_once() -> None:
    with running() as rig:
        rig.suffer(rule("order.unsettled", {}, 1), fired=4)
        rig.trade(4)
        ends_well(rig)


def test_p1_an_order_that_arrives_after_it_was_given_up_is_found_and_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its request was under way for longer than anybody waits: the books hold that it never arrived."""
    monkeypatch.setattr("actors.inquiry.REPLAY_WITHIN", Nanos(SECOND))
    monkeypatch.setattr("actors.inquiry.NOT_FOUND_AFTER", Nanos(SECOND))
    with running() as rig:
        rig.trade(2)
        slow = rule("rest.delay", {**SUBMIT, "side": "BUY", "product": SYMBOLS[0]}, 1, ms=7_000)
        rig.install(slow)

        def given_up() -> list[str]:
            return [f.client_id for f in rig.ledger.events if f.what == Move.NOT_FOUND.value]

        rig.until(lambda: bool(given_up()), "an order is given up", waves=True)
        rig.heal()
        [lost] = set(given_up())
        assert rig.ledger._standings[lost].state is OrderState.FAILED
        rig.until(lambda: any(o.client_id == lost for o in rig.orders), "it arrives")
        rig.until(lambda: all(o.client_id != lost for o in rig.live), "it is cancelled")
        [ended] = [order for order in rig.orders if order.client_id == lost]
        assert (ended.status, ended.fills) == (OrderStatus.CANCELLED, 0)
        ends_well(rig, strays={lost})


def test_p1_an_order_that_arrives_while_nobody_listens_is_found_by_the_sweeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.inquiry.REPLAY_WITHIN", Nanos(SECOND))
    monkeypatch.setattr("actors.inquiry.NOT_FOUND_AFTER", Nanos(SECOND))
    monkeypatch.setattr("actors.reconciler.SWEEP_EVERY", Nanos(SECOND))
    with running() as rig:
        rig.trade(2)
        rig.install(
            rule("rest.delay", {**SUBMIT, "side": "BUY", "product": SYMBOLS[0]}, 1, ms=7_000),
            rule("ws.mute", {"channel": "user"}, 1),
        )

        def given_up() -> set[str]:
            return {f.client_id for f in rig.ledger.events if f.what == Move.NOT_FOUND.value}

        rig.until(lambda: bool(given_up()), "an order is given up", waves=True)
        [lost] = given_up()
        rig.until(lambda: any(o.client_id == lost for o in rig.orders), "it arrives")
        rig.until(lambda: all(o.client_id != lost for o in rig.live), "it is cancelled")
        rig.heal()
        ends_well(rig, strays={lost})


def skewed(rig: Rig) -> bool:
    """Return whether every trader holds back because the clocks disagree."""
    return all(rig.core(s).state.stale is StaleReason.CLOCK_SKEW for s in SYMBOLS)


@pytest.mark.parametrize("milliseconds", [5_000, -5_000])
def test_clocks_that_disagree_stop_entries_until_they_agree(
    milliseconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors.clock, "SKEW_EVERY", Nanos(SECOND // 2))
    with running() as rig:
        rig.trade(4)
        rig.install(
            rule("clock.skew", {"where": "rest"}, 1, ms=milliseconds),
            rule("clock.skew", {"where": "ws"}, 1, ms=milliseconds),
        )
        rig.until(lambda: skewed(rig), "the clocks disagree", waves=True)
        before = dict(rig.ledger.intents)
        rig.until(lambda: rig.fired > 40, "time passes", waves=True)
        new = rig.ledger.intents.keys() - before.keys()
        assert {rig.ledger.intents[each].purpose.value for each in new} <= {"exit"}
        rig.heal()
        rig.until(lambda: not rig.stale(), "the clocks agree", waves=True)
        rig.trade(4)
        ends_well(rig)


def test_p12_a_book_that_nobody_updates_any_more_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The socket stays up, heartbeats come, no number is missing: only the channel is silent."""
    monkeypatch.setattr("actors.feed.CHANNEL_SILENCE", Nanos(SECOND))
    monkeypatch.setattr("actors.feed.BUSY_WINDOW", Nanos(2 * SECOND))
    monkeypatch.setattr("actors.feed.BUSY", 5)
    mute: list[dict[str, Any]] = [
        rule("ws.mute", {"endpoint": "market", "channel": channel}, 1)
        for channel in ("l2_data", "market_trades", "candles")
    ]
    with running() as rig:
        rig.until(lambda: rig.actor("feed")._busy, "the channel is a busy one", waves=True)
        rig.install(*mute)
        rig.until(
            lambda: all(rig.core(s).state.stale is StaleReason.SILENT for s in SYMBOLS),
            "the silence is noticed",
            waves=True,
        )
        rig.until(lambda: all(r.side.value == "SELL" for r in rig.live), "quotes are pulled")
        rig.heal()
        rig.until(lambda: not rig.stale(), "the books are back", waves=True)
        rig.trade(4)
        ends_well(rig)
