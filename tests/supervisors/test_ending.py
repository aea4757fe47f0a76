"""The end of a run, step by step: what is shut when what is cancelled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from actors.switch import KillSwitch
from quietmaker.core.orders import OrderState
from quietmaker.core.units import Lots
from quietmaker.ports import OrderReport
from supervisors.ending import Ending
from tests.actors.fakes import HandClock


class Stage:
    """Everything that an end touches; each step is noted with how the switch stood."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.kill = KillSwitch()
        self.working = 1
        self.open = ["qm1-A-1", "foreign-1"]
        trading: Any = SimpleNamespace(
            kill=self.kill,
            traders={"A-USD": SimpleNamespace(tell=self._told)},
            supervisor=SimpleNamespace(stop=self._stop, step=self._step),
            board=SimpleNamespace(views=lambda: {"A-USD": SimpleNamespace(working=self.working)}),
        )
        exchange = SimpleNamespace(open_orders=self._open_orders, cancel=self._cancel)
        opened: Any = SimpleNamespace(link=SimpleNamespace(exchange=exchange))
        self.ending = Ending(trading, opened, clock=HandClock(), beat=lambda: None)

    def note(self, step: str) -> None:
        state = "shut" if self.kill.is_shut else "entries stopped" if self.kill.is_set else "open"
        self.steps.append(f"{step} ({state})")

    def _told(self, message: object) -> bool:
        self.note(type(message).__name__)
        return True

    def _step(self, timeout: float) -> None:
        del timeout
        self.working = 0

    def _stop(self) -> tuple[str, ...]:
        self.note("actors stop")
        return ()

    def _open_orders(self) -> list[OrderReport]:
        return [
            OrderReport(
                order_id=each,
                client_id=each,
                symbol="A-USD",
                state=OrderState.OPEN,
                filled=Lots(0),
                reason="",
            )
            for each in self.open
        ]

    def _cancel(self, ids: list[str]) -> None:
        self.note(f"cancel {','.join(ids)}")
        self.open = [each for each in self.open if each not in ids]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_an_orderly_end_lets_the_traders_cancel_and_exits_be_sent_until_then(stage: Stage) -> None:
    stage.ending.cancel_everything("SIGTERM", orderly=True)
    assert stage.steps == [
        "StopTrading (entries stopped)",
        "cancel qm1-A-1 (entries stopped)",
        "actors stop (entries stopped)",
    ]


def test_one_that_gives_up_sends_nothing_more_before_it_cancels_and_cancels_what_was_under_way(
    stage: Stage,
) -> None:
    stop = stage.ending._trading.supervisor.stop

    def late() -> tuple[str, ...]:
        stage.open.append("qm1-A-2")  # its request was under way when the first cancellation came
        return stop()

    stage.ending._trading.supervisor.stop = late  # type: ignore[method-assign]
    stage.ending.cancel_everything("gateway hangs", orderly=False)
    assert stage.steps == [
        "cancel qm1-A-1 (shut)",
        "actors stop (shut)",
        "cancel qm1-A-2 (shut)",
    ]
    assert stage.open == ["foreign-1"]  # somebody else's
