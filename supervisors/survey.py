"""Every symbol as the filter sees it, for the commands: from the books, and from a running instance.

What a running instance alone knows is the spread and when it evaluates next; without one the spread is
unknown, which is neither a pass nor a ban.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from actors.overrides import ban_of, included_by
from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_rules import Rule, Spread, Verdict, judge
from quietmaker.core.filter_states import (
    Evidence,
    FilterState,
    Obstacle,
    Policy,
    Standing,
    aged_out_at,
    counts_from,
    obstacles,
    restored,
    shadow_counts_from,
)
from quietmaker.core.units import SECOND, Instant
from quietmaker.ledger.filter_books import PostgresFilterBooks
from quietmaker.ports import Override
from quietmaker.settings import Settings

BY_AGEING = "filter.shadow is off: it comes back by ageing, once its trades are old enough"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """One symbol.

    Attributes:
        verdict: by the thresholds asked for.
        kept_out: what keeps it out, when it is excluded.
    """

    standing: Standing
    evidence: Evidence
    verdict: Verdict
    override: Override | None
    kept_out: tuple[Obstacle, ...]

    @property
    def state(self) -> FilterState:
        """Return where it stands; a ban of this configuration counts although nobody evaluated it yet."""
        return self.standing.state if self.evidence.ban is None else FilterState.DENIED

    @property
    def reason(self) -> str:
        """Return why it stands there."""
        return self.standing.reason if self.evidence.ban is None else self.evidence.ban.reason


def survey(
    settings: Settings,
    books: PostgresFilterBooks,
    page: Mapping[str, Any],
    *,
    policy: Policy,
    now: Instant,
) -> dict[str, Surveyed]:
    """Return every symbol that is known.

    Args:
        settings: for the bans.
        books: what is stored.
        page: the filter's part of a running instance's status, empty without one.
        policy: thresholds to judge by.
        now: the time of day.
    """
    live: Mapping[str, Any] = page.get("symbols", {})
    symbols = sorted({*live, *books.known_symbols()})
    stored = books.transitions(symbols)
    standings = {symbol: restored(symbol, stored[symbol]) for symbol in symbols}
    windows = {
        symbol: Windows(
            real=counts_from(each, policy, now), shadow=shadow_counts_from(each, policy, now)
        )
        for symbol, each in standings.items()
    }
    trades, said = books.trades(windows), books.overrides()
    found = {}
    for symbol, standing in standings.items():
        word = said.get(symbol)
        evidence = Evidence(
            real=trades[symbol].real,
            shadow=trades[symbol].shadow,
            spread=_spread(live.get(symbol, {})),
            ban=ban_of(settings.exclusion(symbol), word, now),
            included=included_by(word, standing, now),
        )
        found[symbol] = Surveyed(
            standing=standing,
            evidence=evidence,
            verdict=judge(evidence.real, evidence.spread, policy.thresholds),
            override=word,
            kept_out=_kept_out(books, standing, evidence, policy, now),
        )
    return found


def _kept_out(
    books: PostgresFilterBooks, standing: Standing, evidence: Evidence, policy: Policy, now: Instant
) -> tuple[Obstacle, ...]:
    if standing.state is not FilterState.EXCLUDED:
        return ()
    found = tuple(obstacles(standing, evidence, policy, now))
    if policy.shadow or not policy.enabled:
        return found
    days = books.days(standing.symbol, since=counts_from(standing, policy, now))
    return (*found, Obstacle(words=BY_AGEING, until=aged_out_at(standing, days, policy, now)))


def _spread(line: Mapping[str, Any]) -> Spread:
    told = line.get("rules", {}).get(Rule.SPREAD.value)
    if told is None:
        return Spread(average=None, watched=0)
    value = told["value"]
    return Spread(average=None if value is None else Decimal(value), watched=told["sample"])


def next_evaluation(page: Mapping[str, Any]) -> Instant | None:
    """Return when a running instance evaluates next, None without one."""
    at = page.get("next_at")
    return None if at is None else Instant(at * SECOND)
