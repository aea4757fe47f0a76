"""`quietmaker symbols`: which symbols may enter, why not, and what the operator says of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from quietmaker.core.filter_rules import Rule, Thresholds
from quietmaker.core.filter_states import FilterState, Policy
from quietmaker.core.outcomes import ratio_of, win_rate
from quietmaker.core.units import Instant
from quietmaker.errors import NotRunning, SafetyRefusal
from quietmaker.ledger.filter_books import PostgresFilterBooks
from quietmaker.ports import Override
from quietmaker.settings import Settings
from quietmaker.settings.symbols import wrong_symbol
from supervisors.clock import SystemClock, utc
from supervisors.commands.options import config_options, json_option, load_settings, say, write_json
from supervisors.commands.spans import Moment, moment, nanoseconds
from supervisors.commands.status import fetch
from supervisors.commands.symbols_explain import explanation, lines_of
from supervisors.desk import books_open, operator
from supervisors.home import Home
from supervisors.replayed import Judged, judged_since
from supervisors.survey import Surveyed, next_evaluation, survey
from supervisors.tables import (
    Record,
    brief,
    column,
    form_of,
    form_options,
    number,
    print_wide,
    signed,
    to_second,
    write_list,
)

_FIELDS: Final = (
    *("symbol", "state", "reason", "trades", "won", "win_rate_pct", "avg_pnl", "total_pnl"),
    *("spread_pct", "shadow_trades", "shadow_pnl", "since", "next_evaluation"),
)
_COLUMNS: Final = (
    column("symbol"),
    column("state"),
    number("trades"),
    number("win_rate_pct", "won %", show=brief),
    number("avg_pnl", "average", show=signed),
    number("total_pnl", "total", show=signed),
    number("spread_pct", "spread %", show=brief),
    number("shadow_trades", "shadow"),
    column("since", show=to_second),
    column("reason"),
)
_HISTORY: Final = 20


@click.group()
def symbols() -> None:
    """Show and change which symbols may enter. Exits never depend on it."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """The books, the configuration, and what a running instance says."""

    settings: Settings
    books: PostgresFilterBooks
    page: Mapping[str, Any]
    now: Instant

    def survey(self, policy: Policy | None = None) -> dict[str, Surveyed]:
        """Return every symbol, judged by the configuration or by another policy."""
        chosen = policy or self.settings.filter.policy()
        return survey(self.settings, self.books, self.page, policy=chosen, now=self.now)


@contextmanager
def _opened(config_file: Path, overrides: tuple[str, ...]) -> Iterator[_Opened]:
    settings, home = load_settings(config_file, overrides), Home.from_env(os.environ)
    with books_open(settings, home) as url:
        try:
            page = fetch(home).get("filter", {})
        except NotRunning:
            page = {}
        books = PostgresFilterBooks(lambda: url)
        try:
            yield _Opened(settings, books, page, SystemClock().now())
        finally:
            books.close()


def _checked(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if fault := wrong_symbol(value):
        raise click.BadParameter(fault, ctx=ctx, param=param)
    return value


_symbol = click.argument("symbol", callback=_checked)


# --- list -----------------------------------------------------------------------------------------


@symbols.command("list")
@config_options
@form_options
def list_symbols(
    config_file: Path, overrides: tuple[str, ...], as_json: bool, as_csv: bool
) -> None:
    """List the symbols with their state, its reason, and the numbers that they are judged by.

    The spread is what a running instance measures; without one it is unknown.
    """
    form = form_of(as_json=as_json, as_csv=as_csv)
    with _opened(config_file, overrides) as opened:
        due = next_evaluation(opened.page)
        found = opened.survey()
        records = [_record(symbol, each, due) for symbol, each in found.items()]
        page = opened.page
    write_list(
        form,
        records,
        name="symbols",
        fields=_FIELDS,
        columns=_COLUMNS,
        about={"running": bool(page), "failing": page.get("failing", "")},
    )
    if failing := page.get("failing"):
        say(f"the last evaluation did not hold: {failing}")
    if due is not None:
        say(f"next evaluation: {to_second(moment(due))} UTC")
    else:
        say("no instance runs: states are those of the last evaluation, spreads are unknown")


def _record(symbol: str, each: Surveyed, due: Instant | None) -> Record:
    real, shadow, average = each.evidence.real, each.evidence.shadow, each.evidence.spread.average
    traded = real.trips > 0
    since = each.standing.since
    return {
        "symbol": symbol,
        "state": each.state.value,
        "reason": each.reason,
        "trades": real.trips,
        "won": real.wins,
        "win_rate_pct": win_rate(wins=real.wins, trips=real.trips) * 100 if traded else None,
        "avg_pnl": ratio_of(real.net, Decimal(real.trips)) if traded else None,
        "total_pnl": real.net if traded else None,
        "spread_pct": None if average is None else average * 100,
        "shadow_trades": shadow.trips if each.state is FilterState.EXCLUDED else None,
        "shadow_pnl": shadow.net if each.state is FilterState.EXCLUDED else None,
        "since": moment(since) if since else None,
        "next_evaluation": None if due is None else moment(due),
    }


# --- explain --------------------------------------------------------------------------------------


@symbols.command()
@config_options
@json_option
@_symbol
def explain(config_file: Path, overrides: tuple[str, ...], as_json: bool, symbol: str) -> None:
    """Explain one symbol: every rule with value, threshold and verdict, and what would change it."""
    with _opened(config_file, overrides) as opened:
        found = opened.survey().get(symbol)
        if found is None:
            raise NotRunning(
                f"nothing is known of {symbol}: it was never traded, moved or spoken of"
            )
        policy = opened.settings.filter.policy()
        history = opened.books.history(symbol, limit=_HISTORY)
        due, now = next_evaluation(opened.page), opened.now
    told = explanation(symbol, found, policy, history, due, now)
    if as_json:
        write_json(told)
        return
    for line in lines_of(told):
        print_wide(line)


# --- the operator's word --------------------------------------------------------------------------


def _word(include: bool) -> Any:
    about = "let it in" if include else "deny it"

    def command(
        config_file: Path,
        overrides: tuple[str, ...],
        symbol: str,
        reason: str,
        until: datetime | None,
        days: int | None,
    ) -> None:
        if until is not None and days is not None:
            raise click.UsageError("--until and --days exclude each other")
        if days is not None:
            until = utc() + timedelta(days=days)
        _say_of(config_file, overrides, symbol, include, reason.strip(), until)

    reason = click.option("--reason", required=True, help=f"Why you {about}; it is stored.")
    end = click.option("--until", type=Moment(), metavar="TIME", help="When that ends (UTC).")
    days = click.option("--days", type=click.IntRange(1, 3_650), help="For so many days.")
    return config_options(_symbol(reason(end(days(command)))))


def _say_of(
    config_file: Path,
    overrides: tuple[str, ...],
    symbol: str,
    include: bool,
    reason: str,
    until: datetime | None,
) -> None:
    if not reason:
        raise click.UsageError("--reason must say something")
    with _opened(config_file, overrides) as opened:
        ends = None if until is None else nanoseconds(until)
        if ends is not None and ends <= opened.now:
            raise click.UsageError("--until lies in the past")
        if include and (banned := opened.settings.exclusion(symbol)) is not None:
            raise SafetyRefusal(f"the configuration bans {symbol} ({banned}); take it out there")
        opened.books.store_override(
            Override(
                symbol=symbol,
                at=opened.now,
                include=include,
                reason=reason,
                until=ends,
                operator=operator(),
            )
        )
        running = bool(opened.page)
    what = "may enter, at a reduced size at first" if include else "is denied"
    when = "within seconds" if running else "at the next start"
    say(f"{symbol} {what}, {when}; positions are left by their usual rules")


exclude = symbols.command(
    "exclude", help="Deny a symbol until it is included again, or for a time."
)(_word(include=False))
include = symbols.command(
    "include", help="Let a symbol in against the rules, through a probation at a reduced size."
)(_word(include=True))


# --- simulate -------------------------------------------------------------------------------------


@symbols.command()
@config_options
@form_options
@click.option("--min-win-rate", type=click.FloatRange(0, 1), help="A ratio: 0.35 is 35 %.")
@click.option("--min-avg-pnl", type=float, help="In quote currency.")
@click.option("--min-total-pnl", type=float, help="In quote currency.")
@click.option("--max-spread", type=click.FloatRange(0, 1), help="A ratio: 0.02 is 2 %.")
@click.option("--min-trades", type=click.IntRange(1), help="Fewer are no data.")
def simulate(
    config_file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    min_win_rate: float | None,
    min_avg_pnl: float | None,
    min_total_pnl: float | None,
    max_spread: float | None,
    min_trades: int | None,
) -> None:
    """Show what other thresholds or another configuration would change, without changing anything.

    Who would go, with what it earned since the rule would have failed it; who would come back, with what
    it earned in the shadow since it was excluded; and whose ban would end.
    """
    form = form_of(as_json=as_json, as_csv=as_csv)
    with _opened(config_file, overrides) as opened:
        policy = opened.settings.filter.policy()
        given = {
            "min_win_rate": min_win_rate,
            "min_avg_pnl": min_avg_pnl,
            "min_total_pnl": min_total_pnl,
            "max_spread": max_spread,
        }
        changes: dict[str, Any] = {n: Decimal(str(v)) for n, v in given.items() if v is not None}
        if min_trades is not None:
            changes["min_trades"] = min_trades
        other = replace(policy, thresholds=replace(policy.thresholds, **changes))
        changed = list(judged_since(opened.books, opened.survey(other), other, opened.now))
    write_list(
        form,
        [_change(each) for each in changed],
        name="changes",
        fields=("symbol", "state", "would", "because", "since", "pnl_since", "trades_since"),
        columns=(
            column("symbol"),
            column("state"),
            column("would"),
            number("pnl_since", "earned since", show=signed),
            number("trades_since", "trades"),
            column("since", show=to_second),
            column("because"),
        ),
        about={"thresholds": {n: str(v) for n, v in _shown(other.thresholds).items()}},
    )
    if not changed:
        say("nothing would change")


def _shown(limits: Thresholds) -> dict[str, object]:
    return {
        Rule.WIN_RATE.value: limits.min_win_rate,
        Rule.AVG_PNL.value: limits.min_avg_pnl,
        Rule.TOTAL_PNL.value: limits.min_total_pnl,
        Rule.SPREAD.value: limits.max_spread,
        "min_trades": limits.min_trades,
    }


def _change(each: Judged) -> Record:
    return {
        "symbol": each.symbol,
        "state": each.state.value,
        "would": each.would,
        "because": each.because,
        "since": None if each.since is None else moment(each.since),
        "pnl_since": each.trades.net if each.trades.trips else None,
        "trades_since": each.trades.trips,
    }
