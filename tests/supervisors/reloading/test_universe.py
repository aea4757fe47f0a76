"""Symbols come and go by a reload, and a symbol that goes is left properly."""

from __future__ import annotations

from quietmaker.settings import load
from supervisors.reloading.generations import Outcome, Result
from supervisors.reloading.parts import Universe
from tests.supervisors.reloading.rig import SIGNAL
from tests.supervisors.test_trading import Rig, running


def offer(rig: Rig, symbols: str) -> Outcome:
    overrides = ["quote.max_age_seconds=86400", f"universe.symbols={symbols}"]
    return rig.trading.generations.offer(load(None, env={}, overrides=overrides), SIGNAL)


def only(rig: Rig, *symbols: str) -> bool:
    assert rig.trading.roster.look() is None
    return set(rig.trading.traders) == set(symbols) and not rig.trading.roster.leaving()


def test_a_symbol_that_is_taken_out_is_drained_and_removed_and_comes_back_when_it_is_named() -> (
    None
):
    with running() as rig:
        rig.trading.generations.join("universe", Universe(rig.trading.roster, rig.trading.known))
        outcome = offer(rig, "[PROVE-USD, FORTH-USD]")
        assert outcome.result is Result.APPLIED
        rig.until(
            lambda: only(rig, "PROVE-USD", "FORTH-USD") and not rig.resting("KAIO-USD"),
            what="it is removed, without orders",
        )
        offer(rig, "[PROVE-USD, FORTH-USD, KAIO-USD]")
        rig.until(lambda: "KAIO-USD" in rig.trading.traders, what="it is back")
        rig.until(lambda: rig.recovered("KAIO-USD"), what="it is recovered")
        offer(rig, "[KAIO-USD]")
        offer(rig, '["*"]')  # before the others were removed: they stay
        rig.until(lambda: only(rig, "PROVE-USD", "FORTH-USD", "KAIO-USD"), what="all three")


def test_a_symbol_that_the_market_does_not_have_is_refused_with_a_suggestion() -> None:
    rig = Rig()
    rig.trading.generations.join("universe", Universe(rig.trading.roster, rig.trading.known))
    outcome = offer(rig, "[PROVE-USD, KAIOO-USD]")
    assert outcome.result is Result.REJECTED
    assert "KAIOO-USD" in outcome.problems[0]
    assert "did you mean KAIO-USD?" in outcome.problems[0]
    assert len(rig.trading.traders) == 3
    rig.exchange.close()
