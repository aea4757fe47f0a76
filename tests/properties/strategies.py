"""Strategies for configurations and runs of events."""

from __future__ import annotations

from hypothesis import strategies as st

from quietmaker.core.fees import FeeRates
from quietmaker.core.params import TraderParams
from quietmaker.core.units import rate
from tests.kit.chaos import Step, What
from tests.kit.makers import (
    FEES,
    FREE,
    make_exits,
    make_gates,
    make_params,
    make_quote,
    make_risk,
)

SIDES = ((True, False), (True, True), (True, True), (False, True))
"""Bids, asks: both sides twice as often, for the races are there."""

NUMBER = st.integers(0, 99)

MARKET = (What.TOUCH,) * 12 + (
    What.JUMP,
    What.LATE,
    What.WAIT,
    What.WAIT,
    What.WAIT_LONG,
    What.PRINT,
)
ORDERS = (What.EXECUTE,) * 4 + (What.HANDLE,) * 4 + (What.DELIVER,) * 4
ODDITIES = (What.REPEAT, What.DRAIN, What.EXPIRE)
FACTS = (
    What.LOSE,
    What.MODE,
    What.ELIGIBLE,
    What.LEDGER,
    What.FEES,
    What.FUNDS,
    What.EXPOSURE,
    What.CANDLES,
    What.RELOAD,
)


def steps(kinds: tuple[What, ...], *, longest: int) -> st.SearchStrategy[list[Step]]:
    """Return runs of these kinds of steps; a kind named twice comes twice as often."""
    # Hypothesis draws short lists by itself; the second half of a run is where the trouble is.
    step = st.tuples(st.sampled_from(kinds), NUMBER, NUMBER)
    return st.lists(step, min_size=longest // 2, max_size=longest)


def fees() -> st.SearchStrategy[FeeRates]:
    """Return fee rates, the free market among them."""
    return st.sampled_from(
        (FREE, FEES, FeeRates(maker=rate("0.0006"), taker=rate("0.0012"))),
    )


@st.composite
def configurations(
    draw: st.DrawFn,
    *,
    without: frozenset[str] = frozenset(),
    sides: tuple[tuple[bool, bool], ...] = SIDES,
) -> TraderParams:
    """Return a configuration that quotes on the chaos market: every feature is on or off."""
    pick = st.sampled_from
    bid, ask = draw(pick(sides))
    sizes = draw(pick((("8",), ("8", "8"), ("8", "12", "8"), ("2",))))
    return make_params(
        quote=make_quote(
            bid=bid,
            ask=ask,
            level_sizes=sizes,
            level_spacing=draw(pick(("0.001", "0.003"))),
            improve_ticks=draw(pick((0, 0, 1, 2, 3, -1))),
            refresh_ticks=draw(st.integers(1, 4)),
            max_age=draw(pick((20, 300))),
            cooldown=draw(pick((0, 3))),
            post_only_rejects=draw(pick((1, 2, 3))),
            price_floor=draw(pick((None, None, 985))),
            price_ceiling=draw(pick((None, None, 1_015))),
            max_position=draw(pick(("8", "20", "40"))),
            inventory_skew=draw(pick(("0", "0", "0.004"))),
            time_to_live=draw(pick((None, 30))),
        ),
        gates=make_gates(
            min_spread=draw(pick(("0.001", "0.003"))),
            include_fees=draw(st.booleans()),
            max_tick_share=draw(pick(("0.25", "2", "2"))),
            min_candles=draw(pick((1, 5))),
        ),
        exits=make_exits(
            min_profit=draw(pick(("0.002", "0", "0.01"))),
            rest_at_touch=draw(st.booleans()),
            max_lifetime=draw(pick((5, 600))),
            stale_patience=draw(pick((0, 5))),
            touch_patience=draw(pick((0, 3))),
            stop_loss=draw(pick(("0.005", "0.02"))),
            take_profit=draw(pick((None, None, "0.003"))),
            trailing_activation=draw(pick((None, None, "0.003"))),
            trailing_distance="0.004",
        ),
        risk=make_risk(
            max_order_notional=draw(pick(("100", "9"))),
            max_exposure=draw(pick(("60", "500"))),
            max_open_orders=draw(pick((2, 10))),
            max_orders_per_minute=draw(pick((3, 30, 300))),
            max_daily_loss=draw(pick(("0.2", "50"))),
        ),
        without=without,
    )
