"""A market and an exchange at their worst: any order of events that the protocol allows.

A run is a list of steps (what, a, b) of small numbers, so that Hypothesis can shrink it. The exchange
keeps the truth of every order; what it tells of it is queued, and may arrive late, twice or in another
order. It never lies: the number of executed lots that it states with an end is right, and it says "not
found" only of an order that it never took.

The market moves in small steps around the thresholds: prices near 1,000 ticks, spreads near the required
one, so that gates, refresh tolerance, targets and stops are met again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from quietmaker.core.commands import CancelOrder, Command, RoundTrip, SubmitOrder
from quietmaker.core.events import (
    CandlesLoaded,
    DataLost,
    EligibilityChanged,
    ExposureChanged,
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
    Fill,
    Intent,
    Move,
    OrderState,
    TimeInForce,
)
from quietmaker.core.params import TraderParams
from quietmaker.core.product import Product
from quietmaker.core.trader import Trader
from quietmaker.core.units import (
    EXACT,
    MILLISECOND,
    PPB,
    SECOND,
    ZERO,
    Instant,
    Liquidity,
    Lots,
    Rate,
    Side,
    Ticks,
)
from tests.kit.makers import FEES, START, candles, make_product
from tests.kit.watch import Watch

Step = tuple["What", int, int]

CHAOS_PRODUCT = make_product(
    tick="0.0001", lot="1", min_size="1", max_size="150", min_notional="0.5"
)
"""At 1,000 ticks ($0.10) five lots are the least; partial fills below leave dust."""


class What(Enum):
    """One kind of step."""

    TOUCH = "touch"
    JUMP = "jump"
    LATE = "late"
    WAIT = "wait"
    WAIT_LONG = "wait_long"
    PRINT = "print"
    EXECUTE = "execute"
    HANDLE = "handle"
    DELIVER = "deliver"
    REPEAT = "repeat"
    DRAIN = "drain"
    EXPIRE = "expire"
    LOSE = "lose"
    MODE = "mode"
    ELIGIBLE = "eligible"
    FEES = "fees"
    FUNDS = "funds"
    EXPOSURE = "exposure"
    CANDLES = "candles"
    RELOAD = "reload"
    LEDGER = "ledger"


class Life(Enum):
    """Where an order really is."""

    TRAVELLING = "travelling"
    RESTING = "resting"
    OVER = "over"


@dataclass(slots=True)
class Real:
    """The truth of one order.

    Attributes:
        lost: the answer to the request got lost; the trader was told that nobody knows.
        cancels: requests to cancel it that are on their way.
    """

    intent: Intent
    life: Life = Life.TRAVELLING
    filled: int = 0
    lost: bool = False
    cancels: int = 0

    @property
    def leaves(self) -> int:
        """Return what may still execute."""
        return self.intent.size - self.filled


Message = Callable[[Instant], TraderEvent]


@dataclass(slots=True)
class Heard:
    """What the traders said, and what the exchange booked."""

    commands: list[Command] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    events: list[TraderEvent] = field(default_factory=list)

    @property
    def trips(self) -> list[RoundTrip]:
        """Return the finished round trips."""
        return [said for said in self.commands if isinstance(said, RoundTrip)]

    def cash(self, product: Product) -> Decimal:
        """Return what all fills moved, fees included, in quote."""
        total = ZERO
        for fill in self.fills:
            value = product.notional(fill.price, fill.size)
            total = EXACT.add(total, value if fill.side is Side.SELL else -value)
            total = EXACT.subtract(total, fill.fee)
        return total


class Chaos:
    """Drives one trader, and twins of it that must decide the same.

    Attributes:
        prompt: whether the exchange answers every request at once, in order.
        reloads: configurations that a RELOAD step chooses from.
    """

    def __init__(
        self,
        traders: Sequence[Trader],
        *,
        fees: FeeRates = FEES,
        prompt: bool = False,
        reloads: Sequence[TraderParams] = (),
        funds: str = "200",
        base: int = 1000,
    ) -> None:
        """Warm the traders up: recovered, eligible, with fees, funds and lively candles."""
        self.trader = traders[0]
        self.twins = list(traders[1:])
        self.watch = Watch(self.trader)
        self.product = self.trader.state.product
        self.fees = fees
        self.prompt = prompt
        self.reloads = list(reloads) or [self.trader.state.params]
        self.now = START
        self.bid, self.ask = 1_000, 1_008
        self.real: dict[str, Real] = {}
        self.queue: list[Message] = []
        self.delivered: list[Message] = []
        self.heard = Heard()
        for event in self._warm_up(funds, base):
            self.tell(event)

    def _warm_up(self, funds: str, base: int) -> list[TraderEvent]:
        now = self.now
        return [
            Recovered(
                now=now,
                orders=(),
                lots=(),
                round_trip=None,
                reason=None,
                next_sequence=1,
                newest=None,
                latest=None,
            ),
            FeesChanged(now=now, fees=self.fees),
            FundsChanged(now=now, quote=Decimal(funds), base=Lots(base)),
            EligibilityChanged(now=now, rule=None, size_share=Rate(PPB)),
            CandlesLoaded(now=now, candles=candles(now, low=950, high=1_050)),
        ]

    # --- telling ----------------------------------------------------------------------------------

    def tell(self, event: TraderEvent) -> None:
        """Tell everyone an event; they must answer alike."""
        self.heard.events.append(event)
        commands = tuple(self.trader.on(event))
        self.watch.see(commands)
        for twin in self.twins:
            assert tuple(twin.on(event)) == commands, f"the twins differ on {event}"
        self.heard.commands.extend(commands)
        for command in commands:
            if isinstance(command, SubmitOrder):
                self.real[command.intent.client_id] = Real(command.intent)
            elif isinstance(command, CancelOrder) and command.client_id in self.real:
                self.real[command.client_id].cancels += 1
        if self.prompt:
            self.settle()

    def run(self, steps: Sequence[Step]) -> None:
        """Take all steps."""
        for what, a, b in steps:
            self._step(what, a, b)

    def _step(self, what: What, a: int, b: int) -> None:
        match what:
            case What.TOUCH:
                self._walk(a % 5 - 2, b % 5 - 2)
            case What.JUMP:
                self._jump(a, b)
            case What.LATE:
                self._late(a, b)
            case What.WAIT | What.WAIT_LONG:
                unit = 100 * MILLISECOND if what is What.WAIT else 10 * SECOND
                self._wait((a + 1) * unit)
            case What.PRINT:
                self._print(a, b)
            case What.EXECUTE:
                self._execute(a, b)
            case What.HANDLE:
                self._handle(a, b)
            case What.DELIVER:
                self._deliver(a)
            case What.REPEAT:
                self._repeat(a)
            case What.DRAIN:
                self.settle()
            case What.EXPIRE:
                self._expire(a)
            case _:
                self.tell(self._fact(what, a, b))

    def _fact(self, what: What, a: int, b: int) -> TraderEvent:
        now = self._next()
        match what:
            case What.LOSE:
                return DataLost(now=now, reason=list(StaleReason)[a % len(StaleReason)])
            case What.MODE:
                mode = (Mode.RUN, Mode.RUN, Mode.PAUSE, Mode.FLATTEN, Mode.HALT)[a % 5]
                return ModeChanged(now=now, mode=mode, reason="operator")
            case What.ELIGIBLE:
                rule = "win_rate" if a % 3 == 0 else None
                share = Rate(PPB // 2 if a % 5 == 0 else PPB)
                return EligibilityChanged(now=now, rule=rule, size_share=share)
            case What.LEDGER:
                return LedgerChanged(now=now, trouble="the database is away" if a % 3 == 0 else "")
            case What.FEES:
                self.fees = self.fees if a % 2 else FEES
                return FeesChanged(now=now, fees=None if a % 4 == 0 else self.fees)
            case What.FUNDS:
                quote = None if a % 7 == 0 else Decimal(a)
                return FundsChanged(now=now, quote=quote, base=Lots(b * 10))
            case What.EXPOSURE:
                return ExposureChanged(now=now, others=Decimal(a * 5))
            case What.CANDLES:
                half = a % 20
                bars = candles(now, low=1_000 - half, high=1_000 + half, count=b % 6)
                return CandlesLoaded(now=now, candles=bars)
            case _:
                return ParamsChanged(now=now, params=self.reloads[a % len(self.reloads)])

    def _next(self, span: int = MILLISECOND) -> Instant:
        self.now = Instant(self.now + span)
        return self.now

    # --- the market ---------------------------------------------------------------------------------

    def _walk(self, bid: int, ask: int) -> None:
        self.bid = max(20, self.bid + bid)
        self.ask = max(self.bid + 1, self.ask + ask)
        self._touch(self.bid, self.ask)

    def _jump(self, a: int, b: int) -> None:
        self.bid = max(20, self.bid + a - 50)
        self.ask = self.bid + 1 + b % 16
        if b >= 96:  # a crossed or one-sided book
            self._touch(self.ask if b == 99 else 0, self.bid if b == 98 else self.ask)
        else:
            self._touch(self.bid, self.ask)

    def _print(self, a: int, b: int) -> None:
        late = (b % 4) * 100 * SECOND if b >= 80 else 0
        at = Instant(max(START, self.now - late))
        price = Ticks(max(1, self.bid + a % 40 - 20))
        self.tell(TradePrinted(now=at, price=price, size=Lots(1), aggressor=Side.BUY))

    def _late(self, a: int, b: int) -> None:
        """Tell a touch that is older than what was told before."""
        self.bid, self.ask = self.bid + a % 3 - 1, max(self.ask, self.bid + 3) + b % 3 - 1
        self._touch(self.bid, self.ask, at=Instant(max(START, self.now - 50 * MILLISECOND)))

    def _touch(self, bid: int, ask: int, *, at: Instant | None = None) -> None:
        size = Lots(10)
        none = Lots(0)
        self.tell(
            TouchChanged(
                now=self._next() if at is None else at,
                bid=Ticks(bid),
                bid_size=size if bid else none,
                ask=Ticks(ask),
                ask_size=size if ask else none,
            )
        )

    def _wait(self, span: int) -> None:
        end = Instant(self.now + span)
        for _ in range(8):
            if self.now >= end:
                break
            self.now = Instant(min(end, max(self.trader.wake_at, self.now + 1)))
            self.tell(Tick(now=self.now))
        self.now = end
        self.tell(Tick(now=end))

    # --- the exchange -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the exchange handle and tell everything, in order."""
        was, self.prompt = self.prompt, False
        for _ in range(500):
            if self.queue:
                self._deliver(0)
            elif any(self._due(real) for real in self.real.values()):
                self._handle(0, 0)
            else:
                break
        else:
            raise AssertionError("the trader never rests")
        self.prompt = was

    @staticmethod
    def _due(real: Real) -> bool:
        return real.life is Life.TRAVELLING or real.lost or real.cancels > 0

    def _handle(self, a: int, b: int) -> None:
        """Let one request, or one question about a lost one, reach the exchange."""
        due = [real for real in self.real.values() if self._due(real)]
        if not due:
            return
        real = due[a % len(due)]
        if real.life is Life.TRAVELLING:
            self._arrive(real, b)
        elif real.lost:
            real.lost = False
            if real.life is Life.OVER and not real.filled and b % 2:
                self._say(real, Move.NOT_FOUND, "")
            elif real.life is Life.RESTING:
                self._say(real, Move.ACCEPTED, "")
            else:
                self._say_end(real)
        else:
            real.cancels -= 1
            self._cancel(real, refuse=b % 10 == 9)

    def _arrive(self, real: Real, b: int) -> None:
        if b % 10 in {7, 8}:
            real.lost = True
            self._say(real, Move.OUTCOME_UNKNOWN, "timeout")
        intent = real.intent
        touch = self.ask if intent.side is Side.BUY else self.bid
        crosses = (touch - intent.price) * intent.side.sign <= 0
        if (intent.post_only and crosses) or b % 10 in {8, 9}:
            real.life = Life.OVER
            if not real.lost:
                self._say(
                    real, Move.REJECTED, POST_ONLY_REFUSED if crosses else "INSUFFICIENT_FUND"
                )
            return
        real.life = Life.RESTING
        if not real.lost:
            self._say(real, Move.ACCEPTED, "")
        if intent.time_in_force is TimeInForce.IOC:
            part = intent.size if b % 3 == 0 else intent.size * (b % 10) // 10
            if crosses and part:
                self._book(real, part, touch, Liquidity.TAKER)
            if real.life is Life.RESTING:
                self._end(real, Move.CANCELLED)

    def _cancel(self, real: Real, *, refuse: bool) -> None:
        if real.life is Life.RESTING and not refuse:
            self._end(real, Move.CANCELLED)
        else:
            self._say(real, Move.CANCEL_REFUSED, "")

    def _execute(self, a: int, b: int) -> None:
        resting = [
            real
            for real in self.real.values()
            if real.life is Life.RESTING and real.intent.time_in_force is not TimeInForce.IOC
        ]
        if resting:
            real = resting[a % len(resting)]
            part = real.leaves if b >= 40 else max(1, real.leaves * b // 40)
            self._book(real, part, real.intent.price, Liquidity.MAKER)

    def _expire(self, a: int) -> None:
        resting = [real for real in self.real.values() if real.life is Life.RESTING]
        if resting:
            self._end(resting[a % len(resting)], Move.EXPIRED)
            self._rest()

    def _book(self, real: Real, part: int, price: int, liquidity: Liquidity) -> None:
        value = self.product.notional(price, part)
        fill = Fill(
            trade_id=f"t{len(self.heard.fills) + 1:06d}",
            client_id=real.intent.client_id,
            symbol=real.intent.symbol,
            side=real.intent.side,
            price=Ticks(price),
            size=Lots(part),
            fee=fee_on(value, self.fees.of(liquidity)),
            liquidity=liquidity,
            at=self._next(),
        )
        real.filled += part
        self.heard.fills.append(fill)
        self._tell_later(lambda now: OrderFilled(now=now, fill=fill))
        if not real.leaves:
            self._end(real, Move.FILLED)
        self._rest()

    def _rest(self) -> None:
        if self.prompt:
            self.settle()

    def _end(self, real: Real, move: Move) -> None:
        real.life = Life.OVER
        if not real.lost:
            self._say(real, move, "")

    def _say_end(self, real: Real) -> None:
        if real.leaves:
            self._say(real, Move.CANCELLED if real.filled else Move.REJECTED, "lost")
        else:
            self._say(real, Move.FILLED, "")

    def _say(self, real: Real, move: Move, reason: str) -> None:
        client_id, filled = real.intent.client_id, Lots(real.filled)
        ended = real.life is Life.OVER and move is not Move.NOT_FOUND
        self._tell_later(
            lambda now: OrderMoved(
                now=now,
                client_id=client_id,
                move=move,
                reason=reason,
                filled=filled if ended else None,
            )
        )

    def _tell_later(self, message: Message) -> None:
        self.queue.append(message)

    def _deliver(self, a: int) -> None:
        if self.queue:
            message = self.queue.pop(a % len(self.queue))
            self.delivered.append(message)
            self.tell(message(self._next()))

    def _repeat(self, a: int) -> None:
        if self.delivered:
            self._tell_later(self.delivered[a % len(self.delivered)])
            self._deliver(len(self.queue) - 1)

    def _reconcile(self) -> None:
        """Ask the exchange about every order that is unknown to the trader, as the reconciler does."""
        for client_id, order in list(self.trader.state.orders.items()):
            if order.state is OrderState.UNKNOWN:
                self.real[client_id].lost = True
        self.settle()

    # --- the end ------------------------------------------------------------------------------------

    def flatten(self) -> None:
        """Bring the position to flat (or to dust) on a calm market with an exchange that obeys."""
        self.prompt = True
        self.settle()
        self.tell(FeesChanged(now=self._next(), fees=self.fees))
        self.tell(ModeChanged(now=self._next(), mode=Mode.FLATTEN, reason="operator"))
        for _ in range(60):
            self.bid, self.ask = max(self.bid, 990), max(self.bid, 990) + 6
            self._touch(self.bid, self.ask)
            self._wait(61 * SECOND)
            self._reconcile()
            if not self.trader.state.position.lots and not self.trader.state.orders:
                return
