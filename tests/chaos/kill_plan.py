"""What happens to each bot: drawn from a seed, so that every named step comes and none can be forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any, Final

from tests.chaos.test_request_faults import ANY, CANCEL, FILLS, SUBMIT, rule
from tests.chaos.test_socket_faults import MARKET, ORDERS
from tests.kit import victim_ports as at


class How(Enum):
    """How a life ends, or what it goes through first."""

    STEP = "step"
    """By its own hand at a step, once it is ready and was judged."""
    RECOVERY = "recovery"
    """By its own hand while it recovers."""
    ANYTIME = "random"
    """By the driver at a random instant of trading."""
    EARLY = "random, starting"
    """By the driver at a random instant of its start and recovery."""
    STOPPING = "random, stopping"
    """By the driver at a random instant of an orderly stop."""
    OUTAGE = "database away"
    """The database is killed; by the driver while it is away, or after it came back."""
    LATE = "late"
    """By its own hand with a request out, which arrives when the next life has given it up."""
    FULL = "disk full"
    """Nothing can be stored; by the driver while that is so, or afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One life.

    Attributes:
        step: where it dies, if at a step.
        passes: at which pass.
        weather: faults of the exchange in force while it starts and recovers.
        database: whether the embedded database dies with it.
        power_cut: whether what was written and not synced is lost with it.
        heals: of an outage: whether it ends before the life does.
    """

    how: How
    step: str = ""
    passes: int = 1
    weather: tuple[dict[str, Any], ...] = ()
    database: bool = False
    power_cut: bool = False
    heals: bool = False

    @property
    def name(self) -> str:
        """Return what the kill is counted as."""
        return self.how.value if self.how is How.LATE else self.step or self.how.value


TRADING_STEPS: Final = (
    *(*at.ORDERS, *at.CANCELS, *at.NEWS),
    *(*at.RECORDS, *at.JOURNAL, *at.COMMITS),
)
_SHARES: Final = {
    How.STEP: 60,
    How.RECOVERY: 10,
    How.ANYTIME: 10,
    How.EARLY: 7,
    How.STOPPING: 4,
    How.OUTAGE: 5,
    How.FULL: 3,
    How.LATE: 1,
}
ARRIVES_AFTER: Final = 4.5
"""Seconds that a late request is under way: longer than recovery waits for it."""
WEATHER_SHARE: Final = 0.15
POWER_SHARE: Final = 0.3
DATABASE_SHARE: Final = 0.6
"""Of the kills in a world whose database is embedded: how many take it along, as a container's end does."""
WEATHER: Final[tuple[dict[str, Any], ...]] = (
    rule("rest.bad_gateway", SUBMIT, 0.2, placed=True),
    rule("rest.bad_gateway", SUBMIT, 0.2, placed=False),
    rule("rest.timeout", SUBMIT, 0.1, placed=True, ms=5_000),
    rule("rest.abort", SUBMIT, 0.1, placed=True),
    rule("rest.delay", SUBMIT, 0.1, ms=400, when="after"),
    rule("rest.bad_gateway", CANCEL, 0.2, placed=True),
    rule("rest.truncate", FILLS, 0.1),
    rule("rest.unauthorized", ANY, 0.1),
    rule("rest.rate_limited", ANY, 0.05),
    rule("order.die", {}, 0.1),
    rule("order.unsettled", {}, 0.2),
    rule("fills.late", {}, 0.3, ms=1_500),
    rule("ws.drop", ORDERS, 0.1),
    rule("ws.drop", MARKET, 0.02),
    rule("ws.duplicate", ORDERS, 0.2, copies=2),
    rule("ws.abort", ORDERS, 0.01),
    rule("ws.delay", ORDERS, 0.05, ms=300),
)
"""Faults of the exchange, several at once."""
LATE: Final = (rule("rest.delay", SUBMIT, 1, ms=int(ARRIVES_AFTER * 1_000), when="before"),)


def plans(seed: int, *, embedded: bool) -> Iterator[Plan]:
    """Yield lives without end; after some hundred each step has come many times."""
    rng = Random(f"plans:{seed}")
    steps, recovery = _in_turn(rng, TRADING_STEPS), _in_turn(rng, at.RECOVERY)
    for how in _in_turn(rng, [how for how, share in _SHARES.items() for _ in range(share)]):
        step = ""
        if how is How.STEP:
            step = next(steps)
        elif how is How.RECOVERY:
            step = next(recovery)
        elif how is How.LATE:
            step = "send.out"
        stormy = rng.random() < WEATHER_SHARE and how is not How.LATE
        yield Plan(
            how=how,
            step=step,
            passes=rng.randint(1, 3 if how is How.RECOVERY else 6),
            weather=LATE if how is How.LATE else tuple(rng.sample(WEATHER, 5)) if stormy else (),
            database=embedded and rng.random() < DATABASE_SHARE,
            power_cut=rng.random() < POWER_SHARE,
            heals=rng.random() < 0.6,
        )


def short(seed: int, part: int) -> list[Plan]:
    """Return one of two lists of lives, which together have each named step once, and the rest."""
    rng = Random(f"short:{seed}")
    steps = [
        Plan(how=How.STEP, step=step, passes=rng.randint(1, 3), power_cut=rng.random() < 0.5)
        for step in TRADING_STEPS
    ]
    steps += [Plan(how=How.RECOVERY, step=step, passes=1) for step in at.RECOVERY]
    rng.shuffle(steps)
    others = (
        Plan(how=How.ANYTIME, weather=WEATHER[:1] + WEATHER[11:14]),
        Plan(how=How.OUTAGE, heals=True),
        Plan(how=How.STOPPING),
        Plan(how=How.FULL, heals=True),
    )
    return [*steps[part::2], *others[part::2]]


def _in_turn(rng: Random, items: Any) -> Iterator[Any]:
    """Yield all items in a random order, and again, so that none is ever far behind."""
    while True:
        yield from rng.sample(list(items), len(items))
