"""Where orders are handed in: straight into the lanes of the gateway that is there, past its inbox.

The gateway's thread does nothing with an order but choose its lane, and waking it costs an order a tenth of
a millisecond. What a sender hands in here stands in its symbol's lane when `tell` returns, behind
everything that was handed in before; so a fence closes off exactly what an earlier life of a trader sent.

The window is restart-stable, as an address is. While no gateway is there, and for every other message,
it is the address itself, which counts what nobody takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from actors.address import Tellable
from actors.protocol import Fence, GatewayMessage
from quietmaker.core.commands import CancelOrder, SubmitOrder

Handed: TypeAlias = SubmitOrder | CancelOrder | Fence
Take: TypeAlias = Callable[[Handed], bool]


class OrderWindow:
    """The way to the gateway for whoever sends orders. Thread-safe."""

    __slots__ = ("_gateway", "_take")

    def __init__(self, gateway: Tellable[GatewayMessage]) -> None:
        """Start closed: everything goes to the gateway's address."""
        self._gateway = gateway
        self._take: Take | None = None

    def open(self, take: Take) -> None:
        """Hand to this gateway from now on.

        Args:
            take: runs in the sender's thread; puts the message into its lane, or returns False when the
                gateway may not act any more.
        """
        self._take = take

    def close(self, take: Take) -> None:
        """Hand nothing more to a gateway that ends; a later one is left alone."""
        if self._take == take:
            self._take = None

    def tell(self, message: GatewayMessage, /) -> bool:
        """Deliver without waiting; return whether somebody was there to take it."""
        take = self._take
        if take is not None and isinstance(message, SubmitOrder | CancelOrder | Fence):
            return take(message) or self._gateway.tell(message)
        return self._gateway.tell(message)
