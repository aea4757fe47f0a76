"""`quietmaker replay`: a market through the trading core and the matching core, on a virtual clock."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.units import Instant, Nanos, seconds
from quietmaker.errors import QuietmakerError, SourceError
from quietmaker.exchange.latency import Latency
from quietmaker.market.sources import SYNTHETIC, open_source, report_of
from quietmaker.market.synthetic import SyntheticMarket
from quietmaker.ports import MarketSource, SourceInfo
from quietmaker.replay.decisions import DecisionWriter
from quietmaker.replay.engine import Setup
from quietmaker.replay.report import as_data, as_rows
from quietmaker.replay.session import Progress as Told
from quietmaker.replay.session import models_for, run
from quietmaker.settings import Settings
from supervisors import build
from supervisors.commands.options import (
    config_options,
    duration_option,
    json_option,
    load_settings,
    say,
    write_json,
    write_table,
)


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@config_options
@json_option
@click.option(
    "--symbols", default="", metavar="A,B", help="Only these symbols, with commas between."
)
@click.option(
    "--decisions",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write every decision as JSON lines.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="RULE",
    help="Switch one gate or exit rule off. Can be repeated.",
)
@duration_option
@click.option(
    "--one-model", is_flag=True, help="Skip the optimistic and the pessimistic fill model."
)
def replay(
    sources: tuple[str, ...],
    config_file: Path,
    overrides: tuple[str, ...],
    as_json: bool,
    symbols: str,
    decisions: Path | None,
    without: tuple[str, ...],
    duration: float,
    one_model: bool,
) -> None:
    """Replay SOURCE: a recording (Coinbase, Binance, Parquet), or synthetic. Several are merged.

    The same source, configuration and seed give the same decisions, byte for byte. The result is told
    for the configured fill model and for an optimistic and a pessimistic one.
    """
    settings = load_settings(config_file, overrides)
    names = [name.strip() for name in symbols.split(",") if name.strip()] or None
    source = _open(sources, settings, names, duration)
    info = source.info()
    for statement in info.inferred.values():
        say(f"note: {statement}")
    setup = make_setup(settings, info, without)
    models = models_for(settings.paper.fill_model, only=one_model)
    with ExitStack() as stack:
        sink = None
        if decisions is not None:
            out = stack.enter_context(_opened(decisions))
            sink = DecisionWriter(out, setup.products)
        told = stack.enter_context(_progress(info.name))
        outcome = run(source, setup, models, sink=sink, progress=told)
    if not next(iter(outcome.engines.values())).events:
        raise SourceError(f"{info.name}: holds no event of {', '.join(setup.params)}")
    data = {
        "source": {"name": info.name, "kind": info.kind, "inferred": dict(info.inferred)},
        "symbols": list(setup.params),
        "config_sha": settings.sha256,
        "seed": setup.seed,
        "without": sorted(without),
        "compiled": build.compiled(),
        "issues": _issues(source),
        **as_data(outcome),
    }
    for kind, count in data["issues"].items():
        say(f"note: {count} {kind} in {info.name}")
    if as_json:
        write_json(data)
    else:
        write_table(
            [("source", f"{info.name} ({info.kind}), {', '.join(setup.params)}"), *as_rows(data)]
        )


def _open(
    sources: tuple[str, ...], settings: Settings, symbols: list[str] | None, duration: float
) -> MarketSource:
    if sources == (SYNTHETIC,):
        return SyntheticMarket(
            seed=settings.paper.seed, symbols=symbols, duration=seconds(duration)
        )
    if SYNTHETIC in sources:
        raise click.UsageError("synthetic cannot be merged with recordings")
    return open_source(
        sources, decoders=CoinbaseFrames(), products=settings.products(), symbols=symbols
    )


def make_setup(settings: Settings, info: SourceInfo, without: tuple[str, ...]) -> Setup:
    """Return what a replay of this source runs with.

    A quote currency that the configuration does not fund is given as much as it gives of USD.
    """
    chosen = settings.select(info.products)
    products = {symbol: info.products[symbol] for symbol in chosen}
    balances = dict(settings.paper.starting_balances)
    for product in products.values():
        if product.quote not in balances:
            balances[product.quote] = balances.get("USD", Decimal(0))
            say(f"note: {product.quote} is not funded; it is given {balances[product.quote]}")
    one_way = Nanos(int(settings.paper.order_latency_ms * 1_000_000))
    return Setup(
        products=products,
        params={s: settings.params(s, product, without=without) for s, product in products.items()},
        fees=settings.paper_fees(),
        balances=balances,
        excluded={s: rule for s in chosen if (rule := settings.exclusion(s)) is not None},
        latency=Latency(entry=one_way, cancel=one_way, response=Nanos(0), jitter=Nanos(0)),
        seed=settings.paper.seed,
    )


def _opened(decisions: Path) -> TextIO:
    try:
        return decisions.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise QuietmakerError(
            f"{decisions}: cannot be written ({error.strerror}); name a file that can with --decisions"
        ) from error


def _issues(source: MarketSource) -> Mapping[str, int]:
    report = report_of(source)
    return {} if report is None else dict(report.issues)


@contextmanager
def _progress(name: str) -> Iterator[Told | None]:
    """Show progress on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[events]:,} events"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, events=0)

        def told(events: int, now: Instant) -> None:
            bar.update(task, events=events, description=f"{name} {now // 1_000_000_000}")

        yield told
