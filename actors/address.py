"""Where an actor can be told things, through all its restarts.

A pykka ref dies with its actor, and telling a dead one raises in the *sender*. An address is what
others hold instead: the supervisor rebinds it, and what cannot be delivered is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import pykka

M_contra = TypeVar("M_contra", contravariant=True)
M = TypeVar("M")


class Tellable(Protocol[M_contra]):
    """Whoever can be told: an address, or a list of messages in a test."""

    def tell(self, message: M_contra, /) -> bool:
        """Deliver without waiting; return whether somebody was there to take it."""


class DeadLetters:
    """Counts what could not be delivered, by address."""

    def __init__(self, heard: Callable[[str, object], None] | None = None) -> None:
        """Count from zero.

        Args:
            heard: told the address and the message of each; runs in the sender's thread.
        """
        self._mutex = threading.Lock()
        self._counts: dict[str, int] = {}
        self._heard = heard

    def add(self, address: str, message: object) -> None:
        """Count one message."""
        with self._mutex:
            self._counts[address] = self._counts.get(address, 0) + 1
        if self._heard is not None:
            self._heard(address, message)

    def counts(self) -> dict[str, int]:
        """Return how many messages each address could not deliver."""
        with self._mutex:
            return dict(self._counts)


class Address(Generic[M]):
    """A restart-stable way to an actor. Thread-safe.

    Attributes:
        name: of the child in the supervision tree.
    """

    __slots__ = ("_dead", "_ref", "name")

    def __init__(self, name: str, dead: DeadLetters) -> None:
        """Lead nowhere until the supervisor binds it."""
        self.name = name
        self._dead = dead
        self._ref: pykka.ActorRef[Any] | None = None

    def bind(self, ref: pykka.ActorRef[Any] | None) -> None:
        """Lead to this actor from now on; None leads nowhere."""
        self._ref = ref

    @property
    def bound(self) -> bool:
        """Return whether an actor is there."""
        ref = self._ref
        return ref is not None and ref.is_alive()

    @property
    def depth(self) -> int:
        """Return how many messages wait there."""
        ref = self._ref
        inbox: Any = ref.actor_inbox if ref is not None else None
        return 0 if inbox is None else int(inbox.qsize())

    def tell(self, message: M, /) -> bool:
        """Deliver without waiting; count and return False when nobody is there. Never raises."""
        ref = self._ref
        if ref is not None:
            try:
                ref.tell(message)
            except pykka.ActorDeadError:
                pass
            else:
                return True
        self._dead.add(self.name, message)
        return False


def tell_one(addresses: Mapping[str, Tellable[M]], name: str, message: M) -> None:
    """Tell one of those that come and go, if it is there now."""
    address = addresses.get(name)
    if address is not None:
        address.tell(message)
