"""Options that bound a list: a time span, a symbol, a strategy, a number of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, ParamSpec, TypeVar

import click

from quietmaker.core.units import NEVER, Instant
from quietmaker.settings.symbols import wrong_symbol
from supervisors.tables import stamp

P = ParamSpec("P")
R = TypeVar("R")
DAYS: Final = 30
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(click.ParamType[datetime]):
    """A day or a moment in ISO 8601; without a zone it is UTC."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is no time; write 2026-01-31, or 2026-01-31T12:00:00Z (UTC)", param, ctx
            )
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From a moment up to, but without, another; None has no bound."""

    since: datetime | None
    until: datetime | None

    @property
    def since_ns(self) -> Instant:
        """Return where it begins."""
        return Instant(0) if self.since is None else nanoseconds(self.since)

    @property
    def until_ns(self) -> Instant:
        """Return where it ends."""
        return NEVER if self.until is None else nanoseconds(self.until)

    def data(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "since": None if self.since is None else stamp(self.since),
            "until": None if self.until is None else stamp(self.until),
        }

    def words(self) -> str:
        """Say it."""
        begin = "the beginning" if self.since is None else stamp(self.since)
        return f"from {begin} until {'now' if self.until is None else stamp(self.until)}"


def span_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add ``--since``, ``--until`` and ``--days``; pass them to `span_of`."""
    since = click.option(
        "--since", type=Moment(), metavar="TIME", help="From this day or moment on (UTC)."
    )
    until = click.option("--until", type=Moment(), metavar="TIME", help="Before this moment.")
    days = click.option(
        "--days",
        type=click.IntRange(min=1, max=36_500),
        help=f"The last days instead of --since.  [default: {DAYS}]",
    )
    return since(until(days(command)))


def list_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add what narrows a list of trades down: a time span, a symbol, a strategy, a limit."""
    symbol = click.option(
        "--symbol", metavar="S", callback=_symbol, help="One symbol, such as TNSR-USD."
    )
    strategy = click.option("--strategy", metavar="TAG", help="One strategy tag.")
    limit = click.option(
        "--limit",
        type=click.IntRange(min=1, max=100_000),
        default=50,
        show_default=True,
        help="At most so many, the latest.",
    )
    return symbol(span_options(strategy(limit(command))))


def span_of(
    *, since: datetime | None, until: datetime | None, days: int | None, now: datetime
) -> Span:
    """Return the span that the options name, the last 30 days if none.

    Raises:
        click.UsageError: if they contradict one another.
    """
    if since is not None and days is not None:
        raise click.UsageError("--since and --days exclude each other")
    if since is None and (days is not None or until is None):
        since = now - timedelta(days=days or DAYS)
    if since is not None and until is not None and since >= until:
        raise click.UsageError(f"--since {stamp(since)} is not before --until {stamp(until)}")
    return Span(since=since, until=until)


def nanoseconds(moment: datetime) -> Instant:
    """Return a moment as the books count it."""
    passed = moment - _EPOCH
    return Instant(
        ((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1_000
    )


def moment(at: Instant) -> datetime:
    """Return what the books counted as a moment, to the microsecond."""
    return _EPOCH + timedelta(microseconds=at // 1_000)


def _symbol(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and (fault := wrong_symbol(value)):
        raise click.BadParameter(fault, ctx=ctx, param=param)
    return value
