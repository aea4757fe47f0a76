"""One round of bringing books and exchange together, and what is known of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from quietmaker.core.differences import Difference
from quietmaker.core.units import NEVER, Nanos


@dataclass(slots=True)
class Pass:
    """One round of reading and comparing.

    Attributes:
        symbols: with the life of the trader that asked.
        since: when it was last asked for books; an answer that does not come is asked for again.
        compared: whether the exchange was asked; the books are then read once more, and told.
        stated: lots of each order that the exchange counts as executed; it lists them later.
        waiting: symbols of which something cannot be known yet.
        until: how long until it can be known by its age alone.
        found: what does not agree.
    """

    token: int
    symbols: dict[str, str]
    since: Nanos
    compared: bool = False
    sweep: bool = False
    stated: dict[str, int] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    until: int = NEVER
    found: list[Difference] = field(default_factory=list)
