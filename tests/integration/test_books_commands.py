"""The operator's questions to the books: of an instance that trades, and of one stopped or killed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_run import Run, start

__all__ = ["start"]


def asked(run: Run, *args: str, code: int = 0) -> Any:
    """Return what a command answers in JSON."""
    done = run.command(*args, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def trips_of(run: Run) -> dict[str, Any]:
    page = asked(run, "trades", "list", "--limit", "1000")
    return {trip["trip_id"]: trip for trip in page["round_trips"]}


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_books_answer_while_it_trades_and_the_same_once_it_ended(
    start: Any, tmp_path: Path, end: signal.Signals
) -> None:
    run = start("--set", "paper.seed=1")
    run.await_event("process_ready")
    run.await_event("round_trip_closed")
    run.await_event("round_trip_closed")

    running = trips_of(run)
    assert len(running) >= 2
    trip = next(iter(running.values()))
    story = asked(run, "trades", "explain", trip["closing_order"])
    assert [each["net"] for each in story["round_trips"]] == [trip["net"]]
    exits = [order for order in story["orders"] if order["purpose"] == "exit" and order["fills"]]
    assert {order["client_id"] for order in exits} >= {trip["closing_order"]}
    assert {event["what"] for event in exits[0]["events"]} >= {"sent", "accepted"}
    entered = next(order for order in story["orders"] if order["client_id"] == trip["id"])
    assert {"required_ppb", "range_low", "range_high"} <= set(entered["inputs"])
    by_exchange_id = asked(run, "trades", "explain", exits[0]["order_id"])
    assert by_exchange_id["round_trips"] == story["round_trips"]
    assert asked(run, "positions")["running"] is True
    assert asked(run, "orders")["running"] is True
    held = asked(run, "positions")["positions"]
    assert all(each["break_even"] is not None for each in held)
    assert sum(line["trips"] for line in asked(run, "pnl")["totals"]) >= 2
    assert asked(run, "db", "backup", str(tmp_path / "books.zip"))["tables"]["fills"]["rows"] >= 4
    for refused in (("db", "upgrade"), ("db", "recompute")):
        assert run.command(*refused).returncode == 6
    assert run.command("db", "restore", str(tmp_path / "books.zip"), "--replace").returncode == 6

    run.end(end)
    stopped = trips_of(run)
    assert running.items() <= stopped.items()
    assert asked(run, "positions")["running"] is False
    assert asked(run, "db", "check", code=0)["drift"] == []
    assert asked(run, "db", "recompute")["same"] is True
    assert run.command("db", "url").returncode == 3


def test_restored_books_are_traded_on_and_agree_with_the_exchange(
    start: Any, tmp_path: Path
) -> None:
    run = start("--speed", "4", "--set", "paper.seed=1")
    run.await_event("process_ready")
    run.await_event("round_trip_closed")
    run.end()
    before = trips_of(run)
    file = tmp_path / "books.zip"
    asked(run, "db", "backup", str(file))
    restored = asked(run, "db", "restore", str(file), "--replace")
    assert restored["aside"] is not None
    assert restored["journal_aside"] is not None
    assert trips_of(run) == before
    again = start("--speed", "4", "--set", "paper.seed=2")
    again.await_event("process_ready")
    again.await_event("round_trip_closed")
    again.end()
    after = trips_of(again)
    assert before.items() <= after.items()
    assert len(after) > len(before)
    ids = {order["client_id"] for order in asked(again, "trades", "list", "--orders")["orders"]}
    assert len({each.partition("-")[0] for each in ids}) == 2  # two runs, a thousand numbers apart
    page = asked(again, "db", "check")
    assert page["drift"] == []
    assert page["differences"] == []
