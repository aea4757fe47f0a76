"""Whatever is imposed and lifted, in whatever order: gateway, traders and books say the same of a symbol."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.modes import Modes, ModesLinks
from actors.switch import KillSwitch
from quietmaker.core.events import Mode
from quietmaker.core.modes import Imposed, ModeNoted, Source
from quietmaker.core.units import SECOND, Instant
from tests.actors.fakes import HandClock

SYMBOLS = ("A-USD", "B-USD", "C-USD")
SCOPES = st.sampled_from((None, *SYMBOLS))
SOURCES = st.sampled_from(Source)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("impose"), SOURCES, SCOPES, st.sampled_from(Mode), st.none() | st.integers(1, 9)
        ),
        st.tuples(st.just("lift"), SOURCES, SCOPES),
        st.tuples(st.just("wait"), st.integers(1, 5)),
        st.tuples(st.just("set back"), st.integers(1, 5)),
        st.tuples(st.just("restart")),
    ),
    max_size=30,
)


@dataclass
class Trader:
    """Believes what it was told last."""

    mode: Mode = Mode.RUN
    bound: bool = True

    def tell(self, message: Any, /) -> bool:
        self.mode = message.mode
        return True


@dataclass
class World:
    """Modes that can be restarted from their facts."""

    clock: HandClock = field(default_factory=HandClock)
    notes: list[ModeNoted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew from the facts, as the books give them: the last word of a source on a scope."""
        latest: dict[tuple[Source, str | None], Imposed] = {}
        for note in self.notes:
            latest[note.imposed.source, note.imposed.scope] = note.imposed
        self.traders = {symbol: Trader() for symbol in SYMBOLS}
        self.kill = KillSwitch()
        self.modes = Modes(
            ModesLinks(
                traders=self.traders,
                put=self.notes.append,
                kill=self.kill,
                withdraw=lambda symbols: None,
                now=self.clock.now,
            ),
            [each for each in latest.values() if each.mode is not Mode.RUN],
        )
        for symbol, trader in self.traders.items():
            trader.tell(self.modes.of(symbol, self.clock.now()))  # as when it is recovered
        self.modes.poll(self.clock.now())

    def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("impose", source, scope, mode, span):
                until = None if span is None else Instant(self.clock.now() + span * SECOND)
                self.modes.impose(source, scope, mode, reason="why", by="who", until=until)
            case ("lift", source, scope):
                self.modes.lift(source, scope, by="who", reason="over")
            case ("wait", span):
                self.modes.poll(self.clock.advance(span * SECOND))
            case ("set back", span):
                self.clock.advance(-span * SECOND)  # a clock that was wrong is corrected
                self.restart()
            case _:
                self.restart()

    def check(self) -> None:
        now = self.clock.now()
        for symbol, trader in self.traders.items():
            mode = self.modes.of(symbol, now).mode
            assert trader.mode is mode
            assert bool(self.kill.stops(symbol)) is (mode is not Mode.RUN)
        assert bool(self.kill.halted) is (self.modes.of_account(now) is Mode.HALT)


@given(STEPS)
def test_gateway_and_traders_always_hold_the_mode_that_is_in_force(
    steps: list[tuple[Any, ...]],
) -> None:
    world = World()
    for step in steps:
        world.take(step)
        world.check()


@given(STEPS)
def test_a_restart_at_any_moment_changes_no_mode(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for step in steps:
        world.take(step)
    before = world.modes.standing()
    world.restart()
    assert world.modes.standing() == before
    world.check()


@given(STEPS)
def test_every_change_is_one_fact(
    steps: list[tuple[Any, ...]],
) -> None:
    world = World()
    for step in steps:
        known, stood = len(world.notes), set(world.modes.standing())
        world.take(step)
        if step[0] in {"impose", "lift"}:
            assert len(world.notes) - known == int(set(world.modes.standing()) != stood)


def test_commands_from_many_threads_end_with_everybody_of_one_mind() -> None:
    world = World()

    def command(source: Source) -> None:
        for number in range(200):
            mode = list(Mode)[number % 5]
            world.modes.impose(source, SYMBOLS[number % 3], mode, reason="why", by="who")
            world.modes.impose(source, None, list(Mode)[(number + 2) % 5], reason="why", by="who")

    threads = [threading.Thread(target=command, args=(source,)) for source in Source]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    world.check()
