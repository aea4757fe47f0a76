"""A paper exchange on a market made by hand, driven by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from quietmaker.core.market import MarketEvent
from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.latency import INSTANT, Latency
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.paper import PaperExchange
from quietmaker.exchange.testing import ManualClock, ManualPacer
from quietmaker.ports import UserEvent
from tests.exchange.sources import ListSource
from tests.exchange.support import BALANCES, FEES

NOW = 1_800_000_000 * SECOND
"""When the tests happen; on the five-minute grid."""


@dataclass
class Heard:
    """What the two streams told."""

    market: list[MarketEvent] = field(default_factory=list)
    user: list[UserEvent] = field(default_factory=list)


@dataclass
class Rig:
    """An exchange, its time, and a listener."""

    exchange: PaperExchange
    clock: ManualClock
    pacer: ManualPacer
    heard: Heard = field(default_factory=Heard)

    def start(self) -> Heard:
        """Listen anew, and hear what is told at once."""
        self.heard = heard = Heard()
        self.exchange.user_stream.start(heard.user.append)
        self.exchange.market_stream.start(heard.market.append)
        self.pacer.run()
        return heard

    def run(self, seconds: float = 0) -> None:
        """Let time pass."""
        self.pacer.run(int(seconds * SECOND))


def rig(
    tape: Sequence[MarketEvent],
    *,
    model: str = "touch",
    latency: Latency = INSTANT,
    speed: Decimal | int = 1,
    warmup: float = 0,
    loop: bool = False,
    error: str = "",
    balances: Mapping[str, Decimal] = BALANCES,
    session: str | None = "test",
    now: int = NOW,
) -> Rig:
    """Return a paper exchange that plays a tape."""
    clock = ManualClock(now)
    pacer = ManualPacer(clock)
    exchange = PaperExchange(
        source=ListSource(tape, error),
        clock=clock,
        fees=FEES,
        balances=balances,
        model=FILL_MODELS[model],
        latency=latency,
        seed=1,
        speed=Decimal(speed),
        warmup=Nanos(int(warmup * SECOND)),
        loop=loop,
        pacer=pacer,
        session=session,
    )
    return Rig(exchange, clock, pacer)
