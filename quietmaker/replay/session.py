"""One replay: a source through one engine per fill model, side by side."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol, runtime_checkable

from quietmaker.core.market import MarketEvent
from quietmaker.core.units import Instant
from quietmaker.exchange.models import FILL_MODELS, FillModel, QueueModel, TouchModel
from quietmaker.market.columns import Columns
from quietmaker.ports import MarketSource
from quietmaker.replay.engine import DecisionSink, Engine, Setup

CHUNK: Final = 8_192
NEW_OBJECTS: Final = 100_000
"""Containers made between two looks for cycles. A replay makes none; Python would look every 700."""
OPTIMISTIC: Final = TouchModel.name
PESSIMISTIC: Final = QueueModel.name

Progress = Callable[[int, Instant], None]
"""Told the number of events so far and the time of the latest one."""


@runtime_checkable
class ColumnSource(Protocol):
    """A source that also gives its touches and trades in columns."""

    def columns(self) -> Iterator[Columns]:
        """Yield every row once, in batches, in order of time."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles seldom; they are still found, so that memory stays bounded by what it was."""
    usual = gc.get_threshold()
    gc.set_threshold(NEW_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A finished replay.

    Attributes:
        engines: by fill model, the chosen one first.
        started_at, ended_at: span of the market.
        seconds: CPU time of the engines, by fill model, without reading the source.
    """

    engines: dict[str, Engine]
    started_at: Instant
    ended_at: Instant
    seconds: dict[str, float]


def models_for(chosen: str, *, only: bool) -> list[FillModel]:
    """Return the fill models to run: the chosen one and, unless `only`, the two that bound it."""
    names = [chosen] if only else list(dict.fromkeys((chosen, OPTIMISTIC, PESSIMISTIC)))
    return [FILL_MODELS[name] for name in names]


def run(
    source: MarketSource,
    setup: Setup,
    models: Sequence[FillModel],
    *,
    sink: DecisionSink | None,
    progress: Progress | None,
) -> Outcome:
    """Replay a source under each model.

    Args:
        source: the market.
        setup: configuration, account and latency.
        models: fill models, the chosen one first; only its decisions go to the sink.
        sink: takes every decision, in order.
        progress: told after each batch.

    Raises:
        SourceError: if the source cannot be read.
    """
    engines = {
        model.name: Engine(setup, model, sink=sink if place == 0 else None)
        for place, model in enumerate(models)
    }
    seconds = dict.fromkeys(engines, 0.0)
    first: Instant | None = None
    lead = next(iter(engines.values()))
    with rare_collections():
        for batch in _batches(source):
            for name, engine in engines.items():
                began = time.process_time()
                if isinstance(batch, Columns):
                    engine.run_columns(batch)
                else:
                    engine.run_events(batch)
                seconds[name] += time.process_time() - began
            if first is None:
                first = Instant(batch.at[0]) if isinstance(batch, Columns) else batch[0].at
            if progress is not None:
                progress(lead.events, lead.now)
    for engine in engines.values():
        engine.finish()
    return Outcome(
        engines=engines, started_at=first or Instant(0), ended_at=lead.now, seconds=seconds
    )


def _batches(source: MarketSource) -> Iterator[Columns | list[MarketEvent]]:
    if isinstance(source, ColumnSource):
        yield from (batch for batch in source.columns() if batch.at)
        return
    events = source.events()
    while chunk := list(islice(events, CHUNK)):
        yield chunk
