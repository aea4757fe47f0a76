"""The objects that outlive the actors and that several of them hold.

Symbols come and go (`supervisors/roster.py`): what is known by symbol is `Live`, and whoever holds such
a mapping sees the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from actors.address import Address, DeadLetters
from actors.board import Board
from actors.budget import ChurnBudget
from actors.capital import AccountCaps, Capital
from actors.conflate import MarketSlot
from actors.differences import Differences
from actors.facts import FactLog
from actors.modes import Modes, ModesLinks
from actors.news import Newsroom
from actors.orphans import Orphans
from actors.protocol import FactsQueued, MarketMoved
from actors.risk_page import RiskPage
from actors.status import StatusPage
from actors.switch import KillSwitch
from actors.tapes import Tapes
from actors.tie_out import TieOut, TieOutLinks
from actors.window import OrderWindow
from quietmaker.core.events import LedgerChanged
from quietmaker.core.live import Live
from quietmaker.core.product import Product
from quietmaker.core.units import seconds
from quietmaker.settings import Settings
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from supervisors import tree
from supervisors.closing import OURS
from supervisors.composition.outside import Outside
from supervisors.filtering import Filtering
from supervisors.reloading.generations import Generations

FIXED: Final = (
    tree.LEDGER,
    tree.CLOCK,
    tree.GATEWAY,
    tree.USER_FEED,
    tree.RECONCILER,
    tree.RISK_GUARD,
    tree.FEED,
    tree.TIE_OUT,
    tree.FILTER,
    tree.SHADOW,
    tree.STATUS,
)
"""The actors there is one of."""


class Shared:
    """Made once, before the first actor.

    Attributes:
        known: products of every symbol that was traded in this run: what is still heard of one that
            is gone can be read and stored.
        products: of the symbols that are traded now.
        revive: takes back a symbol that an execution was told of after it had been removed.
        to: addresses of the actors there is one of, by name.
        traders: addresses of the traders, by symbol.
        generations: the settings in force, and how others come into force.
        budget: outlives the gateway: a restart must not double what may be sent in a minute.
        id_prefix: begins every client id of this run.
    """

    def __init__(
        self, settings: Settings, outside: Outside, products: Mapping[str, Product]
    ) -> None:
        """Make them."""
        self.outside = outside
        self.revive: Callable[[str], None] = _nobody
        self.known = products if isinstance(products, Live) else Live(products)
        self.products = Live(products)
        self.dead = _dead_letters(outside)
        self.traders = Live({s: self.address(s) for s in products})
        self.to: dict[str, Address[Any]] = {n: Address[Any](n, self.dead) for n in FIXED}
        self.window = OrderWindow(self.to[tree.GATEWAY])
        self.facts = FactLog(outside.ledger, self.to_writer)
        self.generations = Generations(
            settings,
            now=outside.clock.now,
            metrics=outside.metrics.config,
            record=self.facts.put,
        )
        self.board, self.page, self.kill = Board(), StatusPage(), KillSwitch()
        self.modes = self._modes()
        self.tapes, self.risk_page = Tapes(), RiskPage()
        self.slots = Live({symbol: self.slot(symbol) for symbol in products})
        self.filtering = Filtering(
            settings,
            outside.filter_books,
            outside.exchange,
            products=self.known,
            traders=self.traders,
            slots=self.slots,
            metrics=outside.metrics,
            now=outside.clock.now,
            tell_filter=self.if_there(tree.FILTER),
            tell_shadow=self.if_there(tree.SHADOW),
        )
        self.capital = self._capital()
        self.news = Newsroom(
            self.facts,
            self.traders,
            outside.clock,
            unowned=self._unowned,
            capital=self.capital,
        )
        self.id_prefix = f"{OURS}{outside.run}"
        self.budget = ChurnBudget(
            settings.exchange.requests.entries_per_minute, monotonic=outside.clock.monotonic
        )
        self.differences = Differences(
            put=self.facts.put, metrics=outside.metrics.truth, clock=outside.clock
        )
        self.tie_out = self._tie_out()

    @property
    def settings(self) -> Settings:
        """Return the settings in force."""
        return self.generations.current

    def to_writer(self) -> None:
        """Tell the ledger writer that facts wait."""
        self.to[tree.LEDGER].tell(FactsQueued())

    def tell_traders(self, news: LedgerChanged) -> None:
        """Tell every trader that is there."""
        for address in self.traders.values():
            if address.bound:
                address.tell(news)

    def _unowned(self, symbol: str) -> None:
        self.revive(symbol)

    def if_there(self, name: str) -> Callable[[Any], bool]:
        """Return a way to an actor that may be away just now; no dead letter is made of it."""
        address = self.to[name]
        return lambda message: address.bound and address.tell(message)

    def address(self, symbol: str) -> Address[Any]:
        """Return a new address of a symbol's trader."""
        return Address[Any](tree.trader(symbol), self.dead)

    def slot(self, symbol: str) -> MarketSlot:
        """Return a new slot that wakes the symbol's trader."""
        address = self.traders[symbol]
        return MarketSlot(lambda: address.bound and address.tell(MarketMoved()))

    def _modes(self) -> Modes:
        links = ModesLinks(
            traders=self.traders,
            put=self.facts.put,
            kill=self.kill,
            withdraw=Orphans(self.outside.exchange, mark=OURS).withdraw,
            now=self.outside.clock.now,
        )
        return Modes(links, self.outside.imposed)

    def _capital(self) -> Capital:
        def caps(symbol: str) -> AccountCaps:
            return AccountCaps(
                exposure=self.settings.symbol(symbol).risk.max_exposure,
                orders=self.settings.account.max_open_orders,
            )

        return Capital(
            self.known,
            self.board,
            turn=lambda: seconds(self.settings.account.turn_seconds),
            caps=caps,
            now=self.outside.clock.now,
        )

    def _tie_out(self) -> TieOut:
        outside = self.outside
        links = TieOutLinks(
            exchange=outside.exchange,
            books=outside.tie_out_books,
            products=self.known,
            differences=self.differences,
            put=self.facts.put,
            backlog=lambda: outside.ledger.standing().backlog,
            metrics=outside.metrics.truth,
            clock=outside.clock,
            mark=OURS,
            born=outside.born,
        )
        return TieOut(links)


def _nobody(symbol: str) -> None:
    Log("roster").error(Event.ALERT, f"nobody owns what was executed of {symbol}", symbol=symbol)


def _dead_letters(outside: Outside) -> DeadLetters:
    log = Log("supervisor")

    def letter(address: str, message: object) -> None:
        outside.metrics.dead_letter()
        log.debug(Event.DEAD_LETTER, f"{type(message).__name__} for {address}", actor=address)

    return DeadLetters(letter)
