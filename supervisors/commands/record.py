"""`quietmaker record`: any market source as a Parquet recording."""

from __future__ import annotations

from pathlib import Path

import click

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.units import seconds
from quietmaker.errors import SafetyRefusal
from quietmaker.market.recorder import write_parquet
from quietmaker.market.report import Report
from quietmaker.market.sources import SYNTHETIC, open_source, report_of
from quietmaker.market.synthetic import SyntheticMarket
from quietmaker.ports import MarketSource
from supervisors.commands.options import (
    config_options,
    duration_option,
    json_option,
    load_settings,
    say,
    write_json,
)


@click.command()
@click.argument("source", metavar="SOURCE")
@click.argument("out", type=click.Path(path_type=Path), metavar="FILE")
@config_options
@json_option
@duration_option
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def record(
    source: str,
    out: Path,
    config_file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
    duration: float,
    force: bool,
) -> None:
    """Write SOURCE (a recording, or synthetic) to FILE as touches and trades, as docs/parquet.md has it."""
    if out.exists() and not force:
        raise SafetyRefusal(f"{out} exists; --force overwrites it")
    settings = load_settings(config_file, overrides)
    market: MarketSource
    if source == SYNTHETIC:
        market = SyntheticMarket(seed=settings.paper.seed, duration=seconds(duration))
    else:
        market = open_source(source, decoders=CoinbaseFrames(), products=settings.products())
    for statement in market.info().inferred.values():
        say(f"note: {statement}")
    recorded = write_parquet(out, market)
    report = report_of(market) or Report()
    for kind, count in sorted(report.issues.items()):
        say(f"note: {count} {kind}, first at {report.first(kind)}")
    if as_json:
        write_json({"file": str(out), "quotes": recorded.quotes, "trades": recorded.trades})
    else:
        say(f"{out}: {recorded.quotes:,} quotes, {recorded.trades:,} trades")
