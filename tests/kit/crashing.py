"""`quietmaker` with an actor that fails once orders rest: `python -m tests.kit.crashing crash|hang run ...`.

`crash`: every message of a trader raises from then on. `hang`: the next message of the gateway never ends,
and it counts as hung after a second.
"""

from __future__ import annotations

import sys
import threading
from typing import Any, Final

from actors.gateway import OrderGateway
from actors.trader import TraderActor
from quietmaker.core.units import SECOND, Nanos
from supervisors import composition
from supervisors.cli import main

SENT: Final = 3
"""Orders after which it begins."""
_count = 0


def begun() -> bool:
    """Return whether enough orders were sent."""
    return _count >= SENT


def _counting(sent: Any) -> Any:
    def counted(self: OrderGateway, *args: Any) -> None:
        global _count  # noqa: PLW0603 - of one process, made to fail
        sent(self, *args)
        _count += 1

    return counted


def _crashing(receive: Any) -> Any:
    def crash(self: TraderActor, message: Any) -> None:
        if begun():
            raise ZeroDivisionError("a defect")
        receive(self, message)

    return crash


def _hanging(receive: Any) -> Any:
    def hang(self: OrderGateway, message: Any) -> None:
        if begun():
            threading.Event().wait()
        receive(self, message)

    return hang


def sabotage(kind: str) -> None:
    """Let it fail in one of both ways."""
    OrderGateway._sent = _counting(OrderGateway._sent)  # type: ignore[method-assign]
    if kind == "crash":
        TraderActor.receive = _crashing(TraderActor.receive)  # type: ignore[method-assign]
    else:
        composition._SOON = Nanos(SECOND)  # type: ignore[misc]
        OrderGateway.receive = _hanging(OrderGateway.receive)  # type: ignore[method-assign]


if __name__ == "__main__":
    sabotage(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
