"""The exit rules. Each is a function of the same view; all are asked on every decision, and the most
urgent answer wins. Urgency picks the order: patient and touch exits are post-only, a taking exit is an
immediate-or-cancel order with a price limit.

Written for a long (bought, to be sold); a short (sold out of inventory, to be bought back) is the
mirror image: `View` holds the exit touch (`near`, where a taker would trade) and the touch that an
exit order would join (`far`), and `better` compares in the direction of profit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from quietmaker.core.events import Mode
from quietmaker.core.orders import ExitReason
from quietmaker.core.params import ExitParams
from quietmaker.core.units import PPB, Instant, Rate, Side


class Urgency(IntEnum):
    """How an exit is ordered; the greater wins."""

    PATIENT = 1
    TOUCH = 2
    TAKE = 3


_PATIENT: Final = Urgency.PATIENT
_TAKE: Final = Urgency.TAKE
_BREAK_EVEN_PLUS: Final = ExitReason.BREAK_EVEN_PLUS
_FLATTEN: Final = Mode.FLATTEN
_HALT: Final = Mode.HALT


class Exit:
    """What one rule wants. `price` is in ticks; for a taking exit it is the touch it starts from."""

    __slots__ = ("price", "reason", "urgency")

    def __init__(self, reason: ExitReason, urgency: Urgency, price: int) -> None:
        """Want to leave at a price."""
        self.reason = reason
        self.urgency = urgency
        self.price = price


@dataclass(frozen=True, slots=True)
class Levels:
    """The prices that a position's exits turn on, in ticks; they move only with its fills and fees.

    Attributes:
        sign: +1 when a higher exit price is better, for a long.
        break_even: leaving here as maker loses nothing.
        target: leaving here as maker earns the minimum profit.
        stop: at or beyond this the position is taken out.
        profit: at or beyond this profit is taken; None when the rule is off.
        trail_from: best price at which the trail starts; None when the rule is off.
    """

    entry: Side
    sign: int
    break_even: int
    target: int
    stop: int
    profit: int | None
    trail_from: int | None


@dataclass(slots=True)
class Timers:
    """What the exits of one position remember; reset when it is flat.

    Attributes:
        first_fill: the lifetime counts from here.
        best: the best exit touch since the first fill (the peak, for a long); 0 before any touch.
        stale_since: when the stale position was first found at a loss.
        touch_since: when a take-profit or trailing exit first wanted out.
        stopped: the stop fired; it stays fired, a bounce does not take the decision back.
    """

    first_fill: Instant
    best: int
    stale_since: Instant | None = None
    touch_since: Instant | None = None
    stopped: bool = False


class View:
    """What the rules look at; a plain class because building it is on the hot path.

    Attributes:
        sign: +1 when a higher price is better, for a long.
        stale: whether the position is past its lifetime.
        near: the touch a taker would trade at (the bid, for a long).
        far: the touch an exit order joins (the ask, for a long).
        fresh: whether the touch may be relied on; rules about price are silent when it may not.
    """

    __slots__ = (
        "far",
        "fresh",
        "levels",
        "mode",
        "near",
        "now",
        "params",
        "sign",
        "stale",
        "timers",
    )

    def __init__(
        self,
        now: Instant,
        near: int,
        far: int,
        fresh: bool,
        mode: Mode,
        levels: Levels,
        timers: Timers,
        params: ExitParams,
    ) -> None:
        """Look at a touch."""
        self.now = now
        self.near = near
        self.far = far
        self.fresh = fresh
        self.mode = mode
        self.levels = levels
        self.timers = timers
        self.params = params
        self.sign = levels.sign
        self.stale = now - timers.first_fill >= params.max_lifetime

    def better(self, a: int, b: int) -> int:
        """Return the price that earns more."""
        return max(a, b) if self.sign > 0 else min(a, b)

    def at_least(self, a: int, b: int) -> bool:
        """Return whether price a earns at least as much as b."""
        return a >= b if self.sign > 0 else a <= b


def break_even_plus(view: View) -> Exit | None:
    """Rest at break-even plus the minimum profit, from the first filled unit on."""
    price = view.levels.target
    if view.fresh:
        price = view.better(price, view.near + view.sign)
        if view.params.rest_at_touch:
            price = view.better(price, view.far)
    return Exit(_BREAK_EVEN_PLUS, _PATIENT, price)


def take_profit(view: View) -> Exit | None:
    """Leave at the touch once the market stands beyond the profit level, then take."""
    level = view.levels.profit
    if level is None or not view.fresh or not view.at_least(view.near, level):
        return None
    return _touch_then_take(view, ExitReason.TAKE_PROFIT)


def trailing_stop(view: View) -> Exit | None:
    """Leave once the market has come back by the trailing distance from its best price."""
    level, best = view.levels.trail_from, view.timers.best
    if level is None or not view.fresh or not view.at_least(best, level):
        return None
    retreat = (best - view.near) * view.sign
    if retreat * PPB < view.params.trailing_distance * best:
        return None
    return _touch_then_take(view, ExitReason.TRAILING_STOP)


def max_lifetime(view: View) -> Exit | None:
    """Past its lifetime, while the touch is at break-even or better: rest at the touch, not below it."""
    if not view.stale or not view.fresh or not view.at_least(view.far, view.levels.break_even):
        return None
    nearest = (
        min(view.far, view.levels.target) if view.sign > 0 else max(view.far, view.levels.target)
    )
    price = view.better(view.better(nearest, view.levels.break_even), view.near + view.sign)
    return Exit(ExitReason.MAX_LIFETIME, Urgency.TOUCH, price)


def timeout_loss(view: View) -> Exit | None:
    """Past its lifetime at a loss: offer it at the touch for the stale patience, then take it out."""
    if not view.stale or not view.fresh or view.at_least(view.far, view.levels.break_even):
        return None
    since = view.timers.stale_since
    if since is not None and view.now - since >= view.params.stale_patience:
        return Exit(ExitReason.TIMEOUT_LOSS, Urgency.TAKE, view.near)
    return Exit(
        ExitReason.TIMEOUT_LOSS, Urgency.TOUCH, view.better(view.far, view.near + view.sign)
    )


def stop_loss(view: View) -> Exit | None:
    """Take the position out once the market trades at or beyond the stop."""
    hit = view.fresh and not view.at_least(view.near, view.levels.stop + view.sign)
    if not (hit or view.timers.stopped):
        return None
    return Exit(ExitReason.STOP_LOSS, Urgency.TAKE, view.near)


def flatten(view: View) -> Exit | None:
    """Take the position out because the operator said so; a limit needs a touch to start from."""
    if view.mode is not _FLATTEN or not view.near:
        return None
    return Exit(ExitReason.FLATTEN, Urgency.TAKE, view.near)


def halt(view: View) -> Exit | None:
    """Take the position out because trading was halted."""
    if view.mode is not _HALT or not view.near:
        return None
    return Exit(ExitReason.HALT, Urgency.TAKE, view.near)


Rule = Callable[[View], Exit | None]

RULES: Final[dict[ExitReason, Rule]] = {
    # Of equally urgent answers the first wins.
    ExitReason.HALT: halt,
    ExitReason.FLATTEN: flatten,
    ExitReason.STOP_LOSS: stop_loss,
    ExitReason.TIMEOUT_LOSS: timeout_loss,
    ExitReason.TRAILING_STOP: trailing_stop,
    ExitReason.TAKE_PROFIT: take_profit,
    ExitReason.MAX_LIFETIME: max_lifetime,
    ExitReason.BREAK_EVEN_PLUS: break_even_plus,
}

SWITCHABLE: Final = frozenset(RULES) - {ExitReason.HALT, ExitReason.FLATTEN}
"""The rules that `--without` may switch off; the operator's word is not among them."""


def in_force(without: frozenset[str]) -> tuple[Rule, ...]:
    """Return the rules that are not switched off, in their order."""
    return tuple(
        rule
        for reason, rule in RULES.items()
        if reason not in SWITCHABLE or reason.value not in without
    )


def decide(view: View, rules: tuple[Rule, ...]) -> Exit | None:
    """Return the most urgent exit that any of these rules wants."""
    chosen: Exit | None = None
    for rule in rules:
        wanted = rule(view)
        if wanted is None:
            continue
        if wanted.urgency is _TAKE:
            return wanted  # nothing is more urgent, and of equals the first wins
        if chosen is None or wanted.urgency > chosen.urgency:
            chosen = wanted
    return chosen


def remember(view: View) -> None:
    """Move the timers on before the rules are asked."""
    timers = view.timers
    if not view.fresh:
        return
    timers.best = view.better(timers.best, view.near) if timers.best else view.near
    if (
        timers.stale_since is None
        and view.stale
        and not view.at_least(view.far, view.levels.break_even)
    ):
        timers.stale_since = view.now
    if not view.at_least(view.near, view.levels.stop + view.sign):
        timers.stopped = True
    if _wants_profit(view):
        if timers.touch_since is None:
            timers.touch_since = view.now
    else:
        timers.touch_since = None


def reach(price: int, entry: Side, slippage: Rate) -> int:
    """Return the limit of a taking exit that may go this far through the touch, in ticks, at least one."""
    distance = max(1, price * slippage // PPB)
    return max(1, price - distance) if entry is Side.BUY else price + distance


def _touch_then_take(view: View, reason: ExitReason) -> Exit:
    since = view.timers.touch_since
    if since is not None and view.now - since >= view.params.touch_patience:
        return Exit(reason, Urgency.TAKE, view.near)
    return Exit(reason, Urgency.TOUCH, view.better(view.far, view.near + view.sign))


def _wants_profit(view: View) -> bool:
    level, trail, best = view.levels.profit, view.levels.trail_from, view.timers.best
    if level is not None and view.at_least(view.near, level):
        return True
    if trail is None or not view.at_least(best, trail):
        return False
    return (best - view.near) * view.sign * PPB >= view.params.trailing_distance * best
