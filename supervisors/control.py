"""What an operator may command a running instance: pause, resume, drain, flatten, halt.

Commands come in by POST and are obeyed in the thread of their request: no actor's inbox, no database and no
exchange stands between a `halt` and the gateway. Each leaves a row in `operator_actions`, also one that was
refused. The same command again changes nothing and says so.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

from actors.board import SymbolView
from quietmaker.core.events import Mode
from quietmaker.core.modes import SEVERITY, Imposed, OperatorActed, Source, words
from quietmaker.core.units import ZERO, Instant, add, plain
from quietmaker.errors import LedgerError
from quietmaker.telemetry.actions import Action, Answer, Request
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import ProcessState
from quietmaker.telemetry.operating import OperatorMetrics, Result
from supervisors.composition import Trading

PREFIX: Final = "/-/control/"
LONGEST: Final = 500
"""Characters of a reason or a name."""
NOBODY: Final = "an unnamed holder of the token"


class Word(Enum):
    """The commands."""

    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    FLATTEN = "flatten"
    HALT = "halt"

    @property
    def mode(self) -> Mode:
        """Return the mode that it imposes."""
        return Mode.RUN if self is Word.RESUME else Mode(self.value)


DESTRUCTIVE: Final = frozenset({Word.FLATTEN, Word.HALT})
"""They sell at what the market gives, which cannot be taken back."""
_LIFTED: Final = (Source.OPERATOR, Source.BREAKER)
"""Whose modes a resume takes back: a breaker's halt waits for an operator. The roster's are its own."""

_STATES: Final = {
    Mode.RUN: ProcessState.RUNNING,
    Mode.PAUSE: ProcessState.PAUSED,
    Mode.DRAIN: ProcessState.DRAINING,
    Mode.FLATTEN: ProcessState.DRAINING,
    Mode.HALT: ProcessState.HALTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that makes sense.

    Attributes:
        symbol: None for the whole account.
        dry_run: only say what it would do.
    """

    word: Word
    symbol: str | None
    reason: str
    by: str
    dry_run: bool


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The command is not obeyed. Never leaves this module."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        """Say why."""
        super().__init__(why)
        self.status = status


class Control:
    """Obeys. Thread-safe."""

    def __init__(
        self,
        trading: Callable[[], Trading | None],
        *,
        metrics: OperatorMetrics,
        now: Callable[[], Instant],
    ) -> None:
        """Prepare.

        Args:
            trading: what is commanded; None while it is put together.
            metrics: counts the commands.
            now: the time.
        """
        self._trading, self._metrics, self._now = trading, metrics, now
        self._log = Log("control")

    def actions(self) -> Mapping[str, Action]:
        """Return what is offered by POST."""
        return {f"{PREFIX}{word.value}": self.perform for word in Word}

    def perform(self, request: Request) -> Answer:
        """Obey a request."""
        word = Word(request.path.removeprefix(PREFIX))
        trading = self._trading()
        if trading is None:
            self._metrics.acted(word.value, Result.FAILED)
            why = "the instance is still starting, and nothing trades yet; try again"
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": why})
        try:
            command = _command(word, request.document, trading)
            if command.dry_run:
                return Answer(HTTPStatus.OK, {"dry_run": True, **_preview(command, trading)})
            _check(command, trading)
        except Refused as refused:
            return self._refuse(word, request.document, trading, refused)
        return self._obey(command, trading)

    def _obey(self, command: Command, trading: Trading) -> Answer:
        before = _preview(command, trading)
        trouble = ""
        changed = True
        try:
            changed = _act(command, trading)
        except LedgerError as error:
            trouble = f"it is in force, but not recorded, and would not survive a restart: {error}"
        outcome = trouble or ("done" if changed else "it stood already")
        result = Result.FAILED if trouble else Result.DONE if changed else Result.UNCHANGED
        trouble = self._record(command, trading, outcome, result) or trouble
        after = {"changed": changed, "trouble": trouble, "standing": standing(trading)}
        return Answer(HTTPStatus.OK, {**before, **after})

    def _record(self, command: Command, trading: Trading, outcome: str, result: Result) -> str:
        """Write down what was commanded; return why that cannot be done."""
        self._metrics.acted(command.word.value, result)
        self._log.warning(
            Event.OPERATOR_ACTED,
            f"{command.by}: {command.word.value} {command.symbol or 'the account'} "
            f"({command.reason or 'no reason given'}): {outcome}",
            symbol=command.symbol or "",
            action=command.word,
        )
        fact = OperatorActed(
            at=self._now(),
            operator=command.by,
            action=command.word.value,
            arguments=(("symbol", command.symbol or ""), ("reason", command.reason)),
            outcome=outcome,
        )
        try:
            trading.facts.put(fact)
        except LedgerError as error:
            return f"it is done, but there is no record of it: {error}"
        return ""

    def _refuse(
        self, word: Word, document: Mapping[str, Any], trading: Trading, refused: Refused
    ) -> Answer:
        command = Command(
            word=word,
            symbol=str(document.get("symbol") or "")[:LONGEST] or None,
            reason=str(document.get("reason") or "")[:LONGEST],
            by=str(document.get("by") or NOBODY)[:LONGEST],
            dry_run=False,
        )
        outcome = f"refused: {refused}"
        trouble = self._record(command, trading, outcome, Result.REFUSED)
        return Answer(refused.status, {"error": str(refused), "trouble": trouble})


def standing(trading: Trading) -> list[dict[str, object]]:
    """Return the modes that stand, for people and for JSON."""
    return [
        {
            "scope": each.scope,
            "source": each.source.value,
            "mode": each.mode.value,
            "by": each.by,
            "reason": each.reason,
            "at_ns": each.at,
            "until_ns": each.until,
        }
        for each in trading.modes.standing()
    ]


def state_of(trading: Trading, now: Instant) -> ProcessState:
    """Return the state of a running process, as the mode of the whole account makes it."""
    return _STATES[trading.modes.of_account(now)]


def _command(word: Word, document: Mapping[str, Any], trading: Trading) -> Command:
    unknown = set(document) - {"symbol", "reason", "by", "dry_run"}
    if unknown:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            f"unknown: {', '.join(sorted(unknown))}; there is symbol, reason, by, dry_run",
        )
    symbol = _text(document, "symbol") or None
    stands = {each.scope for each in trading.modes.standing()}  # also of symbols that are gone
    if symbol is not None and symbol not in trading.products and symbol not in stands:
        near = difflib.get_close_matches(symbol.upper(), trading.products, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise Refused(HTTPStatus.NOT_FOUND, f"{symbol} is not traded here{hint}")
    dry_run = document.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise Refused(HTTPStatus.BAD_REQUEST, "dry_run must be true or false")
    return Command(
        word=word,
        symbol=symbol,
        reason=_text(document, "reason"),
        by=_text(document, "by") or NOBODY,
        dry_run=dry_run,
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST:
        raise Refused(
            HTTPStatus.BAD_REQUEST, f"{name} must be a text of at most {LONGEST} characters"
        )
    return value.strip()


def _check(command: Command, trading: Trading) -> None:
    """Refuse a milder command where a severer one stands: it would loosen by accident."""
    if command.word is Word.RESUME:
        return
    for each in trading.modes.standing():
        mine = each.source is Source.OPERATOR and each.scope == command.symbol
        if mine and SEVERITY[each.mode] > SEVERITY[command.word.mode]:
            raise Refused(
                HTTPStatus.CONFLICT,
                f"{each.mode.value} stands, which is severer ({words(each)}); resume first",
            )


def _act(command: Command, trading: Trading) -> bool:
    modes, scope = trading.modes, command.symbol
    if command.word is not Word.RESUME:
        return modes.impose(
            Source.OPERATOR, scope, command.word.mode, reason=command.reason, by=command.by
        )
    lifted = [modes.lift(source, scope, by=command.by, reason=command.reason) for source in _LIFTED]
    return any(lifted)


def _preview(command: Command, trading: Trading) -> dict[str, object]:
    """Return what a command would do now, with what is at stake."""
    views = [
        view
        for symbol, view in sorted(trading.board.views().items())
        if command.symbol in {None, symbol}
    ]
    held = [view for view in views if view.position]
    quotes = sum(len(side.quotes) for view in views for side in view.sides.values())
    return {
        "action": command.word.value,
        "symbol": command.symbol,
        "symbols": len(views),
        "entry_orders": quotes,
        "positions": [
            {
                "symbol": view.symbol,
                "position": plain(view.position),
                "cost": plain(view.cost),
                "unrealized": None if view.unrealized is None else plain(view.unrealized),
            }
            for view in held
        ],
        "would": _sentence(command, len(views), quotes, held, trading.modes.standing()),
    }


def _sentence(
    command: Command,
    symbols: int,
    quotes: int,
    held: Sequence[SymbolView],
    stands: Sequence[Imposed],
) -> str:
    who = command.symbol or _count(symbols, "symbol")
    orders, positions = _count(quotes, "entry order"), _count(len(held), "position")
    stop = f"{who}: cancel {orders} and enter nothing until `resume`"
    match command.word:
        case Word.PAUSE:
            return f"{stop}; {positions} left to the usual exits"
        case Word.DRAIN:
            return f"{stop}; {positions} left to the usual exits, and not renewed"
        case Word.FLATTEN:
            return f"{stop}; {_sale(held)}"
        case Word.HALT:
            return f"{stop}, also after a restart; {_sale(held)}"
        case Word.RESUME:
            mine = [e for e in stands if e.scope == command.symbol and e.source in _LIFTED]
            lifted = "; ".join(f"lift {e.mode.value}, {words(e)}" for e in mine)
            return f"{who}: {lifted or 'nothing to lift'}"


def _sale(held: Sequence[SymbolView]) -> str:
    if not held:
        return "nothing is held"
    by_currency: dict[str, Decimal] = {}
    results: dict[str, Decimal] = {}
    for view in held:
        currency = view.quote_currency
        by_currency[currency] = add(by_currency.get(currency, ZERO), view.cost)
        results[currency] = add(results.get(currency, ZERO), view.unrealized or ZERO)
    sums = ", ".join(
        f"{plain(cost)} {currency} at cost ({plain(results[currency])} unrealized)"
        for currency, cost in by_currency.items()
    )
    return f"leave {_count(len(held), 'position')} at once, as taker: {sums}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
