"""The symbol filter's part of the books, on PostgreSQL; one connection of its own, off the order path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.commands import RoundTrip
from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_rules import NO_TRADES, DayOfTrades, Trades
from quietmaker.core.filter_states import DAY, FilterState, Transition
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError
from quietmaker.ledger import actions, sql
from quietmaker.ledger.actions import Action
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Row, Session, UrlSource, insert, rows
from quietmaker.ledger.rows import text
from quietmaker.ports import FilterTrades, Override

REMEMBERED: Final = 64
"""Transitions of a symbol that its standing is rebuilt from."""
SHADOW_KEPT: Final = 100 * DAY
"""Shadow trades are kept for so long: no look-back reaches further (`filter.shadow_lookback_days`)."""
_QUERIES: Final = sql.load("filter.sql")


class PostgresFilterBooks:
    """Implements `quietmaker.ports.FilterBooks`. Thread-safe."""

    def __init__(self, url: UrlSource) -> None:
        """Prepare; the first question connects."""
        self._session = Session(url)

    def trades(self, windows: Mapping[str, Windows]) -> Mapping[str, FilterTrades]:
        """Return the closed trades of each symbol since the times given, in one transaction."""
        symbols = list(windows)

        def work(cursor: Cursor) -> tuple[dict[str, Trades], dict[str, Trades]]:
            real = [windows[s].real for s in symbols]
            shadow = [windows[s].shadow for s in symbols]
            return (
                _sums(rows(cursor, _QUERIES["trades"], symbols=symbols, since=real)),
                _sums(rows(cursor, _QUERIES["shadow_trades"], symbols=symbols, since=shadow)),
            )

        real, shadow = self._session.run(work)
        return {
            s: FilterTrades(real=real.get(s, NO_TRADES), shadow=shadow.get(s, NO_TRADES))
            for s in symbols
        }

    def transitions(self, symbols: Sequence[str]) -> Mapping[str, Sequence[Transition]]:
        """Return what moved each symbol, oldest first."""
        found: dict[str, list[Transition]] = {symbol: [] for symbol in symbols}
        query, values = _QUERIES["transitions"], {"symbols": list(symbols), "limit": REMEMBERED}
        for row in self._session.run(lambda cursor: rows(cursor, query, **values)):
            found[row[0]].append(_transition(row))
        return found

    def known_symbols(self) -> list[str]:
        """Return every symbol that was traded, moved or spoken of."""
        found = self._session.run(lambda cursor: rows(cursor, _QUERIES["known_symbols"]))
        return [symbol for (symbol,) in found]

    def history(self, symbol: str | None, *, limit: int) -> list[Transition]:
        """Return transitions, of one symbol or all, the latest first."""
        query = _QUERIES["history"]
        found = self._session.run(lambda cursor: rows(cursor, query, symbol=symbol, limit=limit))
        return [_transition(row) for row in found]

    def store_transitions(self, transitions: Sequence[Transition], *, config_sha: str) -> None:
        """Store transitions in one transaction, each once."""

        def work(cursor: Cursor) -> None:
            for each in transitions:
                cursor.execute(_QUERIES["store_transition"], _values(each, config_sha))

        self._write(work)

    def overrides(self) -> Mapping[str, Override]:
        """Return the operator's latest word on each symbol."""
        found = self._session.run(lambda cursor: rows(cursor, _QUERIES["overrides"]))
        return {row[0]: _override(row) for row in found}

    def store_override(self, override: Override) -> None:
        """Store the operator's word, and that it was given."""
        until = "" if override.until is None else str(override.until)
        action = Action(
            at=override.at,
            operator=override.operator,
            action=f"symbols {'include' if override.include else 'exclude'}",
            arguments={
                "symbol": override.symbol,
                "reason": override.reason,
                "until_ns": until,
            },
            outcome="stored",
        )
        values = {
            "symbol": override.symbol,
            "at_ns": override.at,
            "include": override.include,
            "reason": text(override.reason),
            "until_ns": override.until,
            "operator": text(override.operator),
        }

        def work(cursor: Cursor) -> None:
            cursor.execute(_QUERIES["store_override"], values)
            actions.insert(cursor, action)

        self._write(work)

    def store_shadow(self, trips: Sequence[RoundTrip], products: Mapping[str, Product]) -> None:
        """Store round trips of the shadow, each once, and let old ones go."""
        if not trips:
            return
        values = [_shadow_row(trip, products[trip.symbol]) for trip in trips]
        before = max(trip.closed_at for trip in trips) - SHADOW_KEPT

        def work(cursor: Cursor) -> None:
            insert(cursor, _QUERIES["store_shadow"], values)
            cursor.execute(_QUERIES["prune_shadow"], {"before": before})

        self._write(work)

    def days(self, symbol: str, *, since: Instant) -> list[DayOfTrades]:
        """Return the closed trades of a symbol by day, oldest first."""
        query = _QUERIES["days"]
        found = self._session.run(lambda cursor: rows(cursor, query, symbol=symbol, since=since))
        return [DayOfTrades(day=int(row[0]), trades=_trades(row)) for row in found]

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._session.close()

    def _write(self, work: Callable[[Cursor], None]) -> None:
        try:
            self._session.run(work)
        except CONSTRAINT_ERRORS as error:
            raise LedgerError(f"the books refuse it: {error}".strip()) from error


def _sums(found: list[Row]) -> dict[str, Trades]:
    return {row[0]: _trades(row) for row in found}


def _trades(row: Row) -> Trades:
    return Trades(trips=row[1], wins=row[2], net=Decimal(row[3]), notional=Decimal(row[4]))


def _transition(row: Row) -> Transition:
    return Transition(
        symbol=row[0],
        at=Instant(row[1]),
        before=FilterState(row[2] or FilterState.ELIGIBLE.value),
        after=FilterState(row[3]),
        rule=row[4],
        value=row[5],
        threshold=row[6],
        sample=row[7],
        reason=row[8],
    )


def _values(each: Transition, config_sha: str) -> dict[str, object]:
    return {
        "symbol": each.symbol,
        "at_ns": each.at,
        "from_state": each.before.value,
        "to_state": each.after.value,
        "rule": each.rule,
        "value": each.value,
        "threshold": each.threshold,
        "sample": each.sample,
        "reason": text(each.reason),
        "config_sha": config_sha,
    }


def _override(row: Row) -> Override:
    return Override(
        symbol=row[0],
        at=Instant(row[1]),
        include=row[2],
        reason=row[3],
        until=None if row[4] is None else Instant(row[4]),
        operator=row[5],
    )


def _shadow_row(trip: RoundTrip, product: Product) -> Row:
    return (
        trip.symbol,
        trip.entry.value,
        product.size(trip.lots),
        trip.opened_at,
        trip.closed_at,
        trip.exit_reason.value,
        trip.entry_value,
        trip.exit_value,
        trip.fees,
        trip.spread_captured,
        trip.price_move,
        trip.net,
        trip.maker_fills,
        trip.taker_fills,
        trip.strategy_tag,
        trip.config_sha,
    )
