"""Books with the founding trade in them, and the commands run on them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from quietmaker.core.orders import ExitReason, Move
from quietmaker.core.units import Liquidity
from supervisors.cli import main
from tests.ledger.makers import EPOCH, PRODUCTS, at, entry, exit_of, fill_of, moved
from tests.ledger.prompt import PromptLedger

NOW = time.time() - EPOCH
Command = Callable[..., tuple[int, str, str]]


def founding_trade(url: str, *, number: int = 0, when: float = NOW - 3_600) -> None:
    """Buy in two parts and sell at the same price: a loss of 0.155, all of it fees."""
    ledger = PromptLedger(lambda: url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(when - 60))
    bought = entry(f"e{number}", price=1000, when=when - 30)
    sold = exit_of(f"x{number}", f"e{number}", reason=ExitReason.TIMEOUT_LOSS, when=when - 10)
    fills = [
        fill_of(bought, f"a{number}", size=400, fee="0.03", when=when - 25),
        fill_of(bought, f"b{number}", size=600, fee="0.045", when=when - 20),
        fill_of(sold, f"c{number}", fee="0.08", when=when, liquidity=Liquidity.TAKER),
    ]
    for intent, exchange_id in ((bought, f"exchange-buy-{number}"), (sold, f"exchange-{number}")):
        ledger.write_intent(intent)
        sent = float(intent.decided_at - at(0)) / 1e9
        ledger.write(
            [
                moved(intent, "sent", when=sent + 0.01),
                moved(intent, Move.ACCEPTED, when=sent + 0.06, order_id=exchange_id),
            ]
        )
    ledger.write(fills)
    ledger.close()


def open_order(url: str, client_id: str, *, when: float = NOW - 65) -> None:
    """Rest an entry."""
    ledger = PromptLedger(lambda: url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(when))
    intent = entry(client_id, when=when)
    ledger.write_intent(intent)
    ledger.write([moved(intent, Move.ACCEPTED, when=when + 1, order_id=f"at-{client_id}")])
    ledger.close()


def command_on(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return a function that runs a command on a database and returns exit code, stdout and stderr."""
    monkeypatch.setenv("QUIETMAKER__LEDGER__URL", url)

    def run(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(args)
        out, err = capsys.readouterr()
        return code, out, err

    return run
