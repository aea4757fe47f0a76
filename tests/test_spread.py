"""The order of the tests: every one is there once, and the slow ones begin each worker's share."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tests.kit.spread import SLOW, spread


@dataclass(frozen=True, slots=True)
class Named:
    nodeid: str


FILES = st.sampled_from(
    ["tests/chaos/a.py", "tests/chaos/b.py", "tests/integration/c.py", "tests/core/d.py"]
)
TESTS = st.lists(FILES, max_size=60).map(
    lambda files: [Named(f"{file}::test_{n}") for n, file in enumerate(sorted(files))]
)


@given(TESTS, st.integers(1, 6))
def test_every_test_is_run_once_whatever_the_order(tests: list[Named], workers: int) -> None:
    found = spread(tests, workers)
    assert sorted(found, key=lambda each: each.nodeid) == sorted(tests, key=lambda e: e.nodeid)


def test_each_share_begins_with_its_part_of_the_slow_ones() -> None:
    slow = [Named(f"{SLOW[0]}{letter}.py::test") for letter in "abcd"]
    quick = [Named(f"tests/core/x.py::test_{number}") for number in range(36)]
    found = spread([*slow, *quick], 4)
    assert [found[start] for start in (0, 10, 20, 30)] == slow
