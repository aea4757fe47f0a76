"""The risk guard in the composed tree: what it imposes reaches the traders, and positions are left."""

from __future__ import annotations

from quietmaker.core.modes import Source
from supervisors.tree import RISK_GUARD as NAME
from tests.supervisors.test_trading import Poison, Rig, running

IMPATIENT = (
    "account.max_resumes=0",
    "risk.max_inventory_age_seconds=1",
    "exits.max_lifetime_seconds=1",
    "exits.stale_patience_seconds=1",
)


def halted(rig: Rig) -> list[str]:
    """Return the symbols whose traders were told of a halt."""
    return [s for s, view in rig.trading.board.views().items() if view.mode == "halt"]


def test_a_breaker_without_resumptions_halts_its_symbol_which_is_left_and_the_others_trade_on() -> (
    None
):
    with running(*IMPATIENT) as rig:
        rig.until(lambda: bool(halted(rig)), what="a halt")
        symbol = halted(rig)[0]
        (imposed,) = (e for e in rig.trading.modes.standing() if e.scope == symbol)
        assert imposed.source is Source.BREAKER
        assert imposed.by == "max_inventory_age_seconds"
        assert "(risk.max_inventory_age_seconds)" in imposed.reason
        rig.until(
            lambda: not rig.trading.board.views()[symbol].held_lots and not rig.resting(symbol),
            what="a symbol without position and orders",
        )
        assert [e["scope"] for e in rig.trading.risk_page.read()["breakers"]].count(symbol) == 1
        assert "breaker max_inventory_age_seconds" in str(rig.trading.board.views()[symbol].sides)


def test_a_guard_that_crashed_comes_back_and_its_halt_stands() -> None:
    with running(*IMPATIENT) as rig:
        rig.until(lambda: bool(halted(rig)), what="a halt")
        before = rig.actor(NAME)
        rig.trading.supervisor._lives[NAME].ref.tell(Poison())
        rig.until(lambda: rig.actor(NAME) is not before and rig.actor(NAME) is not None, what="it")
        rig.until(
            lambda: getattr(rig.actor(NAME), "desk", None) is not None, what="a guard that looks"
        )
        assert halted(rig)
        assert rig.actor(NAME).desk.open()
