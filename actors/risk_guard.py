"""The risk guard: looks once a second at every limit, and has breakers pause or halt what reached one.

The rules are pure (`core.risk_desk`, `core.breakers`, `core.equity`). Here is what surrounds them: what is
measured comes from the books (results, every few seconds), from the board (positions, books, clocks) and
from the tapes (answers, markouts); what follows acts through the modes.

* A mode is imposed before its breaker is stored: killed in between, the guard takes over what stands.
* A mode of ours that stands no more was lifted by an operator: the scope's breakers are armed anew.
* While the books are away nothing that comes from them is known. Entries wait then anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from actors.base import BaseActor, Surroundings
from actors.board import Board
from actors.budget import ChurnBudget
from actors.modes import Modes
from actors.protocol import RiskMessage
from actors.risk_measuring import Measuring
from actors.risk_page import RiskPage, document, shares
from actors.tapes import Tapes
from quietmaker.core.breakers import MODES, Breaker, BreakerPolicy, BreakerState, Phase
from quietmaker.core.equity import Equity
from quietmaker.core.events import Mode
from quietmaker.core.modes import Source
from quietmaker.core.product import Product
from quietmaker.core.risk_desk import BreakerMoved, EquitySeen, RiskDesk, RiskRules
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import LedgerError
from quietmaker.ports import LedgerFact, RiskBooks
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.risk import RiskMetrics

LOOK_EVERY: Final = Nanos(SECOND)
STORE_EVERY: Final = Nanos(60 * SECOND)
"""How often an equity is stored; a peak that a kill takes is no older."""
_OPERATOR: Final = "the operator lifted it"
_PHASES: Final = {Mode.PAUSE: Phase.TRIPPED, Mode.HALT: Phase.HALTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLinks:
    """What the guard works with.

    Attributes:
        products: of the symbols that are traded; may be another mapping at each look.
        rules: returns those in force.
        put: records a fact.
        waiting: returns how many symbols stand in line for money.
        page: shows what was measured.
    """

    books: RiskBooks
    board: Board
    tapes: Tapes
    modes: Modes
    budget: ChurnBudget
    products: Mapping[str, Product]
    rules: Callable[[], RiskRules]
    put: Callable[[LedgerFact], object]
    waiting: Callable[[], int]
    page: RiskPage
    metrics: RiskMetrics


class RiskGuard(BaseActor[RiskMessage]):
    """Measures and acts.

    Attributes:
        desk: the breakers and equities; None before the books were read.
    """

    def __init__(self, around: Surroundings, links: RiskLinks) -> None:
        """Prepare; the first look reads what is remembered."""
        super().__init__(around)
        self._links = links
        self._log = Log("risk_guard")
        self._measuring = Measuring(links.books, links.board, links.products)
        self._looked_at = 0
        self._imposed: set[str | None] = set()
        self._stored: dict[str, tuple[Instant, Equity]] = {}
        self.desk: RiskDesk | None = None

    def receive(self, message: RiskMessage) -> None:
        """Look once a second."""
        now = message.now
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            self.look(now)

    def look(self, now: Instant) -> None:
        """Measure every limit, step every breaker, act and show."""
        desk = self.desk or self._remember(now)
        if desk is None:
            return
        self._notice_operator(desk, now)
        self._measuring.read(desk, now)
        rules = self._links.rules()
        scopes = [None, *self._links.products]
        for scope in scopes:
            measured = self._measuring.of(scope, desk, now)
            with self._links.tapes.mutex:
                tape = self._links.tapes.of(scope)
                moved = desk.look(scope, rules.of(scope), measured, tape, rules.policy, now)
            if moved:
                self._act(desk, scope, moved)
        self._forget(desk, scopes)
        self._store_equities(desk, now)
        self._show(desk, rules, now)

    def _forget(self, desk: RiskDesk, scopes: Sequence[str | None]) -> None:
        """Show and count nothing more of symbols that are gone; their breakers are remembered."""
        for gone in desk.readings.keys() - set(scopes):
            desk.forget(gone)
            self._links.tapes.forget(gone)

    # --- remembering ----------------------------------------------------------------------------

    def _remember(self, now: Instant) -> RiskDesk | None:
        """Go on from what the books remember, and from the modes that stand."""
        try:
            memory = self._links.books.remembered()
        except LedgerError as error:
            self._log.warning(Event.LEDGER_UNAVAILABLE, f"breakers cannot be read yet: {error}")
            return None
        desk = self.desk = RiskDesk(memory.states, memory.equities, now=now)
        standing = [e for e in self._links.modes.standing() if e.source is Source.BREAKER]
        for each in standing:
            if desk.speaker(each.scope) is None:
                phase = _PHASES.get(each.mode, Phase.HALTED)
                state = _taken_over(
                    each.by, phase, each.reason, now, policy=self._links.rules().policy
                )
                self._links.put(desk.adopt(each.scope, state))
        # What is remembered and does not stand was lifted while nobody looked: see _notice_operator.
        self._imposed = {scope for scope, _ in desk.open()}
        return desk

    def _notice_operator(self, desk: RiskDesk, now: Instant) -> None:
        """Arm the breakers of a scope that an operator let go on."""
        standing = {e.scope for e in self._links.modes.standing() if e.source is Source.BREAKER}
        for scope in self._imposed - standing:
            self._imposed.discard(scope)
            for moved in desk.release(scope, now):
                self._log.warning(
                    Event.BREAKER_MOVED,
                    f"{moved.state.breaker.value} of {scope or ACCOUNT_NAME} is armed: {_OPERATOR}",
                    symbol=scope or "",
                    breaker=moved.state.breaker.value,
                )
                self._links.put(moved)

    # --- acting ---------------------------------------------------------------------------------

    def _act(self, desk: RiskDesk, scope: str | None, moved: Iterable[BreakerMoved]) -> None:
        """Impose or lift what follows from breakers that moved; then store and tell of them."""
        self._impose(scope, desk.speaker(scope))
        for each in moved:
            self._links.put(each)
            state, of = each.state, scope or ACCOUNT_NAME
            if state.phase is Phase.ARMED:
                text = f"{state.breaker.value} of {of} is armed again"
                self._log.info(Event.BREAKER_MOVED, text, symbol=scope or "")
                continue
            self._links.metrics.tripped(state.breaker)
            self._log.error(
                Event.BREAKER_MOVED,
                f"{state.breaker.value} of {of} is {state.phase.value}: {state.reason}",
                symbol=scope or "",
                breaker=state.breaker.value,
                phase=state.phase.value,
                trips=state.trips,
            )

    def _impose(self, scope: str | None, speaker: BreakerState | None) -> None:
        modes = self._links.modes
        try:
            if speaker is None:
                self._imposed.discard(scope)
                modes.lift(Source.BREAKER, scope, by=NAME, reason="the cool-down is over")
                return
            self._imposed.add(scope)
            modes.impose(
                Source.BREAKER,
                scope,
                MODES[speaker.phase],
                reason=speaker.reason,
                by=speaker.breaker.value,
            )
        except LedgerError as error:  # in force all the same
            self._log.error(Event.LEDGER_UNAVAILABLE, f"a mode could not be recorded: {error}")

    # --- storing and showing --------------------------------------------------------------------

    def _store_equities(self, desk: RiskDesk, now: Instant) -> None:
        for money, equity in desk.equities.items():
            at, before = self._stored.get(money, (Instant(0), None))
            if equity == before:
                continue
            told = before is not None and before.capital == equity.capital
            if (
                told
                and before is not None
                and equity.peak >= before.peak
                and now - at < STORE_EVERY
            ):
                continue
            self._stored[money] = (now, equity)
            self._links.put(EquitySeen(at=now, money=money, equity=equity))

    def _show(self, desk: RiskDesk, rules: RiskRules, now: Instant) -> None:
        links = self._links
        used = shares(desk, links.board, links.budget, rules)
        dollars = desk.equities.get("USD")
        links.metrics.measured(
            {name: each.used for name, each in used.items()},
            equity=None if dollars is None else dollars.value,
            drawdown=None if dollars is None else dollars.drawdown,
        )
        links.metrics.standing(state.phase for _, state in desk.open())
        links.page.show({**document(desk, used, now), "waiting_for_capital": links.waiting()})


NAME: Final = "risk_guard"
ACCOUNT_NAME: Final = "the account"


def _taken_over(
    by: str, phase: Phase, reason: str, now: Instant, *, policy: BreakerPolicy
) -> BreakerState:
    """Return the breaker that imposed a mode and was not stored any more."""
    known = {each.value: each for each in Breaker}
    return BreakerState(
        breaker=known.get(by, Breaker.DAILY_LOSS),
        phase=phase,
        armed_at=now,
        until=Instant(now + policy.cool_down if phase is Phase.TRIPPED else 0),
        trips=1 if phase is Phase.TRIPPED else policy.max_resumes + 1,
        reason=reason,
    )
