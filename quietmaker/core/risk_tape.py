"""What breakers count as it happens: the exchange's answers, and where the market went after executions."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from quietmaker.core.units import SECOND, ZERO, Instant, Nanos, plus

WINDOW: Final = Nanos(300 * SECOND)
"""Answers count for so long."""
LEAST_ANSWERS: Final = 10
"""Fewer say nothing of a rate."""
MARKS: Final = 20
"""Executions whose markout counts, the latest."""
LEAST_MARKS: Final = 10
HORIZON: Final = Nanos(60 * SECOND)
"""The markout that is judged: the mid so long after the execution, against the mid at it."""
_MOST: Final = 2_000


class Tape:
    """The counts of one symbol, or of the account."""

    __slots__ = ("_answers", "_marks")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._answers: deque[tuple[Instant, bool]] = deque(maxlen=_MOST)
        self._marks: deque[tuple[Instant, Decimal, Decimal]] = deque(maxlen=MARKS)

    def answered(self, now: Instant, *, refused: bool) -> None:
        """Take the exchange's answer to an order."""
        while self._answers and now - self._answers[0][0] >= WINDOW:
            self._answers.popleft()
        self._answers.append((now, refused))

    def marked(self, now: Instant, *, value: Decimal, notional: Decimal) -> None:
        """Take what the mid's move after an execution was worth, positive in our favour."""
        self._marks.append((now, value, notional))

    def refusals(self, now: Instant, since: Instant) -> tuple[int, int]:
        """Return how many orders were refused since a time, and how many were answered."""
        begin = max(since, now - WINDOW)
        told = [refused for at, refused in self._answers if at > begin]
        return sum(told), len(told)

    def markout(self, since: Instant) -> tuple[Decimal, Decimal, int]:
        """Return what the latest markouts since a time sum to, the value they were on, and their number."""
        value = notional = ZERO
        count = 0
        for at, each, on in self._marks:
            if at > since:
                value, notional, count = plus(value, each), plus(notional, on), count + 1
        return value, notional, count
