"""What an operator sees: modes that stand, limits as bars, how old it all is, and that nobody answers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType

from actors.board import Board
from actors.eligibility import Eligibility
from actors.status import document
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import NotRunning
from supervisors.commands.status import follow
from supervisors.screen import MOST_LIMITS, render, short
from tests.kit.makers import START
from tests.supervisors.control_rig import view_of

LATER = Instant(START + 3 * SECOND)


def page_with(**parts: Any) -> dict[str, Any]:
    board = Board()
    board.show(view_of("A-USD", quotes=1))
    return {
        "mode": "live",
        "state": "halted",
        "market": "Coinbase",
        "run": 3,
        "version": "0.1.0",
        "revision": "0123456789abcdef",
        "at": "2026-01-01T00:00:00.000Z",
        "checks": {},
        "modes": [],
        "unsafe": [],
        "filter": Eligibility().document(START),
        "tie_out": {"verdict": None},
        **document(board, LATER),
        **parts,
    }


def shown(what: RenderableType) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text()


def limit(name: str, used: str, scope: str | None = None) -> dict[str, Any]:
    return {"limit": name, "scope": scope, "value": "40", "of": "50", "used_pct": used}


def test_the_first_line_says_what_is_traded_in_what_state_and_how_old_the_market_is() -> None:
    first = shown(render(page_with())).splitlines()[0]
    assert first.startswith("LIVE  halted")
    assert "newest data 3.0 s" in first


def test_every_mode_that_stands_is_shown_with_who_and_why() -> None:
    mode = {
        "scope": None,
        "source": "operator",
        "mode": "halt",
        "by": "anna",
        "reason": "odd fills",
    }
    text = shown(render(page_with(modes=[mode], unsafe=["fees are not counted"])))
    assert "HALT for the whole account: operator anna: odd fills" in text
    assert "UNSAFE: fees are not counted" in text


def test_equity_limits_and_open_breakers_are_shown_the_most_used_limit_first() -> None:
    money = {"value": "990", "capital": "1000", "result": "-10", "drawdown_pct": "1"}
    risk = {
        "equity": {"USD": money},
        "limits": [limit("risk.max_daily_loss", "80", "A-USD")]
        + [limit(f"quote.other_{number}", "5") for number in range(MOST_LIMITS)],
        "breakers": [
            {
                "breaker": "max_daily_loss",
                "scope": "A-USD",
                "phase": "cooling",
                "reason": "5 of 5 lost",
                "trips": 1,
                "resumes_in_seconds": 60,
            }
        ],
    }
    text = shown(render(page_with(risk=risk)))
    assert "equity 990 USD: 1000 put in, -10 made of it, 1 % below its peak" in text
    assert "risk.max_daily_loss" in text
    assert "80 %" in text
    assert "40 of 50 A-USD" in text
    assert "breaker max_daily_loss of A-USD: cooling, again in 60 s: 5 of 5 lost" in text
    assert f"other_{MOST_LIMITS - 1}" not in text, "/-/status has them all"


def test_an_amount_is_shown_for_the_eye() -> None:
    shown_as = {
        "0.03125105178153634": "0.0313",
        "250": "250",
        "74.992808": "74.9928",
        "-0.5": "-0.5",
    }
    assert {amount: short(amount) for amount in shown_as} == shown_as


def test_a_bar_is_as_long_as_what_is_used() -> None:
    lengths = []
    for used in ("0", "50", "100", "250"):
        risk = {"equity": {}, "limits": [limit("risk.x", used)], "breakers": []}
        console = Console(
            width=200, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )
        with console.capture() as captured:
            console.print(render(page_with(risk=risk)))
        line = next(each for each in captured.get().splitlines() if "risk.x" in each)
        first = line.partition("\x1b[0m")[0] if used != "0" else ""
        lengths.append(first.count("━"))
    assert lengths == [0, 12, 24, 24]


def test_each_symbol_has_the_age_of_its_data_and_why_it_does_not_quote() -> None:
    line = next(each for each in shown(render(page_with())).splitlines() if "A-USD" in each)
    assert "3.0 s" in line
    assert line.rstrip().endswith("quoted")


def test_while_nobody_answers_the_watch_goes_on_and_says_since_when() -> None:
    answers: Iterator[dict[str, Any] | Exception] = iter(
        [
            page_with(),
            NotRunning("it is gone"),
            TimeoutError("it hangs"),
            page_with(state="running"),
        ]
    )

    def ask() -> dict[str, Any]:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    paused: list[float] = []
    frames = follow(ask, paused.append)
    texts = [shown(next(frames)) for _ in range(4)]
    assert "NO ANSWER" not in texts[0]
    assert "NO ANSWER: it is gone; below is what was known at 2026-01-01T00:00:00.000Z" in texts[1]
    assert "NO ANSWER: it hangs" in texts[2]
    assert texts[3].startswith("LIVE  running")
    assert paused == [1.0] * 4
