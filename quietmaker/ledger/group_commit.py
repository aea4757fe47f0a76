"""One commit for all who wait: the first caller in line stores what the others queued behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from quietmaker.errors import LedgerError, LedgerUnavailable

T = TypeVar("T")


@dataclass(slots=True)
class _Ticket(Generic[T]):
    item: T
    done: bool = False
    error: LedgerError | None = None


class GroupCommit(Generic[T]):
    """Gathers concurrent single writes into one; a lone caller pays for no waiting."""

    def __init__(self, store: Callable[[Sequence[T]], None]) -> None:
        """Use `store`, which makes a batch durable or raises and stores none of it."""
        self._store = store
        self._queue: list[_Ticket[T]] = []
        self._queue_mutex = threading.Lock()
        self._turn = threading.Lock()

    def submit(self, item: T) -> None:
        """Return once the item is durable.

        Raises:
            LedgerError: as `store` raised for this item; a neighbour's defect does not count.
        """
        ticket = _Ticket(item)
        with self._queue_mutex:
            self._queue.append(ticket)
        with self._turn:
            if not ticket.done:
                self._flush()
        if ticket.error is not None:
            raise type(ticket.error)(*ticket.error.args) from ticket.error

    def _flush(self) -> None:
        with self._queue_mutex:
            batch, self._queue = self._queue, []
        try:
            self._try(batch)
        finally:
            for ticket in batch:
                if not ticket.done:
                    ticket.error = LedgerError(
                        "the write was abandoned: another one in its batch failed badly"
                    )
                    ticket.done = True

    def _try(self, batch: Sequence[_Ticket[T]]) -> None:
        try:
            self._store([ticket.item for ticket in batch])
        except LedgerError as error:
            if len(batch) > 1 and not isinstance(error, LedgerUnavailable):
                for ticket in batch:
                    self._try([ticket])
                return
            for ticket in batch:
                ticket.error = error
        for ticket in batch:
            ticket.done = True
