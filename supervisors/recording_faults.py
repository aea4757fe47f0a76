"""What is wrong with a recording that plays: said, because on its sockets a symbol just falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from quietmaker.market.sources import report_of
from quietmaker.ports import MarketSource
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

EVERY: Final = 0.5
"""Seconds between looks."""


async def telling_faults(source: MarketSource, run: Coroutine[Any, Any, None]) -> None:
    """Run, and log each kind of fault of the source once, with the place of the first."""
    telling = asyncio.create_task(_tell(source), name="faults")
    try:
        await run
    finally:
        telling.cancel()


async def _tell(source: MarketSource) -> None:
    told: set[str] = set()
    while (report := report_of(source)) is not None:
        for kind in sorted(report.issues.keys() - told):
            told.add(kind)
            Log("exchange").info(
                Event.EXCHANGE_NOTICE,
                f"the recording has {kind}, first at {report.first(kind)}",
                what="recording_fault",
            )
        await asyncio.sleep(EVERY)
