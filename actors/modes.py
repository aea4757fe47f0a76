"""What the operator, the breakers and the roster let trade: one shared object, obeyed before it is stored.

A mode acts in this order: the gateway sends no more entries of its scope, the traders concerned are told
(in their inboxes; no market data stands before it), then the fact is recorded. So a mode that cannot be
recorded is in force all the same, and whoever imposed it hears that it would not survive a restart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from actors.switch import KillSwitch
from quietmaker.core.events import Mode, ModeChanged
from quietmaker.core.modes import Imposed, ModeNoted, Source, effective, words
from quietmaker.core.units import Instant
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

_OVER: Final = "its time is over"
_NO_REASON: Final = "no reason given"


class Trading(Protocol):
    """A way to a trader that may be away just now."""

    @property
    def bound(self) -> bool:
        """Return whether somebody is there."""

    def tell(self, message: Any, /) -> bool:
        """Deliver without waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModesLinks:
    """What the modes act on.

    Attributes:
        traders: by symbol; may be another mapping at each look.
        put: records a fact.
        kill: what the gateway looks at before it sends.
        withdraw: cancels the entries of symbols whose traders are away.
    """

    traders: Mapping[str, Trading]
    put: Callable[[ModeNoted], object]
    kill: KillSwitch
    withdraw: Callable[[Collection[str]], None]
    now: Callable[[], Instant]


class Modes:
    """The modes that stand, by source and scope. Thread-safe."""

    def __init__(self, links: ModesLinks, standing: Iterable[Imposed] = ()) -> None:
        """Begin with what stood when the books were last written.

        Args:
            links: what they act on.
            standing: as the books have it; a halt survives a restart.
        """
        self._links = links
        self._log = Log("modes")
        self._mutex = threading.RLock()
        self._recording = threading.Condition()
        self._changes = self._recorded = 0
        self._standing = {(each.source, each.scope): each for each in standing}
        self._last = Instant(0)
        self._block()
        for each in self.standing():
            self._log.warning(
                Event.MODE_CHANGED, f"it still stands: {_text(each)}", symbol=each.scope or ""
            )

    def impose(
        self,
        source: Source,
        scope: str | None,
        mode: Mode,
        *,
        reason: str,
        by: str,
        until: Instant | None = None,
    ) -> bool:
        """Put a scope into a mode, in place of what this source imposed on it; RUN lifts it.

        Returns:
            False when it stood like that already: nothing happened then.

        Raises:
            LedgerError: if it cannot be recorded; it is in force nevertheless.
        """
        if mode is Mode.RUN:
            return self.lift(source, scope, by=by, reason=reason)
        with self._mutex:
            stood = self._standing.get((source, scope))
            if stood is not None and (stood.mode, stood.until) == (mode, until):
                return False
            new = Imposed(
                scope=scope,
                source=source,
                mode=mode,
                reason=reason or _NO_REASON,
                by=by,
                at=self._at(),
                until=until,
            )
            self._standing[source, scope] = new
            turn = self._act(new)
        self._record(turn, new)
        return True

    def lift(self, source: Source, scope: str | None, *, by: str, reason: str) -> bool:
        """Take back what this source imposed on a scope; other sources' words stand.

        Returns:
            False when there was nothing to lift.

        Raises:
            LedgerError: if it cannot be recorded; it is lifted nevertheless, until a restart.
        """
        with self._mutex:
            if self._standing.pop((source, scope), None) is None:
                return False
            lifted = Imposed(
                scope=scope,
                source=source,
                mode=Mode.RUN,
                reason=reason or _NO_REASON,
                by=by,
                at=self._at(),
                until=None,
            )
            turn = self._act(lifted)
        self._record(turn, lifted)
        return True

    def poll(self, now: Instant) -> None:
        """Lift what has come to its end; called once a second."""
        with self._mutex:
            over = [e for e in self._standing.values() if e.until is not None and now >= e.until]
        for each in over:
            self.lift(each.source, each.scope, by=each.by, reason=_OVER)

    def of(self, symbol: str, now: Instant) -> ModeChanged:
        """Return the mode that is in force for a symbol, as its trader is told."""
        mode, reason = effective(self.standing(), symbol, now)
        return ModeChanged(now=now, mode=mode, reason=reason)

    def of_account(self, now: Instant) -> Mode:
        """Return the severest mode of the whole account."""
        return effective((e for e in self.standing() if e.scope is None), "", now)[0]

    def standing(self) -> tuple[Imposed, ...]:
        """Return everything that stands, the oldest first."""
        with self._mutex:
            return tuple(sorted(self._standing.values(), key=lambda each: each.at))

    def _at(self) -> Instant:
        """Return a moment after every earlier one of this run: facts are told apart by it."""
        self._last = Instant(max(self._links.now(), self._last + 1))
        return self._last

    def _act(self, new: Imposed) -> int:
        """Let it be in force; return whose turn it is to be recorded."""
        links, away = self._links, []
        self._block()
        # A copy: the mapping may be another one at the next look.
        for symbol, trader in dict(links.traders).items():
            if new.scope not in {None, symbol}:
                continue
            if trader.bound:
                trader.tell(self.of(symbol, links.now()))
            else:
                away.append(symbol)
        if away and new.mode is not Mode.RUN:
            links.withdraw(away)
        self._log.warning(
            Event.MODE_CHANGED, _text(new), symbol=new.scope or "", imposed=new.mode, by=new.by
        )
        self._changes += 1
        return self._changes

    def _record(self, turn: int, new: Imposed) -> None:
        """Record changes in the order in which they came into force: the last word is what stands.

        Whoever waits for a disk here holds up other commanders, and nobody who only asks.
        """
        with self._recording:
            self._recording.wait_for(lambda: self._recorded == turn - 1)
            try:
                self._links.put(ModeNoted(imposed=new))
            finally:
                self._recorded = turn
                self._recording.notify_all()

    def _block(self) -> None:
        """Have the gateway refuse the entries of what may not enter."""
        stops: dict[str | None, str] = {}
        halted = ""
        for each in self.standing():
            stops.setdefault(each.scope, _text(each))
            if each.scope is None and each.mode is Mode.HALT:
                halted = halted or words(each)
        self._links.kill.hold(stops, halted=halted)


def _text(imposed: Imposed) -> str:
    return f"{imposed.mode.value} for {imposed.scope or 'the account'}, {words(imposed)}"
