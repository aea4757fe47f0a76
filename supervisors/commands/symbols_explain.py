"""The story of one symbol for `symbols explain`: every rule, what keeps it out, and how it came there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from quietmaker.core.filter_remedies import remedy
from quietmaker.core.filter_rules import judge
from quietmaker.core.filter_states import FilterState, Policy, Transition, earliest
from quietmaker.core.units import Instant
from quietmaker.ports import Override
from supervisors.commands.spans import moment
from supervisors.survey import Surveyed
from supervisors.tables import as_data


def explanation(
    symbol: str,
    each: Surveyed,
    policy: Policy,
    history: list[Transition],
    due: Instant | None,
    now: Instant,
) -> dict[str, Any]:
    """Return everything that is known of a symbol, for JSON."""
    excluded = each.state is FilterState.EXCLUDED
    limits = policy.readmission if excluded and policy.shadow else policy.thresholds
    trades = each.evidence.shadow if excluded and policy.shadow else each.evidence.real
    verdict = judge(trades, each.evidence.spread, limits) if excluded else each.verdict
    return {
        "symbol": symbol,
        "state": each.state.value,
        "reason": each.reason,
        "since": _at(each.standing.since or None),
        "judged_on": "shadow trades, to come back" if excluded and policy.shadow else "real trades",
        "rules": [
            {
                "rule": result.rule.value,
                "finding": result.finding.value,
                "value": as_data(result.value),
                "threshold": as_data(result.threshold),
                "sample": result.sample,
                "words": result.words(),
                "would_change_it": remedy(result, trades, limits),
            }
            for result in verdict.results
        ],
        "kept_out_by": [
            {"words": obstacle.words, "until": _at(obstacle.until)} for obstacle in each.kept_out
        ],
        "earliest_return": _at(_earliest(each, policy, now)) if excluded else None,
        "operator": None if each.override is None else _override(each.override),
        "next_evaluation": _at(due),
        "history": [_transition(one) for one in history],
    }


def _earliest(each: Surveyed, policy: Policy, now: Instant) -> Instant:
    ends = [obstacle.until for obstacle in each.kept_out if obstacle.until is not None]
    return max([earliest(each.standing, policy, now), now, *ends])


def _override(said: Override) -> dict[str, object]:
    return {
        "action": "include" if said.include else "exclude",
        "at": _at(said.at),
        "until": _at(said.until),
        "reason": said.reason,
        "operator": said.operator,
    }


def _transition(one: Transition) -> dict[str, object]:
    return {
        "at": _at(one.at),
        "from": one.before.value,
        "to": one.after.value,
        "rule": one.rule,
        "value": as_data(one.value),
        "threshold": as_data(one.threshold),
        "sample": one.sample,
        "reason": one.reason,
    }


def _at(at: Instant | None) -> str | None:
    found = None if at is None else as_data(moment(at))
    return None if found is None else str(found)


def lines_of(told: dict[str, Any]) -> Iterator[str]:
    """Yield it in words."""
    since = f" since {told['since']}" if told["since"] else ""
    yield f"{told['symbol']} is {told['state']}{since}: {told['reason'] or 'no rule fails'}"
    yield f"judged on {told['judged_on']}:"
    for rule in told["rules"]:
        change = f"; would change it: {rule['would_change_it']}" if rule["would_change_it"] else ""
        yield f"  {rule['finding']:<8} {rule['words']}{change}"
    for obstacle in told["kept_out_by"]:
        until = f" (until {obstacle['until']})" if obstacle["until"] else ""
        yield f"  kept out: {obstacle['words']}{until}"
    if told["earliest_return"]:
        yield f"earliest return: {told['earliest_return']}, if the evidence is there by then"
    if told["operator"]:
        said = told["operator"]
        until = f" until {said['until']}" if said["until"] else ""
        yield f"operator {said['operator']} said {said['action']}{until}: {said['reason']}"
    yield f"next evaluation: {told['next_evaluation'] or 'at the next start'}"
    for one in told["history"]:
        yield f"  {one['at']} {one['from']} to {one['to']}, {one['rule']}: {one['reason']}"
