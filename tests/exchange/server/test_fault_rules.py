"""Fault rules: what they match, how often they fire, and that they repeat exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quietmaker.exchange.server.faults import FaultError, Faults, parse_rule
from quietmaker.exchange.server.faults_points import POINTS


def rules(*bodies: dict[str, Any], seed: int = 1) -> Faults:
    faults = Faults(seed=seed)
    for body in bodies:
        faults.install(parse_rule(body))
    return faults


def fired(faults: Faults, times: int, **subject: str) -> list[bool]:
    return [bool(tuple(faults.fire("ws", subject))) for _ in range(times)]


def test_without_rules_nothing_goes_wrong() -> None:
    faults = Faults(seed=1)
    assert not faults.active("ws")
    assert fired(faults, 3) == [False] * 3


def test_a_rule_skips_the_first_and_fires_so_often() -> None:
    faults = rules({"point": "ws.drop", "after": 2, "count": 3})
    assert fired(faults, 8) == [False, False, True, True, True, False, False, False]
    described = faults.installed()[0].describe()
    assert (described["seen"], described["fired"]) == (8, 3)


def test_a_rule_counts_only_what_it_matches() -> None:
    faults = rules({"point": "ws.drop", "match": {"channel": "l2_*", "product": ["A", "B"]}})
    assert fired(faults, 1, channel="l2_data", product="B") == [True]
    assert fired(faults, 1, channel="l2_data", product="C") == [False]
    assert fired(faults, 1, channel="ticker", product="A") == [False]
    assert faults.installed()[0].seen == 1


def test_the_same_seed_rules_and_events_give_the_same_faults() -> None:
    body = {"point": "ws.drop", "probability": 0.3}
    first, again = fired(rules(body), 400), fired(rules(body), 400)
    assert first == again
    assert 80 < sum(first) < 160
    assert fired(rules(body, seed=2), 400) != first


def test_a_rule_draws_for_itself() -> None:
    body = {"point": "ws.drop", "probability": 0.3, "match": {"channel": "ticker"}}
    alone = rules(body)
    crowded = rules(body, {"point": "ws.gap", "probability": 0.5})
    for faults in (alone, crowded):
        fired(faults, 50, channel="ticker")
    assert alone.installed()[0].fired == crowded.installed()[0].fired


def test_clearing_counts_again_from_one() -> None:
    faults = rules({"point": "ws.drop", "probability": 0.3})
    first = fired(faults, 100)
    faults.clear()
    assert not faults.active("ws")
    installed = faults.install(parse_rule({"point": "ws.drop", "probability": 0.3}))
    assert installed.number == 1
    assert fired(faults, 100) == first


def test_a_removed_rule_fires_no_more() -> None:
    faults = rules({"point": "ws.drop"}, {"point": "ws.drop"})
    assert faults.remove(1)
    assert not faults.remove(1)
    assert fired(faults, 1) == [True]
    assert faults.remove(2)
    assert fired(faults, 1) == [False]


def test_of_one_point_the_first_rule_that_fires_acts_and_the_next_waits_its_turn() -> None:
    faults = rules({"point": "ws.gap", "count": 1}, {"point": "ws.gap"}, {"point": "ws.drop"})
    points = [[rule.point.name for rule in faults.fire("ws", {})] for _ in range(2)]
    assert points == [["ws.gap", "ws.drop"]] * 2
    assert [rule.fired for rule in faults.installed()] == [1, 1, 2]


def test_changes_of_several_fields_act_together() -> None:
    bodies = [{"point": "ws.set", "parameters": {"field": field}} for field in ("a", "b")]
    assert len(tuple(rules(*bodies).fire("ws", {}))) == 2


def test_asking_for_one_point_leaves_the_others_alone() -> None:
    faults = rules({"point": "order.die", "count": 1}, {"point": "order.unsettled", "count": 1})
    assert faults.first("order.unsettled", {}) is not None
    assert faults.first("order.unsettled", {}) is None
    assert faults.first("order.die", {}) is not None


def test_booleans_match_as_the_subject_has_them() -> None:
    faults = rules({"point": "order.die", "match": {"post_only": True}})
    assert faults.first("order.die", {"post_only": "false"}) is None
    assert faults.first("order.die", {"post_only": "true"}) is not None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "JSON object"),
        ({"point": "ws.explode"}, "unknown point 'ws.explode'; there are clock.skew, "),
        ({"point": ["ws.drop"]}, "unknown point"),
        ({"point": "ws.drop", "propability": 1}, "rule: unknown propability; there are after, "),
        (
            {"point": "ws.drop", "match": {"path": "/"}},
            "match of ws.drop: unknown path; there are ",
        ),
        ({"point": "ws.drop", "match": []}, "match of ws.drop is an object"),
        ({"point": "ws.drop", "match": {"channel": None}}, "channel is text"),
        ({"point": "ws.drop", "match": {"channel": []}}, "channel is text"),
        ({"point": "ws.drop", "probability": 1.5}, "from 0 to 1"),
        ({"point": "ws.drop", "probability": True}, "from 0 to 1"),
        ({"point": "ws.drop", "count": -1}, "count is a whole number"),
        ({"point": "ws.drop", "after": 1.5}, "after is a whole number"),
        (
            {"point": "ws.delay", "parameters": {"seconds": 1}},
            "parameters of ws.delay: unknown seconds; there are ms",
        ),
        ({"point": "ws.delay", "parameters": {"ms": "1"}}, "ms is a int, not '1'"),
        ({"point": "ws.delay", "parameters": []}, "are an object"),
        ({"point": "ws.gap", "parameters": {"skip": -1}}, "skip is not negative"),
        ({"point": "ws.set", "parameters": {"value": 1}}, "needs the parameter field"),
        ({"point": "ws.garbage", "parameters": {"kind": "tea"}}, "one of text, utf8, wire"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_with_what_it_could_mean(body: Any, says: str) -> None:
    with pytest.raises(FaultError) as refusal:
        parse_rule(body)
    assert says in str(refusal.value)


def test_every_point_can_be_installed_as_it_is() -> None:
    for name, point in POINTS.items():
        parameters = {"field": "price"} if "field" in point.parameters else {}
        assert parse_rule({"point": name, "parameters": parameters}).point is point


def test_the_documentation_names_every_point_with_its_defaults() -> None:
    text = (Path(__file__).parents[3] / "docs" / "paper-exchange.md").read_text(encoding="utf-8")
    for point in POINTS.values():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{point.name}` |")]
        assert point.meaning in row
        for key, value in point.parameters.items():
            assert f"`{key}`: `{json.dumps(value)}`" in row
