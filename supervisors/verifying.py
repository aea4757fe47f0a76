"""What a deployment is verified by: the checks of the founding document, each with what was found.

The predecessor's own verification printed what was configured and called it done; none of it was in force. So
nothing here looks at a setting alone: each check asks the running instance, or the books.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from quietmaker.core.fees import FeeRates
from quietmaker.core.units import PPB, Rate
from quietmaker.settings import Settings, effective_spread_formula, gate_params

BARRED: Final = frozenset({"excluded", "denied"})
STALE_FACTOR: Final = 2
"""An evaluation of the filter may be so many periods old."""
TIMED: Final = ("max_lifetime", "timeout_loss")
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Verdict(Enum):
    """What a check found."""

    OK = "ok"
    FAILED = "FAILED"
    WAITING = "waiting"
    """It cannot be known yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and what it found."""

    check: str
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was asked for, of the running instance and of the books.

    Attributes:
        settings: of the configuration file.
        expected: the commit that should run; None where nobody said.
        ready: the answer of ``/-/ready``.
        page: the answer of ``/-/status``.
        metrics: the text of ``/metrics``.
        entered: entries executed on symbols that may not be entered, since they may not, in the last day.
        exits: round trips closed in the last day, by the rule that closed them.
        agree: whether the books agree with themselves and, by the last tie-out, with the account.
    """

    settings: Settings
    expected: str | None
    ready: Mapping[str, Any]
    page: Mapping[str, Any]
    metrics: str
    entered: Mapping[str, int]
    exits: Mapping[str, int]
    agree: bool


def findings(seen: Seen) -> list[Finding]:
    """Return every check with what it found, in the order in which they are told."""
    return [
        _build(seen),
        _readiness(seen),
        _configuration(seen),
        _exclusions(seen),
        *_spreads(seen),
        _filter(seen),
        _no_entry_where_barred(seen),
        _keepalive(seen),
        _exits(seen, "break-even+ exits", ("break_even_plus",)),
        _exits(seen, "exits by age", TIMED),
        _orders(seen),
        _books(seen),
    ]


def barred_since(page: Mapping[str, Any]) -> dict[str, int]:
    """Return the symbols that may not be entered now, and since when, in seconds; 0 for ever."""
    symbols: Mapping[str, Mapping[str, Any]] = page["filter"]["symbols"]
    return {s: int(each["since"] or 0) for s, each in symbols.items() if each["state"] in BARRED}


def total(metrics: str, family: str, **labels: str) -> float:
    """Return the sum of the samples of a family that have these labels; 0 where there are none."""
    return sum(
        value for found, value in _samples(metrics, family) if labels.items() <= found.items()
    )


def _samples(metrics: str, family: str) -> Iterator[tuple[dict[str, str], float]]:
    for name, labels, value in _SAMPLE.findall(metrics):
        if name == family:
            yield dict(_LABEL.findall(labels)), float(value)


def _verdict(ok: bool) -> Verdict:
    return Verdict.OK if ok else Verdict.FAILED


def _build(seen: Seen) -> Finding:
    page, expected = seen.page, seen.expected
    runs = f"{page['version']} ({page['revision']}), {str(page['mode']).upper()} mode"
    if expected is None:
        return Finding("build", _verdict(page["revision"] != "unknown"), runs)
    return Finding(
        "build",
        _verdict(page["revision"] == expected),
        runs if page["revision"] == expected else f"{runs}; expected {expected}",
    )


def _readiness(seen: Seen) -> Finding:
    checks: Mapping[str, Mapping[str, Any]] = seen.ready["checks"]
    failing = [f"{name} ({each['detail']})" for name, each in checks.items() if not each["ok"]]
    told = ", ".join(failing) or f"{len(checks)} checks pass"
    return Finding("ready to trade", _verdict(bool(seen.ready["ready"])), told)


def _configuration(seen: Seen) -> Finding:
    running, file = seen.page["config_sha"], seen.settings.sha256
    told = f"{running[:12]} is in force"
    if running != file:
        told += f", the file makes {file[:12]}: reload it, or give the --set of the run here too"
    return Finding("configuration in force", _verdict(running == file), told)


def _exclusions(seen: Seen) -> Finding:
    """Check that whoever is banned neither quotes nor may: the ban that nobody read (F3, D4)."""
    symbols: Mapping[str, Mapping[str, Any]] = seen.page["filter"]["symbols"]
    banned = [s for s in symbols if _matches(s, seen.settings.universe.permanent_exclusions)]
    ignored = [s for s in banned if symbols[s]["state"] != "denied"]
    quoting = [
        line["symbol"]
        for line in seen.page["symbols"]
        if line["symbol"] in barred_since(seen.page)
        and any(side["reason"] == "quoted" for side in line["sides"].values())
    ]
    wrong = [f"{s} is not denied" for s in ignored] + [f"{s} is quoted" for s in quoting]
    barred = ", ".join(sorted(barred_since(seen.page))) or "none"
    return Finding(
        "exclusions", _verdict(not wrong), "; ".join(wrong) or f"never entered: {barred}"
    )


def _matches(symbol: str, patterns: tuple[str, ...]) -> bool:
    return any(
        re.fullmatch(re.escape(each).replace(r"\*", ".*"), symbol) is not None for each in patterns
    )


def _spreads(seen: Seen) -> Iterator[Finding]:
    """Check that the spread pays the fees, with the account's own rates in the formula."""
    fees = _fees(seen.metrics)
    for scope, chosen in seen.settings.scopes():
        gates = gate_params(chosen.gates)
        verdict = _verdict(gates.include_fees) if fees is not None else Verdict.WAITING
        place = "" if scope == "defaults" else f" of {scope}"
        yield Finding(f"fee-aware spread{place}", verdict, effective_spread_formula(gates, fees))


def _fees(metrics: str) -> FeeRates | None:
    rates = {labels["liquidity"]: v for labels, v in _samples(metrics, "quietmaker_fee_rate_ratio")}
    if not {"maker", "taker"} <= set(rates):
        return None
    maker, taker = (Rate(int(Decimal(repr(rates[each])) * PPB)) for each in ("maker", "taker"))
    return FeeRates(maker=maker, taker=taker)


def _filter(seen: Seen) -> Finding:
    found, chosen = seen.page["filter"], seen.settings.filter
    if not chosen.enabled:
        return Finding("symbol filter", Verdict.FAILED, "it is off (filter.enabled)")
    age = found["age_seconds"]
    if age is None:
        return Finding("symbol filter", Verdict.WAITING, f"not evaluated yet {found['failing']}")
    states = [each["state"] for each in found["symbols"].values()]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    late = age > STALE_FACTOR * chosen.evaluate_seconds
    told = f"{counts}, evaluated {age} s ago{'; ' if found['failing'] else ''}{found['failing']}"
    return Finding("symbol filter", _verdict(not late and not found["failing"]), told)


def _no_entry_where_barred(seen: Seen) -> Finding:
    told = ", ".join(f"{symbol}: {count}" for symbol, count in sorted(seen.entered.items()))
    return Finding("entries on excluded symbols, 24 h", _verdict(not seen.entered), told or "none")


def _keepalive(seen: Seen) -> Finding:
    lost = total(seen.metrics, "quietmaker_websocket_reconnects_total", reason="keepalive")
    return Finding("keepalive time-outs", _verdict(lost == 0), f"{lost:.0f} since the start")


def _exits(seen: Seen, check: str, rules: tuple[str, ...]) -> Finding:
    """Tell how often a rule closed a position; that it never did yet is no fault."""
    day = sum(seen.exits.get(rule, 0) for rule in rules)
    start = sum(total(seen.metrics, "quietmaker_exits_total", reason=rule) for rule in rules)
    verdict = Verdict.OK if day or start else Verdict.WAITING
    return Finding(check, verdict, f"{day} in 24 h, {start:.0f} since the start")


def _orders(seen: Seen) -> Finding:
    """Check that what the gates let pass becomes orders: for months none did (P3)."""
    quoting = total(seen.metrics, "quietmaker_quoting_seconds_total")
    sent = total(seen.metrics, "quietmaker_orders_submitted_total", purpose="entry")
    quoted = [
        line["symbol"]
        for line in seen.page["symbols"]
        if any(side["reason"] == "quoted" for side in line["sides"].values())
    ]
    if not sent and not quoted:
        return Finding("orders are sent", Verdict.WAITING, "no gate has let an entry pass yet")
    told = f"{sent:.0f} entries sent, {quoting:.0f} s quoted, {len(quoted)} symbols quoted now"
    return Finding("orders are sent", _verdict(sent > 0), told)


def _books(seen: Seen) -> Finding:
    found = seen.page["tie_out"]
    if found["verdict"] is None:
        return Finding("books and account", Verdict.WAITING, "not compared yet")
    ok = seen.agree and not found["differences"] and found["verdict"] != "different"
    verdict = Verdict.OK if found["verdict"] == "clean" else Verdict.WAITING
    told = f"{found['verdict']}, {len(found['differences'])} differences, {found['age_seconds']:.0f} s ago"
    return Finding("books and account", verdict if ok else Verdict.FAILED, told)
