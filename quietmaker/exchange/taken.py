"""The displayed lots that we took: a market that we do not move trades each of them with us once."""

from __future__ import annotations

from collections.abc import Mapping


class Taken:
    """What we took of one side's displayed levels.

    Attributes:
        lots: by price; only of levels that are displayed.
    """

    __slots__ = ("lots",)

    def __init__(self) -> None:
        """Start with nothing taken."""
        self.lots: dict[int, int] = {}

    def of(self, price: int) -> int:
        """Return what we took of a level."""
        return self.lots.get(price, 0)

    def keep(self, shown: Mapping[int, int]) -> None:
        """Forget levels that are displayed no more; a level that shrank has no more to be taken of."""
        lots = self.lots
        for price in list(lots):
            if price not in shown:
                del lots[price]
            else:
                lots[price] = min(lots[price], shown[price])
