"""The actors that all symbols rest on: ledger writer, clock, gateway, user feed, reconciler, market feed."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Final

import pykka

from actors.account import Accounts
from actors.address import Address
from actors.base import Surroundings
from actors.clock import ClockActor, ClockLinks
from actors.feed import FeedLinks, MarketFeed
from actors.gateway import GatewayLinks, OrderGateway
from actors.lanes import Lanes
from actors.ledger_writer import LedgerWriter, WriterLinks
from actors.protocol import BooksLost
from actors.reconciler import Reconciler, ReconcilerLinks
from actors.risk_guard import RiskGuard, RiskLinks
from actors.user_feed import UserFeed, UserFeedLinks
from quietmaker.core.events import Tick
from quietmaker.core.risk_desk import RiskRules
from quietmaker.core.units import seconds
from quietmaker.settings.risk import account_limits, breaker_policy, entry_caps, symbol_limits
from supervisors import tree
from supervisors.closing import OURS
from supervisors.composition.shared import Shared

LANES: Final = 4
"""Requests to the exchange under way at once; those of one symbol keep their order."""
GATHER_FOR: Final = 0.05
"""Seconds that the ledger writer lets facts gather: durable already, they are cheaper in one transaction."""
BEHIND: Final = 4
"""An inbox with so many messages gets no tick: it would only be old when it is read."""


def ledger(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the ledger writer."""
    links = WriterLinks(
        ledger=shared.outside.ledger,
        facts=shared.facts,
        reconciler=shared.to[tree.RECONCILER],
        traders=shared.tell_traders,
        started=partial(shared.if_there(tree.RECONCILER), BooksLost()),
        again=shared.to_writer,
        gather=partial(time.sleep, GATHER_FOR),
        clock=shared.outside.clock,
        metrics=shared.outside.metrics,
    )
    return LedgerWriter.start(around, links)


def clock(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the clock."""
    fixed = tuple(shared.to.values())
    links = ClockLinks(
        clock=shared.outside.clock,
        exchange=shared.outside.exchange,
        ticks=lambda: [partial(_tick, to) for to in (*fixed, *shared.traders.values())],
        feed=shared.to[tree.FEED],
        board=shared.board,
        skew_limit=seconds(shared.settings.exchange.max_clock_skew_seconds),
        metrics=shared.outside.metrics,
    )
    return ClockActor.start(around, links)


def gateway(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the order gateway."""
    outside = shared.outside
    links = GatewayLinks(
        exchange=outside.exchange,
        ledger=outside.ledger,
        reconciler=shared.to[tree.RECONCILER],
        facts=shared.facts,
        news=shared.news,
        kill=shared.kill,
        runner=Lanes(LANES, name="lane"),
        products=shared.products,
        metrics=outside.metrics,
        clock=outside.clock,
        budget=shared.budget,
        tapes=shared.tapes,
        capital=shared.capital,
        window=shared.window,
    )
    return OrderGateway.start(around, links)


def user_feed(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the user feed."""
    links = UserFeedLinks(
        ours=OURS,
        stream=shared.outside.user_stream,
        news=shared.news,
        products=shared.known,
        feed=shared.if_there(tree.FEED),
        reconciler=shared.if_there(tree.RECONCILER),
        metrics=shared.outside.metrics,
    )
    return UserFeed.start(around, links)


def reconciler(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the reconciler."""
    outside = shared.outside
    links = ReconcilerLinks(
        exchange=outside.exchange,
        ledger=shared.to[tree.LEDGER],
        gateway=shared.to[tree.GATEWAY],
        traders=shared.traders,
        products=shared.known,
        facts=shared.facts,
        news=shared.news,
        accounts=_accounts(shared),
        capital=shared.capital,
        differences=shared.differences,
        metrics=outside.metrics.truth,
        mark=OURS,
        id_prefix=shared.id_prefix,
        eligibility=shared.filtering.eligibility.event,
        clock=outside.clock,
    )
    return Reconciler.start(around, links)


def risk_guard(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the risk guard."""
    links = RiskLinks(
        books=shared.outside.risk_books,
        board=shared.board,
        tapes=shared.tapes,
        modes=shared.modes,
        budget=shared.budget,
        products=shared.products,
        rules=partial(_risk_rules, shared),
        put=shared.facts.put,
        waiting=shared.capital.waiting,
        page=shared.risk_page,
        metrics=shared.outside.metrics.risk,
    )
    return RiskGuard.start(around, links)


def feed(shared: Shared, around: Surroundings) -> pykka.ActorRef[Any]:
    """Start the market feed."""
    links = FeedLinks(
        stream=shared.outside.market_stream,
        products=shared.known,
        slots=shared.slots,
        metrics=shared.outside.metrics,
        clock=shared.outside.clock,
    )
    return MarketFeed.start(around, links)


def _risk_rules(shared: Shared) -> RiskRules:
    """Return the rules of the settings in force."""
    settings = shared.settings
    skew = settings.exchange.max_clock_skew_seconds
    return RiskRules(
        policy=breaker_policy(settings.account),
        account=account_limits(settings.account, clock_skew_seconds=skew),
        symbol=lambda symbol: symbol_limits(settings.symbol(symbol)),
        caps=lambda symbol: entry_caps(settings.symbol(symbol)),
    )


def _accounts(shared: Shared) -> Accounts:
    chosen = shared.settings.exchange
    return Accounts(
        shared.outside.exchange,
        shared.products,
        shared.board,
        refresh=seconds(chosen.refresh_seconds),
        products_refresh=seconds(chosen.products_refresh_seconds),
        metrics=shared.outside.metrics,
        capital=shared.capital,
    )


def _tick(address: Address[Any], tick: Tick) -> None:
    if address.bound and address.depth < BEHIND:
        address.tell(tick)
