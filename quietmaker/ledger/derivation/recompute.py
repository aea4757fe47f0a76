"""Derive everything anew from the facts, symbol by symbol, and say what differed from what was there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.product import OffGridError
from quietmaker.ledger import sql
from quietmaker.ledger.checks import Drift
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Session, rows
from quietmaker.ledger.derivation.derived import derive_anew, describe

_QUERIES: Final = sql.load("recompute.sql")
_TOLD: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRecomputed:
    """One symbol.

    Attributes:
        differed: rows that are not what they were, at most 1,000; the version that each row has is no part
            of it.
        flaw: why its fills cannot be derived; it is then as it was.
    """

    symbol: str
    differed: tuple[Drift, ...]
    flaw: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What was done; `version` is the one that every derived row has now."""

    version: int
    symbols: tuple[SymbolRecomputed, ...]

    @property
    def same(self) -> bool:
        """Return whether everything was what the facts make."""
        return not any(each.differed or each.flaw for each in self.symbols)


def recompute(url: str, *, tell: Callable[[str], None]) -> Recomputed:
    """Derive everything anew. Each symbol is a transaction: it is as it was, or as the facts make it.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
        LedgerError: if it refuses a statement.
    """
    session = Session(lambda: url)
    try:
        ((version,),) = session.run(lambda cursor: rows(cursor, _QUERIES["next_version"]))
        symbols = session.run(lambda cursor: rows(cursor, _QUERIES["symbols"]))
        done = []
        for (symbol,) in symbols:
            done.append(_one(session, symbol, version))
            tell(f"{symbol}: {_said(done[-1])}")
    finally:
        session.close()
    return Recomputed(version=version, symbols=tuple(done))


def _one(session: Session, symbol: str, version: int) -> SymbolRecomputed:
    def work(cursor: Cursor) -> tuple[Drift, ...]:
        for query in ("keep", "clear", "sums"):
            cursor.execute(_QUERIES[query], {"symbol": symbol})
        derive_anew(cursor, symbol, version=version)
        cursor.execute(_QUERIES["results"], {"symbol": symbol})
        found = rows(cursor, _QUERIES["differing"], symbol=symbol, limit=_TOLD)
        return tuple(Drift(table=table, key=key) for table, key in found)

    try:
        return SymbolRecomputed(symbol=symbol, differed=session.run(work), flaw=None)
    except (*CONSTRAINT_ERRORS, ArithmeticError, OffGridError) as error:
        return SymbolRecomputed(symbol=symbol, differed=(), flaw=describe(error))


def _said(done: SymbolRecomputed) -> str:
    if done.flaw is not None:
        return f"cannot be derived: {done.flaw}"
    return f"{len(done.differed)} rows differed" if done.differed else "as it was"
