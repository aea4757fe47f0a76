"""A reload reaches every trader, and those that come back later."""

from __future__ import annotations

from pathlib import Path

from actors.trader import TraderActor
from quietmaker.settings import load
from supervisors import tree
from supervisors.reloading.generations import Result
from tests.supervisors.reloading.rig import SIGNAL
from tests.supervisors.test_trading import SYMBOLS, Poison, Rig, alive, running

NEW = "defaults: {quote: {max_age_seconds: 86400, improve_ticks: -1}}"


def trader(rig: Rig, symbol: str) -> TraderActor:
    found = rig.actor(tree.trader(symbol))
    assert isinstance(found, TraderActor)
    return found


def behind(rig: Rig, symbol: str) -> bool:
    return trader(rig, symbol).core.state.params.quote.improve_ticks == -1


def test_every_trader_has_the_new_parameters_and_so_has_one_that_is_restarted(
    tmp_path: Path,
) -> None:
    (tmp_path / "new.yaml").write_text(NEW)
    with running() as rig:
        new = load(tmp_path / "new.yaml", env={})
        lives = {symbol: trader(rig, symbol) for symbol in SYMBOLS}
        outcome = rig.trading.generations.offer(new, SIGNAL)
        assert outcome.result is Result.APPLIED
        rig.until(lambda: all(behind(rig, symbol) for symbol in SYMBOLS), what="the new parameters")
        assert {symbol: trader(rig, symbol) for symbol in SYMBOLS} == lives  # nobody was restarted
        shas = {trader(rig, symbol).core.state.params.config_sha for symbol in SYMBOLS}
        assert shas == {rig.trading.generations.current.sha256}

        name, before = tree.trader(SYMBOLS[0]), lives[SYMBOLS[0]]
        rig.trading.traders[SYMBOLS[0]].tell(Poison())
        rig.until(lambda: name in alive(rig) and rig.actor(name) is not before, what="the restart")
        assert behind(rig, SYMBOLS[0])


def test_a_symbol_whose_values_contradict_each_other_is_a_refusal(tmp_path: Path) -> None:
    """Two groups, each right alone: only what a symbol resolves to is wrong."""
    text = (
        'groups: {one: {match: ["KAIO-*"], quote: {price_floor: 2}},'
        ' two: {match: ["*-USD"], quote: {price_ceiling: 1}}}'
    )
    (tmp_path / "new.yaml").write_text(text)
    rig = Rig()
    new = load(tmp_path / "new.yaml", env={})
    outcome = rig.trading.generations.offer(new, SIGNAL)
    assert outcome.result is Result.REJECTED
    assert "price_floor" in outcome.problems[0]
    rig.exchange.close()
