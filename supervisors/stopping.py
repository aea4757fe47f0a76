"""What asks a process to stop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Stop:
    """What was asked for by signal: safe to set in a handler."""

    count: int = 0
    reason: str = ""

    def ask(self, reason: str) -> int:
        """Ask for a stop; return how often that was done."""
        self.count += 1
        self.reason = self.reason or reason
        return self.count
