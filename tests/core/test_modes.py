"""Of several modes the severest is in force, and each ends by itself only when it said so."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.events import Mode
from quietmaker.core.modes import SEVERITY, Imposed, Source, effective, in_force
from quietmaker.core.units import SECOND, Instant

NOW = Instant(1_000 * SECOND)


def imposed(
    mode: Mode,
    *,
    scope: str | None = None,
    source: Source = Source.OPERATOR,
    at: int = 0,
    until: int | None = None,
) -> Imposed:
    return Imposed(
        scope=scope,
        source=source,
        mode=mode,
        reason="why",
        by="anna",
        at=Instant(at),
        until=None if until is None else Instant(until),
    )


def test_where_nothing_is_imposed_a_symbol_runs() -> None:
    assert effective((), "A-USD", NOW) == (Mode.RUN, "")


def test_every_mode_has_a_severity_and_no_two_the_same() -> None:
    assert list(SEVERITY) == list(Mode)
    assert list(SEVERITY.values()) == sorted({*SEVERITY.values()})


@pytest.mark.parametrize(("mild", "severe"), [*itertools.combinations(list(Mode)[1:], 2)])
def test_the_severer_of_two_is_in_force_whoever_imposed_it(mild: Mode, severe: Mode) -> None:
    both = (imposed(severe, source=Source.BREAKER), imposed(mild, scope="A-USD"))
    assert effective(both, "A-USD", NOW) == (severe, "breaker anna: why")
    assert effective(tuple(reversed(both)), "A-USD", NOW)[0] is severe


def test_what_is_imposed_on_a_symbol_is_no_other_symbols_business() -> None:
    assert effective((imposed(Mode.HALT, scope="A-USD"),), "B-USD", NOW) == (Mode.RUN, "")


def test_a_mode_is_over_at_the_moment_it_named() -> None:
    pause = imposed(Mode.PAUSE, until=NOW)
    assert effective((pause,), "A-USD", Instant(NOW - 1))[0] is Mode.PAUSE
    assert effective((pause,), "A-USD", NOW)[0] is Mode.RUN


@given(
    st.lists(
        st.builds(
            imposed,
            st.sampled_from(list(Mode)[1:]),
            scope=st.sampled_from((None, "A-USD", "B-USD")),
            source=st.sampled_from(Source),
            at=st.integers(0, NOW),
            until=st.none() | st.integers(0, 2 * NOW),
        )
    )
)
def test_nothing_that_stands_is_severer_than_what_is_in_force(standing: list[Imposed]) -> None:
    found = in_force(standing, "A-USD", NOW)
    for each in standing:
        if each.scope == "B-USD" or (each.until is not None and each.until <= NOW):
            assert each is not found
        else:
            assert found is not None
            assert SEVERITY[each.mode] <= SEVERITY[found.mode]
