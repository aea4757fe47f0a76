"""Opening what a run trades on and with: the exchange, the books, and what is traded.

Live, the exchange comes first: without an answer from it, and without a key that may trade and cannot
withdraw, nothing is opened and nothing is sent. On paper the books come first, because the account of our
own paper exchange goes on from what they say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from quietmaker.coinbase.auth import ApiKey
from quietmaker.core.live import Live
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.ledger import configs
from quietmaker.settings import Settings, load
from quietmaker.telemetry.metrics import Metrics
from supervisors import build, credentials
from supervisors.books import Books, carried_on, open_books, paper_balances
from supervisors.clock import SystemClock
from supervisors.home import Home
from supervisors.link import Connection, Link, live_endpoints, paper_endpoints
from supervisors.market import open_market
from supervisors.paper_server import Endpoints, PaperServer

STOP_WITHIN = 3.0
"""Seconds that our own paper exchange may take to end."""


class StopAsked(Exception):  # noqa: N818 - nothing failed
    """A stop was asked for while everything was being opened; what was open is closed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What was chosen, and where it came from.

    Attributes:
        config_file: the settings were read from it.
        overrides: `section.key=value` of the command line, which came on top.
        tell: takes notes for people.
        stopping: whether a stop was asked for: opening is not gone on with.
    """

    settings: Settings
    config_file: Path
    overrides: tuple[str, ...]
    home: Home
    clock: SystemClock
    metrics: Metrics
    tell: Callable[[str], None]
    stopping: Callable[[], bool]

    def load(self) -> Settings:
        """Return the settings as their files are now, with what the process was started with on top.

        Raises:
            ConfigError: if they are refused.
        """
        return load(self.config_file, env=os.environ, overrides=self.overrides)


@dataclass(slots=True)
class Opened:
    """Everything open, nothing trading.

    Attributes:
        offered: products that the market has.
        products: of the symbols to trade, and of those that are left over; more may come.
        leftovers: symbols that are not to be traded any more and that the books hold something of, with the
            reason that they leave for; their exits go on.
        run: number of the run in the ledger.
        server: the paper exchange that we started, if any.
        born: when that came into being; None for an exchange that was there before.
    """

    link: Link
    books: Books
    offered: Mapping[str, Product]
    products: Live[Product]
    leftovers: Mapping[str, str]
    run: int
    server: PaperServer | None
    born: Instant | None

    def close(self) -> None:
        """Close the connections, the paper exchange if it is ours, and the books. Idempotent."""
        self.link.close()
        if self.server is not None:
            self.server.stop(STOP_WITHIN)
        self.books.close()


def open_run(chosen: Chosen) -> Opened:
    """Open everything.

    Raises:
        QuietmakerError: if something cannot be opened; what was opened is closed again.
        StopAsked: if a stop was asked for before our own paper exchange was up; the same.
    """
    settings = chosen.settings
    if settings.mode == "live":
        return _on(chosen, live_endpoints(settings), credentials.api_key(os.environ))
    if settings.paper.exchange_url is not None:
        url = settings.paper.exchange_url
        return _on(chosen, paper_endpoints(settings, url), credentials.api_key(os.environ))
    return _on_our_own(chosen)


def _on(chosen: Chosen, endpoints: Endpoints, key: ApiKey) -> Opened:
    """Open on an exchange that is there already."""
    connection = _connect(chosen, endpoints, key)
    try:
        products = _traded(chosen, connection.offered)
        books = open_books(chosen.settings, chosen.home, connection.offered, clock=chosen.clock)
    except BaseException:
        connection.close()
        raise
    try:
        left = _left_over(chosen, books, products, connection.offered)
        run = _begin_run(chosen, books)
    except BaseException:
        connection.close()
        books.close()
        raise
    return Opened(
        link=connection.serve(products),
        books=books,
        offered=connection.offered,
        products=products,
        leftovers=left,
        run=run,
        server=None,
        born=None,
    )


def _on_our_own(chosen: Chosen) -> Opened:
    """Open the books, then a paper exchange whose account goes on from them."""
    info = open_market(chosen.settings).info()
    for statement in info.inferred.values():
        chosen.tell(f"note: {statement}")
    products = _traded(chosen, info.products)
    books = open_books(chosen.settings, chosen.home, info.products, clock=chosen.clock)
    server: PaperServer | None = None
    try:
        left = _left_over(chosen, books, products, info.products)
        run = _begin_run(chosen, books)
        born = chosen.clock.now()
        server = PaperServer.start(
            chosen.home,
            config_file=chosen.config_file,
            overrides=chosen.overrides,
            balances=_balances(chosen, books, info.products),
            session=f"p{run}",
            env=os.environ,
        )
        found = server.await_up(chosen.stopping)
        if found is None:
            books.ledger.end_run(run, at=chosen.clock.now(), reason="stopped while starting")
            raise StopAsked
        connection = _connect(chosen, *found)
    except BaseException:
        if server is not None:
            server.stop(0)  # no order was sent to it
        books.close()
        raise
    return Opened(
        link=connection.serve(products),
        books=books,
        offered=info.products,
        products=products,
        leftovers=left,
        run=run,
        server=server,
        born=born,
    )


def _connect(chosen: Chosen, endpoints: Endpoints, key: ApiKey) -> Connection:
    return Connection(chosen.settings, endpoints, key, clock=chosen.clock, metrics=chosen.metrics)


def _traded(chosen: Chosen, offered: Mapping[str, Product]) -> Live[Product]:
    """Return the products of the symbols to trade; their settings are checked against them."""
    settings = chosen.settings
    products = {symbol: offered[symbol] for symbol in settings.select(offered)}
    for symbol, product in products.items():
        settings.params(symbol, product)
    return Live(products)


def _left_over(
    chosen: Chosen, books: Books, products: Live[Product], offered: Mapping[str, Product]
) -> dict[str, str]:
    """Return which symbols are worked only until they are flat, with the reason; they join the products.

    A configuration that does not name a symbol any more must not leave a position without an exit.
    """
    left = {}
    for symbol in books.ledger.symbols_in_use():
        if symbol not in offered:
            chosen.tell(f"note: the books hold {symbol}, which this market does not have; it waits")
        elif symbol not in products:
            chosen.settings.params(symbol, offered[symbol])
            products.put(symbol, offered[symbol])
            left[symbol] = "universe.symbols does not name it, and the books hold something of it"
            chosen.tell(f"note: {symbol} is not to be traded; its exits go on until it is flat")
    return left


def _begin_run(chosen: Chosen, books: Books) -> int:
    settings, now = chosen.settings, chosen.clock.now()
    run = books.ledger.begin_run(
        mode=settings.mode, config_sha=settings.sha256, version=build.version(), at=now
    )
    values = {line.key: line.value for line in settings.explain()}
    configs.remember(books.url, config_sha=settings.sha256, at=now, chosen=values)
    return run


def _balances(
    chosen: Chosen, books: Books, products: Mapping[str, Product]
) -> Mapping[str, Decimal]:
    """Return what the paper account holds now: what it began with, and all executions since."""
    balances, short = carried_on(
        paper_balances(chosen.settings, products),
        held={holding.symbol: holding.size for holding in books.reports.positions()},
        cash=books.reports.cash_flows(),
        moved=books.tie_out.moved(),
    )
    for amount in short:
        chosen.tell(
            f"note: the paper account would hold {amount}; it begins at 0 "
            f"(paper.starting_balances was lowered)"
        )
    return balances
