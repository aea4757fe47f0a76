"""A backup file: a ZIP with one CSV per table and, last, ``manifest.json``, which says what must be in it.

Any tool opens it. Its comment, the last bytes of the file, is the SHA-256 of everything before, so that no
byte of it can change unseen. Amounts are text as PostgreSQL writes them, every digit; rows are in the order
of the primary key, so that the same books give the same digests wherever they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from quietmaker.errors import LedgerError

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 20
_PRIVATE_FILE: Final = 0o600
_HEX: Final = 64
_UNSEALED: Final = b"0" * _HEX


class Sink(Protocol):
    """What COPY writes to."""

    def write(self, data: bytes, /) -> int:
        """Take bytes and return how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCopy:
    """One table: its stored columns, how many rows, and the SHA-256 of its CSV."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made_at: UTC, ISO 8601.
        program: the version that made it.
        ledger_id: of the books; it is never given twice.
        mode: ``paper`` or ``live``.
        revision: of the schema.
        server: version of the PostgreSQL that held them.
        tables: in an order in which they can be loaded: a table comes after those that it refers to.
        sequences: by table, the last number that was given.
    """

    made_at: str
    program: str
    ledger_id: str
    mode: str
    revision: str
    server: str
    tables: tuple[TableCopy, ...]
    sequences: dict[str, int]

    @property
    def rows(self) -> int:
        """Return how many rows there are in all."""
        return sum(table.rows for table in self.tables)

    @property
    def sha256(self) -> str:
        """Return one digest of all of it."""
        return hashlib.sha256(_canonical(asdict(self))).hexdigest()


class ArchiveWriter:
    """Writes tables into a backup that gets its name only when it is whole and was read back."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Write into an open archive."""
        self._archive = archive

    def table(self, name: str, columns: tuple[str, ...], copy: Callable[[Sink], int]) -> TableCopy:
        """Write one table; `copy` sends its CSV and returns the number of rows."""
        with self._archive.open(f"{name}.csv", "w", force_zip64=True) as member:
            digest = Digest(member)
            rows = copy(digest)
        return TableCopy(name=name, columns=columns, rows=rows, sha256=digest.hex)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, after everything that it describes."""
        data = {"format": FORMAT, "sha256": manifest.sha256, **asdict(manifest)}
        self._archive.writestr(_MANIFEST, json.dumps(data, indent=2) + "\n")


class Digest:
    """Passes bytes on, if there is anybody to take them, and adds them up."""

    def __init__(self, target: IO[bytes] | None = None) -> None:
        """Begin with nothing."""
        self._target = target
        self._sum = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        """Take bytes."""
        self._sum.update(data)
        if self._target is not None:
            self._target.write(data)
        return len(data)

    @property
    def hex(self) -> str:
        """Return the SHA-256 so far."""
        return self._sum.hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[ArchiveWriter]:
    """Write a backup; it appears under its name, durable and verified, only if the block ends well.

    Raises:
        LedgerError: if the file exists already or cannot be written.
    """
    if path.exists():
        raise LedgerError(f"{path} exists already; name another file")
    part = path.with_name(f"{path.name}.part")
    try:
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            with os.fdopen(handle, "w+b") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.comment = _UNSEALED
                    yield ArchiveWriter(archive)
                _seal(file)
                file.flush()
                os.fsync(file.fileno())
            with reading(part):
                pass  # reading it verifies it
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be written ({error.strerror or error}); name a file where there is room"
        ) from error


class ArchiveReader:
    """A backup that was verified: every byte is as it was written."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        """Read an open archive."""
        self._archive = archive
        self.manifest = manifest

    @contextmanager
    def table(self, name: str) -> Iterator[IO[bytes]]:
        """Open the CSV of one table."""
        with self._archive.open(f"{name}.csv") as member:
            yield member


@contextmanager
def reading(path: Path) -> Iterator[ArchiveReader]:
    """Open a backup after verifying every table of it.

    Raises:
        LedgerError: if it is no backup, is damaged, or was made by a newer program.
    """
    with _opened(path) as file, _damage_named(path):
        _check_seal(file)
    with _archive(path) as archive:
        with _damage_named(path):
            manifest = _manifest(path, archive)
            _verify(archive, manifest)
        yield ArchiveReader(archive, manifest)


def _seal(file: IO[bytes]) -> None:
    """Write the digest of everything before into the last bytes."""
    file.flush()
    digest = _digest_of(file)
    file.seek(-_HEX, os.SEEK_END)
    file.write(digest)


def _check_seal(file: IO[bytes]) -> None:
    digest = _digest_of(file)
    file.seek(-_HEX, os.SEEK_END)
    if file.read() != digest:
        raise ValueError(
            "it does not end with its digest: bytes are missing, or others than were written"
        )


def _digest_of(file: IO[bytes]) -> bytes:
    left = file.seek(0, os.SEEK_END) - _HEX
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode()


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror or error}") from error
    with file:
        yield file


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise LedgerError(f"{path} is no backup ({error}); use another one") from error
    with archive:
        yield archive


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        OSError,
    ) as error:
        raise LedgerError(f"{path} is damaged ({error}); use another backup") from error


def _manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    data: dict[str, Any] = json.loads(archive.read(_MANIFEST))
    if data.pop("format") != FORMAT:
        raise LedgerError(f"{path} was made by a newer program; use that one to restore it")
    stated = data.pop("sha256")
    data["tables"] = tuple(
        TableCopy(**{**table, "columns": tuple(table["columns"])}) for table in data["tables"]
    )
    manifest = Manifest(**data)
    if manifest.sha256 != stated:
        raise ValueError("the manifest does not add up")
    return manifest


def _verify(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    expected = {_MANIFEST, *(f"{table.name}.csv" for table in manifest.tables)}
    if odd := expected ^ set(archive.namelist()):
        raise ValueError(f"missing or foreign members: {', '.join(sorted(odd))}")
    for table in manifest.tables:
        digest = Digest()
        with archive.open(f"{table.name}.csv") as member:
            while chunk := member.read(_CHUNK):
                digest.write(chunk)
        if digest.hex != table.sha256:
            raise ValueError(f"the table {table.name} is not what the manifest says")


def _canonical(data: object) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
