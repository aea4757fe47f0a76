"""Fill models: what is believed of the queue in front of one of our resting orders.

The recorded market does not know our order, so its place in the queue is a belief. The three models
share every other rule (`venue` states them) and differ in two answers only: how much of the displayed
size stands before an order that joins, and what a decrease that no trade explains does to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias


@dataclass(frozen=True, slots=True)
class TouchModel:
    """Optimistic: there is no queue."""

    name: ClassVar[str] = "touch"
    bias: ClassVar[str] = (
        "touch (optimistic): every trade at our price fills us up to its size, whoever took, as if nobody "
        "stood before us; so does the opposite touch once it reaches our price. Fills come earlier and more "
        "often than on the exchange, most of all on large-tick products with long queues, and too many of "
        "them are the harmless kind. Read its profit as an upper bound."
    )
    any_aggressor: ClassVar[bool] = True

    def joining(self, shown: int) -> int:
        """Return the lots before an order that joins a level where `shown` lots stand."""
        del shown
        return 0

    def after_cancel(self, ahead: int, behind: int, gone: int) -> int:
        """Return the lots still ahead after `gone` of `ahead + behind` were cancelled."""
        del behind, gone
        return ahead


@dataclass(frozen=True, slots=True)
class QueueModel:
    """Risk-averse: everything displayed stands before us, and only trades shorten it."""

    name: ClassVar[str] = "queue"
    bias: ClassVar[str] = (
        "queue (pessimistic): we join behind the whole displayed size and only trades advance us; "
        "cancellations are taken to have stood behind us as long as the displayed size allows it. Fills "
        "come later and less often than on the exchange, and mostly when the level is about to break: "
        "adverse selection is overstated. Read its profit as a lower bound."
    )
    any_aggressor: ClassVar[bool] = False

    def joining(self, shown: int) -> int:
        """Return the lots before an order that joins a level where `shown` lots stand."""
        return shown

    def after_cancel(self, ahead: int, behind: int, gone: int) -> int:
        """Return the lots still ahead after `gone` of `ahead + behind` were cancelled."""
        return min(ahead, ahead + behind - gone)


@dataclass(frozen=True, slots=True)
class ProbabilisticModel:
    """Cancellations fall before and behind us with a probability that the position gives.

    With f(x) = x**power, a decrease `chg` net of trades leaves
    ``front' = front - (1 - p)*chg + min(back - p*chg, 0)``, ``p = f(back) / (f(back) + f(front))``
    (the power-law queue model of the hftbacktest documentation). Power 1 shrinks the queue in
    proportion. Whole lots; the share before us rounds down, against us.

    Attributes:
        power: exponent of f; a larger one puts more of the cancellations into the longer part.
    """

    power: int = 1
    name: ClassVar[str] = "probabilistic"
    bias: ClassVar[str] = (
        "probabilistic queue: we join behind the displayed size, trades at our level consume what stands "
        "before us, and cancellations shrink it in proportion. Closest of the three where cancellations are "
        "spread evenly over the queue; still optimistic where others cancel ahead of adverse moves, because "
        "our order never reacts to them and nobody reacts to ours. The market is not moved by our orders."
    )
    any_aggressor: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse an exponent for which f is not increasing."""
        if self.power < 1:
            raise ValueError(f"power {self.power} must be at least 1")

    def joining(self, shown: int) -> int:
        """Return the lots before an order that joins a level where `shown` lots stand."""
        return shown

    def after_cancel(self, ahead: int, behind: int, gone: int) -> int:
        """Return the lots still ahead after `gone` of `ahead + behind` were cancelled."""
        front: int = ahead**self.power
        back: int = behind**self.power
        if front == 0:
            return 0
        ahead_part = gone * front // (front + back)
        # What does not fit behind us must have stood before us.
        overflow = max(gone - ahead_part - behind, 0)
        return max(ahead - ahead_part - overflow, 0)


FillModel: TypeAlias = TouchModel | QueueModel | ProbabilisticModel

FILL_MODELS: Final[Mapping[str, FillModel]] = MappingProxyType(
    {
        TouchModel.name: TouchModel(),
        QueueModel.name: QueueModel(),
        ProbabilisticModel.name: ProbabilisticModel(),
    }
)
"""The models by the name that configuration and reports use."""

DEFAULT_MODEL: Final[FillModel] = FILL_MODELS[ProbabilisticModel.name]
