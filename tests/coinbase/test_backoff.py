"""Pauses between connections, and how many messages go out within a second."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.coinbase.streams.backoff import FIRST, LONGEST, Backoff, Pace
from quietmaker.coinbase.streams.subscriptions import Subscriptions
from quietmaker.core.units import SECOND, Nanos


@given(seed=st.integers())
def test_pauses_double_up_to_the_longest_and_each_has_jitter(seed: int) -> None:
    backoff = Backoff(random=random.Random(seed))
    whole: int = FIRST
    for _ in range(12):
        assert whole // 2 <= backoff.pause() <= whole
        whole = min(2 * whole, LONGEST)
    backoff.reset()
    assert backoff.pause() <= FIRST


def test_clients_that_lost_the_same_connection_do_not_come_back_together() -> None:
    pauses = {Backoff(random=random.Random(seed)).pause() for seed in range(50)}
    assert len(pauses) > 40


@given(gaps=st.lists(st.integers(0, SECOND), min_size=1, max_size=60))
def test_no_second_holds_more_than_eight(gaps: list[int]) -> None:
    pace, now, sent = Pace(), 0, []
    for gap in gaps:
        now += gap
        now += pace.wait(Nanos(now))
        pace.take(Nanos(now))
        sent.append(now)
    assert all(later - earlier >= SECOND for earlier, later in zip(sent, sent[8:], strict=False))


def test_subscriptions_go_out_eight_a_second_in_their_order() -> None:
    sent: list[str] = []
    channels = {f"c{n}": ("A-USD",) for n in range(10)}
    wanted = Subscriptions(channels, send=sent.append, token=None)
    wanted.want_all()
    wanted.pump(Nanos(5))
    assert len(sent) == 8
    wanted.pump(Nanos(SECOND))
    assert len(sent) == 8
    wanted.pump(Nanos(SECOND + 5))
    assert [f'"c{n}"' in text for n, text in enumerate(sent)] == [True] * 10
