"""The bytes of the journal: a block that describes a segment, then records, then zeros or what once was.

A record is a fixed head and JSON. Its head begins with the salt of its segment, four bytes drawn anew each
time that a file is used, so that records of an earlier use never count, and ends with how far everything
was durable when it was written. That tells a torn tail from damage: a record that cannot be read was
acknowledged if, and only if, a later one says so.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from quietmaker.core.units import Instant

BLOCK: Final = 4096
"""Where the records begin: describing a segment anew touches no page of theirs."""
SALT: Final = 4

_MAGIC: Final = b"QMJRNL01"
_DESCRIPTION: Final = struct.Struct("<8sQ4s16s16sQQ")
_CHECK: Final = struct.Struct("<I")
_COPIES: Final = (0, BLOCK // 2)
_HEAD: Final = struct.Struct("<4sIIQQQ")
_CHECKED: Final = struct.Struct("<IQQQ")
HEAD: Final = _HEAD.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a segment says of itself.

    Attributes:
        number: its place among the segments.
        salt: begins each of its records.
        journal: the journal that it belongs to.
        ledger: the books that the journal feeds.
        size: of the file, in bytes.
        base: records up to this number were durable before it was described.
    """

    number: int
    salt: bytes
    journal: UUID
    ledger: UUID
    size: int
    base: int

    def pack(self) -> bytes:
        """Return the block, which holds the description twice."""
        body = _DESCRIPTION.pack(
            _MAGIC,
            self.number,
            self.salt,
            self.journal.bytes,
            self.ledger.bytes,
            self.size,
            self.base,
        )
        block = bytearray(BLOCK)
        for at in _COPIES:
            block[at : at + len(body)] = body
            _CHECK.pack_into(block, at + len(body), zlib.crc32(body))
        return bytes(block)

    @classmethod
    def unpack(cls, block: bytes) -> Description | None:
        """Return the description that a block holds, None if neither copy can be read."""
        for at in _COPIES:
            body = block[at : at + _DESCRIPTION.size]
            check = block[at + _DESCRIPTION.size : at + _DESCRIPTION.size + _CHECK.size]
            if len(check) < _CHECK.size or _CHECK.unpack(check)[0] != zlib.crc32(body):
                continue
            magic, number, salt, journal, ledger, size, base = _DESCRIPTION.unpack(body)
            if magic == _MAGIC:
                return cls(
                    number=number,
                    salt=salt,
                    journal=UUID(bytes=journal),
                    ledger=UUID(bytes=ledger),
                    size=size,
                    base=base,
                )
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """A record that can be read.

    Attributes:
        offset, end: where it lies in what was read.
        durable: the number up to which everything was durable when it was written.
        at: when it was written.
    """

    offset: int
    end: int
    seq: int
    durable: int
    at: Instant
    payload: bytes


def pack(salt: bytes, seq: int, *, durable: int, at: Instant, payload: bytes) -> bytes:
    """Return a record."""
    check = zlib.crc32(payload, zlib.crc32(_CHECKED.pack(len(payload), seq, durable, at), 0))
    return _HEAD.pack(salt, len(payload), check, seq, durable, at) + payload


def unpack(data: bytes, offset: int, salt: bytes) -> Found | None:
    """Return the record at an offset, None if there is none that can be read."""
    if offset + HEAD > len(data):
        return None
    mark, length, check, seq, durable, at = _HEAD.unpack_from(data, offset)
    end = offset + HEAD + length
    if mark != salt or end > len(data):
        return None
    payload = data[offset + HEAD : end]
    if zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, seq, durable, at), 0)) != check:
        return None
    return Found(offset, end, seq, durable, Instant(at), payload)


def length_at(data: bytes, offset: int) -> int:
    """Return how long the record at an offset says that it is; its head must be there."""
    length: int = _HEAD.unpack_from(data, offset)[1]
    return HEAD + length


def scan(data: bytes, salt: bytes, *, start: int = BLOCK) -> Iterator[Found]:
    """Yield every record that can be read, also behind bytes that cannot."""
    offset = start
    while True:
        found = unpack(data, offset, salt)
        if found is not None:
            yield found
            offset = found.end
            continue
        offset = data.find(salt, offset + 1)
        if offset < 0:
            return
