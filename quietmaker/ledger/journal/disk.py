"""The few things that the journal asks of a file system, in one place, so that a test can be a bad one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

_PRIVATE: Final = 0o600
_DATA_SYNC: Final = getattr(os, "fdatasync", os.fsync)  # macOS has the slower one only
_ZEROS: Final = bytes(1 << 18)


class Disk(Protocol):
    """A file system. Every call raises OSError as the operating system does."""

    def make(self, path: Path, size: int) -> None:
        """Make a file of zeros that really are on the disk: writing over them needs no further space."""

    def open(self, path: Path) -> int:
        """Open a file to read and write; return its descriptor."""

    def write(self, handle: int, data: bytes, offset: int) -> None:
        """Write all of the data."""

    def sync(self, handle: int) -> None:
        """Return once what was written is on the disk."""

    def read(self, handle: int, size: int, offset: int) -> bytes:
        """Read up to `size` bytes; fewer at the end of the file."""

    def rename(self, path: Path, to: Path) -> None:
        """Rename a file, and return once that is on the disk."""

    def remove(self, path: Path) -> None:
        """Remove a file, and return once that is on the disk."""


class RealDisk:
    """The one of the operating system."""

    def make(self, path: Path, size: int) -> None:
        """Write zeros: preallocated space alone would still need metadata at the first write."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _PRIVATE)
        try:
            for offset in range(0, size, len(_ZEROS)):
                self.write(handle, _ZEROS[: size - offset], offset)
            os.fsync(handle)
        finally:
            os.close(handle)

    def open(self, path: Path) -> int:
        """Open."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        """Write, going on where the system stopped short."""
        view = memoryview(data)
        while view:
            written = os.pwrite(handle, view, offset)
            view, offset = view[written:], offset + written

    def sync(self, handle: int) -> None:
        """Wait for the data; there is no metadata, the file keeps its size."""
        _DATA_SYNC(handle)

    def read(self, handle: int, size: int, offset: int) -> bytes:
        """Read, going on where the system stopped short."""
        parts = []
        while size and (part := os.pread(handle, size, offset)):
            parts.append(part)
            size, offset = size - len(part), offset + len(part)
        return b"".join(parts)

    def rename(self, path: Path, to: Path) -> None:
        """Rename."""
        path.rename(to)
        _sync_folder(to.parent)

    def remove(self, path: Path) -> None:
        """Remove."""
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
