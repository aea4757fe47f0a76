"""The account's money, shared out by claims: the one place that lets an entry have it.

The rules are pure (`core.allocator`). Here is what surrounds them: the gateway asks before it stores an
entry, the newsroom tells of executions and ends before the trader hears of them, the reconciler tells what a
recovered symbol has at the exchange, and the account's balances come from whoever polls them. Traders read
what they may use before each decision, so that a refusal here is the exception: two at the same moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from actors.board import Board
from quietmaker.core.allocator import Allocator, Claim
from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import Fill, Intent, Move, Purpose, Working
from quietmaker.core.product import Product
from quietmaker.core.units import ZERO, Instant, Nanos, Side, minus, plain, plus, ratio, times
from quietmaker.ports import Balance

_ENDS: Final = frozenset(
    {Move.REJECTED, Move.FILLED, Move.CANCELLED, Move.EXPIRED, Move.FAILED, Move.NOT_FOUND}
)
_DOUBTS: Final = frozenset({Move.OUTCOME_UNKNOWN, Move.NOT_FOUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCaps:
    """What holds for entries of all symbols together.

    Attributes:
        exposure: greatest value of positions and entry orders, as the symbol that asks has it.
        orders: greatest number of entry orders.
    """

    exposure: Decimal
    orders: int


class Capital:
    """Claims on the account's money. Thread-safe; outlives the actors."""

    def __init__(
        self,
        products: Mapping[str, Product],
        board: Board,
        *,
        turn: Callable[[], Nanos],
        caps: Callable[[str], AccountCaps],
        now: Callable[[], Instant],
    ) -> None:
        """Know of no money yet.

        Args:
            products: of every symbol that is or was traded; may grow.
            board: what the positions cost.
            turn: how long a symbol keeps what it uses while others wait.
            caps: what holds for an entry of a symbol.
            now: the time.
        """
        self._products = products
        self._board = board
        self._turn = turn
        self._caps = caps
        self._now = now
        self._allocator = Allocator(turn=turn())
        self._dearest = ZERO
        self._missing: set[str] = set()
        self._mutex = threading.Lock()

    # --- the account ----------------------------------------------------------------------------

    def rates(self, fees: FeeRates | None) -> None:
        """Take the account's fee rates: the exchange may hold the dearer one."""
        if fees is not None:
            with self._mutex:
                self._dearest = ratio(max(fees.maker, fees.taker))

    def mark(self, currencies: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return what to give back to `observe`; before the account is asked."""
        with self._mutex:
            return {each: self._allocator.mark(each) for each in currencies}

    def observe(
        self,
        balances: Mapping[str, Balance] | None,
        marks: Mapping[str, tuple[int, int]],
        owned: Mapping[str, Decimal],
    ) -> None:
        """Take what the account holds; None: nobody knows it any more.

        Args:
            balances: by currency; one that is missing was never funded.
            marks: of before the question.
            owned: base currency that positions hold, which no entry may sell.
        """
        now = self._now()
        with self._mutex:
            if balances is None:
                self._allocator.forget()
                return
            for currency, mark in marks.items():
                total, hold = _of(balances.get(currency))
                mine = owned.get(currency, ZERO)
                self._allocator.observe(
                    currency,
                    total=max(ZERO, minus(total, mine)),
                    hold=max(ZERO, minus(hold, mine)),  # exits hold what positions own
                    mark=mark,
                    now=now,
                )

    # --- orders ---------------------------------------------------------------------------------

    def admit(self, intent: Intent) -> str | None:
        """Let an entry have what the exchange will hold for it; return why not, with the setting."""
        claim, now = self._claim(intent), self._now()
        caps, positions = self._caps(intent.symbol), self._board.positions(claim.quote)
        value = times(claim.notional, Decimal(claim.lots))
        with self._mutex:
            self._allocator.turn = self._turn()
            if self._allocator.orders() >= caps.orders:
                return f"{caps.orders} entry orders in all symbols (account.max_open_orders)"
            exposure = plus(plus(self._allocator.exposure(claim.quote, now), positions), value)
            if exposure > caps.exposure:
                return f"exposure {plain(exposure)} > {plain(caps.exposure)} (risk.max_exposure)"
            short = self._allocator.claim(claim, now)
        return None if short is None else f"{short.detail} ({short.limit})"

    def moved(self, client_id: str, move: Move, filled: int | None) -> None:
        """Hear of an order; told before its trader hears of it."""
        with self._mutex:
            claim = self._allocator.claimant(client_id)
            if claim is None:
                return
            doubted = client_id in self._missing
            if move in _DOUBTS and not (doubted and move is Move.NOT_FOUND):
                self._missing.add(
                    client_id
                )  # as in the table of orders: it is unknown, and not over
                return
            self._missing.discard(client_id)
            if move in _ENDS:
                stated = claim.lots if move is Move.FILLED else filled
                self._allocator.ended(client_id, filled=stated, now=self._now())

    def executed(self, fill: Fill) -> None:
        """Hear of an execution; told before its trader hears of it."""
        product = self._products.get(fill.symbol)
        if product is None:
            return
        value = product.notional(fill.price, fill.size)
        with self._mutex:
            held = self._allocator.claimant(fill.client_id)
            ours = held is not None and held.currency == product.base
            spent = got = None
            if fill.side is Side.BUY:
                spent = (product.quote, plus(value, fill.fee))
            else:
                got = (product.quote, minus(value, fill.fee))
                spent = (product.base, product.size(fill.size)) if ours else None
            self._allocator.executed(
                fill.client_id, lots=fill.size, spent=spent, got=got, at=fill.at, now=self._now()
            )

    def recovered(self, symbol: str, orders: Iterable[Working]) -> None:
        """Know that these are all orders of a symbol: its trader begins anew."""
        now = self._now()
        entries = {
            each.intent.client_id: each for each in orders if each.intent.purpose is Purpose.ENTRY
        }
        with self._mutex:
            for client_id in self._allocator.of(symbol) - entries.keys():
                self._allocator.ended(client_id, filled=None, now=now)
            for each in entries.values():
                told = each.filled
                size = each.intent.size if not each.done else (each.final or 0)
                self._allocator.adopt(self._claim(each.intent, lots=size), told=told, now=now)

    # --- what a symbol may use ------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Return a number that changes with whatever may change an answer, but for time."""
        return self._allocator.version

    def offered(self, symbol: str, currency: str) -> Decimal | None:
        """Return what entries of a symbol may use, those that rest included; None while it is unknown."""
        with self._mutex:
            free = self._allocator.free(symbol, currency, self._now())
            if free is None:
                return None
            return plus(free, self._allocator.used(symbol, currency))

    def wish(self, symbol: str, currency: str, amount: Decimal | None) -> None:
        """Stand in line for an amount; None: leave it."""
        with self._mutex:
            if amount is None:
                self._allocator.leave(symbol, currency)
            else:
                self._allocator.wish(symbol, currency, amount, self._now())

    def waiting(self) -> int:
        """Return how many symbols stand in line."""
        quotes = {each.quote for each in self._products.values()}
        with self._mutex:
            return sum(self._allocator.waiting(each) for each in quotes)

    def _claim(self, intent: Intent, lots: int | None = None) -> Claim:
        product = self._products[intent.symbol]
        price = product.notional(intent.price, 1)
        bid = intent.side is Side.BUY
        return Claim(
            client_id=intent.client_id,
            symbol=intent.symbol,
            currency=product.quote if bid else product.base,
            quote=product.quote,
            lots=intent.size if lots is None else lots,
            per_lot=times(price, plus(Decimal(1), self._dearest)) if bid else product.lot,
            notional=price,
        )


def _of(balance: Balance | None) -> tuple[Decimal, Decimal]:
    if balance is None:
        return ZERO, ZERO
    return plus(balance.available, balance.hold), balance.hold
