"""Incidents C1 and C8, and a peer's list with a comma missing: a setting that is said to be live, is.

For every key of the class `live` or `requote`, another value is brought into force by a reload, and what is
in force must be another then. A key that nobody takes, or that is misspelt on its way, fails here.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from quietmaker.errors import ConfigError
from quietmaker.settings import Reload, Settings, load
from quietmaker.settings.keys import Key, keys_of
from quietmaker.settings.kinds import Choice, Flag, Number
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import SymbolSettings
from quietmaker.telemetry import logs
from supervisors.composition import trunk
from supervisors.reloading.generations import Result
from supervisors.reloading.parts import Logs, Universe
from supervisors.reloading.reloader import Reloader
from tests.supervisors.reloading.rig import SIGNAL
from tests.supervisors.test_trading import SYMBOLS, Rig

LIVE = [
    key
    for section in (GlobalSettings, SymbolSettings)
    for key in keys_of(section).values()
    if key.reload is not Reload.RESTART
]
WRITTEN = {
    "universe.symbols": "[PROVE-USD]",
    "universe.permanent_exclusions": "[PROVE-USD]",
    "strategy_tag": "other",
    "quote.sides": "[bid, ask]",
    "quote.level_sizes": "[10, 10]",
}
"""Another value of those keys whose kind has no next value."""


def candidates(key: Key) -> Iterator[str]:
    """Yield other values of a key, some of which other keys may forbid."""
    kind, default = key.kind, key.default
    if key.name in WRITTEN:
        yield WRITTEN[key.name]
    elif isinstance(kind, Flag):
        yield "false" if default else "true"
    elif isinstance(kind, Choice):
        yield from (option for option in kind.words if option != default)
    elif isinstance(kind, Number):
        base = Decimal(1) if default is None else Decimal(str(default))
        others = (base / 2, base - 1, base * 2, base + 1, kind.low, kind.high)  # limits go down
        yield from (f"{other:f}" for other in others if other != default)


def another(key: Key) -> Settings:
    """Return settings in which this key alone has another value."""
    for text in candidates(key):
        try:
            found = load(None, env={}, overrides=[f"{key.name}={text}"])
        except ConfigError:
            continue
        return found
    raise AssertionError(f"no other value of {key.name} is known; add one to WRITTEN")


class Everything:
    """A composed process that is not started, and all that is in force in it."""

    def __init__(self) -> None:
        self.rig = Rig()
        trading = self.rig.trading
        self.handle = logs.configure(
            level="info", form="json", max_repeats_per_minute=60, env={}, stream=io.StringIO()
        )
        self.generations = trading.generations
        self.generations.offer(load(None, env={}), SIGNAL)  # without what the rig overrides
        self.generations.join("universe", Universe(trading.roster, trading.known))
        self.generations.join("logs", Logs(self.handle))
        self.parts: dict[str, Any] = {each.name: each.part for each in self.generations._taking}
        self.reloader = Reloader(
            self.generations, load=lambda: load(None, env={}), wake=lambda: None, seen=""
        )

    def in_force(self) -> list[object]:
        """Return everything that a setting can change, without the hash of the settings."""
        traders = self.parts["traders"]._resolved(self.generations.current)
        filter_ = self.parts["filter"]
        shared = self.parts["traders"]._shared
        guard, capital = trunk._risk_rules(shared), shared.capital
        return [
            (capital._turn(), [capital._caps(symbol) for symbol in SYMBOLS]),
            (guard.policy, guard.account),
            [(guard.symbol(symbol), guard.caps(symbol)) for symbol in SYMBOLS],
            {symbol: replace(params, config_sha="") for symbol, params in traders.items()},
            replace(filter_._links, banned=None, config_sha=""),
            [filter_._links.banned(symbol) for symbol in SYMBOLS],
            (filter_._shadow_links.enabled, filter_._shadow_links.share),
            self.parts["budget"]._budget.per_minute,
            (logging.getLogger().level, self.handle._limit.per_minute),
            self.reloader._pause(),
            len(self.rig.trading.supervisor._reports.queue),
        ]

    def close(self) -> None:
        self.handle.close()
        self.rig.exchange.close()


@pytest.fixture(scope="module")
def everything() -> Iterator[Everything]:
    found = Everything()
    yield found
    found.close()


@pytest.mark.parametrize("key", LIVE, ids=lambda key: key.name)
def test_a_key_that_is_said_to_be_live_comes_into_force(everything: Everything, key: Key) -> None:
    before = everything.in_force()
    outcome = everything.generations.offer(another(key), SIGNAL)
    assert outcome.result is Result.APPLIED, outcome.problems
    assert outcome.waiting == ()
    assert everything.in_force() != before, f"{key.name} is nobody's"
    back = everything.generations.offer(load(None, env={}), SIGNAL)
    assert back.result is Result.APPLIED
    assert everything.in_force()[:-1] == before[:-1]


def test_every_line_of_the_log_has_the_hash_that_is_in_force() -> None:
    stream = io.StringIO()
    handle = logs.configure(
        level="info",
        form="json",
        max_repeats_per_minute=60,
        env={},
        stream=stream,
        context={"config_sha": "before"},
    )
    new = load(None, env={}, overrides=["logging.level=debug"])
    Logs(handle).switch(new)
    logging.getLogger("anybody").warning("hello")
    handle.close()
    assert new.sha256[:12] in stream.getvalue()
    assert "before" not in stream.getvalue()
