"""The risk guard's part of the books, on PostgreSQL; one connection of its own, off the order path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.breakers import Breaker, BreakerState, Phase
from quietmaker.core.equity import Equity
from quietmaker.core.risk_desk import BreakerMoved, EquitySeen
from quietmaker.core.units import Instant
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, Session, UrlSource, rows
from quietmaker.ledger.rows import text
from quietmaker.ports import RiskMemory, RiskResults

_QUERIES: Final = sql.load("risk.sql")
_KNOWN: Final = frozenset(each.value for each in Breaker)


def breaker_row(fact: BreakerMoved) -> Row:
    """Return the columns of a breaker's move."""
    state = fact.state
    return (
        fact.at,
        fact.scope,
        state.breaker.value,
        state.phase.value,
        state.armed_at,
        state.until if state.phase is Phase.TRIPPED else None,
        state.trips,
        text(state.reason),
    )


def equity_row(fact: EquitySeen) -> Row:
    """Return the columns of an equity."""
    return (fact.money, fact.at, fact.equity.capital, fact.equity.result, fact.equity.peak)


class PostgresRiskBooks:
    """Implements `quietmaker.ports.RiskBooks`."""

    def __init__(self, url: UrlSource) -> None:
        """Prepare; the first question connects."""
        self._session = Session(url, snapshot=True)

    def remembered(self) -> RiskMemory:
        """Return what was stored of breakers and equities."""

        def work(cursor: Cursor) -> tuple[list[Row], list[Row]]:
            return rows(cursor, _QUERIES["breakers"]), rows(cursor, _QUERIES["equities"])

        breakers, equities = self._session.run(work)
        return RiskMemory(
            # One that this version does not know is of a newer program, and no concern of ours.
            states={(row[0], Breaker(row[1])): _state(row) for row in breakers if row[1] in _KNOWN},
            equities={
                money: Equity(capital=capital, result=result, peak=peak)
                for money, capital, result, peak in equities
            },
        )

    def results(
        self, since: Mapping[str, Instant], *, account_since: Instant, recent: int
    ) -> RiskResults:
        """Return what trading came to, in one snapshot."""
        symbols = list(since)

        def work(cursor: Cursor) -> RiskResults:
            values = {"symbols": symbols, "since": [since[each] for each in symbols]}
            latest = rows(cursor, _QUERIES["recent"], symbols=symbols, limit=recent)
            return RiskResults(
                lost=_sums(rows(cursor, _QUERIES["lost"], **values)),
                account=_sums(rows(cursor, _QUERIES["account"], since=account_since)),
                total=_sums(rows(cursor, _QUERIES["total"])),
                open=_sums(rows(cursor, _QUERIES["open"])),
                held=_sums(rows(cursor, _QUERIES["held"])),
                capital=_sums(rows(cursor, _QUERIES["capital"])),
                recent=_latest(latest),
            )

        return self._session.run(work)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._session.close()


def _state(row: Row) -> BreakerState:
    _, breaker, phase, armed_ns, until_ns, trips, reason = row
    return BreakerState(
        breaker=Breaker(breaker),
        phase=Phase(phase),
        armed_at=Instant(armed_ns),
        until=Instant(until_ns or 0),
        trips=trips,
        reason=reason,
    )


def _sums(found: Sequence[Row]) -> dict[str, Decimal]:
    return {name: Decimal(amount) for name, amount in found}


def _latest(found: Sequence[Row]) -> dict[str, list[tuple[Instant, Decimal]]]:
    latest: dict[str, list[tuple[Instant, Decimal]]] = {}
    for symbol, at, net in found:
        latest.setdefault(symbol, []).append((Instant(at), net))
    return latest
