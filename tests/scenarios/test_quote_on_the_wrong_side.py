"""Every round trip of a fortnight lost three to six percent: buys were priced at the ask, sells at the bid.

A helper had the sides inverted, and a second one recomputed the price behind it. The price is decided once;
what is sent is what was decided, inside the touch that it was decided on.

Incident P12.
"""

from __future__ import annotations

import pytest

from quietmaker.core.units import Side
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote


@pytest.mark.parametrize("improve", [-2, 0, 1, 20, 500])
@pytest.mark.parametrize("spread", [2, 60, 101, 1_000])
def test_bids_are_below_asks_and_neither_reaches_the_other_side(improve: int, spread: int) -> None:
    quote = make_quote(ask=True, improve_ticks=improve)
    without = frozenset({"spread_below_required", "tick_too_coarse", "insufficient_volatility"})
    desk = Desk(params=make_params(quote=quote, without=without), base=10_000)
    for bid in (10_000, 10_001, 9_990, 10_200):
        desk.touch(bid, bid + spread)
    bids = [i for i in desk.sent if i.side is Side.BUY]
    asks = [i for i in desk.sent if i.side is Side.SELL]
    assert bids
    assert all(i.price < i.ask for i in bids)
    assert all(i.price > i.bid for i in asks)
    live = desk.trader.state.orders.values()
    resting = {side: [o.intent.price for o in live if o.intent.side is side] for side in Side}
    assert max(resting[Side.BUY], default=0) < min(resting[Side.SELL], default=10**9)


def test_a_bid_earns_the_spread_it_was_decided_for() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    desk.fill(desk.exit())
    assert desk.trip.spread_captured > 0


def test_the_price_that_is_sent_is_not_moved_by_what_happens_before_the_answer() -> None:
    desk = Desk()
    desk.answering = False
    desk.touch(10_000, 10_100)
    decided = desk.entry()
    desk.touch(9_900, 10_000)
    assert desk.entry() == decided
    desk.accept(decided)
    assert desk.cancels[-1].client_id == decided.client_id
