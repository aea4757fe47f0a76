"""The actor that has books and account compared: once everybody is recovered, and then on a schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.base import BaseActor, Surroundings
from actors.protocol import TieOutMessage
from actors.tie_out import TieOut
from quietmaker.core.orders import Fill
from quietmaker.core.units import SECOND, Nanos

FIRST_PAUSE: Final = Nanos(2 * SECOND)
"""Before an inconclusive tie-out is tried again; doubled each time, up to the schedule."""
PATIENCE: Final = Nanos(60 * SECOND)
"""The first does not wait longer for traders to recover: one may wait for what only this can find."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOutActorLinks:
    """What the actor works with.

    Attributes:
        missed: takes an execution that the books lack; returns whether nobody had told of it.
        ready: whether every trader is recovered.
    """

    tie_out: TieOut
    missed: Callable[[Fill], bool]
    ready: Callable[[], bool]
    every: Nanos


class TieOutActor(BaseActor[TieOutMessage]):
    """Has it done when it is due."""

    def __init__(self, around: Surroundings, links: TieOutActorLinks) -> None:
        """Wait for recovery."""
        super().__init__(around)
        self._links = links
        self._began: int = around.monotonic()
        self._due: int = self._began
        self._pause: Nanos = FIRST_PAUSE

    def receive(self, message: TieOutMessage) -> None:
        """Compare if it is due."""
        del message
        mono, links = self.around.monotonic(), self._links
        first = links.tie_out.last is None
        if mono < self._due or (first and mono - self._began < PATIENCE and not links.ready()):
            return
        links.tie_out.run(links.missed)
        self._due = self.around.monotonic() + self._wait()

    def _wait(self) -> Nanos:
        every = self._links.every
        if not self._links.tie_out.again_soon:
            self._pause = FIRST_PAUSE
            return every
        pause = min(self._pause, every)
        self._pause = Nanos(min(2 * self._pause, every))
        return pause
