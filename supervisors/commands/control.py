"""`quietmaker pause|resume|drain|flatten|halt`: command the running instance."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import click

from quietmaker.errors import QuietmakerError, SafetyRefusal
from supervisors.asking import ask
from supervisors.commands.options import json_option, say, write_json
from supervisors.control import DESTRUCTIVE, PREFIX, Word
from supervisors.desk import operator
from supervisors.home import Home

_ABOUT: Final = {
    Word.PAUSE: """Stop entries; exits go on. `resume` takes it back.

    Entry orders are cancelled at once, and positions are left by their usual rules.""",
    Word.RESUME: """Let entries be made again: take back pause, drain, flatten or halt.

    Also what a breaker imposed. Without --symbol it takes back what stands for the whole account; what
    stands for single symbols is taken back with --symbol, and is listed.""",
    Word.DRAIN: """Stop entries for as long as it takes to become flat by the usual exits.

    Nothing is sold in a hurry, and nothing is bought again until `resume`.""",
    Word.FLATTEN: """Leave every position at once, as taker, and enter nothing until `resume`.

    Says what it would sell first, and needs --yes where nobody can be asked.""",
    Word.HALT: """Stop everything: cancel, leave every position as taker, and stay so after a restart.

    Says what it would sell first, and needs --yes where nobody can be asked. `resume` ends it.""",
}


def _make(word: Word) -> click.Command:
    @click.option("--symbol", metavar="S", help="One symbol; else the whole account.")
    @click.option("--reason", default="", metavar="R", help="For the record.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @click.option("--dry-run", is_flag=True, help="Only say what it would do.")
    @json_option
    def command(symbol: str | None, reason: str, yes: bool, dry_run: bool, as_json: bool) -> int:
        home = Home.from_env(os.environ)
        wish = {"symbol": symbol, "reason": reason, "by": operator()}
        path = f"{PREFIX}{word.value}"
        if dry_run:
            _show(ask(home, path, {**wish, "dry_run": True}), as_json=as_json)
            return 0
        if word in DESTRUCTIVE and not yes:
            _confirm(word, ask(home, path, {**wish, "dry_run": True}))
        answer = ask(home, path, wish)
        _show(answer, as_json=as_json)
        if answer["trouble"]:
            raise QuietmakerError(answer["trouble"])
        return 0

    return click.command(word.value, help=_ABOUT[word])(command)


def _confirm(word: Word, preview: dict[str, Any]) -> None:
    """Say what would happen, and go on only if somebody agrees.

    Raises:
        SafetyRefusal: if nobody can be asked.
        click.Abort: if somebody declines.
    """
    say(f"{word.value} would do this: {preview['would']}")
    for each in preview["positions"]:
        result = each["unrealized"] or "unknown"
        say(f"  {each['symbol']}: {each['position']} for {each['cost']}, unrealized {result}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SafetyRefusal(
            f"{word.value} cannot be taken back; say --yes where nobody can be asked"
        )
    click.confirm("Do it?", abort=True, err=True)


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(answer)
        return
    if answer.get("dry_run"):
        click.echo(f"would do this: {answer['would']}")
        return
    scope = answer["symbol"] or "the whole account"
    done = "done" if answer["changed"] else "stood already"
    click.echo(f"{answer['action']} {scope}: {done}")
    for each in answer["standing"]:
        click.echo(
            f"  {each['mode']} for {each['scope'] or 'the account'}: {each['source']} {each['by']}: "
            f"{each['reason']}"
        )


pause = _make(Word.PAUSE)
resume = _make(Word.RESUME)
drain = _make(Word.DRAIN)
flatten = _make(Word.FLATTEN)
halt = _make(Word.HALT)
