"""What every connection to the exchange has, whatever it carries: numbers, heartbeats, pings, deadlines.

Rules that hold here:

* Frames are numbered from 0 over all channels, acknowledgements and heartbeats included. A gap is told
  before anything of the frame behind it; a number from the past is ignored with its frame.
* Heartbeats are the sign of life: a socket can stay up while nothing comes any more. Other traffic does
  not replace them, but a long message under way excuses them for as long as its bytes come.
* An error frame proves nothing: not that the key is bad, nor that a subscription failed, and it makes
  nothing ready. What is not complete in time is begun again on a new connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, assert_never

from quietmaker.coinbase.frames import (
    Heartbeat,
    Notice,
    ProductStatus,
    ServerError,
    Subscribed,
    UserOrders,
)
from quietmaker.coinbase.streams.socket import Socket, SocketClosed
from quietmaker.coinbase.streams.socket_thread import SocketTimes
from quietmaker.coinbase.streams.subscriptions import Subscriptions
from quietmaker.coinbase.streams.watch import LostBecause, StreamIssue, Tally
from quietmaker.core.book import SequenceCheck, SequenceOutcome
from quietmaker.core.units import SECOND, Nanos
from quietmaker.ports import Clock

_ODD: Final = {
    SequenceOutcome.REPEAT: StreamIssue.SEQUENCE_REPEAT,
    SequenceOutcome.REGRESS: StreamIssue.SEQUENCE_REGRESS,
}


class BaseSession:
    """One connection; subclasses say what its data means.

    Attributes:
        subscriptions: what is asked for and acknowledged.
        ready: whether every subscription was acknowledged and had its data.
        silent: whether heartbeats are missing.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        channels: Mapping[str, tuple[str, ...]],
        token: Callable[[], str] | None,
        times: SocketTimes,
        clock: Clock,
        tally: Tally,
    ) -> None:
        """Begin with nothing subscribed.

        Args:
            socket: an open connection.
            channels: products by channel.
            token: makes a token for one message; None for public channels without a key.
            times: the times of a connection.
            clock: the clock.
            tally: counts what is odd.
        """
        now = clock.monotonic()
        self.ready = False
        self.silent = False
        self.clock = clock
        self.tally = tally
        self.times = times
        self.subscriptions = Subscriptions(channels, send=socket.send, token=token)
        self._socket = socket
        self._sequence = SequenceCheck()
        self._opened_at = self._beat_at = now
        self._pinged_at: int = now
        self._unanswered: tuple[int, int] | None = None
        self._error = ""

    # --- what subclasses say --------------------------------------------------------------------

    def gap(self) -> None:
        """Hear that frames are missing before this one."""
        raise NotImplementedError

    def mute(self) -> None:
        """Hear that heartbeats are missing."""
        raise NotImplementedError

    def audible(self) -> None:
        """Hear that heartbeats come again after they were missing."""
        raise NotImplementedError

    def complete(self) -> bool:
        """Return whether the data of every subscription has come."""
        raise NotImplementedError

    def became_ready(self) -> None:
        """Hear that everything is acknowledged and there."""

    def status(self, status: ProductStatus) -> None:
        """Hear of a product's status."""

    def missing(self) -> str:
        """Return what is not complete, in words."""
        raise NotImplementedError

    # --- frames ---------------------------------------------------------------------------------

    def in_order(self, sequence: int | None) -> bool:
        """Judge a frame's number; return whether the frame is to be taken."""
        if sequence is None:
            return True
        outcome = self._sequence.see(sequence)
        if outcome is SequenceOutcome.NEXT:
            return True
        now = self.clock.monotonic()
        if outcome is SequenceOutcome.GAP:
            self.tally.count(StreamIssue.SEQUENCE_GAP.value, f"before number {sequence}", now)
            self.gap()
            return True
        self.tally.count(_ODD[outcome].value, f"number {sequence}", now)
        return False

    def hear(self, notices: Iterable[Notice]) -> None:
        """Take what concerns the connection."""
        for notice in notices:
            match notice:
                case Heartbeat():
                    self._beat()
                case Subscribed(channels=channels):
                    self.subscriptions.acknowledge(channels, self.clock.monotonic())
                    self.look()
                case ServerError(message=message):
                    self._error = message
                    self.tally.count(
                        StreamIssue.ERROR_FRAME.value, message[:120], self.clock.monotonic()
                    )
                case ProductStatus():
                    self.status(notice)
                case UserOrders():
                    pass  # told by the user stream's own decoder
                case _:
                    assert_never(notice)

    def look(self) -> None:
        """See whether everything is there by now."""
        if not self.ready and not self.subscriptions.unconfirmed() and self.complete():
            self.ready = True
            self.became_ready()

    def _beat(self) -> None:
        self._beat_at = self.clock.monotonic()
        if self.silent:
            self.silent = False
            self.audible()

    # --- times ----------------------------------------------------------------------------------

    def begin(self) -> None:
        """Subscribe."""
        self.subscriptions.want_all()
        self.subscriptions.pump(self.clock.monotonic())

    def check(self, now: Nanos) -> None:
        """Look at the times.

        Raises:
            SocketClosed: if the connection is of no use any more.
        """
        self.subscriptions.pump(now)
        self._look_at_heartbeats(now)
        self._look_at_pings(now)
        if not self.ready and now - self._opened_at > self.times.ready_within:
            error = f"; the exchange said: {self._error}" if self._error else ""
            raise SocketClosed(
                f"not complete within {self.times.ready_within / SECOND:g} s: {self.missing()}{error}",
                LostBecause.INCOMPLETE,
            )
        self.tally.flush(now)

    def _look_at_heartbeats(self, now: Nanos) -> None:
        silence = now - self._beat_at
        if silence > self.times.stale_after and not self.silent:
            self.silent = True
            self.tally.count(
                StreamIssue.SILENT.value, f"no heartbeat for {silence / SECOND:.1f} s", now
            )
            self.mute()
        if self._socket.within_message:
            silence = min(silence, now - self._socket.heard)
        if silence > self.times.reconnect_after:
            raise SocketClosed(
                f"no heartbeat for {silence / SECOND:.1f} s", LostBecause.NO_HEARTBEAT
            )

    def _look_at_pings(self, now: Nanos) -> None:
        if self._unanswered is not None:
            pongs, since = self._unanswered
            if self._socket.ponged > pongs:
                self._unanswered = None
            elif now - since > self.times.pong_within:
                raise SocketClosed(
                    f"no pong within {self.times.pong_within / SECOND:g} s", LostBecause.KEEPALIVE
                )
        if now - self._pinged_at >= self.times.ping_every:
            self._pinged_at = now
            self._socket.ping()
            if self._unanswered is None:
                self._unanswered = (self._socket.ponged, now)

    def unacknowledged(self) -> str:
        """Return which channels are not acknowledged, in words; empty when all are."""
        open_ones = self.subscriptions.unconfirmed()
        return f"no acknowledgement of {', '.join(open_ones)}" if open_ones else ""
