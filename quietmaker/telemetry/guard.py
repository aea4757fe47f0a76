"""Run a callback of somebody else, and keep what it raised as a value.

Metrics and health must answer when the rest is broken, so a callback that raises is an answer too. The
error is never dropped: whoever uses this shows or counts it.
"""

from __future__ import annotations

from types import TracebackType


class Captured:
    """A ``with`` block whose exception becomes `error`; interrupts pass through."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        """Start without an error."""
        self.error: Exception | None = None

    def __enter__(self) -> Captured:
        """Return the capture itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Keep an exception; let interrupts and exits pass."""
        del kind, trace
        if isinstance(error, Exception):
            self.error = error
        return isinstance(error, Exception)

    def __str__(self) -> str:
        """Say what was raised."""
        return f"{type(self.error).__name__}: {self.error}" if self.error else ""
