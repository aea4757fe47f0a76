"""The traders, one of each symbol."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pykka

from actors.base import Surroundings
from actors.trader import TraderActor, TraderLinks
from quietmaker.core.trader import Trader
from supervisors import tree
from supervisors.composition.shared import Shared


class Traders:
    """Makes them, and counts the lives of each."""

    def __init__(self, shared: Shared) -> None:
        """No trader lived yet."""
        self._shared = shared
        self._lives: dict[str, int] = {}

    def maker(self, symbol: str) -> Callable[[Surroundings], pykka.ActorRef[Any]]:
        """Return what starts the symbol's trader."""
        shared = self._shared
        links = TraderLinks(
            gateway=shared.window,
            feed=shared.to[tree.FEED],
            facts=shared.facts,
            slot=shared.slots[symbol],
            board=shared.board,
            metrics=shared.outside.metrics,
            clock=shared.outside.clock,
            mode=partial(shared.modes.of, symbol),
        )
        product = shared.known[symbol]

        def make(around: Surroundings) -> pykka.ActorRef[Any]:
            # A later life counts its orders from 1 again, under a prefix of its own.
            life = self._lives[symbol] = self._lives.get(symbol, 0) + 1
            prefix = shared.id_prefix + (f".{life}" if life > 1 else "")
            params = shared.settings.params(symbol, product)
            core = Trader(product, params, id_prefix=prefix)
            return TraderActor.start(around, core=core, links=links)

        return make
