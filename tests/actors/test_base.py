"""Every way in which an actor can die is reported once, with its urn, after it let go of what it owned."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

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


def test_a_resting_actor_handles_an_express_message_in_the_senders_thread() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    ref.ask(lambda: None, timeout=WAIT)  # it has begun
    where: list[str] = []
    assert actor.express(lambda: where.append(threading.current_thread().name))
    assert where == [threading.current_thread().name]
    assert (actor.around.pulse.handled, actor.around.pulse.busy) == (2, False)
    ref.stop(timeout=WAIT)
    assert not actor.express(boom)


def test_an_express_message_waits_for_nobody_and_overtakes_nothing() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    entered, gate = threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        gate.wait(WAIT)

    ref.tell(slow)
    assert entered.wait(WAIT)
    assert not actor.express(boom)  # somebody acts
    waiting: list[bool] = []
    ref.tell(lambda: waiting.append(actor.express(boom)))
    ref.tell(lambda: None)
    gate.set()
    ref.stop(timeout=WAIT)
    assert waiting == [False]
    assert rig.failures.empty()


def test_a_message_in_the_inbox_comes_before_an_express_one() -> None:
    rig = Rig()
    actor = Worker(rig.around())
    inbox: Any = actor.actor_inbox
    inbox.put(boom)  # told, and its thread has not come by yet
    assert not actor.express(boom)
    inbox.get()
    done = threading.Event()
    assert actor.express(done.set)
    assert done.is_set()


def test_an_error_in_an_express_message_is_a_failure_in_the_actors_own_thread() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    ref.ask(lambda: None, timeout=WAIT)
    where: list[str] = []
    actor.finish = lambda: where.append(threading.current_thread().name)  # type: ignore[method-assign]
    assert actor.express(boom)
    failure = rig.failures.get(timeout=WAIT)
    assert (failure.urn, str(failure.error)) == (ref.actor_urn, "boom")
    assert ref.actor_stopped.wait(WAIT)
    assert where == ["worker"]
    assert not actor.express(boom)
    ref.stop(timeout=WAIT)
    assert rig.failures.empty()


def test_an_exit_in_an_express_message_ends_only_the_actor() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    ref.ask(lambda: None, timeout=WAIT)

    def leave() -> None:
        raise SystemExit(3)

    assert actor.express(leave)
    assert isinstance(rig.failures.get(timeout=WAIT).error, ActorExit)


def test_one_thread_at_a_time_acts_for_an_actor() -> None:
    rig = Rig()
    actor, ref = rig.launch()
    inside, together, count = [0], [0], 2_000

    def work() -> None:
        inside[0] += 1
        together[0] = max(together[0], inside[0])
        inside[0] -= 1

    done = [0, 0]

    def send(number: int) -> None:
        for _ in range(count):
            if not actor.express(work):
                ref.tell(work)
            done[number] += 1

    threads = [threading.Thread(target=send, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    ref.stop(timeout=WAIT)
    assert (done, together[0]) == ([count, count], 1)
    assert actor.around.pulse.handled == 2 * count + 1  # and the stop
