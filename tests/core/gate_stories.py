"""For every entry gate: a market in which it refuses, and what must change for quoting to go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from quietmaker.core.commands import Gate
from quietmaker.core.events import EligibilityChanged, Mode, ProductChanged
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import POST_ONLY_REFUSED, Move
from quietmaker.core.units import PPB, Rate
from tests.kit.desk import Desk
from tests.kit.makers import (
    FEES,
    make_gates,
    make_params,
    make_product,
    make_quote,
    make_risk,
)

Arrange = Callable[[frozenset[str]], Desk]
Heal = Callable[[Desk], object]


@dataclass(frozen=True)
class Story:
    """How a gate refuses bids, and how it lets them pass again."""

    arrange: Arrange
    heal: Heal


def see_market(desk: Desk) -> Desk:
    desk.touch(10_000, 10_100)
    return desk


def plain(without: frozenset[str]) -> Desk:
    return see_market(Desk(params=make_params(without=without)))


def after(change: Heal) -> Arrange:
    """Return a quoting desk to which something happens."""

    def arrange(without: frozenset[str]) -> Desk:
        desk = plain(without)
        assert desk.gate() is None
        change(desk)
        return desk

    return arrange


def excluded(without: frozenset[str]) -> Desk:
    desk = Desk(params=make_params(without=without))
    desk.exclude("win_rate")
    return see_market(desk)


def cooldown(without: frozenset[str]) -> Desk:
    desk = plain(without)
    desk.fill(desk.entry())
    desk.fill(desk.exit())
    return desk


def refused_for_crossing(without: frozenset[str]) -> Desk:
    desk = Desk(params=make_params(without=without))
    desk.refusing = POST_ONLY_REFUSED
    return see_market(desk)


def taken_again(desk: Desk) -> None:
    desk.refusing = ""
    desk.wait(1)


def position_open(without: frozenset[str]) -> Desk:
    quote = make_quote(max_position="25", cooldown=0)
    desk = see_market(Desk(params=make_params(quote=quote, without=without)))
    desk.fill(desk.entry())
    return desk


def risk_refused(without: frozenset[str]) -> Desk:
    risk = make_risk(max_order_notional="24.99")
    return see_market(Desk(params=make_params(risk=risk, without=without)))


def tight_spread(without: frozenset[str]) -> Desk:
    gates = make_gates(min_spread="0.02")
    return see_market(Desk(params=make_params(gates=gates, without=without)))


def coarse_tick(without: frozenset[str]) -> Desk:
    gates = make_gates(max_tick_share="0.01")
    return see_market(Desk(params=make_params(gates=gates, without=without)))


def few_candles(without: frozenset[str]) -> Desk:
    desk = Desk(params=make_params(without=without), candle_range=None)
    desk.load_candles(9_800, 10_200, count=4)
    return see_market(desk)


def calm(without: frozenset[str]) -> Desk:
    return see_market(Desk(params=make_params(without=without), candle_range=(10_000, 10_020)))


def outside_band(without: frozenset[str]) -> Desk:
    quote = make_quote(price_ceiling=9_999)
    return see_market(Desk(params=make_params(quote=quote, without=without)))


def no_verdict(without: frozenset[str]) -> Desk:
    return see_market(Desk(params=make_params(without=without), ready=False))


def unresolved(desk: Desk) -> None:
    desk.answering = False
    desk.confirm_cancel(desk.entry().client_id)
    desk.move(desk.entry().client_id, Move.OUTCOME_UNKNOWN, reason="timeout")


def resolve(desk: Desk) -> None:
    desk.answering = True
    desk.move(desk.entry().client_id, Move.NOT_FOUND)


def side_off(desk: Desk) -> None:
    desk.configure(make_params(quote=make_quote(bid=False)))


def too_small(without: frozenset[str]) -> Desk:
    quote = make_quote(level_sizes=("0.5",))
    return see_market(Desk(params=make_params(quote=quote, without=without)))


def poor(without: frozenset[str]) -> Desk:
    return see_market(Desk(params=make_params(without=without), funds="20"))


def make_ready(desk: Desk) -> None:
    """Tell a desk that knows nothing everything that it waits for."""
    desk.load_candles(9_800, 10_200)
    desk.recover()
    assert desk.gate() is Gate.WARMING_UP
    desk.change_fees(FEES)
    desk.funds("1000")
    assert desk.gate() is Gate.WARMING_UP
    desk.on(EligibilityChanged(now=desk.now, rule=None, size_share=Rate(PPB)))


def untradable(reason: str) -> Heal:
    return lambda desk: desk.on(
        ProductChanged(now=desk.now, product=make_product(untradable=reason))
    )


def reconfigure(**parts: object) -> Heal:
    return lambda desk: desk.configure(replace(make_params(), **parts))  # type: ignore[arg-type]


STORIES: Final[dict[Gate, Story]] = {
    Gate.HALTED: Story(after(lambda desk: desk.mode(Mode.HALT)), lambda desk: desk.mode(Mode.RUN)),
    Gate.FLATTENING: Story(
        after(lambda desk: desk.mode(Mode.FLATTEN)), lambda desk: desk.mode(Mode.RUN)
    ),
    Gate.DRAINING: Story(
        after(lambda desk: desk.mode(Mode.DRAIN)), lambda desk: desk.mode(Mode.RUN)
    ),
    Gate.PAUSED: Story(after(lambda desk: desk.mode(Mode.PAUSE)), lambda desk: desk.mode(Mode.RUN)),
    Gate.WARMING_UP: Story(no_verdict, make_ready),
    Gate.LEDGER_UNAVAILABLE: Story(
        after(lambda desk: desk.ledger("the database is away")), lambda desk: desk.ledger("")
    ),
    Gate.PRODUCT_NOT_TRADABLE: Story(after(untradable("cancel_only")), untradable("")),
    Gate.EXCLUDED: Story(excluded, lambda desk: desk.exclude(None)),
    Gate.SIDE_OFF: Story(after(side_off), reconfigure()),
    Gate.STALE_DATA: Story(after(lambda desk: desk.lose_data(StaleReason.GAP)), see_market),
    Gate.BOOK_CROSSED: Story(after(lambda desk: desk.touch(10_100, 10_100)), see_market),
    Gate.ORDER_UNRESOLVED: Story(after(unresolved), resolve),
    Gate.FEES_UNKNOWN: Story(
        after(lambda desk: desk.change_fees(None)), lambda desk: desk.change_fees(FEES)
    ),
    Gate.FUNDS_UNKNOWN: Story(
        after(lambda desk: desk.funds(None)), lambda desk: desk.funds("1000")
    ),
    Gate.COOLDOWN: Story(cooldown, lambda desk: desk.wait(15)),
    Gate.POST_ONLY_REFUSED: Story(refused_for_crossing, taken_again),
    Gate.POSITION_OPEN: Story(position_open, lambda desk: desk.fill(desk.exit())),
    Gate.RISK_REFUSED: Story(risk_refused, reconfigure(risk=make_risk())),
    Gate.SPREAD_BELOW_REQUIRED: Story(tight_spread, lambda desk: desk.touch(9_900, 10_200)),
    Gate.TICK_TOO_COARSE: Story(coarse_tick, reconfigure(gates=make_gates())),
    Gate.INSUFFICIENT_DATA: Story(few_candles, lambda desk: desk.load_candles(9_800, 10_200)),
    Gate.INSUFFICIENT_VOLATILITY: Story(calm, lambda desk: desk.load_candles(9_900, 10_100)),
    Gate.PRICE_BAND: Story(outside_band, lambda desk: desk.touch(9_900, 10_000)),
    Gate.BELOW_MINIMUM: Story(too_small, reconfigure(quote=make_quote())),
    Gate.INSUFFICIENT_FUNDS: Story(poor, lambda desk: desk.funds("30")),
}
