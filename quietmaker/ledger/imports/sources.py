"""Where a predecessor's trades are read from: a CSV file, or a table of a live database."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

import psycopg2
from psycopg2 import sql as build

from quietmaker.errors import SourceError
from quietmaker.ledger.imports.rows import COLUMNS, REQUIRED, RawRow

DATABASES: Final = ("postgresql://", "postgres://")
_PAGE: Final = 5_000


class Source:
    """Rows, read once; the digest of what they said is known afterwards.

    Attributes:
        origin: what it was, without any password.
    """

    def __init__(self, origin: str) -> None:
        """Name the origin."""
        self.origin = origin
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of everything read so far."""
        return self._digest.hexdigest()

    def rows(self) -> Iterator[RawRow]:
        """Yield every row, under our column names.

        Raises:
            SourceError: if it cannot be read, or lacks a column.
        """
        raise NotImplementedError

    def _row(self, line: int, names: Sequence[str], fields: Sequence[str]) -> RawRow:
        values = dict(zip(names, fields, strict=True))
        self._digest.update(repr(values).encode())
        return RawRow(line=line, values={name: values.get(name, "") for name in COLUMNS})


class CsvSource(Source):
    """A CSV file with a heading."""

    def __init__(self, path: Path, *, named: Mapping[str, str]) -> None:
        """Prepare; `named` says which column of the file is ours, where we would not find it."""
        super().__init__(str(path))
        self._path = path
        self._named = named

    def rows(self) -> Iterator[RawRow]:
        """Yield every row; its line is that in the file."""
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                yield from self._read(file)
        except OSError as error:
            raise SourceError(f"{self._path} cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise SourceError(f"{self._path} is not UTF-8 ({error}); convert it first") from error
        except csv.Error as error:
            raise SourceError(f"{self._path} is no CSV: {error}") from error

    def _read(self, file: TextIO) -> Iterator[RawRow]:
        reader = csv.reader(file, strict=True)
        heading = next(reader, None)
        if heading is None:
            raise SourceError(f"{self._path} is empty; it must begin with a heading")
        places = locate(heading, named=self._named, where=str(self._path))
        names = list(places)
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(heading):
                raise SourceError(
                    f"{self._path}, line {reader.line_num}: {len(fields)} fields under a heading of"
                    f" {len(heading)}; mend the file"
                )
            yield self._row(reader.line_num, names, [fields[places[name]] for name in names])


class TableSource(Source):
    """A table of a live PostgreSQL, read in one snapshot; it is never written to."""

    def __init__(self, url: str, table: str, *, named: Mapping[str, str]) -> None:
        """Prepare; `table` may name its schema."""
        place = urlsplit(url)
        super().__init__(f"{place.hostname or 'local'}{place.path} {table}")
        self._url = url
        self._table = tuple(table.split("."))
        self._named = named

    def rows(self) -> Iterator[RawRow]:
        """Yield every row in the order of time; its line counts them."""
        try:
            connection = psycopg2.connect(
                self._url, connect_timeout=5, application_name="quietmaker-import"
            )
        except psycopg2.Error as error:
            raise SourceError(f"{self.origin} cannot be reached: {error}".strip()) from error
        try:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            yield from self._read(connection)
        except psycopg2.Error as error:
            raise SourceError(f"{self.origin} cannot be read: {error}".strip()) from error
        finally:
            connection.close()

    def _read(self, connection: Any) -> Iterator[RawRow]:
        table = build.Identifier(*self._table)
        with connection.cursor() as cursor:
            cursor.execute(
                "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1"
            )
            cursor.execute(build.SQL("SELECT * FROM {} LIMIT 0").format(table))
            heading = [column.name for column in cursor.description]
        places = locate(heading, named=self._named, where=self.origin)
        names = list(places)
        chosen = [build.Identifier(heading[places[name]]) for name in names]
        # As text, a floating-point number is the shortest that means it, and nothing is lost on the way.
        query = build.SQL("SELECT {} FROM {} ORDER BY {}, {}").format(
            build.SQL(", ").join(build.SQL("coalesce({}::text, '')").format(c) for c in chosen),
            table,
            build.Identifier(heading[places["order_time"]]),
            build.Identifier(heading[places["order_id"]]),
        )
        with connection.cursor("import") as cursor:
            cursor.itersize = _PAGE
            cursor.execute(query)
            for line, fields in enumerate(cursor, start=1):
                yield self._row(line, names, fields)


def locate(heading: Sequence[str], *, named: Mapping[str, str], where: str) -> dict[str, int]:
    """Return where each of our columns is in a heading.

    Raises:
        SourceError: if one that is needed is not there; names those that are.
    """
    have = {name.strip().lower(): place for place, name in reversed(list(enumerate(heading)))}
    places: dict[str, int] = {}
    for name, aliases in COLUMNS.items():
        for alias in (named[name],) if name in named else aliases:
            if alias.strip().lower() in have:
                places[name] = have[alias.strip().lower()]
                break
    if missing := [name for name in REQUIRED if name not in places]:
        raise SourceError(
            f"{where}: no column for {', '.join(missing)}; it has {', '.join(heading)}. Name one with"
            f" --column {missing[0]}=NAME"
        )
    return places
