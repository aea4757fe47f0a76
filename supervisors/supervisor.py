"""The supervisor: starts the tree in order, restarts what fails as the policy says, stops in reverse.

It is driven by one thread, `step` by `step`; failures reach it from any thread through its queue, and so
does work for the driving thread (`post`). It
restarts an actor by starting a new one behind the same address. What it cannot mend it says: a hung
actor (its thread cannot be stopped) and an exhausted tree end in `GiveUp`, and the process then
cancels all orders and exits.
"""

from __future__ import annotations

import queue
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import pykka

from actors.address import Address, DeadLetters
from actors.base import Failure, Pulse, Surroundings
from quietmaker.core.units import SECOND, Nanos
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics
from supervisors import tree
from supervisors.policy import (
    Branch,
    GiveUp,
    History,
    Restart,
    check,
    leaves,
    on_failure,
    with_leaf,
    without_leaf,
)

REPORT_WITHIN: Final = Nanos(SECOND)
STOP_WITHIN: Final = 2.0
"""Seconds that an actor has to finish its message and what it owns."""


Work: TypeAlias = Callable[[], GiveUp | None]
"""Something for the driving thread."""


class Silent(RuntimeError):  # noqa: N818 - the name says what the actor was
    """An actor ended without a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """How one actor comes to life.

    Attributes:
        make: builds and starts it.
        hang_after: how long one message may take, or wait, before the actor counts as hung.
    """

    make: Callable[[Surroundings], pykka.ActorRef[Any]]
    hang_after: Nanos


@dataclass(slots=True)
class _Life:
    """One life of a child.

    Attributes:
        ended: when it was first seen dead.
        handled, since: its count of messages, and since when it stands while there is work.
    """

    ref: pykka.ActorRef[Any]
    pulse: Pulse
    since: Nanos
    ended: Nanos | None = None
    handled: int = 0


class Supervisor:
    """Keeps the tree alive."""

    def __init__(
        self,
        root: Branch,
        *,
        children: Mapping[str, Child],
        addresses: Mapping[str, Address[Any]],
        monotonic: Callable[[], Nanos],
        dead: DeadLetters,
        metrics: Metrics,
        rng: random.Random | None = None,
    ) -> None:
        """Prepare; nothing runs yet.

        Raises:
            ValueError: if the tree and the children do not name the same actors.
        """
        check(root)
        self._order = tuple(leaves(root))
        if set(self._order) != set(children) or set(children) != set(addresses):
            raise ValueError("the tree, the children and the addresses must name the same actors")
        self._root = root
        self._children = dict(children)
        self._addresses = dict(addresses)
        self._started = False
        self._monotonic = monotonic
        self._dead = dead
        self._metrics = metrics
        self._rng = rng or random.Random()
        self._history = History()
        self._lives: dict[str, _Life] = {}
        self._down: dict[str, Nanos] = {}
        # Not a SimpleQueue: a signal handler that outlasts the time-out makes its `get` wait for ever.
        self._reports: queue.Queue[Failure | Work | None] = queue.Queue()
        self._log = Log("supervisor")

    # --- from any thread ------------------------------------------------------------------------

    def report(self, failure: Failure) -> None:
        """Take the report of a failed actor."""
        self._reports.put(failure)

    def post(self, work: Work) -> None:
        """Have something done by the driving thread, soon."""
        self._reports.put(work)

    def wake(self) -> None:
        """Let `step` return soon."""
        self._reports.put(None)

    def depths(self) -> dict[str, int]:
        """Return how many messages wait, by role; traders are added up."""
        depths = dict.fromkeys((tree.role(name) for name in self._order), 0)
        for name, life in list(self._lives.items()):
            depths[tree.role(name)] = depths.get(tree.role(name), 0) + _depth(life)
        return depths

    def ages(self) -> dict[str, Nanos]:
        """Return how long ago the slowest actor of each role began a message."""
        now, ages = self._monotonic(), dict.fromkeys(map(tree.role, self._order), Nanos(0))
        for name, life in list(self._lives.items()):
            role = tree.role(name)
            ages[role] = max(ages.get(role, Nanos(0)), Nanos(now - life.pulse.at))
        return ages

    @property
    def down(self) -> tuple[str, ...]:
        """Return the actors that wait for their restart."""
        return tuple(self._down)

    # --- from the driving thread ----------------------------------------------------------------

    def start(self) -> None:
        """Start every actor in order."""
        self._started = True
        for name in self._order:
            self._start(name)

    def add(self, name: str, child: Child, address: Address[Any], *, branch: str) -> None:
        """Take one more actor, the last one of a branch, and start it if the tree runs.

        Raises:
            ValueError: if the name is taken.
        """
        self._root = with_leaf(self._root, branch, name)
        self._order = tuple(leaves(self._root))
        self._children[name], self._addresses[name] = child, address
        if self._started:
            self._start(name)

    def remove(self, name: str) -> GiveUp | None:
        """Stop an actor and forget it; one that does not stop ends in giving up, as any that hangs.

        Raises:
            KeyError: if there is no such actor.
        """
        self._root = without_leaf(self._root, name)
        self._order = tuple(leaves(self._root))
        if not self._stop(name):
            return self._hung(name)
        self._down.pop(name, None)
        del self._children[name], self._addresses[name]
        return None

    def step(self, timeout: float) -> GiveUp | None:
        """Deal with one report, or wait so long for it; then with what is due."""
        try:
            report = self._reports.get(timeout=timeout)
        except queue.Empty:
            report = None
        gave_up = self._on_report(report)
        gave_up = gave_up or self._check_silent() or self._check_hung()
        if gave_up is None:
            self._restart_due()
        return gave_up

    def stop(self) -> tuple[str, ...]:
        """Stop every actor in reverse; return those that did not stop in time."""
        stuck = [name for name in reversed(self._order) if not self._stop(name)]
        return tuple(stuck)

    # --- inside ---------------------------------------------------------------------------------

    def _start(self, name: str) -> None:
        self._down.pop(name, None)
        pulse = Pulse(at=self._monotonic())
        around = Surroundings(
            name=name,
            monotonic=self._monotonic,
            report=self.report,
            dead=self._dead,
            pulse=pulse,
            took=self._metrics.message_timer(tree.role(name)),
        )
        ref = self._children[name].make(around)
        self._lives[name] = _Life(ref=ref, pulse=pulse, since=self._monotonic())
        self._addresses[name].bind(ref)

    def _stop(self, name: str) -> bool:
        self._addresses[name].bind(None)
        life = self._lives.pop(name, None)
        if life is None:
            return True
        try:
            life.ref.stop(timeout=STOP_WITHIN)
        except pykka.Timeout:
            # A stop that met the end of the actor is never answered: look before calling it stuck.
            return life.ref.actor_stopped.is_set()
        return True

    def _on_report(self, report: Failure | Work | None) -> GiveUp | None:
        if report is None:
            return None
        return self._on_failure(report) if isinstance(report, Failure) else report()

    def _on_failure(self, failure: Failure) -> GiveUp | None:
        life = self._lives.get(failure.name)
        if life is None or life.ref.actor_urn != failure.urn:
            return None  # a late report of an earlier life
        self._metrics.actor_failed(tree.role(failure.name))
        self._log.error(
            Event.ACTOR_FAILED,
            f"{failure.name} failed: {failure.error!r}",
            error=failure.error,
            actor=failure.name,
        )
        verdict = on_failure(
            self._root,
            self._history,
            failed=failure.name,
            now=self._monotonic(),
            jitter=self._rng.random(),
        )
        if isinstance(verdict, GiveUp):
            return self._gave_up(verdict)
        return self._take_down(verdict, failure)

    def _take_down(self, verdict: Restart, failure: Failure) -> GiveUp | None:
        """Stop what is to be restarted, in reverse; it comes back after the pause."""
        due = Nanos(self._monotonic() + verdict.pause)
        for name in reversed(verdict.leaves):
            if not self._stop(name):
                return self._hung(name)
            self._down[name] = max(due, self._down.get(name, due))
        self._log.warning(
            Event.ACTOR_RESTARTED,
            f"{', '.join(verdict.leaves)} restart in {verdict.pause / SECOND:.1f} s",
            actor=failure.name,
            branch=verdict.branch,
        )
        return None

    def _restart_due(self) -> None:
        now = self._monotonic()
        for name in self._order:
            if self._down.get(name, now + 1) <= now:
                self._metrics.actor_restarted(tree.role(name))
                self._start(name)

    def _check_silent(self) -> GiveUp | None:
        """Notice actors that ended without a report; a report follows the end by a moment."""
        now = self._monotonic()
        for name, life in list(self._lives.items()):
            if life.ref.is_alive():
                continue
            if life.ended is None:
                life.ended = now
            elif now - life.ended >= REPORT_WITHIN:
                error = Silent(f"{name} ended without a report")
                return self._on_failure(Failure(name=name, urn=life.ref.actor_urn, error=error))
        return None

    def _check_hung(self) -> GiveUp | None:
        """Notice actors that have something to do and get nothing done."""
        now = self._monotonic()
        for name, life in self._lives.items():
            waiting = life.pulse.busy or _depth(life)
            if not waiting or life.pulse.handled != life.handled:
                life.handled, life.since = life.pulse.handled, now
            elif now - life.since > self._children[name].hang_after:
                return self._hung(name)
        return None

    def _hung(self, name: str) -> GiveUp:
        return self._gave_up(
            GiveUp(reason=f"{name} hangs, and a thread cannot be stopped; the process must end")
        )

    def _gave_up(self, verdict: GiveUp) -> GiveUp:
        self._log.error(Event.BRANCH_GAVE_UP, verdict.reason)
        return verdict


def _depth(life: _Life) -> int:
    inbox: Any = life.ref.actor_inbox
    return int(inbox.qsize())
