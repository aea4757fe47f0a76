"""The actors that no order waits for: tie-out and status. (Filter and shadow trading: `filtering`.)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pykka

from actors.base import Surroundings
from actors.status import StatusActor, StatusLinks
from actors.tie_out_actor import TieOutActor, TieOutActorLinks
from quietmaker.core.units import seconds
from supervisors.composition.shared import Shared


def tie_out(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the tie-out."""

    def all_recovered() -> bool:
        views = shared.board.views()
        return all(symbol in views and views[symbol].recovered for symbol in shared.products)

    links = TieOutActorLinks(
        tie_out=shared.tie_out,
        missed=shared.news.filled,
        ready=all_recovered,
        every=seconds(shared.settings.ledger.tie_out_seconds),
    )
    return TieOutActor.start(around, links)


def status(
    shared: Shared,
    process: Callable[[], Mapping[str, Any]],
    refresh: Callable[[], None],
    around: Surroundings,
) -> pykka.ActorRef[Any]:
    """Start the status."""
    links = StatusLinks(board=shared.board, page=shared.page, process=process, refresh=refresh)
    return StatusActor.start(around, links)
