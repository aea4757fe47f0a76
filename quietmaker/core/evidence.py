"""What books and exchange say of executions, orders and money, in decimals: both sides in the same terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.differences import Difference
from quietmaker.core.units import ZERO, Instant, Liquidity, Name, Side, minus, plain, plus, times


class CashKind(Name):
    """Why an amount of money is there that no execution of ours explains."""

    OPENING = "opening"  # it was there when the books began
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FOREIGN = "foreign"  # an execution of an order that is not ours
    CORRECTION = "correction"  # booked by the operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An execution on the account, as either side has it, in decimals.

    Attributes:
        client_id: of the order; empty where the exchange does not tell.
        fee: in quote.
        liquidity: None where the exchange does not tell.
        undoes: the exchange's word when this is a reversal or correction rather than an execution.
    """

    trade_id: str
    client_id: str
    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    liquidity: Liquidity | None
    at: Instant
    undoes: str = ""

    @property
    def base(self) -> str:
        """Return the currency that was bought or sold."""
        return self.symbol.partition("-")[0]

    @property
    def quote(self) -> str:
        """Return the currency that was paid with."""
        return self.symbol.partition("-")[2]

    @property
    def currencies(self) -> tuple[str, str]:
        """Return both."""
        base, _, quote = self.symbol.partition("-")
        return base, quote

    @property
    def base_change(self) -> Decimal:
        """Return what it changed the base currency by."""
        return self.size if self.side is Side.BUY else -self.size

    @property
    def quote_change(self) -> Decimal:
        """Return what it changed the quote currency by, the fee included."""
        value = times(self.price, self.size)
        return minus(-value if self.side is Side.BUY else value, self.fee)

    def text(self) -> str:
        """Return everything that both sides must agree on."""
        return (
            f"{self.symbol} {self.side.value} {plain(self.size)} at {plain(self.price)}, "
            f"fee {plain(self.fee)}, order {self.client_id}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The sums over executions of one symbol: how many, and what they changed both currencies by."""

    fills: int = 0
    base: Decimal = ZERO
    quote: Decimal = ZERO

    def plus(self, execution: Execution) -> Flow:
        """Return the sums with one more."""
        return Flow(
            fills=self.fills + 1,
            base=plus(self.base, execution.base_change),
            quote=plus(self.quote, execution.quote_change),
        )

    def minus(self, execution: Execution) -> Flow:
        """Return the sums with one less."""
        return Flow(
            fills=self.fills - 1,
            base=minus(self.base, execution.base_change),
            quote=minus(self.quote, execution.quote_change),
        )

    def text(self) -> str:
        """Return them as evidence."""
        return f"{self.fills} executions, base {plain(self.base)}, quote {plain(self.quote)}"


Flows = Mapping[str, Flow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the executions before the window summed to when they were last compared."""

    since: Instant
    flows: Flows


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOrder:
    """An order that is not over, as either side has it.

    Attributes:
        filled: base units executed of it.
        heard_at: when the books last heard of it; None on the exchange's side.
        is_open: whether it may still execute; False while the books only wait for executions that the
            exchange has stated.
    """

    client_id: str
    symbol: str
    filled: Decimal
    heard_at: Instant | None
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the ledger says, in one consistent reading.

    Attributes:
        executions: those of the window.
        orders: those that are not settled.
        known: of the client ids that were asked about, those that the books have, with when they last heard.
        flows: of every execution ever, by symbol.
        movements: the sum of all cash movements, by currency.
        stored: of the references of cash movements that were asked about, those that are in the books.
        by_id: the executions of the trade ids that were asked about, wherever the window is.
        opened_at: when the balances were first taken over; None before.
        differences: those that are open.
    """

    executions: tuple[Execution, ...]
    orders: tuple[LiveOrder, ...]
    known: Mapping[str, Instant]
    flows: Flows
    movements: Mapping[str, Decimal]
    stored: frozenset[str]
    by_id: Mapping[str, Execution]
    opened_at: Instant | None
    checkpoint: Checkpoint | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the exchange says, at one quiet moment.

    Attributes:
        executions: those of the window, of any order.
        orders: those that are open, anybody's.
        totals: available and held, by currency.
    """

    executions: tuple[Execution, ...]
    orders: tuple[LiveOrder, ...]
    totals: Mapping[str, Decimal]

    @property
    def client_ids(self) -> set[str]:
        """Return the client ids that are named."""
        ids = {each.client_id for each in self.executions}
        return ids | {each.client_id for each in self.orders}


def flows_before(flows: Flows, executions: Iterable[Execution]) -> dict[str, Flow]:
    """Return the sums without some executions that are in them."""
    before = dict(flows)
    for each in executions:
        before[each.symbol] = before.get(each.symbol, Flow()).minus(each)
    return {symbol: flow for symbol, flow in before.items() if flow != Flow()}


def flows_after(flows: Flows, executions: Iterable[Execution]) -> dict[str, Flow]:
    """Return the sums with some more executions."""
    after = dict(flows)
    for each in executions:
        after[each.symbol] = after.get(each.symbol, Flow()).plus(each)
    return after


def movement_reference(execution: Execution, currency: str) -> str:
    """Return the name of the cash movement that a foreign execution is for one of its currencies."""
    return f"trade {execution.trade_id} {currency}"
