"""A trader across the counter from an exchange that does what the test says: tests read as stories.

    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    assert desk.exit().price == 10_071

The exchange answers every request at once unless `answering` is off. It refuses a post-only order that
would cross, executes an immediate-or-cancel order against the touch, and confirms cancellations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.commands import (
    Alert,
    AlertKind,
    CancelOrder,
    Command,
    DustLeft,
    Gate,
    HoldChanged,
    RefreshBook,
    RoundTrip,
    SubmitOrder,
)
from quietmaker.core.events import (
    CandlesLoaded,
    DataLost,
    EligibilityChanged,
    FeesChanged,
    FundsChanged,
    LedgerChanged,
    Mode,
    ModeChanged,
    OrderFilled,
    OrderMoved,
    ParamsChanged,
    Recovered,
    Tick,
    TouchChanged,
    TradePrinted,
    TraderEvent,
)
from quietmaker.core.fees import FeeRates, fee_on
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import (
    POST_ONLY_REFUSED,
    ExitReason,
    Fill,
    Intent,
    Move,
    Purpose,
    TimeInForce,
    Working,
)
from quietmaker.core.params import TraderParams
from quietmaker.core.positions import Lot
from quietmaker.core.product import Product
from quietmaker.core.trader import Trader
from quietmaker.core.units import (
    EXACT,
    MILLISECOND,
    PPB,
    ZERO,
    Instant,
    Liquidity,
    Lots,
    Nanos,
    Rate,
    Side,
    Ticks,
    seconds,
)
from tests.kit.makers import FEES, START, candles, make_params, make_product
from tests.kit.watch import Watch, live_exits

FOR_EVER = 10**12


@dataclass(slots=True)
class Booked:
    """An order as the exchange has it."""

    intent: Intent
    open: bool = False
    filled: int = 0

    @property
    def leaves(self) -> int:
        """Return what may still execute."""
        return self.intent.size - self.filled


class Desk:
    """A trader, its exchange and their common clock.

    Attributes:
        said: every command in order.
        booked: every order that was sent, as the exchange has it.
        answering: whether requests are answered at once.
        refusing: the reason with which new orders are refused; empty takes them.
        depth: lots that a taker finds at the touch.
        cash: what the fills moved, fees included, in quote.
    """

    def __init__(
        self,
        *,
        product: Product | None = None,
        params: TraderParams | None = None,
        fees: FeeRates | None = FEES,
        funds: str | None = "1000",
        base: int | None = 0,
        ready: bool = True,
        candle_range: tuple[int, int] | None = (9_800, 10_200),
        boxed: bool = True,
    ) -> None:
        """Open a desk; a ready one has recovered, is eligible and knows fees, funds and candles."""
        self.product = product or make_product()
        self.trader = Trader(self.product, params or make_params(), id_prefix="qm1")
        self.trader.boxed = boxed
        self.watch = Watch(self.trader)
        self.now = START
        self.said: list[Command] = []
        self.booked: dict[str, Booked] = {}
        self.fills: list[Fill] = []
        self.answering = True
        self.refusing = ""
        self.depth = FOR_EVER
        self.fees = fees or FEES
        self.cash = ZERO
        self.bid = self.ask = 0
        self._trades = 0
        if ready:
            self.recover()
            self.on(FeesChanged(now=self.now, fees=fees))
            self.on(
                FundsChanged(
                    now=self.now,
                    quote=None if funds is None else Decimal(funds),
                    base=None if base is None else Lots(base),
                )
            )
            self.on(EligibilityChanged(now=self.now, rule=None, size_share=Rate(PPB)))
            if candle_range is not None:
                self.load_candles(*candle_range)

    def recover(
        self,
        *,
        orders: Sequence[Working] = (),
        lots: Sequence[Lot] = (),
        round_trip: str | None = None,
        reason: ExitReason | None = None,
        next_sequence: int = 1,
        latest: tuple[int, Decimal] | None = None,
    ) -> list[Command]:
        """Tell the state that the books and the exchange agreed on; the exchange knows the orders."""
        if lots:
            self._trades += 1_000  # the earlier run had trades of its own
        for order in orders:
            booked = Booked(order.intent, open=True, filled=order.filled)
            self.booked[order.intent.client_id] = booked
        return self.on(
            Recovered(
                now=self.now,
                orders=tuple(orders),
                lots=tuple(lots),
                round_trip=round_trip,
                reason=reason,
                next_sequence=next_sequence,
                newest=max(((lot.at, lot.trade_id) for lot in lots), default=None),
                latest=latest,
            )
        )

    # --- telling ----------------------------------------------------------------------------------

    def on(self, event: TraderEvent) -> list[Command]:
        """Tell the trader something, let the exchange answer, and return all commands it led to."""
        self.now = max(self.now, event.now)
        commands = list(self.trader.on(event))
        return commands + self.take(commands)

    def take(self, commands: Sequence[Command]) -> list[Command]:
        """Let the exchange take commands, and return those that its answers led to."""
        self.said.extend(commands)
        self.watch.see(commands)
        more: list[Command] = []
        for command in commands:
            match command:
                case SubmitOrder(intent=intent):
                    self.booked[intent.client_id] = Booked(intent)
                    if self.answering:
                        more += self._answer(intent)
                case CancelOrder(client_id=client_id):
                    if self.answering:
                        more += self.confirm_cancel(client_id)
                case RefreshBook() | HoldChanged() | RoundTrip() | DustLeft() | Alert():
                    pass
        return more

    def touch(
        self, bid: int, ask: int, *, bid_size: int = 100, ask_size: int = 100
    ) -> list[Command]:
        """Move the market."""
        self.bid, self.ask = bid, ask
        return self.on(
            TouchChanged(
                now=self._next(),
                bid=Ticks(bid),
                bid_size=Lots(bid_size),
                ask=Ticks(ask),
                ask_size=Lots(ask_size),
            )
        )

    def trade(self, price: int, *, at: Instant | None = None) -> list[Command]:
        """Print a trade on the public tape."""
        now = at if at is not None else self._next()
        return self.on(TradePrinted(now=now, price=Ticks(price), size=Lots(1), aggressor=Side.BUY))

    def load_candles(self, low: int, high: int, *, count: int = 5) -> list[Command]:
        """State the latest closed five-minute candles."""
        bars = candles(self.now, low=low, high=high, count=count, symbol=self.product.symbol)
        return self.on(CandlesLoaded(now=self._next(), candles=bars))

    def wait(self, span: float) -> list[Command]:
        """Let seconds pass; the clock ticks whenever the trader asked to be woken, and at the end."""
        end = Instant(self.now + seconds(span))
        said: list[Command] = []
        while self.now < end:
            # As the clock does: never late for a deadline, at most a second early.
            self.now = Instant(min(end, max(self.trader.wake_at, self.now + 1)))
            said += self.on(Tick(now=self.now))
        return said

    def lose_data(self, reason: StaleReason = StaleReason.GAP) -> list[Command]:
        """Lose the book."""
        return self.on(DataLost(now=self._next(), reason=reason))

    def mode(self, mode: Mode) -> list[Command]:
        """Let the operator change the mode."""
        return self.on(ModeChanged(now=self._next(), mode=mode, reason="operator"))

    def ledger(self, trouble: str) -> list[Command]:
        """Tell whether entries can be recorded; empty when they can."""
        return self.on(LedgerChanged(now=self._next(), trouble=trouble))

    def exclude(self, rule: str | None) -> list[Command]:
        """Let the symbol filter speak."""
        return self.on(EligibilityChanged(now=self._next(), rule=rule, size_share=Rate(PPB)))

    def funds(self, quote: str | None, base: int | None = 0) -> list[Command]:
        """State what entries may use."""
        return self.on(
            FundsChanged(
                now=self._next(),
                quote=None if quote is None else Decimal(quote),
                base=None if base is None else Lots(base),
            )
        )

    def change_fees(self, fees: FeeRates | None) -> list[Command]:
        """State the account's rates."""
        self.fees = fees or self.fees
        return self.on(FeesChanged(now=self._next(), fees=fees))

    def configure(self, params: TraderParams) -> list[Command]:
        """Reload the configuration."""
        return self.on(ParamsChanged(now=self._next(), params=params))

    # --- the exchange's side ------------------------------------------------------------------------

    def move(
        self, client_id: str, move: Move, *, reason: str = "", filled: int | None = None
    ) -> list[Command]:
        """Tell what became of an order."""
        booked = self.booked.get(client_id)
        if booked is not None:
            booked.open = move in {Move.ACCEPTED, Move.CANCEL_REFUSED}
        return self.on(
            OrderMoved(
                now=self._next(),
                client_id=client_id,
                move=move,
                reason=reason,
                filled=None if filled is None else Lots(filled),
            )
        )

    def accept(self, intent: Intent) -> list[Command]:
        """Take an order into the book."""
        return self.move(intent.client_id, Move.ACCEPTED)

    def reject(self, intent: Intent, reason: str = "INSUFFICIENT_FUND") -> list[Command]:
        """Refuse an order."""
        return self.move(intent.client_id, Move.REJECTED, reason=reason, filled=0)

    def confirm_cancel(self, client_id: str) -> list[Command]:
        """End an order as cancelled, stating what it had filled."""
        booked = self.booked.get(client_id)
        filled = booked.filled if booked is not None else 0
        return self.move(client_id, Move.CANCELLED, reason="USER_CANCEL", filled=filled)

    def execute(
        self,
        intent: Intent,
        lots: int | None = None,
        *,
        price: int | None = None,
        liquidity: Liquidity = Liquidity.MAKER,
    ) -> Fill:
        """Execute an order at the exchange without telling anyone."""
        self._trades += 1
        booked = self.booked[intent.client_id]
        size = booked.leaves if lots is None else lots
        at_price = intent.price if price is None else Ticks(price)
        value = self.product.notional(at_price, size)
        fee = fee_on(value, self.fees.of(liquidity))
        fill = Fill(
            trade_id=f"t{self._trades:06d}",
            client_id=intent.client_id,
            symbol=intent.symbol,
            side=intent.side,
            price=at_price,
            size=Lots(size),
            fee=fee,
            liquidity=liquidity,
            at=self.now,
        )
        booked.filled += size
        self.fills.append(fill)
        moved = value if intent.side is Side.SELL else -value
        self.cash = EXACT.add(self.cash, EXACT.subtract(moved, fee))
        return fill

    def tell_fill(self, fill: Fill) -> list[Command]:
        """Tell of an execution."""
        return self.on(OrderFilled(now=self._next(), fill=fill))

    def fill(
        self,
        intent: Intent,
        lots: int | None = None,
        *,
        price: int | None = None,
        liquidity: Liquidity = Liquidity.MAKER,
    ) -> list[Command]:
        """Execute an order and tell of it, and of its end when it is complete."""
        told = self.execute(intent, lots, price=price, liquidity=liquidity)
        said = self.tell_fill(told)
        booked = self.booked[intent.client_id]
        if booked.leaves == 0:
            said += self.move(intent.client_id, Move.FILLED, filled=booked.filled)
        return said

    def _answer(self, intent: Intent) -> list[Command]:
        if self.refusing:
            return self.reject(intent, self.refusing)
        touch = self.ask if intent.side is Side.BUY else self.bid
        crosses = intent.price >= touch if intent.side is Side.BUY else intent.price <= touch
        if intent.post_only and crosses and touch:
            return self.reject(intent, POST_ONLY_REFUSED)
        if intent.time_in_force is not TimeInForce.IOC:
            return self.accept(intent)
        said: list[Command] = []
        size = min(intent.size, self.depth) if crosses else 0
        if size:
            said += self.fill(intent, size, price=touch, liquidity=Liquidity.TAKER)
        if size < intent.size:
            said += self.confirm_cancel(intent.client_id)
        return said

    # --- looking ----------------------------------------------------------------------------------

    def entries(self, side: Side = Side.BUY) -> list[Intent]:
        """Return the entry orders that have not ended, nearest the touch first."""
        held = [
            order.intent
            for order in self.trader.state.orders.values()
            if order.intent.purpose is Purpose.ENTRY
            and order.intent.side is side
            and not order.done
        ]
        return sorted(held, key=lambda intent: -side.sign * intent.price)

    def entry(self, side: Side = Side.BUY) -> Intent:
        """Return the one entry order of a side."""
        (only,) = self.entries(side)
        return only

    def exit(self) -> Intent:
        """Return the one exit order."""
        (only,) = live_exits(self.trader)
        return only.intent

    @property
    def exits_working(self) -> int:
        """Return how many exit orders may still execute."""
        return len(live_exits(self.trader))

    @property
    def held(self) -> int:
        """Return the position: lots, negative when short."""
        position = self.trader.state.position
        return position.lots * position.entry.sign if position.entry is not None else 0

    def gate(self, side: Side = Side.BUY) -> Gate | None:
        """Return the reason that was last given for not quoting a side."""
        return self.hold(side).gate

    def hold(self, side: Side = Side.BUY) -> HoldChanged:
        """Return what was last said of a side."""
        return next(
            said
            for said in reversed(self.said)
            if isinstance(said, HoldChanged) and said.side is side
        )

    @property
    def gates_told(self) -> set[Gate | None]:
        """Return every reason that was ever given."""
        return {said.gate for said in self.said if isinstance(said, HoldChanged)}

    @property
    def trips(self) -> list[RoundTrip]:
        """Return the finished round trips."""
        return [said for said in self.said if isinstance(said, RoundTrip)]

    @property
    def trip(self) -> RoundTrip:
        """Return the one finished round trip."""
        (only,) = self.trips
        return only

    def alerts(self, kind: AlertKind) -> list[Alert]:
        """Return the alerts of a kind."""
        return [said for said in self.said if isinstance(said, Alert) and said.kind is kind]

    @property
    def cancels(self) -> list[CancelOrder]:
        """Return the cancellations that were asked for."""
        return [said for said in self.said if isinstance(said, CancelOrder)]

    @property
    def sent(self) -> list[Intent]:
        """Return every order that was sent."""
        return [said.intent for said in self.said if isinstance(said, SubmitOrder)]

    def _next(self, span: Nanos = MILLISECOND) -> Instant:
        self.now = Instant(self.now + span)
        return self.now


def sent_by(commands: Sequence[Command]) -> list[Intent]:
    """Return the orders among commands."""
    return [command.intent for command in commands if isinstance(command, SubmitOrder)]


def cancelled_by(commands: Sequence[Command]) -> list[str]:
    """Return the client ids of the cancellations among commands."""
    return [command.client_id for command in commands if isinstance(command, CancelOrder)]
