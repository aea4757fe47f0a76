"""A mapping that changes while others read it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.live import Live


def test_an_iteration_that_has_begun_sees_nothing_of_a_change() -> None:
    live = Live({"A": 1, "B": 2})
    seen = []
    for symbol, value in live.items():
        live.drop("B")
        live.put("C", 3)
        seen.append((symbol, value))
    assert seen == [("A", 1), ("B", 2)]
    assert dict(live) == {"A": 1, "C": 3}


def test_it_begins_with_a_copy() -> None:
    given_ = {"A": 1}
    live = Live(given_)
    given_["B"] = 2
    assert list(live) == ["A"]


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.none() | st.integers())))
def test_it_says_what_a_dictionary_would_say(changes: list[tuple[str, int | None]]) -> None:
    live, plain = Live[int]({}), dict[str, int]()
    for symbol, value in changes:
        if value is None:
            live.drop(symbol)
            plain.pop(symbol, None)
        else:
            live.put(symbol, value)
            plain[symbol] = value
        assert live == plain
        assert (len(live), list(live), list(live.keys())) == (len(plain), list(plain), list(plain))
        assert sorted(live.values()) == sorted(plain.values())
        assert live.get("A") == plain.get("A")
