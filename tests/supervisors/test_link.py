"""The first requests of a start: a burst of refusals is outlasted, a refusal is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quietmaker.errors import ExchangeRefused
from supervisors.link import SIGNED_AGAIN, patiently


def refusing(times: int, status: int) -> Callable[[], str]:
    left = [ExchangeRefused("no", status=status)] * times

    def ask() -> str:
        if left:
            raise left.pop()
        return "products"

    return ask


def test_a_burst_of_refused_tokens_does_not_end_the_start() -> None:
    pauses: list[float] = []
    assert patiently(refusing(len(SIGNED_AGAIN), 401), pauses.append) == "products"
    assert pauses == list(SIGNED_AGAIN)


@pytest.mark.parametrize(("times", "status"), [(len(SIGNED_AGAIN) + 1, 401), (1, 403)])
def test_a_key_that_stays_refused_ends_it_and_so_does_anything_else(
    times: int, status: int
) -> None:
    with pytest.raises(ExchangeRefused):
        patiently(refusing(times, status), lambda _: None)
