"""What the composition begins with, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.address import Address, DeadLetters
from actors.board import Board
from actors.conflate import MarketSlot
from actors.eligibility import Eligibility
from actors.facts import FactLog
from actors.modes import Modes
from actors.news import Newsroom
from actors.risk_page import RiskPage
from actors.status import StatusPage
from actors.switch import KillSwitch
from actors.tie_out import TieOut
from quietmaker.core.modes import Imposed
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.ports import (
    Clock,
    Exchange,
    FilterBooks,
    Ledger,
    MarketStream,
    RiskBooks,
    TieOutBooks,
    UserStream,
)
from quietmaker.telemetry.metrics import Metrics
from supervisors.reloading.generations import Generations
from supervisors.roster import Roster
from supervisors.supervisor import Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The adapters, already open.

    Attributes:
        tie_out_books: the ledger as a tie-out reads it.
        run: number of the run in the ledger; client ids begin with it.
        born: when the exchange came into being; None for one that outlives us.
        imposed: the modes that stand, as the books have them.
    """

    exchange: Exchange
    market_stream: MarketStream
    user_stream: UserStream
    ledger: Ledger
    tie_out_books: TieOutBooks
    filter_books: FilterBooks
    risk_books: RiskBooks
    clock: Clock
    metrics: Metrics
    run: int
    born: Instant | None
    imposed: tuple[Imposed, ...]


@dataclass(slots=True)
class Trading:
    """Everything that trades, not started yet.

    Attributes:
        traders: addresses by symbol.
        products: of the symbols that are traded now.
        known: of every symbol that was traded in this run.
    """

    supervisor: Supervisor
    traders: Mapping[str, Address[Any]]
    products: Mapping[str, Product]
    known: Mapping[str, Product]
    ledger: Ledger
    board: Board
    page: StatusPage
    kill: KillSwitch
    dead: DeadLetters
    slots: Mapping[str, MarketSlot]
    news: Newsroom
    tie_out: TieOut
    eligibility: Eligibility
    facts: FactLog
    modes: Modes
    generations: Generations
    roster: Roster
    risk_page: RiskPage
