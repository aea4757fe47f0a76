"""Our orders on Coinbase over one WebSocket connection, as a `UserStream`.

Rules that hold here:

* Ready means: acknowledged, and the snapshot of open orders complete (batches of fifty, until a shorter
  one). Neither an error frame nor other traffic makes it ready.
* A message is the state of an order, not a change. What was told is remembered by order, so that repeats
  tell nothing and steps back are ignored; a new total is turned into exact executions by `user_fills`.
* A gap, or heartbeats that are missing, lose the stream: what happened meanwhile is asked for by whoever
  hears that it is ready again. Orders that ended while nobody listened are in no snapshot.
* An order that cannot be read, or is in a status that nobody knows, loses nothing else: `UserStreamReady`
  is told again, so that it is asked for.
"""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quietmaker.coinbase.streams.backoff import Backoff
from quietmaker.coinbase.streams.session import BaseSession
from quietmaker.coinbase.streams.socket import Socket, SocketClosed
from quietmaker.coinbase.streams.socket_thread import (
    STOP_WITHIN,
    Dialling,
    SocketThread,
    SocketTimes,
)
from quietmaker.coinbase.streams.subscriptions import HEARTBEATS, USER
from quietmaker.coinbase.streams.user_fills import FillFinder, FillsOf
from quietmaker.coinbase.streams.user_frames import OrderStanding, UserDecoder, UserFrame
from quietmaker.coinbase.streams.watch import LostBecause, StreamIssue, StreamWatch, Tally
from quietmaker.core.orders import Move
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.ports import Clock, UserEvent, UserOrder, UserStreamLost, UserStreamReady

NAME: Final = "user"
BATCH: Final = 50
"""Orders in a full batch of the snapshot; a shorter one is the last."""
REMEMBERED: Final = 10_000
"""Orders that are remembered after they ended."""
_UNREAD: Final = frozenset({StreamIssue.ORDER_UNREADABLE.value, StreamIssue.UNKNOWN_STATUS.value})
"""Something was told of an order, and nobody understood what."""


@dataclass(slots=True)
class _Known:
    """What was told of an order."""

    move: Move
    filled: int


class Standings:
    """What was told of each order, over all connections: tells news from repeats and steps back."""

    def __init__(self) -> None:
        """Know no order."""
        self._live: dict[str, _Known] = {}
        self._ended: OrderedDict[str, _Known] = OrderedDict()

    def judge(self, order: OrderStanding) -> tuple[bool, bool, StreamIssue | None]:
        """Return whether the move is news, whether the total is, and what was odd."""
        known = self._live.get(order.order_id)
        if known is None:
            known = self._ended.get(order.order_id)
            if known is not None:
                return self._after_the_end(known, order)
            self._keep(order, _Known(move=order.move, filled=order.filled))
            return True, order.filled > 0, None
        if order.filled < known.filled and order.move is Move.ACCEPTED:
            return False, False, StreamIssue.ORDER_REGRESSED
        moved, grew = order.move is not known.move, order.filled > known.filled
        known.filled = max(known.filled, order.filled)
        known.move = order.move
        if moved:
            del self._live[order.order_id]
            self._keep(order, known)
        odd = None if moved or grew else StreamIssue.ORDER_REPEATED
        return moved, grew, odd

    def _after_the_end(
        self, known: _Known, order: OrderStanding
    ) -> tuple[bool, bool, StreamIssue | None]:
        """A total may still grow; an end stays the end."""
        grew = order.filled > known.filled
        known.filled = max(known.filled, order.filled)
        if order.move is not known.move or order.filled < known.filled:
            return False, grew, StreamIssue.ORDER_REGRESSED
        return False, grew, None if grew else StreamIssue.ORDER_REPEATED

    def _keep(self, order: OrderStanding, known: _Known) -> None:
        if order.move is Move.ACCEPTED:
            self._live[order.order_id] = known
            return
        self._ended[order.order_id] = known
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)


class CoinbaseUserStream:
    """Our orders over a socket; implements `UserStream`."""

    def __init__(
        self,
        *,
        url: str,
        products: Mapping[str, Product],
        token: Callable[[], str],
        fills_of: FillsOf,
        learn: Callable[[str, str], None],
        clock: Clock,
        times: SocketTimes,
        watch: StreamWatch,
        random: random.Random,
        ca_file: Path | None,
        backoff: Callable[[random.Random], Backoff] | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: of the user endpoint.
            products: every product that an order of ours may be in, by symbol.
            token: makes a token for each message.
            fills_of: asks the exchange for the executions of some orders.
            learn: told the client id and the order id of every order before anything else of it.
            clock: the clock.
            times: of the connection.
            watch: hears of the connection and of what is odd.
            random: for the jitter of pauses.
            ca_file: certificates to trust instead of the system's.
            backoff: makes the pauses between connections; the usual ones when None.
        """
        self._decoder = UserDecoder(products)
        self._token = token
        self._fills_of = fills_of
        self._learn = learn
        self._clock = clock
        self._dialling = Dialling(
            url=url,
            times=times,
            clock=clock,
            watch=watch,
            random=random,
            ca_file=ca_file,
            backoff=backoff,
        )
        self._runner: SocketThread | None = None
        self._finder: FillFinder | None = None
        self._standings = Standings()
        self._listener: Callable[[UserEvent], None] | None = None
        self._quiet = threading.RLock()

    def start(self, listener: Callable[[UserEvent], None]) -> None:
        """Begin to connect and to deliver.

        Raises:
            RuntimeError: if it runs.
        """
        if self._runner is not None:
            raise RuntimeError("the user stream runs already; stop it first")
        self._listener = listener
        self._standings = Standings()
        self._finder = FillFinder(
            fills_of=self._fills_of,
            tell=self.tell,
            monotonic=self._clock.monotonic,
            tally=Tally(NAME, self._dialling.watch),
        )
        self._runner = SocketThread(NAME, self._dialling, self._open)
        self._finder.start()
        self._runner.start()

    @property
    def alive(self) -> bool:
        """Return whether both of the stream's threads run."""
        thread, finder = self._runner, self._finder
        return thread is not None and finder is not None and thread.alive and finder.alive

    def stop(self) -> None:
        """Stop delivering; `start` may follow."""
        thread, self._runner = self._runner, None
        finder, self._finder = self._finder, None
        self._listener = None
        if thread is not None:
            thread.stop()
        if finder is not None:
            finder.stop(STOP_WITHIN)
        with self._quiet:
            return

    # --- of the stream's threads ----------------------------------------------------------------

    def tell(self, event: UserEvent) -> None:
        """Deliver; one event at a time."""
        listener = self._listener
        if listener is not None:
            with self._quiet:
                listener(event)

    def order(self, at: Instant, order: OrderStanding) -> StreamIssue | None:
        """Tell what is news of an order; return what was odd about it."""
        moved, grew, odd = self._standings.judge(order)
        if moved:
            self._learn(order.client_id, order.order_id)
            ended = order.move is not Move.ACCEPTED
            self.tell(
                UserOrder(
                    at=at,
                    symbol=order.symbol,
                    client_id=order.client_id,
                    order_id=order.order_id,
                    move=order.move,
                    reason=order.reason,
                    filled=order.filled if ended else None,
                )
            )
        if grew and self._finder is not None:
            self._finder.filled(order.order_id, order.filled)
        return odd

    def _open(self, socket: Socket) -> UserSession:
        return UserSession(
            socket,
            self,
            decoder=self._decoder,
            token=self._token,
            times=self._dialling.times,
            clock=self._clock,
            tally=Tally(NAME, self._dialling.watch),
        )


class UserSession(BaseSession):
    """One connection to the user endpoint."""

    def __init__(
        self,
        socket: Socket,
        stream: CoinbaseUserStream,
        *,
        decoder: UserDecoder,
        token: Callable[[], str],
        times: SocketTimes,
        clock: Clock,
        tally: Tally,
    ) -> None:
        """Begin without the snapshot."""
        super().__init__(
            socket,
            channels={HEARTBEATS: (), USER: ()},
            token=token,
            times=times,
            clock=clock,
            tally=tally,
        )
        self._stream = stream
        self._decoder = decoder
        self._complete = False

    def take(self, message: bytes) -> None:
        """Take a message.

        Raises:
            SocketClosed: if frames before it were lost: only a new snapshot heals that.
        """
        frame = self._decoder.decode(message, received=self.clock.now())
        if not self.in_order(frame.sequence):
            return
        now = self.clock.monotonic()
        for word, detail in frame.issues:
            self.tally.count(word, detail, now)
        self._orders(frame)
        if any(listed < BATCH for listed in frame.snapshots):
            self._complete = True
            self.look()
        if frame.notices:
            self.hear(frame.notices)
        if self.ready and any(word in _UNREAD for word, _ in frame.issues):
            # It may have been an end or an execution: asked for as if nobody had listened.
            self.became_ready()

    def _orders(self, frame: UserFrame) -> None:
        for order in frame.orders:
            odd = self._stream.order(frame.at, order)
            if odd is StreamIssue.ORDER_REPEATED and frame.snapshots:
                continue  # a snapshot repeats by its nature
            if odd is not None:
                self.tally.count(odd.value, f"order {order.client_id}", self.clock.monotonic())

    def gap(self) -> None:
        """Give the connection up."""
        raise SocketClosed("frames about our orders were lost on the way", LostBecause.FRAMES_LOST)

    def mute(self) -> None:
        """Say that nothing is heard."""
        if self.ready:
            self._lost("no heartbeat")

    def audible(self) -> None:
        """Say that it is heard again: the numbers prove that nothing was lost meanwhile."""
        if self.ready:
            self.became_ready()

    def complete(self) -> bool:
        """Return whether the snapshot is complete."""
        return self._complete

    def became_ready(self) -> None:
        """Say so, unless heartbeats are missing just now."""
        if not self.silent:
            self._stream.tell(UserStreamReady(at=self.clock.now()))

    def missing(self) -> str:
        """Return what is not complete, in words."""
        snapshot = "" if self._complete else "the snapshot of open orders is not complete"
        return "; ".join(part for part in (self.unacknowledged(), snapshot) if part)

    def end(self, reason: str) -> None:
        """Say that nothing is heard until there is a new connection."""
        self._lost(reason)
        self.tally.flush(self.clock.monotonic(), all_of_it=True)

    def _lost(self, reason: str) -> None:
        self._stream.tell(UserStreamLost(at=self.clock.now(), reason=reason))
