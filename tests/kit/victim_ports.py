"""The steps of the order path at which a victim can die, and the decorators that pass them.

Ports are decorated where `supervisors.process` composes them. Some steps lie inside of an adapter, where
no port reaches: the bytes of a request are out and its answer is not read, the journal writes
(`victim_disk`), or records are in a transaction that is not committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast
from unittest.mock import patch

import psycopg2.errors

from quietmaker.coinbase.rest import http
from quietmaker.core.orders import Fill, Intent
from quietmaker.ledger import database, postgres
from quietmaker.ports import (
    CancelOutcome,
    Exchange,
    Ledger,
    LedgerFact,
    SubmitOutcome,
    UserEvent,
    UserFill,
    UserOrder,
    UserStream,
)
from supervisors import process
from supervisors.composition import Outside
from tests.kit.victim_disk import VictimDisk, decorate_disk

Pass = Callable[[str], None]

STEPS: Final[Mapping[str, str]] = {
    "intent.before": "an order was decided on, its intent is not durable",
    "intent.after": "its intent is durable, nothing was sent",
    "send.before": "its request is about to be made",
    "send.out": "the bytes of its request are out, no answer was read",
    "ack": "its answer was read, nobody was told",
    "news.before": "the user stream told of an order, nobody else was told",
    "news.after": "the order's state is in the inbox",
    "fill.before": "the user stream told of an execution, nobody else was told",
    "fill.after": "the execution is in the inbox",
    "cancel.before": "a cancellation was decided on, its request is about to be made",
    "cancel.out": "the bytes of its request are out, no answer was read",
    "cancel.after": "its answer was read, nobody was told",
    "record.before": "facts are about to be recorded in the journal",
    "record.after": "facts are recorded, nobody was told",
    "fill.recorded": "an execution is recorded, nobody was told",
    "journal.torn": "half of a record is in the journal's file",
    "journal.written": "records are written and not synced",
    "journal.synced": "they are on the disk, their writer does not know yet",
    "segment.made": "a new segment is there, without its name",
    "segment.renamed": "a segment that is free has its next name",
    "commit.before": "records are about to be brought into the database",
    "commit.inside": "they are in a transaction that is not committed",
    "commit.after": "it is committed, the journal does not know yet",
    "recover.books": "books were read",
    "recover.open": "the open orders were asked for",
    "recover.order": "one order was asked for",
    "recover.fills": "the executions were asked for",
}
"""What has happened at each, and what has not."""

ORDERS: Final = ("intent.before", "intent.after", "send.before", "send.out", "ack")
CANCELS: Final = ("cancel.before", "cancel.out", "cancel.after")
NEWS: Final = ("news.before", "news.after", "fill.before", "fill.after")
RECORDS: Final = ("record.before", "record.after", "fill.recorded")
JOURNAL: Final = (
    *("journal.torn", "journal.written", "journal.synced"),
    *("segment.made", "segment.renamed"),
)
COMMITS: Final = ("commit.before", "commit.inside", "commit.after")
RECOVERY: Final = ("recover.books", "recover.open", "recover.order", "recover.fills")

_SUBMIT: Final = b"POST /api/v3/brokerage/orders HTTP"
_CANCEL: Final = b"POST /api/v3/brokerage/orders/batch_cancel HTTP"


def decorate(passing: Pass) -> VictimDisk:
    """Put the decorators in place, for the life of the process; return the disk below the journal."""
    genuine: Any = vars(process)["compose"]

    def compose(settings: Any, outside: Outside, *args: Any, **rest: Any) -> Any:
        decorated = replace(
            outside,
            exchange=cast("Exchange", _Exchange(outside.exchange, passing)),
            ledger=cast("Ledger", _Ledger(outside.ledger, passing)),
            user_stream=cast("UserStream", _UserStream(outside.user_stream, passing)),
        )
        return genuine(settings, decorated, *args, **rest)

    patch.object(process, "compose", compose).start()
    disk = decorate_disk(passing)
    _decorate_requests(passing)
    _decorate_transactions(passing, disk)
    return disk


class _Exchange:
    """An exchange on the way to which one can die."""

    def __init__(self, inner: Exchange, passing: Pass) -> None:
        self._inner = inner
        self._passing = passing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def submit(self, intent: Intent) -> SubmitOutcome:
        self._passing("send.before")
        outcome = self._inner.submit(intent)
        self._passing("ack")
        return outcome

    def cancel(self, client_ids: Sequence[str]) -> Sequence[CancelOutcome]:
        self._passing("cancel.before")
        outcomes = self._inner.cancel(client_ids)
        self._passing("cancel.after")
        return outcomes

    def order(self, client_id: str, *, since: Any) -> Any:
        report = self._inner.order(client_id, since=since)
        self._passing("recover.order")
        return report

    def open_orders(self) -> Any:
        found = self._inner.open_orders()
        self._passing("recover.open")
        return found

    def fills(self, since: Any) -> Any:
        found = self._inner.fills(since)
        self._passing("recover.fills")
        return found


class _Ledger:
    """A ledger at which one can die."""

    def __init__(self, inner: Ledger, passing: Pass) -> None:
        self._inner = inner
        self._passing = passing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write_intent(self, intent: Intent) -> None:
        self._passing("intent.before")
        self._inner.write_intent(intent)
        self._passing("intent.after")

    def write(self, facts: Iterable[LedgerFact]) -> int:
        told = list(facts)
        self._passing("record.before")
        number = self._inner.write(told)
        self._passing("record.after")
        if any(isinstance(fact, Fill) for fact in told):
            self._passing("fill.recorded")
        return number

    def books(self, symbols: Any) -> Any:
        found = self._inner.books(symbols)
        self._passing("recover.books")
        return found


class _UserStream:
    """A user stream during whose words one can die."""

    def __init__(self, inner: UserStream, passing: Pass) -> None:
        self._inner = inner
        self._passing = passing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def start(self, listener: Callable[[UserEvent], None]) -> None:
        def heard(event: UserEvent) -> None:
            kind = {UserFill: "fill", UserOrder: "news"}.get(type(event))
            if kind is not None:
                self._passing(f"{kind}.before")
            listener(event)
            if kind is not None:
                self._passing(f"{kind}.after")

        self._inner.start(heard)


def _decorate_requests(passing: Pass) -> None:
    genuine = http._Line._give

    def give(line: Any, message: bytes, patience: Any) -> None:
        genuine(line, message, patience)
        if message.startswith(_SUBMIT):
            passing("send.out")
        elif message.startswith(_CANCEL):
            passing("cancel.out")

    patch.object(http._Line, "_give", give).start()


def _decorate_transactions(passing: Pass, disk: VictimDisk) -> None:
    store: Any = vars(postgres)["store"]
    run, apply = database.Session.run, postgres.PostgresLedger.apply

    def stored(cursor: Any, entries: Any) -> Any:
        refused = store(cursor, entries)
        passing("commit.inside")
        return refused

    def applied(ledger: Any, journal: Any, records: Any) -> Any:
        passing("commit.before")
        refused = apply(ledger, journal, records)
        passing("commit.after")
        return refused

    def on_disk(session: database.Session, work: Callable[[Any], Any]) -> Any:
        def attempt(cursor: Any) -> Any:
            if disk.full.is_set():
                raise psycopg2.errors.DiskFull("could not extend file: No space left on device")
            return work(cursor)

        return run(session, attempt)

    patch.object(postgres, "store", stored).start()
    patch.object(postgres.PostgresLedger, "apply", applied).start()
    patch.object(database.Session, "run", on_disk).start()
