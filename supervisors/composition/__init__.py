"""The composition root: the one place where adapters, shared objects and actors are put together.

`outside` is what comes in and what goes out, `shared` what several actors hold and no restart touches;
`trunk`, `symbols` and `edge` make the actors, by the branches of the tree.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Nanos
from quietmaker.settings import Settings
from supervisors import tree
from supervisors.composition import edge, trunk
from supervisors.composition.outside import Outside, Trading
from supervisors.composition.shared import Shared
from supervisors.composition.symbols import Traders
from supervisors.reloading.parts import Budget
from supervisors.roster import Roster
from supervisors.supervisor import Child, Supervisor

__all__ = ["Outside", "Trading", "compose", "spare_what_stands"]

SWITCH_INTERVAL: Final = 0.0005
"""Seconds that a thread may keep the interpreter. At the default of 5 ms a message waits up to 25 ms
while another thread computes (p99 measured), at this one 1.7 ms, for a few percent of throughput."""
_SOON: Final = Nanos(10 * SECOND)
_BLOCKING: Final = Nanos(120 * SECOND)
"""For actors that wait for a database or an exchange, whose own time-outs are shorter."""


def compose(
    settings: Settings,
    outside: Outside,
    products: Mapping[str, Product],
    *,
    process: Callable[[], Mapping[str, Any]],
    refresh: Callable[[], None],
) -> Trading:
    """Put the actors together.

    Args:
        settings: the configuration.
        outside: the adapters.
        products: of the symbols to trade.
        process: facts of the process for the status page.
        refresh: called once a second by the status.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    # It logs every failure that the supervisor logs too; a dump of the stacks is critical, and stays.
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    shared = Shared(settings, outside, products)
    traders = Traders(shared)
    shared.generations.join("traders", traders)
    shared.generations.join("filter", shared.filtering)
    shared.generations.join("budget", Budget(shared.budget))
    child = _child(traders)
    supervisor = Supervisor(
        tree.build(settings.supervision, products),
        children={
            **_fixed(shared, process, refresh),
            **{tree.trader(symbol): child(symbol) for symbol in products},
        },
        addresses={**shared.to, **{a.name: a for a in shared.traders.values()}},
        monotonic=outside.clock.monotonic,
        dead=shared.dead,
        metrics=outside.metrics,
    )
    roster = Roster(shared, supervisor, shared.modes, child)
    shared.revive = roster.revive
    return Trading(
        supervisor=supervisor,
        traders=shared.traders,
        products=shared.products,
        known=shared.known,
        ledger=outside.ledger,
        board=shared.board,
        page=shared.page,
        kill=shared.kill,
        dead=shared.dead,
        slots=shared.slots,
        news=shared.news,
        tie_out=shared.tie_out,
        eligibility=shared.filtering.eligibility,
        facts=shared.facts,
        modes=shared.modes,
        generations=shared.generations,
        roster=roster,
        risk_page=shared.risk_page,
    )


def spare_what_stands() -> None:
    """Have the collector of cycles leave alone what there is, modules above all. Once, at the start.

    A full collection would look through it and keep every order waiting meanwhile (measured: 60 ms).
    """
    gc.collect()
    gc.freeze()


def _fixed(
    shared: Shared, process: Callable[[], Mapping[str, Any]], refresh: Callable[[], None]
) -> dict[str, Child]:
    """Return the actors there is one of, in the order of the tree."""
    filtering = shared.filtering
    return {
        tree.LEDGER: Child(make=partial(trunk.ledger, shared), hang_after=_BLOCKING),
        tree.CLOCK: Child(make=partial(trunk.clock, shared), hang_after=_BLOCKING),
        tree.GATEWAY: Child(make=partial(trunk.gateway, shared), hang_after=_SOON),
        tree.USER_FEED: Child(make=partial(trunk.user_feed, shared), hang_after=_SOON),
        tree.RECONCILER: Child(make=partial(trunk.reconciler, shared), hang_after=_BLOCKING),
        tree.RISK_GUARD: Child(make=partial(trunk.risk_guard, shared), hang_after=_BLOCKING),
        tree.FEED: Child(make=partial(trunk.feed, shared), hang_after=_BLOCKING),
        tree.TIE_OUT: Child(make=partial(edge.tie_out, shared), hang_after=_BLOCKING),
        tree.FILTER: Child(make=filtering.make, hang_after=_BLOCKING),
        tree.SHADOW: Child(make=filtering.make_shadow, hang_after=_BLOCKING),
        tree.STATUS: Child(make=partial(edge.status, shared, process, refresh), hang_after=_SOON),
    }


def _child(traders: Traders) -> Callable[[str], Child]:
    return lambda symbol: Child(make=traders.maker(symbol), hang_after=_SOON)
