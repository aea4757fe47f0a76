"""The supervisor with real threads: start, restart, hang, give up, stop."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from actors.address import Address, DeadLetters
from actors.base import BaseActor, Failure, Surroundings
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.telemetry.metrics import Metrics
from supervisors.policy import Branch, GiveUp, Intensity, Leaf, Strategy
from supervisors.supervisor import Child, Supervisor

WAIT = 5.0
NAMES = ("ledger", "clock", "gateway", "feed")


class Part(BaseActor[Callable[[], None]]):
    """Notes its life in the rig's diary and runs what it is told."""

    def __init__(self, around: Surroundings, rig: Rig) -> None:
        super().__init__(around)
        self.rig = rig

    def begin(self) -> None:
        self.rig.note("begin", self.around.name)
        if self.around.name in self.rig.broken:
            raise ValueError("cannot start")

    def finish(self) -> None:
        self.rig.note("finish", self.around.name)

    def receive(self, message: Callable[[], None]) -> None:
        message()


class Rig:
    """A small tree: root(ledger, trading(clock, gateway, feed)), the latter rest-for-one."""

    def __init__(self, *, limit: int = 3) -> None:
        self.now = 0
        self.diary: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.changed = threading.Condition()
        self.dead = DeadLetters()
        self.addresses: dict[str, Address[Any]] = {n: Address(n, self.dead) for n in NAMES}
        self.refs: dict[str, pykka.ActorRef[Any]] = {}
        intensity = Intensity(limit=limit, period=Nanos(60 * SECOND))
        trading = Branch(
            name="trading",
            strategy=Strategy.REST_FOR_ONE,
            intensity=intensity,
            children=(Leaf("clock"), Leaf("gateway"), Leaf("feed")),
        )
        root = Branch(
            name="root",
            strategy=Strategy.ONE_FOR_ONE,
            intensity=intensity,
            children=(Leaf("ledger"), trading),
        )
        self.metrics = Metrics(
            version="test", revision="test", mode="paper", now=lambda: Instant(0)
        )
        self.supervisor = Supervisor(
            root,
            children={n: Child(make=self.make, hang_after=Nanos(10 * SECOND)) for n in NAMES},
            addresses=self.addresses,
            monotonic=lambda: Nanos(self.now),
            dead=self.dead,
            metrics=self.metrics,
            rng=random.Random(1),
        )

    def make(self, around: Surroundings) -> pykka.ActorRef[Any]:
        ref = Part.start(around, self)
        self.refs[around.name] = ref
        return ref

    def note(self, what: str, name: str) -> None:
        with self.changed:
            self.diary.append((what, name))
            self.changed.notify_all()

    def await_begun(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(
                lambda: sum(what == "begin" for what, _ in self.diary) >= count, WAIT
            )

    def start(self) -> None:
        self.supervisor.start()
        self.await_begun(len(NAMES))
        self.diary.clear()

    def step(self) -> GiveUp | None:
        return self.supervisor.step(WAIT)

    def crash(self, name: str) -> GiveUp | None:
        self.addresses[name].tell(boom)
        return self.step()

    def bound(self, name: str) -> bool:
        return self.addresses[name].bound

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def boom() -> None:
    raise ValueError("boom")


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_actors_start_in_order_and_stop_in_reverse(rig: Rig) -> None:
    rig.supervisor.start()
    rig.await_begun(4)
    assert all(address.bound for address in rig.addresses.values())
    rig.diary.clear()
    assert rig.supervisor.stop() == ()
    assert rig.diary == [("finish", name) for name in reversed(NAMES)]
    assert not any(address.bound for address in rig.addresses.values())


def test_a_crashed_actor_comes_back_behind_the_same_address(rig: Rig) -> None:
    rig.start()
    before = rig.refs["feed"]
    assert rig.crash("feed") is None
    rig.await_begun(1)
    assert rig.refs["feed"] is not before
    done = threading.Event()
    assert rig.addresses["feed"].tell(done.set)
    assert done.wait(WAIT)
    assert rig.value("quietmaker_actor_failures_total", actor="feed") == 1
    assert rig.value("quietmaker_actor_restarts_total", actor="feed") == 1
    assert ("begin", "gateway") not in rig.diary  # it was not built on the feed
    rig.supervisor.stop()


def test_what_was_built_on_a_crashed_actor_stops_first_and_starts_after(rig: Rig) -> None:
    rig.start()
    assert rig.crash("clock") is None
    rig.await_begun(3)
    assert [name for what, name in rig.diary if what == "begin"] == ["clock", "gateway", "feed"]
    finished = [name for what, name in rig.diary if what == "finish"]
    assert finished == ["clock", "feed", "gateway"]
    assert rig.addresses["ledger"].bound
    rig.supervisor.stop()


def test_a_failed_start_counts_as_a_failure_and_ends_in_giving_up(rig: Rig) -> None:
    rig.start()
    rig.broken.add("ledger")
    verdict = rig.crash("ledger")
    while verdict is None:
        rig.now += SECOND
        rig.supervisor.wake()
        verdict = rig.step()
    assert isinstance(verdict, GiveUp)
    assert "ledger" in verdict.reason
    rig.supervisor.stop()


def test_a_restart_waits_for_its_pause(rig: Rig) -> None:
    rig.start()
    rig.crash("ledger")
    rig.await_begun(1)
    rig.addresses["ledger"].tell(boom)
    rig.step()
    assert not rig.bound("ledger")
    rig.now += SECOND
    rig.supervisor.wake()
    rig.step()
    assert rig.bound("ledger")
    rig.supervisor.stop()


def test_a_late_report_of_an_earlier_life_is_ignored(rig: Rig) -> None:
    rig.start()
    old = rig.refs["feed"].actor_urn
    rig.crash("feed")
    rig.await_begun(1)
    living = rig.refs["feed"]
    rig.supervisor.report(Failure(name="feed", urn=old, error=ValueError("late")))
    assert rig.step() is None
    assert rig.refs["feed"] is living
    assert living.is_alive()
    rig.supervisor.stop()


def test_a_hung_actor_is_noticed_and_the_process_must_end(rig: Rig) -> None:
    rig.start()
    entered, release = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        release.wait(WAIT)

    rig.addresses["gateway"].tell(hang)
    assert entered.wait(WAIT)
    rig.supervisor.wake()
    assert rig.step() is None
    rig.now += 11 * SECOND
    rig.supervisor.wake()
    verdict = rig.step()
    assert isinstance(verdict, GiveUp)
    assert "gateway hangs" in verdict.reason
    release.set()
    rig.supervisor.stop()


def test_an_idle_actor_is_not_hung_however_long_nothing_happens(rig: Rig) -> None:
    rig.start()
    for _ in range(5):
        rig.now += 100 * SECOND
        rig.supervisor.wake()
        assert rig.step() is None
    rig.supervisor.stop()


def test_an_actor_that_ends_without_a_word_is_restarted(rig: Rig) -> None:
    rig.start()
    rig.refs["feed"].stop(timeout=WAIT)  # nobody asked the supervisor
    for _ in range(2):
        rig.supervisor.wake()
        assert rig.step() is None
        rig.now += 2 * SECOND
    rig.await_begun(1)
    assert rig.addresses["feed"].bound
    rig.supervisor.stop()


def test_depths_and_ages_are_told_by_role(rig: Rig) -> None:
    rig.start()
    entered, release = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        release.wait(WAIT)

    rig.addresses["clock"].tell(hold)
    assert entered.wait(WAIT)
    rig.addresses["clock"].tell(lambda: None)
    rig.now += SECOND
    assert rig.supervisor.depths() == {"ledger": 0, "clock": 1, "gateway": 0, "feed": 0}
    assert rig.supervisor.ages()["clock"] == SECOND
    release.set()
    rig.supervisor.stop()


def test_the_tree_and_the_actors_must_agree() -> None:
    with pytest.raises(ValueError, match="same actors"):
        Supervisor(
            Branch(
                name="root",
                strategy=Strategy.ONE_FOR_ONE,
                intensity=Intensity(limit=1, period=Nanos(1)),
                children=(Leaf("a"),),
            ),
            children={},
            addresses={},
            monotonic=lambda: Nanos(0),
            dead=DeadLetters(),
            metrics=Metrics(version="t", revision="t", mode="paper", now=lambda: Instant(0)),
        )


def test_a_signal_handler_that_outlasts_a_step_does_not_hold_the_supervisor_up() -> None:
    # The dump of all stacks takes longer than a step; the stop that follows must still be seen.
    rig, rescued = Rig(), threading.Event()

    def rescue() -> None:
        rescued.set()
        rig.supervisor.report(Failure(name="feed", urn="of nobody", error=ValueError()))

    before = signal.signal(signal.SIGUSR2, lambda *_: threading.Event().wait(0.3))
    late = threading.Timer(WAIT, rescue)
    try:
        threading.Timer(0.05, os.kill, args=(os.getpid(), signal.SIGUSR2)).start()
        late.start()
        rig.supervisor.step(0.1)
        assert not rescued.is_set()
    finally:
        late.cancel()
        signal.signal(signal.SIGUSR2, before)


# --- who comes and goes -------------------------------------------------------------------------


def newcomer(rig: Rig, name: str = "trader:A-USD") -> Address[Any]:
    address: Address[Any] = Address(name, rig.dead)
    child = Child(make=rig.make, hang_after=Nanos(10 * SECOND))
    rig.supervisor.add(name, child, address, branch="trading")
    return address


def test_an_actor_that_comes_is_started_watched_restarted_and_stopped_with_the_others(
    rig: Rig,
) -> None:
    rig.start()
    address = newcomer(rig)
    rig.await_begun(1)
    assert address.bound
    address.tell(boom)
    assert rig.step() is None
    rig.await_begun(2)
    assert address.bound
    rig.diary.clear()
    assert rig.crash("clock") is None  # what it was built on
    rig.now += SECOND
    rig.supervisor.wake()
    rig.step()
    rig.await_begun(4)
    begun = [name for what, name in rig.diary if what == "begin"]
    assert begun == ["clock", "gateway", "feed", "trader:A-USD"]
    assert rig.supervisor.stop() == ()
    assert rig.diary[-5:][0] == ("finish", "trader:A-USD")


def test_one_that_comes_before_the_start_starts_with_the_others(rig: Rig) -> None:
    newcomer(rig)
    assert not rig.refs
    rig.supervisor.start()
    rig.await_begun(5)
    assert rig.refs["trader:A-USD"].is_alive()
    rig.supervisor.stop()


def test_an_actor_that_goes_finishes_what_it_was_told_and_is_not_missed(rig: Rig) -> None:
    rig.start()
    told = threading.Event()
    rig.addresses["gateway"].tell(told.set)
    assert rig.supervisor.remove("gateway") is None
    assert told.is_set()
    assert not rig.bound("gateway")
    rig.now += 100 * SECOND
    rig.supervisor.wake()
    assert rig.step() is None
    assert rig.crash("clock") is None
    rig.await_begun(2)
    assert ("begin", "gateway") not in rig.diary
    rig.supervisor.stop()


def test_one_that_is_down_and_goes_does_not_come_back(rig: Rig) -> None:
    rig.start()
    rig.crash("ledger")
    rig.await_begun(1)
    rig.addresses["ledger"].tell(boom)
    rig.step()
    assert rig.supervisor.down == ("ledger",)
    assert rig.supervisor.remove("ledger") is None
    rig.now += 100 * SECOND
    rig.supervisor.wake()
    assert rig.step() is None
    assert not rig.bound("ledger")
    rig.supervisor.stop()


def test_one_that_cannot_be_stopped_ends_the_process_as_any_that_hangs(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisors.supervisor.STOP_WITHIN", 0.05)
    rig.start()
    entered, release = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        release.wait(WAIT)

    rig.addresses["feed"].tell(hang)
    assert entered.wait(WAIT)
    assert isinstance(rig.supervisor.remove("feed"), GiveUp)
    release.set()
    rig.supervisor.stop()


def test_work_for_the_driving_thread_is_done_by_it_and_may_give_up(rig: Rig) -> None:
    rig.start()
    driver = []

    def work() -> GiveUp:
        driver.append(threading.current_thread())
        return GiveUp(reason="enough")

    poster = threading.Thread(target=rig.supervisor.post, args=(work,))
    poster.start()
    assert rig.step() == GiveUp(reason="enough")
    assert driver == [threading.current_thread()]
    poster.join()
    rig.supervisor.stop()
