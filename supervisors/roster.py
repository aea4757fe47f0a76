"""The roster: symbols come and go while everything runs.

A symbol that leaves is drained first: the roster imposes DRAIN on it, so its trader cancels the entries and
works the exits. Once it holds nothing but dust and waits for no order, it is removed. The books keep the
dust; whoever adds the symbol again finds it.

What is removed can still be heard of, for instance by an execution that the exchange lists late. Somebody
must own it then: the symbol comes back, drained, until it is flat again.

Everything that is held by symbol is `Live`, and one thread changes it, the supervisor's. Any thread asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from actors.address import Address
from actors.board import SymbolView
from actors.modes import Modes
from actors.protocol import SymbolsChanged
from quietmaker.core.events import Mode
from quietmaker.core.modes import SEVERITY, Source
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import LedgerError
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from supervisors import tree
from supervisors.policy import GiveUp
from supervisors.supervisor import Child, Supervisor

if TYPE_CHECKING:
    from supervisors.composition.shared import Shared

BY: Final = "roster"
LATE: Final = "an execution was told after the symbol had been removed"
LOOK_EVERY: Final = Nanos(SECOND // 2)


class Roster:
    """Which symbols are traded."""

    def __init__(
        self,
        shared: Shared,
        supervisor: Supervisor,
        modes: Modes,
        child: Callable[[str], Child],
    ) -> None:
        """Begin with the symbols that were composed.

        Args:
            shared: what is held by symbol.
            supervisor: runs the traders.
            modes: by which a symbol is drained.
            child: makes a symbol's trader.
        """
        self._shared = shared
        self._supervisor = supervisor
        self._modes = modes
        self._child = child
        self._log = Log("roster")
        self._leaving: set[str] = set()
        self._looked_at = 0

    # --- from any thread ------------------------------------------------------------------------

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that are traded, those that are being drained among them."""
        return tuple(self._shared.traders)

    def leaving(self) -> tuple[str, ...]:
        """Return the symbols that are being drained to be removed."""
        return tuple(sorted(self._leaving))

    def add(self, symbol: str, product: Product) -> None:
        """Trade a symbol; one that is being drained stays. Done soon, by the supervisor's thread."""
        self._supervisor.post(lambda: self._add(symbol, product))

    def drain(self, symbol: str, reason: str) -> None:
        """Let a symbol leave: no entries from now on, and removed once it is flat and without orders."""
        self._supervisor.post(lambda: self._drain(symbol, reason))

    def revive(self, symbol: str) -> None:
        """Take a symbol back that an execution was told of after it had been removed."""
        self._supervisor.post(lambda: self._revive(symbol))

    # --- from the driving thread ----------------------------------------------------------------

    def begin(self, leftovers: Mapping[str, str]) -> None:
        """Take over from the last run, before anything trades: who is to leave, and who no longer is.

        Args:
            leftovers: symbols that are not to be traded and that the books still hold something of, with the
                reason that they leave for.
        """
        for each in self._modes.standing():
            if each.source is Source.ROSTER and each.scope and each.scope not in leftovers:
                self._lift(each.scope, "it is to be traded, or flat since the last run")
        for symbol, reason in leftovers.items():
            self._leave(symbol, reason)

    def look(self) -> GiveUp | None:
        """Remove what is drained; called often."""
        now = self._shared.outside.clock.monotonic()
        if not self._leaving or now - self._looked_at < LOOK_EVERY:
            return None
        self._looked_at = now
        for symbol in tuple(self._leaving):
            if symbol in self._shared.traders and _is_over(self._shared.board.view(symbol)):
                gave_up = self._remove(symbol)
                if gave_up is not None:
                    return gave_up
        return None

    def _add(self, symbol: str, product: Product) -> GiveUp | None:
        if symbol in self._leaving:
            self._leaving.discard(symbol)
            self._lift(symbol, "it is traded again")
        if symbol not in self._shared.traders:
            self._enter(symbol, product)
        return None

    def _revive(self, symbol: str) -> GiveUp | None:
        product = self._shared.known.get(symbol)
        if product is not None and symbol not in self._shared.traders:
            self._log.warning(Event.ALERT, f"{symbol} comes back: {LATE}", symbol=symbol)
            self._leave(symbol, LATE)
            self._enter(symbol, product)
        return None

    def _enter(self, symbol: str, product: Product) -> None:
        shared = self._shared
        if symbol not in shared.known:  # its increments stay those with which it first came
            shared.known.put(symbol, product)
        shared.outside.metrics.add_symbol(symbol)
        shared.filtering.add(symbol)
        address = shared.address(symbol)
        shared.traders.put(symbol, address)
        shared.slots.put(symbol, shared.slot(symbol))
        shared.products.put(symbol, shared.known[symbol])
        shared.if_there(tree.FEED)(SymbolsChanged())  # without a feed the next one begins with it
        self._start(symbol, address)
        self._log.info(Event.SYMBOL_ADDED, f"{symbol} is traded from now on", symbol=symbol)

    def _start(self, symbol: str, address: Address[Any]) -> None:
        child = self._child(symbol)
        self._supervisor.add(tree.trader(symbol), child, address, branch=tree.SYMBOLS)

    def _drain(self, symbol: str, reason: str) -> GiveUp | None:
        if symbol in self._shared.traders and symbol not in self._leaving:
            self._leave(symbol, reason)
        return None

    def _leave(self, symbol: str, reason: str) -> None:
        self._leaving.add(symbol)
        try:
            self._modes.impose(Source.ROSTER, symbol, Mode.DRAIN, reason=reason, by=BY)
        except LedgerError as error:
            self._log.error(Event.ALERT, f"{symbol} is drained, unrecorded: {error}", symbol=symbol)

    def _lift(self, symbol: str, reason: str) -> None:
        try:
            self._modes.lift(Source.ROSTER, symbol, by=BY, reason=reason)
        except LedgerError as error:
            self._log.error(
                Event.ALERT, f"{symbol} is drained no more, unrecorded: {error}", symbol=symbol
            )

    def _remove(self, symbol: str) -> GiveUp | None:
        """Take a symbol away that is over; whatever it was told to the last moment counts."""
        shared = self._shared
        address = shared.traders[symbol]
        # First: from now on, news of it is nobody's, and revives it.
        shared.traders.drop(symbol)
        gave_up = self._supervisor.remove(tree.trader(symbol))
        if gave_up is not None:
            return gave_up
        if not _is_over(shared.board.view(symbol)):  # by what was in its inbox when it was stopped
            shared.traders.put(symbol, address)
            self._start(symbol, address)
            return None
        shared.slots.drop(symbol)
        shared.products.drop(symbol)
        shared.board.forget(symbol)
        shared.outside.market_stream.remove(symbol)
        shared.if_there(tree.FEED)(SymbolsChanged())
        shared.filtering.remove(symbol)
        shared.outside.metrics.remove_symbol(symbol)
        self._leaving.discard(symbol)
        self._lift(symbol, "it is flat and has no orders: removed")
        self._log.info(Event.SYMBOL_REMOVED, f"{symbol} is traded no more", symbol=symbol)
        return None


def _is_over(view: SymbolView | None) -> bool:
    """Return whether a drained symbol holds nothing beyond dust and waits for no order."""
    return (
        view is not None
        and view.recovered
        and SEVERITY[Mode(view.mode)] >= SEVERITY[Mode.DRAIN]
        and not view.working
        and not view.unprotected
    )
