"""The driver: starts a bot, judges it once it is ready, lets it die, and starts the next one.

Everything of one world happens in one thread. A life is judged by what the exchange had when it was
started; what came later is owed by the next one. Now and then one is stopped in order instead, and then
both sides are compared to the last digit, at rest.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.chaos.kill_books import Books
from tests.chaos.kill_judge import COVERED_WITHIN, Judge
from tests.chaos.kill_plan import ARRIVES_AFTER, How, Plan
from tests.chaos.kill_world import Life, World

READY_WITHIN: Final = 45.0
PROVED_WITHIN: Final = 10.0
STORMY: Final = 15.0
"""Seconds more for everything, when the exchange failed while it started."""
STEP_WITHIN: Final = 20.0
"""Seconds of trading in which every step comes, most of them many times; a segment is made more rarely."""
REST_EVERY: Final = 40
TRADING_FOR: Final = 1.0
STARTING_FOR: Final = 1.8
STOPPING_FOR: Final = 0.3
AWAY_FOR: Final = 1.5


@dataclass(slots=True)
class Tally:
    """What was done, and what it took.

    Attributes:
        kills: by step.
        missed: steps that did not come; the driver killed instead, and that counts as random.
        power_cuts: kills that took with them what was not synced.
        stormy: restarts while the exchange failed on purpose.
        databases: kills of a database server.
        rests: comparisons of everything at rest.
        ready: seconds from start to readiness, of each life that came so far.
        covered: seconds from readiness until every position had a working exit.
        healed: differences that the bots found after kills and ended, by kind.
    """

    kills: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    power_cuts: int = 0
    stormy: int = 0
    databases: int = 0
    rests: int = 0
    orders: int = 0
    fills: int = 0
    restarts: int = 0
    ready: list[float] = field(default_factory=list)
    covered: list[float] = field(default_factory=list)
    healed: Counter[str] = field(default_factory=Counter)

    @property
    def killed(self) -> int:
        """Return how often a bot was killed."""
        return self.kills.total()

    def add(self, other: Tally) -> None:
        """Add what was done in another world."""
        for name in ("power_cuts", "stormy", "databases", "rests", "orders", "fills", "restarts"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.kills.update(other.kills)
        self.missed.update(other.missed)
        self.healed.update(other.healed)
        self.ready += other.ready
        self.covered += other.covered


class Driver:
    """Kills the bots of one world.

    Attributes:
        tally: what was done.
    """

    def __init__(
        self,
        world: World,
        *,
        seed: int,
        say: Callable[[str], None],
        sabotage: str = "",
    ) -> None:
        """Begin with nothing.

        Args:
            world: where the bots live.
            seed: of what is not in the plans: how long a random instant is.
            say: takes a line of progress.
            sabotage: the safeguard that every bot is to be without.
        """
        self.tally = Tally()
        self.judge = Judge(world, Books(world.url))
        self._world = world
        self._rng = Random(f"driver:{seed}")
        self._say = say
        self._sabotage: dict[str, Any] = {"sabotage": sabotage} if sabotage else {}
        self._stormy = False
        self._late = False

    def live(self, plan: Plan) -> None:
        """Let one bot live and die as planned.

        Raises:
            AssertionError: if anything is not as it must be.
        """
        began = time.monotonic()
        self.judge.owe()
        self.tally.restarts += 1
        early = plan.how in {How.RECOVERY, How.EARLY}
        orders = {**self._sabotage, **({"power_cut": True} if plan.power_cut else {})}
        life = self._world.start({**orders, **(self._orders(plan) if early else {})})
        try:
            told = "starting" if early else self._judged(life)
            if told:
                if not early:
                    self._storm(plan)
                self._die(life, plan)
        finally:
            life.signal(signal.SIGKILL)
            code = life.bury()
        expected = {-signal.SIGKILL, 0} if plan.how is How.STOPPING else {-signal.SIGKILL}
        assert code in expected, f"it ended by itself with {code}\n{life.tail()}"
        took = time.monotonic() - began
        storm = " in a storm" if plan.weather else ""
        self._say(f"{plan.name}{storm}: {told or 'it died before'}; {took:.1f} s")

    def rest(self) -> None:
        """Let one bot come up and end in order, and compare everything.

        Raises:
            AssertionError: if anything differs.
        """
        began = time.monotonic()
        self.judge.owe()
        self.tally.restarts += 1
        life = self._world.start(self._sabotage)
        told = self._judged(life)
        life.signal(signal.SIGTERM)
        code = life.bury()
        assert code == 0, f"an orderly stop ended with {code}\n{life.tail()}"
        with self._world.database():
            self.judge.at_rest()
            healed = Counter(self.judge.books.healed())
        account = self.judge.account
        self.tally.orders, self.tally.fills = len(account.orders), len(account.fills)
        self.tally.healed = healed
        self.tally.rests += 1
        took = time.monotonic() - began
        self._say(
            f"at rest: {len(account.orders)} orders and {len(account.fills)} executions are equal;"
            f" {told}; {took:.1f} s"
        )

    # --- one life -------------------------------------------------------------------------------

    def _orders(self, plan: Plan) -> dict[str, Any]:
        if not plan.step:
            return {}
        data = {"database": str(self._world.data)} if plan.database else {}
        return {"step": plan.step, "passes": plan.passes, **data}

    def _judged(self, life: Life) -> str:
        """Wait until it is ready and judge it; return how that went, empty when it died before."""
        more, busy = STORMY if self._stormy else 0.0, busyness()
        self.tally.stormy += self._stormy
        assert life.await_ready(READY_WITHIN * busy), f"it died before it was ready\n{life.tail()}"
        self._calm()
        covered = self.judge.await_cover(life, COVERED_WITHIN * busy + more, strict=not self._late)
        if self._late:
            # What was under way arrives now, to an exchange that has another exit: it must be called back.
            life.await_death(ARRIVES_AFTER)
            self._late = False
            self.judge.owe()
            self.judge.await_cover(life, COVERED_WITHIN * busy)
        self.judge.await_proof(life, PROVED_WITHIN * busy + more)
        if covered is None or not life.alive:
            return ""
        self.tally.ready.append(life.ready_after)
        self.tally.covered.append(covered)
        return f"ready after {life.ready_after:.2f} s, covered {covered:.2f} s later"

    def _die(self, life: Life, plan: Plan) -> None:
        """Let it die as planned, and count how."""
        rng = self._rng
        name = plan.name
        match plan.how:
            case How.STEP | How.RECOVERY | How.LATE:
                if plan.how is not How.RECOVERY:
                    life.tell(**self._orders(plan))
                within = READY_WITHIN if plan.how is How.RECOVERY else STEP_WITHIN
                if not life.await_death(within):
                    self.tally.missed[plan.step] += 1
                    name = How.ANYTIME.value
            case How.ANYTIME:
                life.await_death(rng.uniform(0, TRADING_FOR))
            case How.EARLY:
                life.await_death(rng.uniform(0, STARTING_FOR))
            case How.STOPPING:
                life.signal(signal.SIGTERM)
                if life.await_death(rng.uniform(0, STOPPING_FOR)):
                    return  # it was faster
            case How.OUTAGE:
                self._outage(life, plan)
            case How.FULL:
                self._full(life, plan)
        if life.alive:
            if plan.database:
                self.tally.databases += self._world.kill_database()
            life.signal(signal.SIGKILL)
        elif plan.database:
            self.tally.databases += 1
        self.tally.kills[name] += 1
        self.tally.power_cuts += plan.power_cut

    def _outage(self, life: Life, plan: Plan) -> None:
        """Kill the database under it."""
        world = self._world
        self.tally.databases += world.kill_database()
        life.await_death(self._rng.uniform(0, AWAY_FOR))
        if world.server is not None:
            self._exits_go_on(life)
        if world.server is not None and plan.heals:
            world.server.start()
        if plan.heals:
            self._over_it(life)

    def _full(self, life: Life, plan: Plan) -> None:
        """Let nothing be stored for a while."""
        life.tell(disk_full=True)
        life.await_death(self._rng.uniform(0, AWAY_FOR))
        self._exits_go_on(life)
        if plan.heals:
            life.tell(disk_full=False)
            self._over_it(life)

    def _exits_go_on(self, life: Life) -> None:
        """Check that positions have their exits although the books are away."""
        self.judge.await_cover(life, COVERED_WITHIN * busyness() + STORMY)

    def _over_it(self, life: Life) -> None:
        """Check that what happened meanwhile comes into the books, without a restart."""
        self.judge.owe()
        self.judge.await_proof(life, PROVED_WITHIN * busyness() + STORMY)
        self.judge.await_cover(life, COVERED_WITHIN * busyness() + STORMY)
        assert life.alive, f"it did not survive\n{life.tail()}"

    def _storm(self, plan: Plan) -> None:
        if plan.weather:
            self._world.operator.admin("POST", "/faults", {"rules": list(plan.weather)})
            self._stormy, self._late = True, plan.how is How.LATE

    def _calm(self) -> None:
        if self._stormy:
            self._world.operator.admin("DELETE", "/faults")
            self._stormy = False


def busyness() -> float:
    """Return how many times more this machine has to do than it can: all of it then takes so much longer."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
