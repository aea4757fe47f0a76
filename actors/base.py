"""The base of every actor: a fast inbox, a heartbeat, and failures that are always reported.

What pykka leaves out and this class adds (see tests/actors/test_pykka_contract.py):

* `on_start` raising skips `on_failure`: it is reported here.
* `SystemExit` in one actor would stop every actor: here it is a failure of that one.
* The default inbox costs several microseconds a message; a `SimpleQueue` a fraction of one.
* What is left in the inbox of an actor that died is counted as dead letters.
* A thread that belongs to an actor (a stream's callback, a worker) fails *as* the actor: `guarded`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar

import pykka

from actors.address import DeadLetters
from quietmaker.core.units import Nanos

M = TypeVar("M")
P = ParamSpec("P")


class ActorExit(RuntimeError):  # noqa: N818 - what it was is said in its text
    """An actor's code asked the interpreter to exit; only the actor ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An actor died of an error. `urn` tells whether it is still the one that runs under this name."""

    name: str
    urn: str
    error: BaseException


@dataclass(slots=True)
class Pulse:
    """The signs of life of one actor; written by its thread, read by the supervisor.

    Attributes:
        at: monotonic time at which the latest message was begun.
        busy: whether one is being handled.
        handled: how many were begun.
    """

    at: int = 0
    busy: bool = False
    handled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every actor is given.

    Attributes:
        name: of the child in the supervision tree.
        monotonic: the clock for time-outs and heartbeats.
        report: takes a failure; called from the thread that failed.
        dead: counts what was left in the inbox at a failure.
        pulse: where it leaves its signs of life.
        took: told how long each message took, in nanoseconds.
    """

    name: str
    monotonic: Callable[[], Nanos]
    report: Callable[[Failure], None]
    dead: DeadLetters
    pulse: Pulse = field(default_factory=Pulse)
    took: Callable[[int], object] = lambda _: None


class Inbox(queue.SimpleQueue[Any]):
    """The inbox: several times faster than pykka's; `qsize` is exact enough for a metric."""


class BaseActor(pykka.ThreadingActor, Generic[M]):
    """An actor that is supervised. Subclasses implement `receive`, and `begin`/`finish` if they must."""

    use_daemon_thread: ClassVar[bool] = True
    """A hung thread cannot be stopped; it must not keep the process from its exit."""

    def __init__(self, around: Surroundings) -> None:
        """Prepare; nothing runs yet."""
        super().__init__()
        self.around = around
        around.pulse.at = around.monotonic()
        self._failed = threading.Event()
        self._turn = threading.Lock()
        self._alone = False
        self._broken: Exception | None = None

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @property
    def alive(self) -> bool:
        """Return whether the actor may still act: it has neither failed nor ended."""
        return not self._failed.is_set() and not self.actor_stopped.is_set()

    # --- what subclasses say --------------------------------------------------------------------

    def begin(self) -> None:
        """Start what the actor owns. Runs in its thread; an error is a failed start."""

    def receive(self, message: M) -> None:
        """Handle one message."""
        raise NotImplementedError(f"{type(self).__name__} receives {message!r} and has no receive")

    def finish(self) -> None:
        """Release what the actor owns. Runs at the end of its life, also after a failure."""

    # --- life ----------------------------------------------------------------------------------

    def on_receive(self, message: M) -> None:
        """Handle one message; tests call this on an actor that was never started."""
        self.receive(message)

    def on_start(self) -> None:
        """Begin, and report if that fails: pykka would not."""
        threading.current_thread().name = self.around.name
        try:
            with self._turn:
                self.begin()
        except Exception as error:
            self._fail(error)
            raise

    def on_stop(self) -> None:
        """Release."""
        self.finish()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,  # noqa: ARG002 - pykka's signature
        exception_value: BaseException | None,
        traceback: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """Release, then report."""
        self._fail(exception_value or RuntimeError("failed without an error"))

    def express(self, message: M) -> bool:
        """Handle a message in the sender's thread, if nothing has to be done before it.

        Spares the time that waking the actor's own thread takes. One thread at a time acts for an actor,
        and what was told comes first: one that is busy, or has something in its inbox, returns False and is
        to be told. An error is raised in the actor's own thread and is a failure like any other.
        """
        if not self._turn.acquire(blocking=False):
            return False
        try:
            if self._alone or not self.actor_inbox.empty() or not self.alive:
                return False
            try:
                self._handle(self.on_receive, message)
            except Exception as error:  # noqa: BLE001 - raised again in the actor's thread
                self._broken = error
                self.actor_ref.tell(message)
            return True
        finally:
            self._turn.release()

    def _handle_receive(self, message: Any) -> Any:
        with self._turn:
            if self._broken is not None:
                raise self._broken
            return self._handle(super()._handle_receive, message)

    def _handle(self, handler: Callable[[Any], Any], message: Any) -> Any:
        """Handle a message, leaving signs of life; after an error only the actor's own thread acts."""
        pulse = self.around.pulse
        pulse.at, pulse.busy = self.around.monotonic(), True
        pulse.handled += 1
        try:
            return handler(message)
        except SystemExit as error:
            self._alone = True
            raise ActorExit(f"{self.around.name} asked to exit with {error.code!r}") from error
        except BaseException:
            self._alone = True
            raise
        finally:
            pulse.busy = False
            self.around.took(self.around.monotonic() - pulse.at)

    def _actor_loop_teardown(self) -> None:
        if self._failed.is_set():
            while not self.actor_inbox.empty():
                envelope = self.actor_inbox.get()
                self.around.dead.add(self.around.name, envelope.message)
                if envelope.reply_to is not None:
                    gone = pykka.ActorDeadError(f"{self} failed before it handled the message")
                    envelope.reply_to.set_exception((type(gone), gone, None))
        super()._actor_loop_teardown()

    # --- threads that belong to an actor ---------------------------------------------------------

    def guarded(self, work: Callable[P, None]) -> Callable[P, None]:
        """Return `work` for a thread that belongs to this actor: its error is the actor's failure.

        After a failure nothing more is done: the supervisor waits for the actor to have ended before
        it starts the next one.
        """

        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            if self._failed.is_set():
                return
            try:
                work(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - reported to the supervisor
                # Released in the actor's own thread: a stream cannot be stopped from its callback.
                if self.actor_ref.is_alive():
                    self.actor_ref.stop(block=False)
                self._report(error)

        return run

    def _fail(self, error: BaseException) -> None:
        """Release what is owned, then report."""
        try:
            self.finish()
        except Exception as second:  # noqa: BLE001 - the first error is the one to report
            error.add_note(f"and releasing failed too: {second!r}")
        self._report(error)

    def _report(self, error: BaseException) -> None:
        if not self._failed.is_set():
            self._failed.set()
            self.around.report(Failure(name=self.around.name, urn=self.actor_urn, error=error))
