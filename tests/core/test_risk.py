"""Risk: every limit refuses an entry, names itself, and never touches an exit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.commands import Gate
from quietmaker.core.events import ExposureChanged
from quietmaker.core.params import RiskParams
from quietmaker.core.risk import OrderRate
from quietmaker.core.trips import DAY
from quietmaker.core.units import SECOND, Instant
from tests.kit.desk import Desk
from tests.kit.makers import START, make_gates, make_params, make_quote, make_risk

LEVELS = ("10", "10", "10")


def quoting(
    risk: RiskParams, *, levels: tuple[str, ...] = ("25",), max_position: str = "1000"
) -> Desk:
    quote = make_quote(level_sizes=levels, cooldown=0, max_position=max_position)
    desk = Desk(params=make_params(quote=quote, risk=risk, gates=make_gates(min_candles=1)))
    desk.touch(10_000, 10_100)
    return desk


def refused_by(desk: Desk) -> str:
    """Return the setting that the gate names."""
    assert desk.gate() is Gate.RISK_REFUSED
    return desk.hold().detail.rpartition("(risk.")[2].rstrip(")")


@pytest.mark.parametrize(("limit", "passes"), [("25", True), ("24.99999", False)])
def test_an_order_may_be_worth_the_limit_and_no_more(limit: str, *, passes: bool) -> None:
    desk = quoting(make_risk(max_order_notional=limit))
    assert bool(desk.entries()) is passes
    assert passes or refused_by(desk) == "max_order_notional"


def test_the_number_of_orders_is_limited() -> None:
    desk = quoting(make_risk(max_open_orders=2), levels=LEVELS)
    assert len(desk.entries()) == 2
    desk = quoting(make_risk(max_open_orders=0))
    assert refused_by(desk) == "max_open_orders"


def test_an_exit_counts_as_a_working_order() -> None:
    desk = quoting(make_risk(max_open_orders=1))
    desk.fill(desk.entry())
    assert desk.exits_working == 1
    assert refused_by(desk) == "max_open_orders"


def test_the_exposure_of_one_symbol_counts_its_entries() -> None:
    desk = quoting(make_risk(max_exposure="20"), levels=LEVELS)
    assert len(desk.entries()) == 2


def test_the_exposure_of_one_symbol_counts_its_position() -> None:
    desk = quoting(make_risk(max_exposure="49.99"))
    desk.fill(desk.entry())
    assert refused_by(desk) == "max_exposure"
    desk = quoting(make_risk(max_exposure="50"))
    desk.fill(desk.entry())
    assert len(desk.entries()) == 1


@pytest.mark.parametrize(("others", "passes"), [("475", True), ("475.00001", False)])
def test_the_exposure_of_the_other_symbols_counts(others: str, *, passes: bool) -> None:
    desk = Desk(params=make_params(risk=make_risk(max_exposure="500")))
    desk.on(ExposureChanged(now=desk.now, others=Decimal(others)))
    desk.touch(10_000, 10_100)
    assert bool(desk.entries()) is passes
    assert passes or refused_by(desk) == "max_exposure"


def test_a_share_learned_beside_the_events_is_decided_on_with_the_next_touch_inside_the_box() -> (
    None
):
    desk = Desk(params=make_params(risk=make_risk(max_exposure="500")))
    desk.on(ExposureChanged(now=desk.now, others=Decimal("475.00001")))
    desk.touch(10_000, 10_100)
    assert refused_by(desk) == "max_exposure"
    desk.trader.share(Decimal("475"), Decimal(1000))
    assert not desk.entries()
    desk.touch(10_000, 10_100)
    assert desk.entries()


def test_the_orders_of_a_minute_are_limited_and_the_minute_slides() -> None:
    desk = quoting(make_risk(max_orders_per_minute=3))
    for step in range(1, 4):
        desk.touch(10_000 + step, 10_100 + step)
    assert len(desk.sent) == 3
    assert refused_by(desk) == "max_orders_per_minute"
    desk.wait(59)
    assert len(desk.sent) == 3
    desk.wait(1.1)
    assert len(desk.sent) == 4


def test_an_exit_is_sent_although_every_limit_is_reached() -> None:
    desk = quoting(make_risk(max_orders_per_minute=1, max_open_orders=1, max_exposure="25"))
    desk.fill(desk.entry())
    assert desk.exit().size == 250
    desk.touch(9_700, 9_800)
    assert desk.held == 0


def lose(desk: Desk) -> None:
    """Buy at 10,000 and be stopped out at 9,700: 3 % and fees of $25."""
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    desk.touch(9_700, 9_800)
    assert desk.trips[-1].net < 0


def test_a_days_loss_stops_entries_until_midnight_utc() -> None:
    desk = quoting(make_risk(max_daily_loss="0.9"))
    lose(desk)
    desk.touch(10_000, 10_100)
    assert refused_by(desk) == "max_daily_loss"
    desk.load_candles(9_800, 10_200)
    desk.wait(600)
    desk.load_candles(9_800, 10_200)
    assert refused_by(desk) == "max_daily_loss"
    desk.wait(86_400)
    desk.load_candles(9_800, 10_200)
    assert desk.gate() is None


@pytest.mark.parametrize(
    ("days_ago", "net", "passes"), [(0, "-0.9", False), (0, "-0.89", True), (1, "-5", True)]
)
def test_a_restarted_trader_knows_what_the_day_has_lost_before(
    days_ago: int, net: str, *, passes: bool
) -> None:
    desk = Desk(params=make_params(risk=make_risk(max_daily_loss="0.9")))
    desk.recover(latest=(START // DAY - days_ago, Decimal(net)))
    desk.touch(10_000, 10_100)
    assert bool(desk.entries()) is passes
    assert passes or refused_by(desk) == "max_daily_loss"


def test_a_days_gains_lessen_its_loss() -> None:
    desk = quoting(make_risk(max_daily_loss="0.9"))
    desk.fill(desk.entry())
    desk.fill(desk.exit())
    gain = desk.trip.net
    assert gain > 0
    lose(desk)
    assert -desk.trips[-1].net - gain < Decimal("0.9") < -desk.trips[-1].net
    desk.touch(10_000, 10_100)
    assert desk.gate() is None


def test_a_loss_short_of_the_limit_stops_nothing() -> None:
    desk = quoting(make_risk(max_daily_loss="0.99"))
    lose(desk)
    desk.touch(10_000, 10_100)
    assert desk.gate() is None


def test_the_levels_of_one_decision_count_together() -> None:
    desk = quoting(make_risk(max_orders_per_minute=2), levels=LEVELS)
    assert len(desk.sent) == 2


def test_the_order_rate_forgets_after_a_minute_to_the_nanosecond() -> None:
    rate = OrderRate()
    rate.add(START)
    assert rate.count(Instant(START + 60 * SECOND - 1)) == 1
    assert rate.free_at(START) == START + 60 * SECOND
    assert rate.count(Instant(START + 60 * SECOND)) == 0
    assert rate.free_at(START) == START
