"""Files of recordings: plain, gzip or zstd by content, read in blocks, as numbered lines.

A file that ends in the middle of a compressed frame or of a line is what a crash leaves behind: what
can be read is read, and the rest is counted. A file that is not what it seems is refused.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import zstandard

from quietmaker.errors import SourceError
from quietmaker.market.report import Report

_BLOCK: Final = 1 << 18
_LONGEST_LINE: Final = 1 << 28
"""No frame comes near this (the longest seen is 5 MB): a file without line ends is no recording."""

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
PARQUET: Final = b"PAR1"


class _Inflater(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class BrokenFile(Exception):  # noqa: N818 - what it is, not only that something failed
    """The rest of a compressed file cannot be read; never leaves this package."""


def head(path: Path, size: int = 64) -> bytes:
    """Return the first bytes of a file.

    Raises:
        SourceError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.strerror or error}); check the path and its permissions"
        ) from error


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the decompressed content of a file in blocks.

    Raises:
        SourceError: if the file cannot be opened or read.
        BrokenFile: where the compressed data ends early or is damaged.
    """
    magic = head(path, 4)
    raw = _raw(path)
    if magic[:2] == GZIP:
        yield from _inflate(raw, lambda: zlib.decompressobj(31), "gzip")
    elif magic == ZSTD:
        yield from _inflate(raw, lambda: zstandard.ZstdDecompressor().decompressobj(), "zstd")
    else:
        yield from raw


def read_all(path: Path) -> bytes:
    """Return the whole decompressed content, for files that are read at once, such as an answer.

    Raises:
        SourceError: if it cannot be read to its end.
    """
    try:
        return b"".join(blocks(path))
    except BrokenFile as error:
        raise SourceError(f"{path}: {error}; fetch or compress the file again") from error


def lines(path: Path, report: Report) -> Iterator[tuple[int, bytes, bool]]:
    """Yield `(number, line, whole)`; `whole` is False for a last line without an end.

    Empty lines are left out. A compressed file that breaks off is counted in the report.
    """
    rest, number = b"", 0
    try:
        for block in blocks(path):
            parts = (rest + block).split(b"\n")
            rest = parts.pop()
            if len(rest) > _LONGEST_LINE:
                raise SourceError(
                    f"{path}:{number + 1}: a line of over {_LONGEST_LINE} bytes; this is no recording"
                )
            for line in parts:
                number += 1
                if text := _clean(line, number):
                    yield number, text, True
    except BrokenFile as error:
        report.issue("truncated_file", f"{path}:{number + 1}", str(error))
    if text := _clean(rest, number + 1):
        yield number + 1, text, False


def _clean(line: bytes, number: int) -> bytes:
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    return line.strip()


def _raw(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be read ({error.strerror or error}); check the disk and the permissions"
        ) from error


def _inflate(raw: Iterator[bytes], start: Callable[[], _Inflater], name: str) -> Iterator[bytes]:
    inflater, fresh = start(), True
    for block in raw:
        data = block
        while data:
            try:
                out = inflater.decompress(data)
            except (zlib.error, zstandard.ZstdError) as error:
                raise BrokenFile(f"the {name} data is damaged ({error})") from error
            fresh, data = False, b""
            if out:
                yield out
            if inflater.eof:
                data = inflater.unused_data.lstrip(b"\0")  # archives may be padded with zeros
                inflater, fresh = start(), True
    if not fresh:
        raise BrokenFile(f"the file ends in the middle of its {name} data")
