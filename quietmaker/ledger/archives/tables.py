"""The ledger's tables as the catalogue has them, and copying them out and in, whatever the schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Final

from psycopg2 import sql as build
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.errors import LedgerError
from quietmaker.ledger import sql
from quietmaker.ledger.archives.archive import Sink
from quietmaker.ledger.database import rows

REVISION_TABLE: Final = "schema_version"
_QUERIES: Final = sql.load("tables.sql")
_CSV: Final = build.SQL("WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """A table with the columns that are stored (not generated), and its primary key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    text_key: frozenset[str]
    """Columns of the key that are text, which databases sort differently."""


def tables(cursor: Cursor) -> list[StoredTable]:
    """Return the ledger's tables, each after those that it refers to.

    Raises:
        LedgerError: if tables refer to one another in a circle.
    """
    found = {
        name: StoredTable(
            name=name, columns=tuple(columns), key=tuple(key), text_key=frozenset(text_key)
        )
        for name, columns, key, text_key in rows(cursor, _QUERIES["tables"], except_=REVISION_TABLE)
    }
    waits: dict[str, set[str]] = {name: set() for name in found}
    for name, refers_to in rows(cursor, _QUERIES["references"]):
        if name in waits and refers_to in found:
            waits[name].add(refers_to)
    order: list[StoredTable] = []
    while waits:
        ready = sorted(name for name, on in waits.items() if not on)
        if not ready:
            raise LedgerError(
                f"tables refer to one another in a circle: {', '.join(sorted(waits))}"
            )
        order += [found[name] for name in ready]
        waits = {name: on - set(ready) for name, on in waits.items() if name not in ready}
    return order


def sequences(cursor: Cursor) -> dict[str, int]:
    """Return, by table, the last number that its identity column gave, 0 if none."""
    return {table: int(last or 0) for table, _, last in rows(cursor, _QUERIES["sequences"])}


def go_on_after(cursor: Cursor, last: dict[str, int]) -> None:
    """Let identity columns go on after these numbers."""
    for table, sequence, _ in rows(cursor, _QUERIES["sequences"]):
        number = last.get(table, 0)
        cursor.execute(
            "SELECT setval(%s::regclass, %s, %s)", (sequence, max(number, 1), number > 0)
        )


def copy_out(cursor: Cursor, table: StoredTable, sink: Sink) -> int:
    """Write a table as CSV in the order of its key; return the number of rows."""
    order = [
        build.SQL("{} COLLATE {}").format(build.Identifier(c), build.Identifier("C"))
        if c in table.text_key
        else build.Identifier(c)
        for c in table.key
    ]
    query = build.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT {}").format(
        _columns(table.columns),
        build.Identifier(table.name),
        build.SQL(", ").join(order),
        _CSV,
    )
    cursor.copy_expert(query.as_string(cursor), sink)
    return cursor.rowcount


def copy_in(cursor: Cursor, name: str, columns: tuple[str, ...], csv: IO[bytes]) -> int:
    """Load a table from its CSV; return the number of rows."""
    query = build.SQL("COPY {} ({}) FROM STDIN {}").format(
        build.Identifier(name), _columns(columns), _CSV
    )
    cursor.copy_expert(query.as_string(cursor), csv)
    return cursor.rowcount


def set_triggers(cursor: Cursor, table: StoredTable, *, enabled: bool) -> None:
    """Switch a table's own triggers; those that check references stay on."""
    word = build.SQL("ENABLE" if enabled else "DISABLE")
    cursor.execute(
        build.SQL("ALTER TABLE {} {} TRIGGER USER").format(build.Identifier(table.name), word)
    )


def empty(cursor: Cursor, table: StoredTable) -> None:
    """Delete every row."""
    cursor.execute(build.SQL("DELETE FROM {}").format(build.Identifier(table.name)))


def count(cursor: Cursor, table: StoredTable) -> int:
    """Return the number of rows."""
    cursor.execute(build.SQL("SELECT count(*) FROM {}").format(build.Identifier(table.name)))
    ((number,),) = cursor.fetchall()
    return int(number)


def _columns(names: tuple[str, ...]) -> build.Composed:
    return build.SQL(", ").join(build.Identifier(name) for name in names)
