"""A command is obeyed, audited, counted, and changes nothing the second time."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from quietmaker.core.events import Mode
from quietmaker.core.modes import Source
from supervisors.control import NOBODY, Word, state_of
from tests.supervisors.control_rig import Rig, view_of


@pytest.mark.parametrize("word", [word for word in Word if word is not Word.RESUME])
def test_a_command_imposes_its_mode_and_leaves_a_row(word: Word) -> None:
    rig = Rig()
    status, answer = rig.command(word.value, reason="maintenance", by="anna")
    assert (status, answer["changed"], answer["trouble"]) == (HTTPStatus.OK, True, "")
    assert rig.modes.of("A-USD", rig.clock.now()).mode is word.mode
    (row,) = rig.actions()
    assert (row.operator, row.action, row.outcome) == ("anna", word.value, "done")
    assert dict(row.arguments) == {"symbol": "", "reason": "maintenance"}
    assert rig.counted(word.value, "done") == 1


def test_the_same_command_again_changes_nothing_and_says_so() -> None:
    rig = Rig()
    first, second = rig.command("halt", by="anna"), rig.command("halt", by="ben")
    assert (first[1]["changed"], second[1]["changed"]) == (True, False)
    assert [each["by"] for each in second[1]["standing"]] == ["anna"]
    assert len(rig.ledger.waiting) + len(rig.ledger.modes) == 3  # one mode, two rows of the audit
    assert rig.counted("halt", "unchanged") == 1


def test_a_milder_command_does_not_loosen_a_severer_one() -> None:
    rig = Rig()
    rig.command("halt", by="anna", reason="odd fills")
    status, answer = rig.command("pause", by="ben")
    assert status is HTTPStatus.CONFLICT
    assert "odd fills" in answer["error"]
    assert rig.modes.of("A-USD", rig.clock.now()).mode is Mode.HALT
    assert rig.actions()[-1].outcome.startswith("refused: halt stands")
    assert rig.counted("pause", "refused") == 1


def test_a_resume_takes_back_the_operators_word_and_a_breakers_but_not_the_rosters() -> None:
    rig = Rig()
    rig.modes.impose(Source.BREAKER, None, Mode.HALT, reason="lost", by="max_daily_loss")
    rig.modes.impose(Source.ROSTER, "A-USD", Mode.DRAIN, reason="gone", by="universe.symbols")
    rig.command("pause", by="anna")
    _, answer = rig.command("resume", by="anna", reason="looked at it")
    assert answer["changed"]
    assert [(e["scope"], e["source"]) for e in answer["standing"]] == [("A-USD", "roster")]
    assert rig.modes.of("B-USD", rig.clock.now()).mode is Mode.RUN
    assert not rig.command("resume", by="anna")[1]["changed"]


def test_a_resume_of_the_account_leaves_what_stands_for_a_symbol_and_lists_it() -> None:
    rig = Rig()
    rig.command("pause", symbol="A-USD", by="anna")
    rig.command("pause", by="anna")
    _, answer = rig.command("resume", by="anna")
    assert [each["scope"] for each in answer["standing"]] == ["A-USD"]


def test_what_stands_for_a_symbol_that_is_gone_can_still_be_taken_back() -> None:
    rig = Rig()
    rig.modes.impose(Source.BREAKER, "GONE-USD", Mode.HALT, reason="lost", by="max_daily_loss")
    assert rig.command("resume", symbol="GONE-USD", by="anna")[1]["changed"]
    assert rig.command("resume", symbol="GONE-USD", by="anna")[0] is HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("word", Word)
def test_a_dry_run_says_what_would_be_done_and_does_nothing(word: Word) -> None:
    rig = Rig()
    rig.board.show(view_of("A-USD", position="800", quotes=1))
    rig.board.show(view_of("B-USD", quotes=2))
    status, answer = rig.command(word.value, dry_run=True)
    assert (status, answer["entry_orders"], answer["dry_run"]) == (HTTPStatus.OK, 3, True)
    assert [each["symbol"] for each in answer["positions"]] == ["A-USD"]
    assert rig.modes.standing() == ()
    assert rig.actions() == []


def test_what_would_be_sold_is_said_with_its_cost_and_result() -> None:
    rig = Rig()
    rig.board.show(view_of("A-USD", position="800", quotes=1))
    _, answer = rig.command("flatten", symbol="A-USD", dry_run=True)
    assert answer["would"] == (
        "A-USD: cancel 1 entry order and enter nothing until `resume`; leave 1 position at once, as"
        " taker: 80 USD at cost (-0.5 unrealized)"
    )
    assert "nothing is held" in rig.command("halt", symbol="B-USD", dry_run=True)[1]["would"]


@pytest.mark.parametrize(
    ("document", "status", "words"),
    [
        ({"symbol": "a-usd"}, HTTPStatus.NOT_FOUND, "did you mean A-USD"),
        ({"symbol": 7}, HTTPStatus.BAD_REQUEST, "symbol must be a text"),
        ({"reason": "x" * 501}, HTTPStatus.BAD_REQUEST, "reason must be"),
        ({"symbl": "A-USD"}, HTTPStatus.BAD_REQUEST, "unknown: symbl"),
        ({"dry_run": "yes"}, HTTPStatus.BAD_REQUEST, "dry_run"),
    ],
)
def test_what_makes_no_sense_is_refused_and_audited(
    document: dict[str, object], status: HTTPStatus, words: str
) -> None:
    rig = Rig()
    found, answer = rig.command("halt", **document)
    assert (found, rig.modes.standing()) == (status, ())
    assert words in answer["error"]
    (row,) = rig.actions()
    assert (row.operator, row.outcome) == (NOBODY, f"refused: {answer['error']}")


def test_a_command_that_cannot_be_recorded_is_obeyed_and_that_is_said() -> None:
    rig = Rig()
    rig.ledger.close()
    status, answer = rig.command("halt", by="anna")
    assert (status, answer["changed"]) == (HTTPStatus.OK, True)
    assert "no record" in answer["trouble"]
    assert rig.kill.halted
    assert rig.counted("halt", "failed") == 1


def test_nothing_is_promised_before_anything_trades() -> None:
    rig = Rig(up=False)
    status, answer = rig.command("halt", by="anna")
    assert status is HTTPStatus.SERVICE_UNAVAILABLE
    assert "starting" in answer["error"]


def test_the_state_of_the_process_follows_the_mode_of_the_account_only() -> None:
    rig = Rig()
    shown = []
    for word in ("pause", "drain", "flatten", "halt", "resume"):
        rig.command(word, by="anna")
        shown.append(state_of(rig.trading, rig.clock.now()).value)
    rig.command("halt", symbol="A-USD", by="anna")
    shown.append(state_of(rig.trading, rig.clock.now()).value)
    assert shown == ["paused", "draining", "draining", "halted", "running", "running"]
