"""Client-side limits: queries cannot starve orders, and the exchange's word only ever slows us down."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.coinbase.rest.limits import LONGEST_PAUSE, LimitedError, Limits, Pool, RateLimits
from quietmaker.core.units import SECOND, Nanos
from tests.actors.fakes import HandClock

NO_WAIT = Nanos(0)
LONG = Nanos(3_600 * SECOND)


class Rig:
    """Limits, and time by hand."""

    def __init__(
        self, *, private: int = 10, public: int = 5, hourly: int = 1_000, share: int = 40
    ) -> None:
        """Fill the buckets."""
        self.clock = HandClock()
        self.left: dict[str, float] = {}
        self.pauses: list[float] = []
        self.limits = Limits(
            RateLimits(
                private_per_second=private,
                public_per_second=public,
                per_hour=hourly,
                urgent_share=share,
            ),
            clock=self.clock,
            pause=self.pause,
            jitter=lambda: 0.5,
            changed=self.left.__setitem__,
        )

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.pauses.append(seconds)
        self.clock.advance(int(seconds * SECOND) + 1)

    def take(self, pool: Pool = Pool.PRIVATE, *, urgent: bool = False) -> bool:
        """Return whether a request may be sent at once."""
        try:
            self.limits.acquire(pool, urgent=urgent, patience=NO_WAIT)
        except LimitedError:
            return False
        return True

    def taken(self, pool: Pool = Pool.PRIVATE, *, urgent: bool = False) -> int:
        """Return how many requests may be sent at once, and send them."""
        count = 0
        while self.take(pool, urgent=urgent):
            count += 1
        return count


def test_a_bucket_gives_what_it_holds_and_fills_with_time() -> None:
    r = Rig(share=0)
    assert r.taken() == 10
    r.clock.advance(SECOND // 2)
    assert r.taken() == 5
    r.clock.advance(100 * SECOND)
    assert r.taken() == 10


def test_queries_leave_a_share_for_orders_and_cancellations() -> None:
    r = Rig()
    assert r.taken() == 6
    assert r.taken(urgent=True) == 4
    assert not r.take(urgent=True)


def test_a_share_never_makes_queries_impossible() -> None:
    r = Rig(private=1, public=1, hourly=1_000, share=50)
    assert r.take()
    assert not r.take(urgent=True)
    r.clock.advance(SECOND)
    assert r.take()


def test_public_requests_have_a_bucket_of_their_own_and_count_for_the_hour() -> None:
    r = Rig(private=100, public=5, hourly=10, share=0)
    assert r.taken(Pool.PUBLIC) == 5
    assert r.taken() == 5
    r.clock.advance(360 * SECOND)
    assert r.taken() == 1


def test_p22_the_hour_is_a_bucket_of_its_own_that_fills_by_the_hour() -> None:
    r = Rig(private=1_000, hourly=3_600, share=25)
    for _ in range(6):
        r.clock.advance(SECOND)
        r.taken()
    r.clock.advance(SECOND)
    assert r.taken() == 1
    assert r.taken(urgent=True) == 900
    r.clock.advance(SECOND)
    assert r.taken(urgent=True) == 1


def test_a_wait_is_as_long_as_it_takes_and_no_longer() -> None:
    r = Rig(share=0)
    r.taken()
    r.limits.acquire(Pool.PRIVATE, urgent=False, patience=LONG)
    assert r.pauses == [0.1]


def test_what_would_wait_too_long_is_not_sent_and_names_the_limit() -> None:
    r = Rig(hourly=60, share=0)
    for _ in range(6):
        r.clock.advance(SECOND)
        r.taken()
    with pytest.raises(LimitedError, match="the limit per_hour allows the next request in 5"):
        r.limits.acquire(Pool.PRIVATE, urgent=True, patience=Nanos(10 * SECOND))
    assert r.pauses == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.375),
        ({"retry-after": "7"}, 7.875),
        ({"retry-after": "nonsense"}, 0.375),
        ({"retry-after": "-5"}, 0.375),
        ({"retry-after": "999999999"}, 67.5),
        ({"retry-after": "9" * 400}, 0.375),
        ({"x-ratelimit-reset": "2"}, 2.25),
        ({"x-ratelimit-reset": "{now}"}, 3.375),
        ({"retry-after": "{date}"}, 3.375),
    ],
)
def test_after_a_refusal_nothing_is_sent_for_as_long_as_the_exchange_says(
    headers: dict[str, str], seconds: float
) -> None:
    r = Rig()
    when = r.clock.at // SECOND + 3
    r.clock.at = r.clock.at // SECOND * SECOND
    date = {"{now}": str(when), "{date}": _date(when)}
    stated = {name: date.get(value, value) for name, value in headers.items()}
    assert r.limits.refused(Pool.PRIVATE, stated) == int(seconds * SECOND)
    r.clock.advance(int(seconds * SECOND) - 1)
    assert not r.take(urgent=True)
    assert r.take(Pool.PUBLIC)
    r.clock.advance(SECOND)
    assert r.take(urgent=True)


def _date(moment: int) -> str:
    from email.utils import formatdate

    return formatdate(moment, usegmt=True)


def test_after_a_refusal_the_bucket_begins_empty() -> None:
    r = Rig(share=0)
    r.clock.advance(int(r.limits.refused(Pool.PRIVATE, {})))
    assert r.taken() == 3


def test_repeated_refusals_wait_longer_each_time_until_one_is_answered() -> None:
    r = Rig()
    waits = [r.limits.refused(Pool.PRIVATE, {}) / SECOND for _ in range(4)]
    assert waits == [0.375, 0.625, 1.125, 2.25]
    for _ in range(20):
        longest = r.limits.refused(Pool.PRIVATE, {})
    assert longest <= LONGEST_PAUSE * 5 // 4
    r.limits.answered(Pool.PRIVATE, {})
    r.clock.advance(120 * SECOND)
    assert r.limits.refused(Pool.PRIVATE, {}) / SECOND == 0.375


def test_the_exchange_may_know_of_requests_that_we_do_not() -> None:
    r = Rig(share=0)
    r.limits.answered(Pool.PRIVATE, {"x-ratelimit-limit": "30", "x-ratelimit-remaining": "2"})
    assert r.left == {"private_per_second": 2.0, "per_hour": 1_000.0}
    assert r.taken() == 2
    r.limits.answered(Pool.PRIVATE, {"x-ratelimit-remaining": "500"})
    assert not r.take()  # more than we allow ourselves is no matter


def test_a_large_limit_is_the_hours() -> None:
    r = Rig(share=0)
    r.limits.answered(Pool.PRIVATE, {"x-ratelimit-limit": "10000", "x-ratelimit-remaining": "3"})
    assert r.left["per_hour"] == 3.0
    assert r.taken() == 3


def test_nothing_left_is_waited_out() -> None:
    r = Rig(share=0)
    r.limits.answered(Pool.PRIVATE, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4"})
    r.clock.advance(4 * SECOND - 1)
    assert not r.take(urgent=True)
    r.clock.advance(1)
    assert r.take()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["acquire", "urgent", "answered", "refused", "time"]),
            st.integers(0, 10**12),
            st.text(max_size=20),
        ),
        max_size=60,
    )
)
def test_no_more_is_ever_sent_than_the_limit_allows(steps: list[tuple[str, int, str]]) -> None:
    r = Rig(private=10, hourly=10_000)
    sent: list[int] = []
    for what, number, text in steps:
        headers = {
            "x-ratelimit-remaining": text,
            "retry-after": str(number),
            "x-ratelimit-reset": text,
        }
        if what == "time":
            r.clock.advance(number % (2 * SECOND))
        elif what == "answered":
            r.limits.answered(Pool.PRIVATE, headers)
        elif what == "refused":
            r.limits.refused(Pool.PRIVATE, headers)
        elif r.take(urgent=what == "urgent"):
            sent.append(r.clock.at)
    for at in sent:
        # a full bucket, and what came into it within the second
        assert sum(at <= other < at + SECOND for other in sent) <= 20
    last = {at: sent.count(at) for at in set(sent)}
    assert max(last.values(), default=0) <= 10


def test_many_threads_get_no_more_than_there_is() -> None:
    r = Rig(private=50, share=0)
    got: list[bool] = []
    threads = [
        threading.Thread(target=lambda: got.extend(r.take() for _ in range(20))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 50
