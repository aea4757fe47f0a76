"""Something that can be commanded: real modes over traders that only listen, and a management port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from actors.board import Board, SideView, SymbolView
from actors.facts import FactLog
from actors.modes import Modes, ModesLinks
from actors.switch import KillSwitch
from quietmaker.core.modes import OperatorActed
from quietmaker.core.units import Side
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.telemetry.actions import Answer, Request
from quietmaker.telemetry.management import Check, ManagementServer
from supervisors.composition import Trading
from supervisors.control import PREFIX, Control
from supervisors.home import Home, Instance
from tests.actors.fakes import HandClock, Told, make_metrics
from tests.kit.makers import make_product

SYMBOLS = ("A-USD", "B-USD")


class Listener(Told[Any]):
    """A trader that only listens."""

    @property
    def bound(self) -> bool:
        return self.there


def view_of(symbol: str, *, position: str = "0", quotes: int = 0) -> SymbolView:
    """Return what a symbol shows."""
    quote = (Decimal("0.1"), Decimal(100), "open")
    return SymbolView(
        symbol=symbol,
        quote_currency="USD",
        at=HandClock().now(),
        recovered=True,
        mode="run",
        stale=None,
        bid=Decimal("0.1"),
        ask=Decimal("0.101"),
        book_at=HandClock().now(),
        sides={Side.BUY: SideView(gate=None, detail="", quotes=(quote,) * quotes)},
        working=quotes,
        position=Decimal(position),
        held_lots=int(Decimal(position)),
        cost=Decimal(position) * Decimal("0.1"),
        opened_at=None,
        exit=None,
        unprotected=False,
        exposure=Decimal(0),
        break_even=None,
        unrealized=Decimal("-0.5") if Decimal(position) else None,
    )


@dataclass
class Rig:
    """The rig.

    Attributes:
        up: whether there is anything to command yet.
    """

    clock: HandClock = field(default_factory=HandClock)
    kill: KillSwitch = field(default_factory=KillSwitch)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    board: Board = field(default_factory=Board)
    up: bool = True

    def __post_init__(self) -> None:
        self.metrics = make_metrics()
        self.traders = {symbol: Listener() for symbol in SYMBOLS}
        facts = FactLog(self.ledger, lambda: None)
        self.modes = Modes(
            ModesLinks(
                traders=self.traders,
                put=facts.put,
                kill=self.kill,
                withdraw=lambda symbols: None,
                now=self.clock.now,
            )
        )
        self.trading = cast(
            Trading,
            SimpleNamespace(
                modes=self.modes,
                board=self.board,
                facts=facts,
                products={symbol: make_product(symbol=symbol) for symbol in SYMBOLS},
            ),
        )
        self.control = Control(
            lambda: self.trading if self.up else None,
            metrics=self.metrics.operators,
            now=self.clock.now,
        )

    def command(self, word: str, **document: Any) -> tuple[HTTPStatus, dict[str, Any]]:
        answer: Answer = self.control.perform(Request(path=PREFIX + word, document=document))
        return answer.status, dict(answer.document)

    def actions(self) -> list[OperatorActed]:
        """Return the rows of the audit."""
        self.ledger.apply()
        return self.ledger.actions

    def counted(self, action: str, result: str) -> float | None:
        labels = {"action": action, "result": result}
        return self.metrics.registry.get_sample_value("quietmaker_operator_actions_total", labels)

    @contextmanager
    def serving(self, home: Home) -> Iterator[None]:
        """Answer on a management port, found through a home."""
        with home.claim():
            server = ManagementServer(
                host="127.0.0.1",
                port=0,
                expose=lambda accept: (b"", accept),
                health=lambda: Check(True),
                ready=dict,
                actions=self.control.actions(),
                token=home.new_token(),
            )
            server.start()
            home.publish(
                Instance(
                    pid=1,
                    mode="paper",
                    version="t",
                    revision="t",
                    config_sha="c0ffee",
                    started_at="2026-11-25T00:00:00+00:00",
                    management_url=server.url,
                )
            )
            try:
                yield
            finally:
                server.stop()


def home_in(folder: Path) -> Home:
    """Return a home."""
    return Home(folder / "home")
