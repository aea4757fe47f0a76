"""From totals to exact executions: asked for until they are listed, each told once. Driven by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from quietmaker.coinbase.streams.user_fills import (
    AT_ONCE,
    FIRST_PAUSE,
    LATE_AFTER,
    LONGEST_PAUSE,
    REMEMBERED,
    FillFinder,
)
from quietmaker.coinbase.streams.watch import Tally
from quietmaker.core.units import SECOND, Lots
from quietmaker.errors import QuietmakerError
from quietmaker.ports import UserFill
from tests.coinbase.rigs import HandClock, Listed, Watched, execution


@dataclass
class Rig:
    """A finder that is stepped by the test."""

    clock: HandClock = field(default_factory=HandClock)
    listed: Listed = field(default_factory=Listed)
    watch: Watched = field(default_factory=Watched)
    told: list[UserFill] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build it."""
        self.finder = FillFinder(
            fills_of=self.listed,
            tell=self.told.append,
            monotonic=self.clock.monotonic,
            tally=Tally("user", self.watch),
        )

    def steps(self) -> list[float]:
        """Step until nothing is owed or a minute passed; return the pauses."""
        pauses: list[float] = []
        while (wait := self.finder.step()) is not None and sum(pauses) < 60:
            pauses.append(wait)
            self.clock.advance(wait)
        return [pause for pause in pauses if pause]


def test_nothing_is_asked_while_nothing_is_owed() -> None:
    rig = Rig()
    assert rig.finder.step() is None
    rig.finder.filled("id-a", Lots(0))
    assert rig.finder.step() is None
    assert rig.listed.asked.events == []


def test_it_asks_with_growing_pauses_until_the_total_is_listed_and_alarms_once() -> None:
    rig = Rig()
    rig.finder.filled("id-a", Lots(500))
    rig.listed.fills["id-a"] = [execution("a", 1, 200)]
    pauses = rig.steps()
    first = FIRST_PAUSE / SECOND
    assert [round(pause / first) for pause in pauses[:4]] == [1, 2, 4, 8]
    assert max(pauses) <= LONGEST_PAUSE / SECOND + 1e-6
    [(issue, detail, times)] = rig.watch.issues.events
    assert (issue, times) == ("fills_late", 1)
    assert "executions of 300 lots" in detail
    assert LATE_AFTER / SECOND >= 5
    rig.listed.fills["id-a"].append(execution("a", 2, 300))
    assert rig.told == [execution("a", 1, 200)]
    rig.steps()
    assert rig.told == [execution("a", 1, 200), execution("a", 2, 300)]
    assert rig.finder.step() is None


def test_an_exchange_that_cannot_be_asked_is_asked_again_and_nothing_is_invented() -> None:
    rig = Rig()
    rig.listed.error = QuietmakerError("502")
    rig.finder.filled("id-a", Lots(500))
    assert rig.finder.step() == 0.0
    assert rig.told == []
    assert ("fills_unreachable", "502", 1) in rig.watch.issues.events
    rig.listed.error = None
    rig.listed.fills["id-a"] = [execution("a", 1, 500)]
    rig.steps()
    assert rig.told == [execution("a", 1, 500)]


def test_many_orders_are_asked_about_together_and_in_bounded_requests() -> None:
    rig = Rig()
    for number in range(AT_ONCE + 1):
        rig.finder.filled(f"id-{number}", Lots(1))
        rig.listed.fills[f"id-{number}"] = [execution(str(number), 1, 1)]
    rig.steps()
    assert [len(ids) for ids in rig.listed.asked.events] == [AT_ONCE, 1]
    assert len(rig.told) == AT_ONCE + 1


def test_executions_of_others_and_repeats_are_not_told() -> None:
    rig = Rig()
    rig.finder.filled("id-a", Lots(5))
    rig.listed.fills["id-a"] = [execution("a", 1, 5), execution("a", 1, 5), execution("b", 1, 5)]
    rig.steps()
    rig.finder.filled("id-a", Lots(5))
    rig.finder.filled("id-a", Lots(4))
    assert rig.finder.step() is None
    assert rig.told == [execution("a", 1, 5)]


def test_orders_whose_executions_are_listed_are_forgotten_some_day_and_others_never() -> None:
    rig = Rig()
    rig.finder.filled("id-owed", Lots(1))
    for number in range(REMEMBERED + 20):
        name = str(number)
        rig.listed.fills[f"id-{name}"] = [execution(name, 1, 1)]
        rig.finder.filled(f"id-{name}", Lots(1))
        rig.finder._ask([f"id-{name}"])
    assert len(rig.finder._orders) <= REMEMBERED + 1
    assert rig.finder._orders["id-owed"].owing
