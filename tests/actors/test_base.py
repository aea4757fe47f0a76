"""Every way in which an actor can die is reported once, with its urn, after it let go of what it owned."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pykka
import pytest

from actors.address import DeadLetters
from actors.base import ActorExit, BaseActor, Failure, Surroundings
from quietmaker.core.units import Nanos

WAIT = 5.0


class Worker(BaseActor[Callable[[], None]]):
    """Runs what it is told."""

    def __init__(self, around: Surroundings, *, start_error: bool = False) -> None:
        super().__init__(around)
        self.start_error = start_error
        self.released = threading.Event()

    def begin(self) -> None:
        if self.start_error:
            raise ValueError("no start")

    def receive(self, message: Callable[[], None]) -> None:
        message()

    def finish(self) -> None:
        self.released.set()


class Rig:
    def __init__(self) -> None:
        self.failures: queue.SimpleQueue[Failure] = queue.SimpleQueue()
        self.dead = DeadLetters()
        self.now = 0

    def around(self) -> Surroundings:
        return Surroundings(
            name="worker",
            monotonic=lambda: Nanos(self.now),
            report=self.failures.put,
            dead=self.dead,
        )

    def launch(self, *, start_error: bool = False) -> tuple[Worker, pykka.ActorRef[Worker]]:
        ref = Worker.start(self.around(), start_error=start_error)
        actor = ref._actor_weakref()
        assert actor is not None
        return actor, ref


def boom() -> None:
    raise ValueError("boom")


def test_a_failed_start_is_reported_although_pykka_would_not() -> None:
    rig = Rig()
    actor, ref = rig.launch(start_error=True)
    failure = rig.failures.get(timeout=WAIT)
    assert str(failure.error) == "no start"
    assert failure.urn == ref.actor_urn
    assert actor.released.is_set()


def test_a_crash_under_tell_is_reported_after_the_actor_released_what_it_owns() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    ref.tell(boom)
    failure = rig.failures.get(timeout=WAIT)
    assert (failure.name, failure.urn, str(failure.error)) == ("worker", ref.actor_urn, "boom")
    assert actor.released.is_set()
    assert not actor.alive


def test_what_was_queued_behind_a_crash_is_counted() -> None:
    rig = Rig()
    _, ref = rig.launch()
    gate = threading.Event()
    ref.tell(lambda: gate.wait(WAIT) and None)
    ref.tell(boom)
    ref.tell(boom)
    ref.tell(boom)
    gate.set()
    rig.failures.get(timeout=WAIT)
    with pytest.raises(pykka.ActorDeadError):
        ref.ask(boom, timeout=WAIT)
    assert rig.dead.counts() == {"worker": 2}


def test_system_exit_ends_one_actor_and_not_all() -> None:
    rig = Rig()
    _, ref = rig.launch()
    _, other = rig.launch()

    def leave() -> None:
        raise SystemExit(3)

    ref.tell(leave)
    assert isinstance(rig.failures.get(timeout=WAIT).error, ActorExit)
    done = threading.Event()
    other.tell(done.set)
    assert done.wait(WAIT)
    other.stop(timeout=WAIT)


def test_a_thread_of_the_actor_fails_as_the_actor_and_releases_in_the_actors_thread() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    where: list[str] = []
    actor.finish = lambda: where.append(threading.current_thread().name)  # type: ignore[method-assign]
    work = actor.guarded(boom)
    thread = threading.Thread(target=work)
    thread.start()
    assert str(rig.failures.get(timeout=WAIT).error) == "boom"
    assert ref.actor_stopped.wait(WAIT)
    ref.stop(timeout=WAIT)
    thread.join(WAIT)
    assert where == ["worker"]
    work()  # another call after the failure does nothing and reports nothing
    assert rig.failures.empty()


def test_the_pulse_shows_what_is_being_handled() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    entered, gate = threading.Event(), threading.Event()
    rig.now = 7

    def slow() -> None:
        entered.set()
        gate.wait(WAIT)

    ref.tell(slow)
    assert entered.wait(WAIT)
    pulse = actor.around.pulse
    assert (pulse.at, pulse.busy, pulse.handled) == (7, True, 1)
    gate.set()
    ref.stop(timeout=WAIT)
    assert not pulse.busy


def test_a_clean_stop_releases_and_reports_nothing() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    ref.stop(timeout=WAIT)
    assert actor.released.is_set()
    assert rig.failures.empty()
