"""The symbol filter: reads the evidence, evaluates, and tells every trader whether it may enter.

It fails to last-good: what cannot be read, stored or believed changes nothing but the age of the verdicts,
and is told. A transition is stored before it is in force. Bans hold even then: they need no evidence.
Before the first verdict nobody enters, because a trader without one does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, assert_never

from actors.address import Tellable
from actors.base import BaseActor, Surroundings
from actors.conflate import MarketSlot
from actors.eligibility import Eligibility, Said
from actors.overrides import ban_of, included_by
from actors.protocol import FilterConfigured, FilterMessage, TraderMessage
from quietmaker.core import filter_check
from quietmaker.core.events import DataLost, Tick, TouchChanged
from quietmaker.core.filter_desk import Evaluation, FilterDesk, Floor, Windows
from quietmaker.core.filter_rules import Spread, Verdict
from quietmaker.core.filter_states import (
    Ban,
    Evidence,
    FilterState,
    Policy,
    Standing,
    aged_out_at,
    counts_from,
    obstacles,
    restored,
)
from quietmaker.core.spread import COVERAGE, SpreadTracker
from quietmaker.core.units import NEVER, PPB, SECOND, Instant, Nanos, Rate
from quietmaker.errors import LedgerError
from quietmaker.ports import FilterBooks, FilterTrades, Override
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

NAME: Final = "Dynamic Symbol Filter"
BY_AGEING: Final = "filter.shadow is off: it comes back by ageing, once its trades are old enough"
LOOK_EVERY: Final = SECOND
ASK_OPERATOR_EVERY: Final = Nanos(5 * SECOND)
TELL_EVERY: Final = Nanos(30 * SECOND)
"""A trader that restarted at the wrong moment may hold an old verdict for no longer than this."""
RETRY_AFTER: Final = Nanos(30 * SECOND)
STALE_PERIODS: Final = 2
"""Evaluations missed until a failure is an error rather than a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterLinks:
    """What the filter works with.

    Attributes:
        banned: what the configuration says against a symbol, None when nothing.
        traders: of the symbols that are judged; they come and go.
        spreads: outlive the actor; nobody else looks into them.
        probation: share of its size that an entry has in a probation.
    """

    books: FilterBooks
    policy: Policy
    floor: Floor
    period: Nanos
    window: Nanos
    probation: Rate
    banned: Callable[[str], str | None]
    traders: Mapping[str, Tellable[TraderMessage]]
    slots: Mapping[str, MarketSlot]
    spreads: Mapping[str, SpreadTracker]
    eligibility: Eligibility
    metrics: Metrics
    now: Callable[[], Instant]
    config_sha: str


class SymbolFilter(BaseActor[FilterMessage]):
    """Decides which symbols may enter."""

    def __init__(self, around: Surroundings, links: FilterLinks) -> None:
        """Prepare; `begin` evaluates for the first time."""
        super().__init__(around)
        self._links = links
        self._log = Log("filter")
        self._desk: FilterDesk | None = None
        self._overrides: Mapping[str, Override] = {}
        self._verdicts: Mapping[str, Verdict] = {}
        self._evidence: Mapping[str, Evidence] = {}
        self._ageing: Mapping[str, Instant] = {}
        self._looked_at = self._asked_at = self._told_at = 0
        self._first = True

    def begin(self) -> None:
        """Test the rules, then evaluate."""
        if wrong := filter_check.defects():
            raise RuntimeError(f"{NAME}: the self-test failed: {'; '.join(wrong)}")
        self._evaluate(self._links.now())

    def receive(self, message: FilterMessage) -> None:
        """Watch the spreads; evaluate when it is due, and at once by new settings."""
        match message:
            case Tick(now=now):
                self._on_tick(now)
            case FilterConfigured():
                self._configure(message)
            case _:
                assert_never(message)

    def _configure(self, chosen: FilterConfigured) -> None:
        links = self._links = replace(
            self._links,
            policy=chosen.policy,
            floor=chosen.floor,
            period=chosen.period,
            window=chosen.window,
            probation=chosen.probation,
            banned=chosen.banned,
            config_sha=chosen.config_sha,
        )
        if self._desk is not None:
            self._desk.policy, self._desk.floor = links.policy, links.floor
        self._evaluate(links.now())

    def _on_tick(self, now: Instant) -> None:
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            self._look(now)
        if (
            now >= self._links.eligibility.next_at
            or self._symbols_changed()
            or self._operator_spoke(now)
        ):
            self._evaluate(now)
        elif now - self._told_at >= TELL_EVERY:
            self._tell(now)

    # --- evidence -------------------------------------------------------------------------------

    def _look(self, now: Instant) -> None:
        """See every touch as it stands: the traders' own slots, read beside them."""
        for symbol, tracker in self._links.spreads.items():
            slot = self._links.slots.get(symbol)
            match None if slot is None else slot.standing():
                case TouchChanged() as touch:
                    bid = touch.bid if touch.bid_size else 0
                    tracker.look(now, bid, touch.ask if touch.ask_size else 0)
                case DataLost():
                    tracker.lose(now)
                case None:
                    pass
                case other:
                    assert_never(other)

    def _symbols_changed(self) -> bool:
        """Return whether a symbol came or went; while it cannot be judged, it is tried as after a failure."""
        desk, links = self._desk, self._links
        return (
            desk is not None
            and not links.eligibility.failing
            and desk.standings.keys() != links.traders.keys()
        )

    def _operator_spoke(self, now: Instant) -> bool:
        """Return whether the operator said something new; while the books are away, nobody heard it."""
        if now - self._asked_at < ASK_OPERATOR_EVERY:
            return False
        self._asked_at = now
        try:
            said = self._links.books.overrides()
        except LedgerError:
            return False  # the next evaluation tells of it
        return said != self._overrides

    def _gather(
        self, desk: FilterDesk, trades: Mapping[str, FilterTrades], now: Instant
    ) -> dict[str, Evidence]:
        return {
            symbol: Evidence(
                real=trades[symbol].real,
                shadow=trades[symbol].shadow,
                spread=self._spread(symbol, now),
                ban=self._ban(symbol, now),
                included=included_by(self._overrides.get(symbol), standing, now),
            )
            for symbol, standing in desk.standings.items()
        }

    def _spread(self, symbol: str, now: Instant) -> Spread:
        tracker = self._links.spreads.get(symbol) or SpreadTracker(self._links.window)
        return tracker.average(now)

    def _ban(self, symbol: str, now: Instant) -> Ban | None:
        return ban_of(self._links.banned(symbol), self._overrides.get(symbol), now)

    # --- evaluating -----------------------------------------------------------------------------

    def _evaluate(self, now: Instant) -> None:
        links = self._links
        try:
            desk = self._desk = self._desk or self._restore()
            self._follow(desk)
            self._overrides = links.books.overrides()
            trades = links.books.trades(desk.windows(now))
            evidence = self._gather(desk, trades, now)
            found = desk.evaluate(evidence, now)
            if not found.refused:
                links.books.store_transitions(found.transitions, config_sha=links.config_sha)
                ageing = self._age(desk, found, now)
        except LedgerError as error:
            self._keep_last(f"the books cannot be asked: {error}", now, refused=False)
            return
        if found.refused:
            self._keep_last(found.refused, now, refused=True)
            return
        desk.take(found.transitions)
        self._verdicts, self._evidence, self._ageing = found.verdicts, evidence, ageing
        links.eligibility.evaluated_at, links.eligibility.failing = now, ""
        links.metrics.filter.evaluated(now)
        self._announce(found)
        self._next(now, self._period())
        self._tell(now)

    def _age(self, desk: FilterDesk, found: Evaluation, now: Instant) -> dict[str, Instant]:
        """Return when excluded symbols come back by ageing, where nothing else brings them back."""
        policy, books = self._links.policy, self._links.books
        if policy.shadow or not policy.enabled:
            return {}
        after = dict(desk.standings)
        after.update((each.symbol, after[each.symbol].moved(each)) for each in found.transitions)
        dates = {}
        for symbol, standing in after.items():
            if standing.state is FilterState.EXCLUDED:
                days = books.days(symbol, since=counts_from(standing, policy, now))
                dates[symbol] = aged_out_at(standing, days, policy, now)
        return dates

    def _restore(self) -> FilterDesk:
        """Begin where the last run, or the last life, stood."""
        links = self._links
        symbols = list(links.traders)
        beginning = Instant(0)
        links.books.trades({NAME: Windows(real=beginning, shadow=beginning)})  # the query works
        stored = links.books.transitions(symbols)
        standings = {symbol: restored(symbol, stored[symbol]) for symbol in symbols}
        return FilterDesk(symbols, links.policy, links.floor, standings)

    def _follow(self, desk: FilterDesk) -> None:
        """Judge the symbols that are traded now; a new one goes on from what is stored of it."""
        traded = tuple(self._links.traders)
        new = [symbol for symbol in traded if symbol not in desk.standings]
        stored = self._links.books.transitions(new) if new else {}
        for symbol in desk.standings.keys() - traded:
            desk.drop(symbol)
        for symbol in new:
            desk.add(restored(symbol, stored[symbol]))

    def _period(self) -> Nanos:
        """Return the pause to the next evaluation; the second one comes once a spread can be known."""
        links, first = self._links, self._first
        self._first = False
        soon = links.window // COVERAGE + 30 * SECOND
        return Nanos(min(links.period, soon)) if first else links.period

    def _next(self, now: Instant, pause: Nanos) -> None:
        ends = [said.until for said in self._overrides.values() if said.until is not None]
        coming = min((end for end in ends if end > now), default=NEVER)
        self._links.eligibility.next_at = Instant(min(now + pause, coming))

    def _keep_last(self, why: str, now: Instant, *, refused: bool) -> None:
        """Keep the last good verdicts, and say how old they are."""
        links = self._links
        last = links.eligibility.evaluated_at
        links.eligibility.failing = why
        links.metrics.filter.failed(refused=refused)
        # What was not believed must be seen again at another time, not the same once more.
        pause = links.period if refused else min(RETRY_AFTER, links.period)
        links.eligibility.next_at = Instant(now + pause)
        age = "there are none yet: nothing is entered" if last is None else _age(now - last)
        missed = last is None or now - last >= STALE_PERIODS * links.period
        tell = self._log.error if missed else self._log.warning
        tell(Event.FILTER_FAILED, f"{NAME}: {why}; the last good verdicts hold: {age}")
        self._tell(now)

    # --- telling --------------------------------------------------------------------------------

    def _tell(self, now: Instant) -> None:
        self._told_at = now
        if self._desk is None:
            return
        links = self._links
        said = {s: self._said(standing, now) for s, standing in self._desk.standings.items()}
        links.eligibility.say(said)
        links.metrics.filter.standings(
            {symbol: (each.standing.state, each.standing.rule) for symbol, each in said.items()}
        )
        for symbol, trader in links.traders.items():
            if (event := links.eligibility.event(symbol, now)) is not None:
                trader.tell(event)

    def _said(self, standing: Standing, now: Instant) -> Said:
        state, ban = standing.state, self._ban(standing.symbol, now)
        rule = None if state.enters else f"{standing.reason}"
        seen = self._evidence.get(standing.symbol)
        kept_out: tuple[tuple[str, Instant | None], ...] = ()
        if state is FilterState.EXCLUDED and seen is not None:
            found = obstacles(standing, seen, self._links.policy, now)
            kept_out = tuple((each.words, each.until) for each in found)
            if (aged := self._ageing.get(standing.symbol)) is not None:
                kept_out = (*kept_out, (BY_AGEING, aged))
        probation = state is FilterState.PROBATION
        return Said(
            standing=standing,
            rule=rule if ban is None else ban.reason,
            share=self._links.probation if probation else Rate(PPB),
            verdict=self._verdicts.get(standing.symbol),
            obstacles=kept_out,
        )

    def _announce(self, found: Evaluation) -> None:
        for each in found.transitions:
            enters, entered = each.after.enters, each.before.enters
            into = each.after.value
            if entered and not enters:
                word, event = "Newly excluded", Event.SYMBOL_EXCLUDED
            elif enters and not entered:
                word, event = "Newly included", Event.SYMBOL_INCLUDED
            else:
                word, event = "Moved", Event.SYMBOL_MOVED
            self._links.metrics.filter.moved(each)
            self._log.info(
                event,
                f"{NAME}: {word}: {each.symbol} ({each.before.value} to {into}): {each.reason}",
                symbol=each.symbol,
                reason=each.rule,
                value=each.value,
                threshold=each.threshold,
                sample=each.sample,
            )
        self._links.metrics.filter.floor(below=found.below_floor)
        if found.below_floor:
            held = f"; kept against their rules: {', '.join(e.symbol for e in found.withheld)}"
            self._log.error(
                Event.ALERT,
                f"{NAME}: {found.tradable} symbols may enter, fewer than filter.min_eligible "
                f"{self._links.floor.symbols}{held if found.withheld else ''}",
            )
        self._summarise(found)

    def _summarise(self, found: Evaluation) -> None:
        """Say what it was decided on: an evaluation of nothing must not look like one that found nothing."""
        desk, seen = self._desk, self._evidence
        assert desk is not None
        counts = {
            state: sum(standing.state is state for standing in desk.standings.values())
            for state in FilterState
        }
        traded = [each.real.trips for each in seen.values() if each.real.trips]
        spreads = sum(each.spread.average is not None for each in seen.values())
        states = ", ".join(f"{number} {state.value}" for state, number in counts.items())
        self._log.info(
            Event.FILTER_EVALUATED,
            f"{NAME}: {len(seen)} symbols: {states}; {sum(traded)} trades of {len(traded)} symbols in the "
            f"look-back, {spreads} spreads known, {len(found.transitions)} transitions",
            trades=sum(traded),
            symbols=len(seen),
            spreads=spreads,
        )
        for symbol, date in self._ageing.items():
            self._log.info(
                Event.FILTER_EVALUATED,
                f"{NAME}: {symbol}: {BY_AGEING}: not before {day_of(date)}",
                symbol=symbol,
            )


def _age(nanos: int) -> str:
    return f"they are {nanos // SECOND} s old"


def day_of(at: Instant) -> str:
    """Return a UTC date."""
    return datetime.fromtimestamp(at / SECOND, tz=UTC).date().isoformat()
