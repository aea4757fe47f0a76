"""The traders, one of each symbol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pykka

from actors.base import Surroundings
from actors.trader import TraderActor, TraderLinks
from quietmaker.core.events import ParamsChanged
from quietmaker.core.params import TraderParams
from quietmaker.core.trader import Trader
from quietmaker.settings import InvalidSettings, Settings
from supervisors import tree
from supervisors.composition.shared import Shared


class Traders:
    """Makes them, counts the lives of each, and has them take new settings."""

    def __init__(self, shared: Shared) -> None:
        """No trader lived yet."""
        self._shared = shared
        self._lives: dict[str, int] = {}
        self._prepared: tuple[Settings, Mapping[str, TraderParams]] | None = None

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
            tapes=shared.tapes,
            capital=shared.capital,
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

    # --- a reload -------------------------------------------------------------------------------

    def prepare(self, old: Settings, new: Settings) -> str | None:
        """Work out the parameters of every symbol."""
        del old
        try:
            self._prepared = new, self._resolved(new)
        except InvalidSettings as error:
            return "; ".join(str(problem) for problem in error.problems)
        return None

    def switch(self, new: Settings) -> None:
        """Tell every trader; one that is away just now begins with what is in force."""
        prepared, self._prepared = self._prepared, None
        known = prepared is not None and prepared[0] is new
        params = prepared[1] if prepared is not None and known else self._resolved(new)
        now = self._shared.outside.clock.now()
        for symbol, address in self._shared.traders.items():
            if address.bound:
                address.tell(ParamsChanged(now=now, params=params[symbol]))

    def _resolved(self, settings: Settings) -> Mapping[str, TraderParams]:
        known = self._shared.known
        return {symbol: settings.params(symbol, known[symbol]) for symbol in self._shared.traders}
