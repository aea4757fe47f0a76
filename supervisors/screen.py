"""The live status for people: a table per symbol, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from quietmaker.core.units import ROUNDED, plain

_COLUMNS = (
    "symbol",
    "age",
    "bid",
    "ask",
    "our bid",
    "position",
    "exit",
    "unrealized",
    "trips",
    "net",
    "why",
)

MOST_LIMITS: Final = 6
"""Limits that are shown, the most used first; /-/status has them all."""
FULL: Final = 100.0
NEARLY_FULL: Final = 80.0
BAR: Final = 24
_TEN: Final = 10
_FOURTH: Final = Decimal("0.0001")


def render(page: Mapping[str, Any]) -> RenderableType:
    """Return the status document as it is shown on a terminal."""
    if not page:
        return Text("starting ...")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in {"symbol", "why"} else "right")
    for line in page["symbols"]:
        table.add_row(*cells(line))
    alarming = warnings(page)
    return Group(
        Text(headline(page), style="bold"),
        *([Text(alarming, style="bold red")] if alarming else []),
        table,
        Text(totals(page)),
        *risk(page),
        Text(symbol_filter(page)),
        Text(books(page)),
    )


def risk(page: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield equity, the limits as bars with what is used of each, and the breakers that are open."""
    found = page.get("risk")
    if not found:
        return
    for money, each in found["equity"].items():
        down = "" if each["drawdown_pct"] is None else f", {each['drawdown_pct']} % below its peak"
        yield Text(
            f"equity {each['value']} {money}: {each['capital']} put in, {each['result']} made of it{down}"
        )
    bars = Table(box=None, pad_edge=False, show_header=False)
    for limit in found["limits"][:MOST_LIMITS]:
        bars.add_row(*_bar(limit))
    yield bars
    for each in found["breakers"]:
        scope = each["scope"] or "the whole account"
        again = each["resumes_in_seconds"]
        wait = f", again in {again} s" if again is not None else ""
        text = f"breaker {each['breaker']} of {scope}: {each['phase']}{wait}: {each['reason']}"
        yield Text(text, style="red")


def _bar(limit: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    used = float(limit["used_pct"])
    style = "red" if used >= FULL else "yellow" if used >= NEARLY_FULL else "green"
    bar = ProgressBar(
        total=FULL, completed=min(used, FULL), width=BAR, complete_style=style, finished_style=style
    )
    scope = f" {limit['scope']}" if limit["scope"] else ""
    return (
        limit["limit"],
        bar,
        f"{limit['used_pct']} %",
        f"{short(limit['value'])} of {limit['of']}{scope}",
    )


def short(amount: str) -> str:
    """Return an amount for the eye, with four decimals at most; `--json` has every digit."""
    return plain(ROUNDED.quantize(Decimal(amount), _FOURTH)) if "." in amount else amount


def symbol_filter(page: Mapping[str, Any]) -> str:
    """Return how many symbols stand where, how old that is, and why it is no newer."""
    found = page["filter"]
    if found["evaluated_at"] is None:
        return f"symbol filter: {found['failing']}; nothing is entered"
    states = Counter(each["state"] for each in found["symbols"].values())
    shown = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    failing = f"; THE LAST EVALUATION DID NOT HOLD: {found['failing']}" if found["failing"] else ""
    trials = [s for s, each in found["symbols"].items() if each["state"] == "probation"]
    trial = f"; at a reduced size: {', '.join(trials)}" if trials else ""
    return f"symbol filter: {shown}, evaluated {found['age_seconds']} s ago{trial}{failing}"


def books(page: Mapping[str, Any]) -> str:
    """Return whether books and account agree, and a line for each difference that is open."""
    found = page["tie_out"]
    if found["verdict"] is None:
        return "books and account: not compared yet"
    detail = f" ({found['detail']})" if found["detail"] else ""
    lines = [
        f"books and account: {found['verdict']} {found['age_seconds']:.0f} s ago{detail}",
        *(f"  {d['kind']} {d['subject']}: {d['detail']}" for d in found["differences"]),
    ]
    return "\n".join(lines)


def headline(page: Mapping[str, Any]) -> str:
    """Return one line about the process."""
    failing = [name for name, check in page["checks"].items() if not check["ok"]]
    ready = "ready" if not failing else f"not ready: {', '.join(failing)}"
    skew = page["clock_skew_seconds"]
    clock = "unknown" if skew is None else f"{skew:+.3f} s"
    return (
        f"{page['mode'].upper()}  {page['state']}  {ready}  market {page['market']}  "
        f"run {page['run']}  newest data {age(newest(page))}  exchange's clock {clock}  {page['at']}  "
        f"version {page['version']} ({page['revision'][:12]})"
    )


def newest(page: Mapping[str, Any]) -> float | None:
    """Return the age of the newest market data of any symbol."""
    ages = [line["data_age_seconds"] for line in page["symbols"]]
    return min((each for each in ages if each is not None), default=None)


def warnings(page: Mapping[str, Any]) -> str:
    """Return what an operator must not overlook: dangerous settings, and modes that stand."""
    lines = [f"UNSAFE: {text}" for text in page["unsafe"]]
    for each in page["modes"]:
        scope = each["scope"] or "the whole account"
        lines.append(
            f"{each['mode'].upper()} for {scope}: {each['source']} {each['by']}: {each['reason']}"
        )
    return "\n".join(lines)


def totals(page: Mapping[str, Any]) -> str:
    """Return one line per quote currency."""
    lines = [
        f"{currency}: net {t['net']} after {t['fees']} fees in {t['round_trips']} round trips "
        f"({t['wins']} won), unrealized {t['unrealized']}, exposure {t['exposure']}"
        for currency, t in page["totals"].items()
    ]
    return "\n".join(lines)


def cells(line: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one symbol's row."""
    buy = line["sides"].get("BUY", {"quotes": [], "reason": "side_off", "detail": ""})
    quote = buy["quotes"][0]["price"] if buy["quotes"] else "-"
    leave = "-" if line["exit"] is None else f"{line['exit']['price']} {line['exit']['reason']}"
    return (
        line["symbol"],
        age(line["data_age_seconds"]),
        line["bid"] or "-",
        line["ask"] or "-",
        quote,
        line["position"] if line["position"] != "0" else "-",
        leave,
        line["unrealized"] or "-",
        str(line["round_trips"]),
        line["net"],
        why(line),
    )


def age(seconds: float | None) -> str:
    """Return how old a symbol's market data is."""
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < _TEN else f"{seconds:.0f} s"


def why(line: Mapping[str, Any]) -> str:
    """Return, side by side, why nothing is quoted, or that it is."""
    parts = []
    for name, side in line["sides"].items():
        reason, detail = side["reason"], side["detail"]
        text = reason
        if detail:
            text = detail if detail.startswith(reason) else f"{reason}: {detail}"
        parts.append(text if len(line["sides"]) == 1 else f"{name} {text}")
    return "; ".join(parts)
