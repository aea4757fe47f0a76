"""The facts of pykka that the actor layer rests on: they fail on the day a release changes one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pykka
import pykka.debug
import pytest

WAIT = 5.0


class Probe(pykka.ThreadingActor):
    """Does what it is told and lets the test watch."""

    use_daemon_thread = True

    def __init__(self, *, start_error: Exception | None = None) -> None:
        super().__init__()
        self.start_error = start_error
        self.failed = threading.Event()
        self.stopped = threading.Event()
        self.got: list[object] = []

    def on_start(self) -> None:
        if self.start_error is not None:
            raise self.start_error

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.failed.set()

    def on_stop(self) -> None:
        self.stopped.set()

    def on_receive(self, message: Any) -> Any:
        self.got.append(message)
        if callable(message):
            return message()
        return message


@pytest.fixture(autouse=True)
def nobody_left() -> Iterator[None]:
    yield
    pykka.ActorRegistry.stop_all(block=False)


def launch(**how: Any) -> tuple[Probe, pykka.ActorRef[Probe]]:
    ref = Probe.start(**how)
    actor = ref._actor_weakref()
    assert actor is not None
    return actor, ref


def boom() -> None:
    raise ValueError("boom")


def test_a_failed_start_kills_the_actor_without_on_failure() -> None:
    actor, ref = launch(start_error=ValueError("start"))
    assert ref.actor_stopped.wait(WAIT)
    assert not actor.failed.is_set()


def test_an_error_under_ask_goes_to_the_caller_and_the_actor_lives_on() -> None:
    actor, ref = launch()
    with pytest.raises(ValueError, match="boom"):
        ref.ask(boom, timeout=WAIT)
    assert ref.is_alive()
    assert not actor.failed.is_set()
    assert ref.ask("still there", timeout=WAIT) == "still there"


def test_an_error_under_tell_kills_the_actor_and_runs_on_failure() -> None:
    actor, ref = launch()
    ref.tell(boom)
    assert actor.failed.wait(WAIT)
    assert not ref.is_alive()


def test_tells_behind_a_crash_vanish_and_asks_get_an_error() -> None:
    actor, ref = launch()
    gate = threading.Event()
    ref.tell(lambda: gate.wait(WAIT))
    ref.tell(boom)
    ref.tell("lost")
    answer = ref.ask("asked", block=False)
    gate.set()
    with pytest.raises(pykka.ActorDeadError):
        answer.get(timeout=WAIT)
    assert "lost" not in actor.got


def test_a_ref_to_a_dead_actor_stays_dead_and_tell_raises_in_the_sender() -> None:
    _, ref = launch()
    ref.stop(timeout=WAIT)
    launch()
    assert not ref.is_alive()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("anybody?")


def test_system_exit_in_one_actor_stops_every_actor() -> None:
    _, ref = launch()
    _, other = launch()

    def leave() -> None:
        raise SystemExit(3)

    ref.tell(leave)
    assert ref.actor_stopped.wait(WAIT)
    assert other.actor_stopped.wait(WAIT)


def test_a_bounded_inbox_blocks_the_sender() -> None:
    class Bounded(Probe):
        @staticmethod
        def _create_actor_inbox() -> Any:
            return queue.Queue(maxsize=1)

    actor = Bounded()
    actor.actor_ref.tell("fills it")
    told = threading.Event()

    def second() -> None:
        actor.actor_ref.tell("waits")
        told.set()

    threading.Thread(target=second, daemon=True).start()
    assert not told.wait(0.1)
    actor.actor_inbox.get()
    assert told.wait(WAIT)


def test_a_hung_actor_cannot_be_stopped() -> None:
    _, ref = launch()
    entered, release = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        release.wait(WAIT)

    ref.tell(hang)
    assert entered.wait(WAIT)
    with pytest.raises(pykka.Timeout):
        ref.stop(timeout=0.05)
    release.set()


def test_an_actor_that_was_not_started_can_be_driven_by_hand() -> None:
    actor = Probe()
    assert actor.on_receive("by hand") == "by hand"


def test_stop_queues_behind_the_backlog() -> None:
    actor, ref = launch()
    gate = threading.Event()
    ref.tell(lambda: gate.wait(WAIT))
    ref.tell("before the stop")
    ref.stop(block=False)
    assert ref.is_alive()
    gate.set()
    assert actor.stopped.wait(WAIT)
    assert "before the stop" in actor.got


def test_an_ask_that_meets_the_end_of_an_actor_is_answered_by_its_time_out_only() -> None:
    _, ref = launch()
    ref.stop(timeout=WAIT)
    # What a sender that was pre-empted between is_alive() and put() does:
    future = Probe._create_future()
    ref.actor_inbox.put(type_envelope()("too late", reply_to=future))
    with pytest.raises(pykka.Timeout):
        future.get(timeout=0.05)


def type_envelope() -> Any:
    from pykka._envelope import Envelope

    return Envelope


def test_a_base_exception_under_ask_never_answers() -> None:
    _, ref = launch()

    def leave() -> None:
        raise SystemExit

    with pytest.raises(pykka.Timeout):
        ref.ask(leave, timeout=0.1)


def test_the_tracebacks_of_all_threads_can_be_logged_by_a_signal_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    launch()
    with caplog.at_level("CRITICAL", logger="pykka"):
        pykka.debug.log_thread_tracebacks()
    assert "Probe" in caplog.text


def test_the_loop_reads_the_inbox_by_get_and_empty_only() -> None:
    class Simple(Probe):
        @staticmethod
        def _create_actor_inbox() -> Any:
            return queue.SimpleQueue()

    ref = Simple.start()
    assert ref.ask("fast", timeout=WAIT) == "fast"
    started = time.monotonic()
    for number in range(2_000):
        ref.tell(number)
    assert ref.ask("last", timeout=WAIT) == "last"
    assert time.monotonic() - started < WAIT
