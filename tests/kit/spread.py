"""Spread the tests that wait for processes and sockets over the workers, so that none of them is last.

The runner gives each worker a stretch of the list, and lets the idle ones take from the ends of the others'.
So each stretch begins with its share of what takes long, and ends with what is quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, Protocol, TypeVar

SLOW: Final = ("tests/chaos/", "tests/integration/", "tests/replay/test_compiled.py")


class Named(Protocol):
    """A test, as far as it matters here."""

    @property
    def nodeid(self) -> str:
        """Return its name: file and test."""


T = TypeVar("T", bound=Named)


def spread(tests: Sequence[T], workers: int) -> list[T]:
    """Return the tests in an order for so many workers; those of one slow file stay together.

    Args:
        tests: in the order in which they were collected.
        workers: how many share them; with one the order stays.
    """
    if workers < 2:
        return [*tests]
    slow = [test for test in tests if test.nodeid.startswith(SLOW)]
    quick = [test for test in tests if not test.nodeid.startswith(SLOW)]
    shares: list[list[T]] = [[] for _ in range(workers)]
    for number, (_, file) in enumerate(groupby(slow, key=_file)):
        shares[number % workers] += file
    length, rest = divmod(len(tests), workers)
    for number, share in enumerate(shares):
        wanted = max(length + (number < rest) - len(share), 0)
        share.extend(quick[:wanted])
        del quick[:wanted]
    return [*(test for share in shares for test in share), *quick]


def _file(test: Named) -> str:
    return test.nodeid.partition("::")[0]
