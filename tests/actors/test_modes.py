"""A mode stops entries at the gateway, is told to the traders concerned, and is recorded; once."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest

from actors.modes import Modes, ModesLinks
from actors.switch import KillSwitch
from quietmaker.core.events import Mode, ModeChanged
from quietmaker.core.modes import Imposed, ModeNoted, Source
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import LedgerUnavailable
from tests.actors.fakes import HandClock, Told


class Trader(Told[Any]):
    @property
    def bound(self) -> bool:
        return self.there


@dataclass
class Rig:
    """Modes over two traders."""

    standing: tuple[Imposed, ...] = ()
    clock: HandClock = field(default_factory=HandClock)
    kill: KillSwitch = field(default_factory=KillSwitch)
    notes: list[ModeNoted] = field(default_factory=list)
    away: list[Collection[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.traders = {"A-USD": Trader(), "B-USD": Trader()}
        self.modes = self.make()

    def make(self) -> Modes:
        return Modes(
            ModesLinks(
                traders=self.traders,
                put=self.note,
                kill=self.kill,
                withdraw=self.away.append,
                now=self.clock.now,
            ),
            self.standing,
        )

    def note(self, fact: ModeNoted) -> None:
        self.notes.append(fact)

    def operator(self, mode: Mode, scope: str | None = None, **more: Any) -> bool:
        return self.modes.impose(
            Source.OPERATOR, scope, mode, reason="maintenance", by="anna", **more
        )

    def told(self, symbol: str) -> list[tuple[Mode, str]]:
        return [
            (m.mode, m.reason) for m in self.traders[symbol].take() if isinstance(m, ModeChanged)
        ]

    def mode(self, symbol: str) -> Mode:
        return self.modes.of(symbol, self.clock.now()).mode


def test_a_mode_of_the_account_reaches_every_trader_with_who_and_why() -> None:
    rig = Rig()
    assert rig.operator(Mode.PAUSE)
    assert rig.told("A-USD") == rig.told("B-USD") == [(Mode.PAUSE, "operator anna: maintenance")]


def test_a_mode_of_a_symbol_reaches_its_trader_alone() -> None:
    rig = Rig()
    rig.operator(Mode.FLATTEN, "A-USD")
    assert (len(rig.told("A-USD")), rig.told("B-USD")) == (1, [])


def test_the_same_again_changes_nothing_and_leaves_no_second_fact() -> None:
    rig = Rig()
    assert [rig.operator(Mode.HALT), rig.operator(Mode.HALT)] == [True, False]
    assert len(rig.notes) == len(rig.told("A-USD")) == 1


def test_a_lift_takes_back_ones_own_word_only() -> None:
    rig = Rig()
    rig.modes.impose(Source.BREAKER, None, Mode.HALT, reason="1 % lost", by="max_daily_loss")
    rig.operator(Mode.PAUSE)
    assert rig.modes.lift(Source.OPERATOR, None, by="anna", reason="done")
    assert rig.mode("A-USD") is Mode.HALT
    assert not rig.modes.lift(Source.OPERATOR, None, by="anna", reason="again")


def test_one_source_has_one_mode_on_a_scope() -> None:
    rig = Rig()
    rig.operator(Mode.HALT)
    rig.operator(Mode.PAUSE)
    assert rig.mode("A-USD") is Mode.PAUSE
    rig.operator(Mode.RUN)
    assert rig.modes.standing() == ()


def test_the_gateway_refuses_entries_of_the_scope_before_any_trader_hears_of_it() -> None:
    rig = Rig()
    seen: list[str] = []

    def tell(message: ModeChanged) -> bool:
        seen.append(rig.kill.stops("A-USD"))
        return True

    rig.traders["A-USD"].tell = tell  # type: ignore[method-assign]
    rig.operator(Mode.PAUSE, "A-USD")
    assert seen == ["pause for A-USD, operator anna: maintenance"]
    assert rig.kill.stops("B-USD") == ""
    rig.modes.lift(Source.OPERATOR, "A-USD", by="anna", reason="done")
    assert rig.kill.stops("A-USD") == ""


def test_what_stood_at_the_last_stop_stands_again_before_anybody_is_told() -> None:
    first = Rig()
    first.operator(Mode.HALT)
    rig = Rig(standing=tuple(note.imposed for note in first.notes))
    assert rig.mode("B-USD") is Mode.HALT
    assert rig.kill.halted == "operator anna: maintenance"
    assert not rig.operator(Mode.HALT)


def test_a_mode_that_cannot_be_recorded_is_in_force_and_that_is_said() -> None:
    rig = Rig()

    def refuse(fact: ModeNoted) -> None:
        raise LedgerUnavailable("the ledger is closed")

    rig.note = refuse  # type: ignore[method-assign]
    modes = rig.make()
    with pytest.raises(LedgerUnavailable):
        modes.impose(Source.OPERATOR, None, Mode.HALT, reason="now", by="anna")
    assert rig.told("A-USD") == [(Mode.HALT, "operator anna: now")]
    assert rig.kill.stops("A-USD")


def test_a_mode_ends_at_its_time_and_the_end_is_a_fact_too() -> None:
    rig = Rig()
    rig.operator(Mode.PAUSE, until=Instant(rig.clock.now() + 60 * SECOND))
    rig.modes.poll(rig.clock.advance(59 * SECOND))
    assert rig.kill.stops("A-USD")
    rig.modes.poll(rig.clock.advance(SECOND))
    assert (rig.mode("A-USD"), rig.kill.stops("A-USD")) == (Mode.RUN, "")
    assert [note.imposed.mode for note in rig.notes] == [Mode.PAUSE, Mode.RUN]
    assert [mode for mode, _ in rig.told("A-USD")] == [Mode.PAUSE, Mode.RUN]


def test_facts_have_times_that_tell_them_apart_though_the_clock_stands() -> None:
    rig = Rig()
    for mode in (Mode.PAUSE, Mode.HALT, Mode.RUN):
        rig.operator(mode)
    times = [note.imposed.at for note in rig.notes]
    assert times == sorted({*times})


def test_the_entries_of_a_trader_that_is_away_are_withdrawn_at_the_exchange() -> None:
    rig = Rig()
    rig.traders["A-USD"].there = False
    rig.operator(Mode.PAUSE)
    assert rig.traders["A-USD"].messages == []
    assert rig.told("B-USD")
    assert rig.away == [["A-USD"]]
    rig.operator(Mode.PAUSE, "B-USD")
    rig.operator(Mode.RUN)
    assert rig.away == [["A-USD"]], "B-USD is there, and a lift withdraws nothing"


def test_a_disk_that_hangs_holds_up_who_commanded_and_nobody_else() -> None:
    rig = Rig()
    hangs, released = threading.Event(), threading.Event()

    def hang(fact: ModeNoted) -> None:
        hangs.set()
        released.wait(30)

    rig.note = hang  # type: ignore[method-assign]
    rig.modes = rig.make()
    commander = threading.Thread(target=rig.operator, args=(Mode.HALT,))
    commander.start()
    assert hangs.wait(30)
    assert rig.kill.halted
    assert rig.told("A-USD")
    assert rig.modes.standing()[0].mode is Mode.HALT, "others still get their answers"
    released.set()
    commander.join(30)
