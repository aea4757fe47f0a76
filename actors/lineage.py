"""Whose an order is, by its client id: of this run, of an earlier one, or of nobody here.

A client id begins with the run's prefix, such as ``qm7``, then ``-`` or the ``.`` of a trader's later life.
"""

from __future__ import annotations

import re


class Lineage:
    """One's own run, and those before it."""

    def __init__(self, prefix: str) -> None:
        """Begin with the prefix of this run, or of a life in it; one without a number has no ancestors."""
        own = re.match(r"(\D+)(\d+)", prefix)
        self._run = int(own[2]) if own else 0
        self._marks = (f"{prefix}-", f"{prefix}.")
        self._any = re.compile(rf"{re.escape(own[1] if own else prefix)}(\d+)[-.]")

    def is_own(self, client_id: str) -> bool:
        """Return whether an order is of this run."""
        return client_id.startswith(self._marks)

    def is_earlier(self, client_id: str) -> bool:
        """Return whether an order is of an earlier run."""
        found = self._any.match(client_id)
        return found is not None and int(found[1]) < self._run
