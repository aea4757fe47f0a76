"""One allocator of capital over all symbols: who may use which part of the account's money, and when.

Every entry claims what the exchange will hold for it before it is sent, and keeps the claim until its order
has ended and every execution of it was told. So the claims never add up to more than there is, and the
exchange never has to refuse an order for want of funds.

What there is of a currency is the account's total, as it was last asked for, less what is held there for
somebody else's orders, less what our executions took since. What they brought since counts once the
account was asked again, unless they came well after the answer: it may be in there already. An answer that
was given while we heard of executions is not taken: nobody knows whether they are in it.

When there is too little for all, nobody keeps the money for ever and nobody waits for ever:

* a symbol keeps what it uses for a *turn*, also while one quote replaces another;
* who finds too little stands in line, and whoever stands behind, or has had its turn, may only use what
  those in front leave.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from quietmaker.core.units import SECOND, ZERO, Instant, Nanos, minus, plain, plus, times

MARGIN: Final = Nanos(2 * SECOND)
"""Executions so long after the account answered are surely not in its answer: clocks differ."""
GRAIN: Final = Nanos(SECOND // 5)
"""Turns are looked at so often; in between, an answer only changes with a claim."""
IDLE: Final = Nanos(5 * SECOND)
"""A symbol without claims for so long has left its turn; one that has not asked for so long left the line."""
SETTLES: Final = Nanos(2 * SECOND)
"""For so long an execution counts as exposure beside the position that it becomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an entry order will hold.

    Attributes:
        currency: that is held: quote for a bid, base for an ask.
        per_lot: how much of it for each lot, fees included.
        notional: value of each lot, in quote.
    """

    client_id: str
    symbol: str
    currency: str
    quote: str
    lots: int
    per_lot: Decimal
    notional: Decimal

    @property
    def amount(self) -> Decimal:
        """Return what it holds while nothing is executed."""
        return times(self.per_lot, Decimal(self.lots))


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """A claim that is not granted: the limit, and its numbers with the setting."""

    limit: str
    detail: str


@dataclass(slots=True)
class _Turn:
    """The turn of one symbol on one currency: how much it has used at once, from when, and when last."""

    amount: Decimal
    since: Instant
    seen: Instant


@dataclass(slots=True)
class _Wish:
    """A symbol in line."""

    amount: Decimal
    seen: Instant


@dataclass(slots=True)
class _Held:
    """A claim that was granted: `lots` may still be executed, `told` were."""

    claim: Claim
    lots: int
    told: int


@dataclass(slots=True)
class _Pool:
    """One currency.

    Attributes:
        total: as last asked for, moved by executions; None before the first answer.
        foreign: held for orders that are not ours.
        claimed: what our entries hold.
        answered_at: when the account was last looked at.
        executions: counts those that were told; `changes` counts claims as well.
        used: what each symbol's claims hold.
    """

    total: Decimal | None = None
    foreign: Decimal = ZERO
    claimed: Decimal = ZERO
    answered_at: int = 0
    executions: int = 0
    changes: int = 0
    used: dict[str, Decimal] = field(default_factory=dict)
    turns: dict[str, _Turn] = field(default_factory=dict)
    line: dict[str, _Wish] = field(default_factory=dict)
    kept: dict[str, Decimal] = field(default_factory=dict)
    kept_at: tuple[int, int] = (-1, -1)

    def hold(self, symbol: str, change: Decimal) -> None:
        """Count a claim that comes or goes."""
        self.claimed = plus(self.claimed, change)
        self.used[symbol] = plus(self.used.get(symbol, ZERO), change)
        self.changes += 1


class Allocator:
    """Grants claims. One thread at a time.

    Attributes:
        version: counts what may change an answer, but for time.
    """

    def __init__(self, *, turn: Nanos) -> None:
        """Know of no money yet.

        Args:
            turn: how long a symbol keeps what it uses while others wait for it.
        """
        self.turn = turn
        self.version = 0
        self._pools: dict[str, _Pool] = {}
        self._held: dict[str, _Held] = {}
        self._values: dict[str, Decimal] = {}
        self._lately: list[tuple[Instant, str, Decimal]] = []

    # --- the account ----------------------------------------------------------------------------

    def mark(self, currency: str) -> tuple[int, int]:
        """Return what to give back to `observe`: it tells whether anything of ours moved meanwhile."""
        pool = self._pool(currency)
        return pool.executions, pool.changes

    def observe(
        self, currency: str, *, total: Decimal, hold: Decimal, mark: tuple[int, int], now: Instant
    ) -> bool:
        """Take what the account holds of a currency; return whether it could be taken.

        Args:
            currency: of which.
            total: what entries may use, and what is held included.
            hold: the part that is held for orders.
            mark: from before it was asked.
            now: when it answered.
        """
        pool = self._pool(currency)
        executions, changes = mark
        if pool.executions != executions and pool.total is not None:
            return False
        if pool.changes == changes:
            # Nothing of ours moved while it was asked: what is held beyond our claims is somebody else's.
            pool.foreign = max(ZERO, minus(hold, pool.claimed))
        pool.total, pool.answered_at = total, now
        self.version += 1
        return True

    def forget(self) -> None:
        """Know nothing of the account any more: nothing is granted until it answers again."""
        for pool in self._pools.values():
            pool.total = None
        self.version += 1

    # --- claims ---------------------------------------------------------------------------------

    def claim(self, claim: Claim, now: Instant) -> Short | None:
        """Grant a claim, or say what it is short of."""
        if claim.client_id in self._held:
            return None  # the same order again
        free = self.free(claim.symbol, claim.currency, now)
        if free is None:
            return Short(limit="capital", detail=f"the balance of {claim.currency} is not known")
        if claim.amount > free:
            need = f"needs {plain(claim.amount)} {claim.currency}"
            return Short(limit="capital", detail=f"{need}, {plain(free)} free for {claim.symbol}")
        self.adopt(claim, told=0, now=now)
        return None

    def adopt(self, claim: Claim, *, told: int, now: Instant) -> None:
        """Take a claim for granted, `told` lots of it executed: its order is at the exchange already."""
        if claim.client_id in self._held or claim.lots <= told:
            return
        held = _Held(claim=claim, lots=claim.lots - told, told=told)
        self._held[claim.client_id] = held
        pool = self._pool(claim.currency)
        pool.hold(claim.symbol, times(claim.per_lot, Decimal(held.lots)))
        self._count(claim, held.lots)
        turn = pool.turns.get(claim.symbol)
        used = pool.used[claim.symbol]
        if turn is None or self._is_over(pool, claim.symbol, turn, now):
            pool.turns[claim.symbol] = _Turn(amount=used, since=now, seen=now)
        else:
            turn.amount, turn.seen = max(turn.amount, used), now
        pool.line.pop(claim.symbol, None)
        self.version += 1

    def executed(
        self,
        client_id: str,
        *,
        lots: int,
        spent: tuple[str, Decimal] | None,
        got: tuple[str, Decimal] | None,
        at: Instant,
        now: Instant,
    ) -> None:
        """Take an execution, of whatever order.

        Args:
            client_id: its order.
            lots: executed.
            spent: currency and amount that went of what entries may use; None when nothing did.
            got: what came, likewise.
            at: when it was executed, by the exchange's clock.
            now: the time.
        """
        if spent is not None:
            self._move(spent[0], -spent[1])
        if got is not None:
            doubtful = at < self._pool(got[0]).answered_at + MARGIN
            self._move(got[0], ZERO if doubtful else got[1])
        held = self._held.get(client_id)
        if held is None:
            return
        held.told += lots
        value = times(held.claim.notional, Decimal(lots))
        self._lately.append((now, held.claim.quote, value))
        turn = self._pool(held.claim.currency).turns.get(held.claim.symbol)
        if turn is not None:  # it has become a position, and is not kept for the next quote
            turn.amount = max(ZERO, minus(turn.amount, times(held.claim.per_lot, Decimal(lots))))
        self._shrink(held, max(0, held.lots - lots), now)

    def ended(self, client_id: str, *, filled: int | None, now: Instant) -> None:
        """Hear that an order has ended, with so many lots executed; those not told yet stay claimed."""
        held = self._held.get(client_id)
        if held is not None:
            self._shrink(held, max(0, (filled or 0) - held.told), now)

    def _move(self, currency: str, change: Decimal) -> None:
        pool = self._pool(currency)
        if pool.total is not None:
            pool.total = plus(pool.total, change)
        pool.executions += 1
        self.version += 1

    def _shrink(self, held: _Held, lots: int, now: Instant) -> None:
        claim = held.claim
        pool = self._pool(claim.currency)
        pool.hold(claim.symbol, times(claim.per_lot, Decimal(lots - held.lots)))
        self._count(claim, lots - held.lots)
        held.lots = lots
        if not lots:
            del self._held[claim.client_id]
        turn = pool.turns.get(claim.symbol)
        if turn is not None:
            turn.seen = now
        self.version += 1

    def _count(self, claim: Claim, lots: int) -> None:
        value = times(claim.notional, Decimal(lots))
        self._values[claim.quote] = plus(self._values.get(claim.quote, ZERO), value)

    # --- answers --------------------------------------------------------------------------------

    def used(self, symbol: str, currency: str) -> Decimal:
        """Return what a symbol's claims hold of a currency."""
        return self._pool(currency).used.get(symbol, ZERO)

    def unclaimed(self, currency: str) -> Decimal | None:
        """Return what nobody has claimed, None while it is unknown; below zero when claims are too many."""
        pool = self._pool(currency)
        if pool.total is None:
            return None
        return minus(minus(pool.total, pool.foreign), pool.claimed)

    def free(self, symbol: str, currency: str, now: Instant) -> Decimal | None:
        """Return what a symbol may claim now beside what it has; None while it is unknown."""
        left = self.unclaimed(currency)
        if left is None:
            return None
        pool = self._pool(currency)
        if pool.turns or pool.line:
            kept = self._kept(pool, now)
            left = minus(left, minus(kept[""], kept.get(symbol, ZERO)))
            left = minus(left, self._wanted_before(pool, symbol, now))
        return max(ZERO, left)

    def wish(self, symbol: str, currency: str, amount: Decimal, now: Instant) -> None:
        """Stand in line for an amount, or keep standing there."""
        line = self._pool(currency).line
        wish = line.get(symbol)
        if wish is not None and now - wish.seen < IDLE:
            wish.amount, wish.seen = amount, now
            return
        line.pop(symbol, None)
        line[symbol] = _Wish(amount=amount, seen=now)
        self.version += 1

    def leave(self, symbol: str, currency: str) -> None:
        """Leave the line."""
        if self._pool(currency).line.pop(symbol, None) is not None:
            self.version += 1

    def waiting(self, currency: str) -> int:
        """Return how many symbols stand in line."""
        return len(self._pool(currency).line)

    def claimant(self, client_id: str) -> Claim | None:
        """Return the claim of an order, None if it has none."""
        held = self._held.get(client_id)
        return None if held is None else held.claim

    def of(self, symbol: str) -> set[str]:
        """Return the orders of a symbol that have claims."""
        return {name for name, held in self._held.items() if held.claim.symbol == symbol}

    def orders(self) -> int:
        """Return how many entries hold something."""
        return len(self._held)

    def exposure(self, quote: str, now: Instant) -> Decimal:
        """Return the value of what entries priced in a currency may still buy or sell.

        Executions of the last moments are in it: the positions that they made may not be told yet.
        """
        self._lately = [each for each in self._lately if now - each[0] < SETTLES]
        total = self._values.get(quote, ZERO)
        for _, currency, value in self._lately:
            if currency == quote:
                total = plus(total, value)
        return total

    # --- turns and the line ---------------------------------------------------------------------

    def _kept(self, pool: _Pool, now: Instant) -> dict[str, Decimal]:
        """Return what symbols may come back for within their turns, and the sum under an empty name.

        Between two quotes nothing is claimed.
        """
        key = (self.version, now // GRAIN)
        if pool.kept_at == key:
            return pool.kept
        pool.kept_at, pool.kept = key, {}
        total = ZERO
        for symbol, turn in list(pool.turns.items()):
            if self._is_over(pool, symbol, turn, now):
                if not pool.used.get(symbol):
                    del pool.turns[symbol]
                continue
            kept = max(ZERO, minus(turn.amount, pool.used.get(symbol, ZERO)))
            pool.kept[symbol] = kept
            total = plus(total, kept)
        pool.kept[""] = total
        return pool.kept

    def _wanted_before(self, pool: _Pool, symbol: str, now: Instant) -> Decimal:
        """Return what those in front of a symbol wait for; within its turn a symbol has nobody in front."""
        if symbol in pool.kept:
            return ZERO
        total, most = ZERO, minus(pool.total or ZERO, pool.foreign)
        for other, wish in list(pool.line.items()):
            if now - wish.seen >= IDLE:
                del pool.line[other]  # it has given up
            elif other == symbol:
                break
            elif wish.amount <= most:  # else it would keep the others waiting for what never comes
                total = plus(total, wish.amount)
        return total

    def _is_over(self, pool: _Pool, symbol: str, turn: _Turn, now: Instant) -> bool:
        idle = not pool.used.get(symbol) and now - turn.seen >= IDLE
        return idle or now - turn.since >= self.turn

    def _pool(self, currency: str) -> _Pool:
        pool = self._pools.get(currency)
        if pool is None:
            pool = self._pools[currency] = _Pool()
        return pool
