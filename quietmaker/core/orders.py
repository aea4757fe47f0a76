"""Orders: what was meant, and where it stands.

The life of an order is the table `NEXT`. A pair that is missing there is an illegal move: it raises
`IllegalMove`, and the trader reports it; it is never ignored. `UNKNOWN` is a state of its own: the
request left, and nobody knows yet whether the exchange took it. It keeps its reservation and blocks
new entries until the exchange has been asked.

Fills do not change the state (a partly filled order is OPEN, as on Coinbase); `Working` counts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from quietmaker.core.units import Instant, Liquidity, Lots, Name, Side, Ticks


class OrderState(Name):
    """Where an order stands, as far as we know."""

    PENDING = "pending"
    OPEN = "open"
    CANCEL_PENDING = "cancel_pending"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


class Move(Name):
    """What can happen to an order."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CANCEL_SENT = "cancel_sent"
    CANCEL_REFUSED = "cancel_refused"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"
    NOT_FOUND = "not_found"


class IllegalMove(Exception):  # noqa: N818 - the name says what it is
    """A move that the table does not allow; the order keeps its state."""

    def __init__(self, client_id: str, state: OrderState, move: Move) -> None:
        """Name the order, its state and the move."""
        super().__init__(f"order {client_id} is {state.value} and cannot become {move.value}")
        self.state = state
        self.move = move


POST_ONLY_REFUSED: Final = "INVALID_LIMIT_PRICE_POST_ONLY"
"""The exchange's word for a post-only order that would have crossed; it may say it after it took it."""
_S, _M = OrderState, Move
TERMINAL: Final = frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.FAILED})

NEXT: Final[dict[OrderState, dict[Move, OrderState]]] = {
    _S.PENDING: {
        _M.ACCEPTED: _S.OPEN,
        _M.REJECTED: _S.FAILED,
        _M.OUTCOME_UNKNOWN: _S.UNKNOWN,
        # The user stream may overtake the answer to the request.
        _M.FILLED: _S.FILLED,
        _M.CANCELLED: _S.CANCELLED,
        _M.EXPIRED: _S.EXPIRED,
        _M.FAILED: _S.FAILED,
    },
    _S.OPEN: {
        _M.ACCEPTED: _S.OPEN,  # stream and answer both tell it
        _M.CANCEL_SENT: _S.CANCEL_PENDING,
        _M.CANCEL_REFUSED: _S.OPEN,
        _M.FILLED: _S.FILLED,
        _M.CANCELLED: _S.CANCELLED,
        _M.EXPIRED: _S.EXPIRED,
        _M.FAILED: _S.FAILED,
        # The exchange was asked and does not have it: it ended while nobody listened.
        _M.NOT_FOUND: _S.UNKNOWN,
    },
    _S.CANCEL_PENDING: {
        _M.ACCEPTED: _S.CANCEL_PENDING,
        _M.CANCEL_REFUSED: _S.OPEN,
        _M.FILLED: _S.FILLED,
        _M.CANCELLED: _S.CANCELLED,
        _M.EXPIRED: _S.EXPIRED,
        _M.FAILED: _S.FAILED,
        _M.NOT_FOUND: _S.UNKNOWN,
    },
    _S.UNKNOWN: {
        _M.ACCEPTED: _S.OPEN,
        _M.REJECTED: _S.FAILED,
        _M.OUTCOME_UNKNOWN: _S.UNKNOWN,
        _M.NOT_FOUND: _S.FAILED,
        _M.FILLED: _S.FILLED,
        _M.CANCELLED: _S.CANCELLED,
        _M.EXPIRED: _S.EXPIRED,
        _M.FAILED: _S.FAILED,
    },
    # Repeats, and the refusal of a cancellation that came too late, are normal after the end.
    _S.FILLED: {_M.FILLED: _S.FILLED, _M.CANCEL_REFUSED: _S.FILLED},
    _S.CANCELLED: {_M.CANCELLED: _S.CANCELLED, _M.CANCEL_REFUSED: _S.CANCELLED},
    _S.EXPIRED: {_M.EXPIRED: _S.EXPIRED, _M.CANCEL_REFUSED: _S.EXPIRED},
    _S.FAILED: {
        _M.FAILED: _S.FAILED,
        _M.REJECTED: _S.FAILED,
        _M.CANCEL_REFUSED: _S.FAILED,
    },
}


def next_state(client_id: str, state: OrderState, move: Move) -> OrderState:
    """Return the state after a move.

    Raises:
        IllegalMove: if the table has no such move.
    """
    try:
        return NEXT[state][move]
    except KeyError:
        raise IllegalMove(client_id, state, move) from None


class TimeInForce(Name):
    """How long an order rests."""

    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class Purpose(Name):
    """Why an order exists."""

    ENTRY = "entry"
    EXIT = "exit"


class ExitReason(Name):
    """The rule that decided an exit; it travels with the order into the ledger."""

    BREAK_EVEN_PLUS = "break_even_plus"
    TAKE_PROFIT = "take_profit"
    TRAILING_STOP = "trailing_stop"
    MAX_LIFETIME = "max_lifetime"
    TIMEOUT_LOSS = "timeout_loss"
    STOP_LOSS = "stop_loss"
    FLATTEN = "flatten"
    HALT = "halt"
    PAIRED = "paired"  # an entry of the other side closed it: the classic market maker's round trip


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An order as it was decided: durable before it is sent, sent exactly so.

    Attributes:
        client_id: our id, unique for ever; the exchange treats a repeated one as the same order.
        passive_order_id: the client id of the entry that opened the position (its own, for an entry).
        strategy_tag: who decided it.
        expire_at: end of a GTD order, else None.
        exit_reason: the rule, for an exit, else None.
        decided_at: the time of the event that it was decided on.
        bid, ask: the touch it was decided on.
        inputs: further decision inputs, name and value, for the operator's "why".
        config_sha: of the configuration that it was decided by.
    """

    client_id: str
    symbol: str
    side: Side
    price: Ticks
    size: Lots
    post_only: bool
    time_in_force: TimeInForce
    expire_at: Instant | None
    purpose: Purpose
    exit_reason: ExitReason | None
    strategy_tag: str
    passive_order_id: str
    decided_at: Instant
    bid: Ticks
    ask: Ticks
    inputs: tuple[tuple[str, str], ...]
    config_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of one of our orders, as the exchange booked it.

    Attributes:
        trade_id: the exchange's id of this execution, unique.
        fee: what was paid for it, in quote.
    """

    trade_id: str
    client_id: str
    symbol: str
    side: Side
    price: Ticks
    size: Lots
    fee: Decimal
    liquidity: Liquidity
    at: Instant


@dataclass(slots=True)
class Working:
    """One of our orders and what became of it so far.

    Attributes:
        sent_at: when the request, or the last cancel request, was told to go.
        filled: lots executed, by distinct trade ids.
        decision: number of the decision that sent it.
        asked: how often its cancellation was asked for.
        done: whether the exchange will do no more with it.
        final: lots the exchange says were executed in all, known at the end; fills may still be on
            their way when it exceeds `filled`.
    """

    intent: Intent
    state: OrderState
    sent_at: Instant
    filled: int = 0
    trade_ids: set[str] = field(default_factory=set)
    final: int | None = None
    done: bool = False
    decision: int = 0
    asked: int = 0

    def __post_init__(self) -> None:
        """Know whether it has ended already."""
        self.done = self.state in TERMINAL

    @property
    def settled(self) -> bool:
        """Return whether it ended and every fill of it was told."""
        return self.done and self.filled >= (self.final or 0)

    @property
    def leaves(self) -> int:
        """Return the lots that may still execute."""
        return 0 if self.done else self.intent.size - self.filled

    def move(self, move: Move) -> None:
        """Change the state.

        Raises:
            IllegalMove: if the table has no such move; the state stays.
        """
        self.state = next_state(self.intent.client_id, self.state, move)
        self.done = self.state in TERMINAL
