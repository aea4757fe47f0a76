"""The composition root: the one place where adapters, shared objects and actors are put together."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pykka

from actors.account import Accounts
from actors.address import Address, DeadLetters
from actors.base import Surroundings
from actors.board import Board
from actors.budget import ChurnBudget
from actors.clock import ClockActor, ClockLinks
from actors.conflate import MarketSlot
from actors.differences import Differences
from actors.eligibility import Eligibility
from actors.facts import FactLog
from actors.feed import FeedLinks, MarketFeed
from actors.gateway import GatewayLinks, OrderGateway
from actors.lanes import Lanes
from actors.ledger_writer import LedgerWriter, WriterLinks
from actors.news import Newsroom
from actors.protocol import FactsQueued, MarketMoved
from actors.reconciler import Reconciler, ReconcilerLinks
from actors.status import StatusActor, StatusLinks, StatusPage
from actors.switch import KillSwitch
from actors.tie_out import TieOut, TieOutLinks
from actors.tie_out_actor import TieOutActor, TieOutActorLinks
from actors.trader import TraderActor, TraderLinks
from actors.user_feed import UserFeed, UserFeedLinks
from actors.window import OrderWindow
from quietmaker.core.events import LedgerChanged, Tick
from quietmaker.core.product import Product
from quietmaker.core.trader import Trader
from quietmaker.core.units import SECOND, Instant, Nanos, seconds
from quietmaker.ports import (
    Clock,
    Exchange,
    FilterBooks,
    Ledger,
    MarketStream,
    TieOutBooks,
    UserStream,
)
from quietmaker.settings import Settings
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics
from supervisors import tree
from supervisors.closing import OURS
from supervisors.filtering import Filtering
from supervisors.supervisor import Child, Supervisor

SWITCH_INTERVAL: Final = 0.0005
"""Seconds that a thread may keep the interpreter. At the default of 5 ms a message waits up to 25 ms
while another thread computes (p99 measured), at this one 1.7 ms, for a few percent of throughput."""
LANES: Final = 4
"""Requests to the exchange under way at once; those of one symbol keep their order."""
BEHIND: Final = 4
"""An inbox with so many messages gets no tick: it would only be old when it is read."""
_SOON: Final = Nanos(10 * SECOND)
_BLOCKING: Final = Nanos(120 * SECOND)
"""For actors that wait for a database or an exchange, whose own time-outs are shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The adapters, already open.

    Attributes:
        tie_out_books: the ledger as a tie-out reads it.
        run: number of the run in the ledger; client ids begin with it.
        born: when the exchange came into being; None for one that outlives us.
    """

    exchange: Exchange
    market_stream: MarketStream
    user_stream: UserStream
    ledger: Ledger
    tie_out_books: TieOutBooks
    filter_books: FilterBooks
    clock: Clock
    metrics: Metrics
    run: int
    born: Instant | None


@dataclass(slots=True)
class Trading:
    """Everything that trades, not started yet.

    Attributes:
        traders: addresses by symbol.
    """

    supervisor: Supervisor
    traders: Mapping[str, Address[Any]]
    products: Mapping[str, Product]
    ledger: Ledger
    board: Board
    page: StatusPage
    kill: KillSwitch
    dead: DeadLetters
    slots: Mapping[str, MarketSlot]
    news: Newsroom
    tie_out: TieOut
    eligibility: Eligibility


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
    return _Composer(settings, outside, products, process, refresh).compose()


def spare_what_stands() -> None:
    """Have the collector of cycles leave alone what there is, modules above all. Once, at the start.

    A full collection would look through it and keep every order waiting meanwhile (measured: 60 ms).
    """
    gc.collect()
    gc.freeze()


class _Composer:
    """Holds the shared objects while the actors are described."""

    def __init__(
        self,
        settings: Settings,
        outside: Outside,
        products: Mapping[str, Product],
        process: Callable[[], Mapping[str, Any]],
        refresh: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._outside = outside
        self._products = products
        self._process = process
        self._refresh = refresh
        log = Log("supervisor")

        def letter(address: str, message: object) -> None:
            outside.metrics.dead_letter()
            log.debug(Event.DEAD_LETTER, f"{type(message).__name__} for {address}", actor=address)

        self._tree = tree.build(settings.supervision, products)
        self._dead = DeadLetters(letter)
        self._traders = {s: Address[Any](tree.trader(s), self._dead) for s in products}
        fixed = (
            tree.LEDGER,
            tree.CLOCK,
            tree.GATEWAY,
            tree.USER_FEED,
            tree.RECONCILER,
            tree.FEED,
            tree.TIE_OUT,
            tree.FILTER,
            tree.SHADOW,
            tree.STATUS,
        )
        self._to: dict[str, Address[Any]] = {n: Address[Any](n, self._dead) for n in fixed}
        self._window = OrderWindow(self._to[tree.GATEWAY])
        self._facts = FactLog(outside.ledger, self._to_writer)
        self._board, self._page, self._kill = Board(), StatusPage(), KillSwitch()
        self._slots = {symbol: self._slot(symbol) for symbol in products}
        self._filtering = Filtering(
            settings,
            outside.filter_books,
            outside.exchange,
            products=products,
            traders=self._traders,
            slots=self._slots,
            metrics=outside.metrics,
            now=outside.clock.now,
        )
        self._news = Newsroom(self._facts, self._traders, outside.clock)
        self._lives = dict.fromkeys(products, 0)
        self._id_prefix = f"{OURS}{outside.run}"
        # Outlives the gateway: a restart must not double what may be sent in a minute.
        self._budget = ChurnBudget(
            settings.exchange.requests.entries_per_minute, monotonic=outside.clock.monotonic
        )
        self._differences = Differences(
            put=self._facts.put, metrics=outside.metrics.truth, clock=outside.clock
        )
        self._tie_out = self._tie()

    def compose(self) -> Trading:
        addresses = {**self._to, **{a.name: a for a in self._traders.values()}}
        children = {
            tree.LEDGER: Child(make=self._ledger, hang_after=_BLOCKING),
            tree.CLOCK: Child(make=self._clock, hang_after=_BLOCKING),
            tree.GATEWAY: Child(make=self._gateway, hang_after=_SOON),
            tree.USER_FEED: Child(make=self._user_feed, hang_after=_SOON),
            tree.RECONCILER: Child(make=self._reconciler, hang_after=_BLOCKING),
            tree.FEED: Child(make=self._feed, hang_after=_BLOCKING),
            tree.TIE_OUT: Child(make=self._tie_out_actor, hang_after=_BLOCKING),
            tree.FILTER: Child(make=self._filtering.make, hang_after=_BLOCKING),
            tree.SHADOW: Child(make=self._filtering.make_shadow, hang_after=_BLOCKING),
            tree.STATUS: Child(make=self._status, hang_after=_SOON),
        }
        for symbol in self._products:
            name = tree.trader(symbol)
            children[name] = Child(make=self._maker(symbol), hang_after=_SOON)
        supervisor = Supervisor(
            self._tree,
            children=children,
            addresses=addresses,
            monotonic=self._outside.clock.monotonic,
            dead=self._dead,
            metrics=self._outside.metrics,
        )
        return Trading(
            supervisor=supervisor,
            traders=self._traders,
            products=self._products,
            ledger=self._outside.ledger,
            board=self._board,
            page=self._page,
            kill=self._kill,
            dead=self._dead,
            slots=self._slots,
            news=self._news,
            tie_out=self._tie_out,
            eligibility=self._filtering.eligibility,
        )

    def _slot(self, symbol: str) -> MarketSlot:
        address = self._traders[symbol]
        return MarketSlot(lambda: address.bound and address.tell(MarketMoved()))

    def _to_writer(self) -> None:
        self._to[tree.LEDGER].tell(FactsQueued())

    def _tell_traders(self, news: LedgerChanged) -> None:
        for address in self._traders.values():
            if address.bound:
                address.tell(news)

    def _if_there(self, name: str) -> Callable[[Any], bool]:
        """Return a way to an actor that may be away just now; no dead letter is made of it."""
        address = self._to[name]
        return lambda message: address.bound and address.tell(message)

    # --- the actors, in the order of the tree ---------------------------------------------------

    def _ledger(self, around: Surroundings) -> pykka.ActorRef[Any]:
        links = WriterLinks(
            ledger=self._outside.ledger,
            facts=self._facts,
            reconciler=self._to[tree.RECONCILER],
            traders=self._tell_traders,
            again=self._to_writer,
            clock=self._outside.clock,
            metrics=self._outside.metrics,
        )
        return LedgerWriter.start(around, links)

    def _clock(self, around: Surroundings) -> pykka.ActorRef[Any]:
        links = ClockLinks(
            clock=self._outside.clock,
            exchange=self._outside.exchange,
            ticks=[partial(_tick, to) for to in (*self._to.values(), *self._traders.values())],
            feed=self._to[tree.FEED],
            board=self._board,
            skew_limit=seconds(self._settings.exchange.max_clock_skew_seconds),
            metrics=self._outside.metrics,
        )
        return ClockActor.start(around, links)

    def _gateway(self, around: Surroundings) -> pykka.ActorRef[Any]:
        outside = self._outside
        links = GatewayLinks(
            exchange=outside.exchange,
            ledger=outside.ledger,
            reconciler=self._to[tree.RECONCILER],
            facts=self._facts,
            news=self._news,
            kill=self._kill,
            runner=Lanes(LANES, name="lane"),
            products=self._products,
            metrics=outside.metrics,
            clock=outside.clock,
            budget=self._budget,
            window=self._window,
        )
        return OrderGateway.start(around, links)

    def _user_feed(self, around: Surroundings) -> pykka.ActorRef[Any]:
        links = UserFeedLinks(
            ours=OURS,
            stream=self._outside.user_stream,
            news=self._news,
            products=self._products,
            feed=self._if_there(tree.FEED),
            reconciler=self._if_there(tree.RECONCILER),
            metrics=self._outside.metrics,
        )
        return UserFeed.start(around, links)

    def _reconciler(self, around: Surroundings) -> pykka.ActorRef[Any]:
        outside = self._outside
        links = ReconcilerLinks(
            exchange=outside.exchange,
            ledger=self._to[tree.LEDGER],
            gateway=self._to[tree.GATEWAY],
            traders=self._traders,
            products=self._products,
            facts=self._facts,
            news=self._news,
            accounts=self._accounts(),
            differences=self._differences,
            metrics=outside.metrics.truth,
            mark=OURS,
            id_prefix=self._id_prefix,
            eligibility=self._filtering.eligibility.event,
            clock=outside.clock,
        )
        return Reconciler.start(around, links)

    def _accounts(self) -> Accounts:
        chosen = self._settings.exchange
        return Accounts(
            self._outside.exchange,
            self._products,
            self._board,
            refresh=seconds(chosen.refresh_seconds),
            products_refresh=seconds(chosen.products_refresh_seconds),
            metrics=self._outside.metrics,
        )

    def _maker(self, symbol: str) -> Callable[[Surroundings], pykka.ActorRef[Any]]:
        links = TraderLinks(
            gateway=self._window,
            feed=self._to[tree.FEED],
            facts=self._facts,
            slot=self._slots[symbol],
            board=self._board,
            metrics=self._outside.metrics,
            clock=self._outside.clock,
        )
        product = self._products[symbol]
        params = self._settings.params(symbol, product)

        def make(around: Surroundings) -> pykka.ActorRef[Any]:
            # A later life counts its orders from 1 again, under a prefix of its own.
            life = self._lives[symbol] = self._lives[symbol] + 1
            prefix = self._id_prefix + (f".{life}" if life > 1 else "")
            core = Trader(product, params, id_prefix=prefix)
            return TraderActor.start(around, core=core, links=links)

        return make

    def _feed(self, around: Surroundings) -> pykka.ActorRef[Any]:
        links = FeedLinks(
            stream=self._outside.market_stream,
            slots=self._slots,
            metrics=self._outside.metrics,
            clock=self._outside.clock,
        )
        return MarketFeed.start(around, links)

    def _tie(self) -> TieOut:
        outside = self._outside
        links = TieOutLinks(
            exchange=outside.exchange,
            books=outside.tie_out_books,
            products=self._products,
            differences=self._differences,
            put=self._facts.put,
            backlog=lambda: outside.ledger.standing().backlog,
            metrics=outside.metrics.truth,
            clock=outside.clock,
            mark=OURS,
            born=outside.born,
        )
        return TieOut(links)

    def _tie_out_actor(self, around: Surroundings) -> pykka.ActorRef[Any]:
        links = TieOutActorLinks(
            tie_out=self._tie_out,
            missed=self._news.filled,
            ready=self._all_recovered,
            every=seconds(self._settings.ledger.tie_out_seconds),
        )
        return TieOutActor.start(around, links)

    def _all_recovered(self) -> bool:
        views = self._board.views()
        return all(symbol in views and views[symbol].recovered for symbol in self._products)

    def _status(self, around: Surroundings) -> pykka.ActorRef[Any]:
        links = StatusLinks(
            board=self._board, page=self._page, process=self._process, refresh=self._refresh
        )
        return StatusActor.start(around, links)


def _tick(address: Address[Any], tick: Tick) -> None:
    if address.bound and address.depth < BEHIND:
        address.tell(tick)
