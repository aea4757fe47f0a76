"""Whatever the admin endpoint is sent is either done or refused in words."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.units import Instant
from quietmaker.exchange.server.admin_market import KINDS, MarketError, parse_market
from quietmaker.exchange.server.faults import FaultError, parse_rule
from quietmaker.exchange.server.faults_points import POINTS
from tests.exchange.support import PRODUCT, SYMBOL

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)


def json_of(*words: str) -> st.SearchStrategy[object]:
    """Return JSON in which these words are frequent."""
    return st.recursive(
        SCALARS | st.sampled_from(words),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(words), inner, max_size=5)
        ),
        max_leaves=10,
    )


RULES = json_of(*POINTS, "point", "match", "probability", "count", "after", "parameters", "field")
EVENTS = json_of(*KINDS, "product", SYMBOL, "bids", "asks", "price", "size", "aggressor", "0.1")


@given(
    st.sampled_from(sorted(POINTS)),
    st.dictionaries(
        st.sampled_from(("match", "probability", "count", "after", "parameters")), RULES
    ),
    RULES,
)
def test_a_rule_is_read_or_refused(point: str, rest: dict[str, object], other: object) -> None:
    for body in ({"point": point, **rest}, other):
        with contextlib.suppress(FaultError):
            parse_rule(body)


@given(st.sampled_from(KINDS), EVENTS, EVENTS)
def test_a_market_event_is_read_or_refused(kind: str, said: object, other: object) -> None:
    for body in ({"product": SYMBOL, kind: said}, other):
        with contextlib.suppress(MarketError):
            parse_market(body, {SYMBOL: PRODUCT}, Instant(0))
