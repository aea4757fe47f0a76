"""Concurrent writers share a commit, and a failure reaches exactly those it concerns."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.group_commit import GroupCommit


class Store:
    """Records batches; the first one waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Event()
        self.release = threading.Event()
        self.broken: Exception | None = None

    def __call__(self, batch: Sequence[int]) -> None:
        self.batches.append(list(batch))
        self.entered.set()
        if len(self.batches) == 1:
            assert self.release.wait(10)
        if self.broken is not None:
            raise self.broken
        if any(item < 0 for item in batch):
            raise LedgerError("negative")


def _crowd(commits: GroupCommit[int], store: Store, items: Sequence[int]) -> dict[int, str]:
    """Submit 0, and the items while 0 is being stored; return what failed."""
    failed: dict[int, str] = {}

    def submit(item: int) -> None:
        try:
            commits.submit(item)
        except LedgerError as error:
            failed[item] = str(error)

    threads = [threading.Thread(target=submit, args=(0,))]
    threads[0].start()
    assert store.entered.wait(10)
    queued = threading.Barrier(len(items) + 1)
    original = commits._turn

    class Turn:
        def __enter__(self) -> None:
            queued.wait(10)
            original.acquire()

        def __exit__(self, *_: object) -> None:
            original.release()

    commits._turn = Turn()  # type: ignore[assignment]
    threads += [threading.Thread(target=submit, args=(item,)) for item in items]
    for thread in threads[1:]:
        thread.start()
    queued.wait(10)
    store.release.set()
    for thread in threads:
        thread.join(10)
    return failed


def test_writers_that_wait_together_are_stored_together() -> None:
    store = Store()
    assert _crowd(GroupCommit(store), store, [1, 2, 3]) == {}
    assert [sorted(batch) for batch in store.batches] == [[0], [1, 2, 3]]


def test_a_refused_neighbour_does_not_fail_the_others() -> None:
    store = Store()
    assert _crowd(GroupCommit(store), store, [1, -2, 3]) == {-2: "negative"}
    assert {1, 3} <= {batch[0] for batch in store.batches if len(batch) == 1}


def test_an_outage_fails_everyone_in_the_batch_without_trying_each() -> None:
    store = Store()
    store.broken = LedgerUnavailable("away")
    assert _crowd(GroupCommit(store), store, [1, 2]) == {0: "away", 1: "away", 2: "away"}
    assert len(store.batches) == 2


def test_a_defect_in_the_store_leaves_nobody_waiting_or_believing() -> None:
    store = Store()
    store.release.set()
    store.broken = RuntimeError("defect")
    commits: GroupCommit[int] = GroupCommit(store)
    with pytest.raises(RuntimeError, match="defect"):
        commits.submit(1)
    store.broken = None
    commits.submit(2)
    assert store.batches == [[1], [2]]
