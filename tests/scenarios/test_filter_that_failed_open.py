"""The filter raised on every call for six days, the error passed for an empty list, and all bans were gone.

Its callers' fall-back was never reached, nothing measured its success, and a job beside it that fed another
gate crashed in three ways in a row. A filter that fails keeps what it said last, shows how old that is, and
before it has said anything nobody enters.

Incidents F1, F2.
"""

from __future__ import annotations

import pytest

from quietmaker.core.commands import Gate
from quietmaker.core.filter_states import FilterState
from quietmaker.errors import LedgerError
from tests.actors.test_symbol_filter import Rig, losing
from tests.kit.desk import Desk


def broken(*_: object, **__: object) -> object:
    raise LedgerError("AttributeError, in other words")


@pytest.mark.parametrize("call", ["trades", "overrides", "store_transitions"])
def test_six_days_of_errors_let_nobody_back_in(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = losing()
    monkeypatch.setattr(rig.books, call, broken)
    for _ in range(6 * 24):
        rig.hours(1)
    assert rig.state("A-USD") is FilterState.EXCLUDED
    assert rig.told("A-USD").rule == "win_rate 0 % < 30 % (6 trades)"
    assert rig.told("B-USD").rule is None
    last = rig.value("symbol_filter_last_success_timestamp_seconds")
    assert last is not None
    assert rig.clock.at / 1e9 - last >= 6 * 86_400
    assert (rig.value("symbol_filter_evaluations_total", result="failed") or 0) >= 6 * 24
    assert "AttributeError" in rig.eligibility.failing


def test_a_filter_that_never_worked_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    monkeypatch.setattr(rig.books, "transitions", broken)
    rig.begin()
    rig.hours(24)
    assert rig.traders["A-USD"].messages == []
    desk = Desk(ready=False)
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.WARMING_UP


def test_a_query_that_suddenly_finds_nothing_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    rig.trade("A-USD", *["-1"] * 12)
    rig.trade("B-USD", *["1"] * 12)
    rig.begin()
    monkeypatch.setattr(rig.books, "imported", {})
    rig.hours(1)
    assert "are gone" in rig.eligibility.failing
    assert rig.state("A-USD") is FilterState.EXCLUDED
    # Asking the same again at once would prove nothing: it is seen three times, an hour from each other.
    rig.hours(0.99)
    assert rig.value("symbol_filter_evaluations_total", result="refused") == 1
    rig.hours(0.01)
    assert rig.value("symbol_filter_evaluations_total", result="refused") == 2
