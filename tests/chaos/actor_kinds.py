"""The ways in which an actor is made to fail, each once, from the outside: no actor knows of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from supervisors import tree


class Killed(RuntimeError):  # noqa: N818 - what was done to it
    """What the test raises inside an actor."""


def before(actor: Any) -> None:
    """Raise instead of handling the next message."""

    def receive(message: object) -> None:
        raise Killed(f"before {type(message).__name__}")

    actor.receive = receive


def after(actor: Any) -> None:
    """Handle the next message, then raise: what it did is done, what it meant to remember is gone."""
    receive = actor.receive

    def once(message: object) -> None:
        receive(message)
        raise Killed(f"after {type(message).__name__}")

    actor.receive = once


def leaves(actor: Any) -> None:
    """Ask the interpreter to exit from within the next message."""

    def receive(message: object) -> None:
        raise SystemExit(f"at {type(message).__name__}")

    actor.receive = receive


def within(name: str) -> Callable[[Any], None]:
    """Raise from within the next call of a method: in the middle of a message, or in another thread."""

    def kill(actor: Any) -> None:
        def raising(*args: object, **kwargs: object) -> None:
            del args, kwargs
            raise Killed(f"within {name}")

        setattr(actor, name, raising)

    return kill


def sent(actor: Any) -> None:
    """Let a trader send its next orders, then raise: they are under way, and it told nobody of them."""
    send = actor._send

    def once(commands: Any) -> None:
        send(commands)
        raise Killed("after orders were sent")

    actor._send = once


def ticker(actor: Any) -> None:
    """Raise in the thread that ticks."""

    def ticks() -> list[Any]:
        raise Killed("in the ticking thread")

    actor._links = replace(actor._links, ticks=ticks)


def intake(actor: Any) -> None:
    """Raise in the market stream's thread."""
    within("_take")(actor.intake)


EVERYWHERE: Final[Mapping[str, Callable[[Any], None]]] = {
    "before": before,
    "after": after,
    "exit": leaves,
}
SPECIAL: Final[Mapping[str, Mapping[str, Callable[[Any], None]]]] = {
    "trader": {"orders sent": sent, "within touch": within("_touch")},
    tree.GATEWAY: {"lane": within("_send"), "cancelling": within("_cancel_some")},
    tree.CLOCK: {"thread": ticker},
    tree.FEED: {"stream": intake},
    tree.RECONCILER: {"within tick": within("_on_tick")},
}


def kinds(name: str) -> dict[str, Callable[[Any], None]]:
    """Return the ways to kill an actor."""
    return {**EVERYWHERE, **SPECIAL.get(tree.role(name), {})}


def stall(actor: Any, seconds: float) -> None:
    """Have the next message take so long: not long enough to count as hung."""
    receive, over = actor.receive, threading.Event()

    def once(message: object) -> None:
        actor.receive = receive
        over.wait(seconds)
        receive(message)

    actor.receive = once


def hang(actor: Any, released: threading.Event) -> None:
    """Have the next message last until it is released."""

    def receive(message: object) -> None:
        del message
        released.wait()

    actor.receive = receive
