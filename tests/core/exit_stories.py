"""For every exit rule: a market in which it is the rule that decides, for a long and for a short.

A long was bought at 10,000 ticks, a short was sold at 10,100. `Holding.market(near, far)` moves the market
so that a taker would leave `near` ticks better than the entry, and an exit order would join `far` ticks
better; so that one story serves both directions. Break-even is 51 ticks away, the target 71 (a short's
are within a tick of that).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from quietmaker.core.events import Mode
from quietmaker.core.orders import ExitReason
from quietmaker.core.params import ExitParams
from quietmaker.core.units import Side
from tests.kit.desk import Desk
from tests.kit.makers import make_exits, make_params, make_quote

OPTIONAL: Final = make_exits(
    take_profit="0.03", trailing_activation="0.01", trailing_distance="0.005"
)
"""Every rule at once, so that each must be reachable beside all others."""


class Holding:
    """A desk that has just filled one entry.

    Attributes:
        desk: the desk.
        entry: the side of the entry; its price is `price`.
    """

    def __init__(
        self,
        entry: Side = Side.BUY,
        *,
        exits: ExitParams = OPTIONAL,
        without: frozenset[str] = frozenset(),
    ) -> None:
        """Fill an entry of one side in full."""
        self.entry = entry
        self.price = 10_000 if entry is Side.BUY else 10_100
        quote = make_quote(bid=entry is Side.BUY, ask=entry is Side.SELL, cooldown=10**6)
        params = make_params(quote=quote, exits=exits, without=without)
        self.desk = Desk(params=params, base=10_000)
        self.desk.touch(10_000, 10_100)
        self.desk.fill(self.desk.entry(entry))

    def at(self, better: int) -> int:
        """Return the price that is so many ticks better than the entry."""
        return self.price + self.entry.sign * better

    def market(self, near: int, far: int) -> None:
        """Move the market: where a taker leaves, and where an exit order joins."""
        prices = sorted((self.at(near), self.at(far)))
        self.desk.touch(prices[0], prices[1])


Play = Callable[[Holding], object]


def just_filled(held: Holding) -> None:
    """Nothing more happens."""


def far_beyond(held: Holding) -> None:
    held.market(400, 420)


def back_from_the_peak(held: Holding) -> None:
    held.market(200, 220)
    held.market(140, 160)


def old_at_a_small_gain(held: Holding) -> None:
    held.market(30, 60)
    held.desk.wait(600)


def old_at_a_loss(held: Holding) -> None:
    held.market(-50, 40)
    held.desk.wait(600)


def fallen(held: Holding) -> None:
    held.desk.depth = 0
    held.market(-250, -150)


def told(mode: Mode) -> Play:
    def play(held: Holding) -> None:
        held.desk.depth = 0
        held.desk.mode(mode)

    return play


STORIES: Final[dict[ExitReason, Play]] = {
    ExitReason.BREAK_EVEN_PLUS: just_filled,
    ExitReason.TAKE_PROFIT: far_beyond,
    ExitReason.TRAILING_STOP: back_from_the_peak,
    ExitReason.MAX_LIFETIME: old_at_a_small_gain,
    ExitReason.TIMEOUT_LOSS: old_at_a_loss,
    ExitReason.STOP_LOSS: fallen,
    ExitReason.FLATTEN: told(Mode.FLATTEN),
    ExitReason.HALT: told(Mode.HALT),
}
