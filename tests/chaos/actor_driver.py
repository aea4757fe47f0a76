"""Actors killed at random while the bot trades, one after the other, and what became of it each time.

After each kill: the branch that the tree names restarts, nothing else does, every trader is recovered and
every symbol has an order at the exchange again.
Whether a symbol was quoting is what the exchange says: how long it had no order of it. An order that is
filled or replaced leaves such a gap as well, so one that is no longer than the longest of an undisturbed
time before, on the same machine, is no outage.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.server.records import ENDED, OrderStatus
from supervisors import tree
from supervisors.policy import History, Restart, leaves, on_failure
from tests.chaos.actor_kinds import kinds, stall
from tests.chaos.rig import Noted, Rig

OVERRIDES: Final = (
    "risk.max_exposure=1000000",  # every symbol may quote at any time, or not quoting would prove nothing
    *(f"supervision.{b}.max_restarts=1000" for b in ("root", "trading", "symbols", "edge")),
    # Kills come far faster than in life: with the usual periods each would wait for the longest pause.
    *(f"supervision.{b}.period_seconds=2" for b in ("root", "trading", "symbols", "edge")),
)
WAVE_EVERY: Final = SECOND // 10
REPLACED_WITHIN: Final = SECOND // 4
"""A shorter gap between two orders is never an outage."""
STALLS: Final = 0.15
"""Share of the blows that only hold an actor up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """What was done to an actor, and what came of it.

    Attributes:
        branch: the actors that stand or fall with it; a mere stall holds them up as well.
        since, until: the times of the blow, and at which every trader was recovered and every symbol quoted.
    """

    name: str
    kind: str
    branch: tuple[str, ...]
    since: int
    until: int

    def hits(self, symbol: str) -> bool:
        """Return whether the symbol stands on what was hit; a market feed restarts alone, and is all's."""
        return self.name == tree.FEED or tree.trader(symbol) in self.branch


@dataclass(slots=True)
class Report:
    """What a run came to.

    Attributes:
        wrong: what must not have happened.
        uptime: share of the time in which each symbol had an order at the exchange.
        gap: seconds up to which a gap between two orders is one that also an undisturbed run has.
        others: the same, but for the blows that hit what the symbol stands on; the least of all symbols.
    """

    blows: list[Blow] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    uptime: dict[str, float] = field(default_factory=dict)
    gap: float = 0.0
    others: float = 1.0

    def by_role(self) -> list[tuple[str, int, float, float]]:
        """Return role, blows, and the mean and longest recovery in seconds."""
        counts: Counter[str] = Counter(tree.role(blow.name) for blow in self.blows)
        rows = []
        for role, count in sorted(counts.items()):
            took = [(b.until - b.since) / SECOND for b in self.blows if tree.role(b.name) == role]
            rows.append((role, count, sum(took) / count, max(took)))
        return rows


class ActorChaos:
    """Kills and watches."""

    def __init__(self, rig: Rig, seed: int) -> None:
        """Begin with a bot that quotes."""
        self.report = Report()
        self._rig = rig
        self._dice = Random(seed)
        self._wave_at = 0
        self._read = 0
        self._living: dict[str, set[str]] = {symbol: set() for symbol in rig.symbols}

    def run(self, seconds: float, *, calm: float) -> Report:
        """Trade undisturbed for so long, and then kill for so long."""
        rig = self._rig
        quiet = rig.clock.now()
        self._pass(calm)
        began = rig.clock.now()
        gaps = [
            end - since
            for symbol in rig.symbols
            for since, end in without_order(rig.journal.notes, symbol, quiet, began, within=0)
        ]
        self.report.gap = max(REPLACED_WITHIN, *gaps) / SECOND
        end = rig.clock.monotonic() + int(seconds * SECOND)
        names = list(leaves(rig.trading.supervisor._root))
        round_: list[str] = []
        while rig.clock.monotonic() < end and not self.report.wrong:
            if not round_:  # everybody's turn comes before anybody's second
                round_ = self._dice.sample(names, len(names))
            self._pass(self._dice.uniform(0.1, 1.0))
            self._strike(round_.pop())
        self._measure(began, rig.clock.now())
        return self.report

    def _pass(self, seconds: float) -> None:
        end = self._rig.clock.monotonic() + int(seconds * SECOND)
        while self._rig.clock.monotonic() < end:
            self._step()

    def _step(self) -> None:
        now = self._rig.clock.monotonic()
        if now - self._wave_at >= WAVE_EVERY:
            self._wave_at = now
            self._rig.waves.step()
        self._rig.step()

    def _strike(self, name: str) -> None:
        rig = self._rig
        lives, since = self._lives(), rig.clock.now()
        actor: Any = rig.actor(name)
        expected: tuple[str, ...] = ()
        if self._dice.random() < STALLS:
            kind = "stall"
            stall(actor, self._dice.uniform(0.2, 1.0))
            self._pass(1.2)
        else:
            kind = self._dice.choice(sorted(kinds(name)))
            expected = self._branch(name)
            kinds(name)[kind](actor)
        del actor
        self._await(lambda: self._back(lives, expected), f"{name} ({kind}) is back")
        strangers = [
            n for n, life in self._lives().items() if (life != lives.get(n)) is not (n in expected)
        ]
        if strangers:
            self.report.wrong.append(f"{name} ({kind}): {', '.join(strangers)} besides")
        self.report.blows.append(
            Blow(
                name=name,
                kind=kind,
                branch=self._branch(name),
                since=since,
                until=rig.clock.now(),
            )
        )

    def _await(self, wanted: Any, what: str) -> None:
        end = self._rig.clock.monotonic() + 30 * SECOND
        while not wanted():
            if self._rig.clock.monotonic() > end:
                self.report.wrong.append(f"never: {what}\n{self._rig.story()}")
                return
            self._step()

    def _branch(self, name: str) -> tuple[str, ...]:
        root = self._rig.trading.supervisor._root
        verdict = on_failure(root, History(), failed=name, now=Nanos(0), jitter=0.0)
        assert isinstance(verdict, Restart)
        return verdict.leaves

    def _lives(self) -> dict[str, str]:
        lives = self._rig.trading.supervisor._lives
        return {name: life.ref.actor_urn for name, life in lives.items()}

    def _back(self, before: dict[str, str], expected: tuple[str, ...]) -> bool:
        now = self._lives()
        return (
            self._quoting()
            and all(now.get(name, before[name]) != before[name] for name in expected)
            and all(
                (core := self._rig.core(symbol)) is not None and core.state.recovered
                for symbol in self._rig.symbols
            )
        )

    def _quoting(self) -> bool:
        """Return whether every symbol has a working order, by what the exchange noted so far."""
        notes = self._rig.journal.notes
        while self._read < len(notes):
            note = notes[self._read]
            self._read += 1
            if note.what == OrderStatus.OPEN:
                self._living[note.symbol].add(note.client_id)
            elif note.what in ENDED:
                self._living[note.symbol].discard(note.client_id)
        return all(self._living.values())

    # --- quoting --------------------------------------------------------------------------------

    def _measure(self, since: int, until: int) -> None:
        notes, report = self._rig.journal.notes, self.report
        for symbol in self._rig.symbols:
            within = int(report.gap * SECOND)
            bare = without_order(notes, symbol, since, until, within=within)
            report.uptime[symbol] = 1 - overlap(bare, since, until) / (until - since)
            mine = [blow for blow in report.blows if blow.hits(symbol)]
            spared = until - since - sum(blow.until - blow.since for blow in mine)
            gone = overlap(bare, since, until) - sum(overlap(bare, b.since, b.until) for b in mine)
            if spared:
                report.others = min(report.others, 1 - gone / spared)


def without_order(
    notes: list[Noted], symbol: str, since: int, until: int, *, within: int
) -> list[tuple[int, int]]:
    """Return when the exchange had no working order of a symbol, where that was longer than `within`."""
    living: set[str] = set()
    bare: list[tuple[int, int]] = []
    empty_since: int | None = since
    for note in notes:
        if note.symbol != symbol or note.at > until:
            continue
        if note.what == OrderStatus.OPEN:
            living.add(note.client_id)
            if empty_since is not None and note.at - max(empty_since, since) > within:
                bare.append((max(empty_since, since), note.at))
            empty_since = None
        elif note.what in ENDED and note.client_id in living:
            living.discard(note.client_id)
            if not living:
                empty_since = note.at
    if empty_since is not None and until - empty_since > within:
        bare.append((empty_since, until))
    return bare


def overlap(windows: list[tuple[int, int]], since: int, until: int) -> int:
    """Return how much of a time lies in these windows."""
    return sum(max(0, min(end, until) - max(begin, since)) for begin, end in windows)
