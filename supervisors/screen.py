"""The live status for people: a table per symbol, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_COLUMNS = (
    "symbol",
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


def render(page: Mapping[str, Any]) -> RenderableType:
    """Return the status document as it is shown on a terminal."""
    if not page:
        return Text("starting ...")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in {"symbol", "why"} else "right")
    for line in page["symbols"]:
        table.add_row(*cells(line))
    return Group(
        Text(headline(page), style="bold"),
        table,
        Text(totals(page)),
        Text(symbol_filter(page)),
        Text(books(page)),
    )


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
        f"run {page['run']}  exchange's clock {clock}  {page['at']}  "
        f"version {page['version']} ({page['revision'][:12]})"
    )


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
