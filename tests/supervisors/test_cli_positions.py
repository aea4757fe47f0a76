"""`positions` and `db check`: what is held and what leaves it, and whether the books agree."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quietmaker.core.orders import ExitReason, Move
from quietmaker.core.units import Side
from quietmaker.ledger.reading.positions import HeldLot, OpenPosition
from quietmaker.settings import load
from tests.ledger.conftest import run_sql
from tests.ledger.makers import PRODUCTS, at, entry, exit_of, fill_of, moved
from tests.ledger.prompt import PromptLedger
from tests.supervisors.books import NOW, Command, command_on, founding_trade

ROOT = Path(__file__).parents[2]
NOW_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def run(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return what runs a command on books with a closed trade and an open position of two lots."""
    monkeypatch.chdir(ROOT)
    founding_trade(database_url, when=NOW - 3_600)
    hold(database_url)
    return command_on(database_url, monkeypatch, capsys)


def hold(url: str) -> None:
    """Buy 10 for 1 in two parts, sell 2 of it, and let the exit rest."""
    ledger = PromptLedger(lambda: url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(NOW))
    bought = entry("h0", price=1000, when=NOW - 130)
    left = exit_of("hx", "h0", price=1020, when=NOW - 100)
    ledger.write_intent(bought)
    ledger.write_intent(left)
    ledger.write(
        [
            fill_of(bought, "h1", size=400, fee="0.001", when=NOW - 125),
            fill_of(bought, "h2", size=600, fee="0.0015", when=NOW - 120),
            moved(left, Move.ACCEPTED, when=NOW - 99, order_id="at-hx"),
            fill_of(left, "h3", size=200, fee="0.0005", when=NOW - 90),
        ]
    )
    ledger.close()


def as_json(run: Command, *args: str, code: int = 0) -> Any:
    got, out, _ = run(*args, "--json")
    assert got == code
    return json.loads(out)


def test_a_position_tells_its_cost_its_age_its_owner_and_its_exit(run: Command) -> None:
    page = as_json(run, "positions")
    (held,) = page["positions"]
    assert (page["mode"], page["running"]) == ("paper", False)
    assert (held["symbol"], held["entry"], held["size"], held["lots"]) == (
        "TNSR-USD",
        "BUY",
        "8",
        2,
    )
    assert (held["average_price"], held["cost"], held["fees"]) == ("0.1", "0.8", "0.002")
    assert (held["round_trip"], held["strategy_tag"]) == ("h0", "passive-v1")
    assert held["exit"] == "SELL 8 at 0.102 by break_even_plus (open, hx)"
    assert 120 <= held["age_seconds"] < 900
    assert [(lot["trade_id"], lot["size"]) for lot in page["lots"]] == [("h1", "2"), ("h2", "6")]


def test_break_even_knows_the_fees_that_were_paid_and_that_will_be(run: Command) -> None:
    (held,) = as_json(run, "positions")["positions"]
    exact = Decimal("0.802") / (8 * (1 - Decimal("0.0025")))
    assert Decimal(held["break_even"]) == round(exact, 12)
    assert held["break_even_from"] == "configuration"


@pytest.mark.parametrize("entry_side", [Side.BUY, Side.SELL])
def test_leaving_at_break_even_costs_exactly_nothing(entry_side: Side) -> None:
    lot = HeldLot(
        trade_id="t",
        client_id="c",
        size=Decimal(1000),
        price=Decimal("0.1"),
        fees=Decimal("0.25"),
        opened_at=NOW_TIME,
        strategy_tag="t",
    )
    position = OpenPosition(
        symbol="TNSR-USD", entry=entry_side, round_trip="c", flaw=None, lots=(lot,), exits=()
    )
    rates = load(ROOT / "config" / "paper.yaml", env={}).paper_fees()
    price = position.break_even(rates)
    exit_value = price * position.size
    fee = exit_value * rates.maker / 10**9
    gained = (exit_value - position.cost) * entry_side.sign - position.fees - fee
    assert abs(gained) < Decimal("1e-24")


def test_people_and_spreadsheets_get_the_same_position(run: Command) -> None:
    code, out, err = run("positions")
    assert code == 0
    assert "SELL 8 at 0.102 by break_even_plus (open, hx)" in " ".join(out.split())
    assert "no instance runs: nothing leaves these positions" in err
    (line,) = csv.DictReader(io.StringIO(run("positions", "--csv")[1]))
    assert (line["symbol"], line["cost"], line["exit_orders"]) == ("TNSR-USD", "0.8", "1")


def test_nothing_held_is_said_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    founding_trade(database_url)
    code, _, err = command_on(database_url, monkeypatch, capsys)("positions")
    assert code == 0
    assert "nothing is held" in err


# --- db check ---


def test_books_that_agree_are_said_to(run: Command) -> None:
    page = as_json(run, "db", "check")
    assert page == {
        "agrees": True,
        "drift": [],
        "differences": [],
        "last_tie_out": None,
        "refused_facts": 0,
    }
    code, out, _ = run("db", "check")
    assert code == 0
    assert "the books agree with themselves; they were never compared with the exchange" in out


@pytest.mark.parametrize(
    ("damage", "table", "key"),
    [
        ("UPDATE holdings SET size = size + 1", "holdings", "TNSR-USD"),
        ("UPDATE executions SET fees = 0 WHERE client_id = 'x0'", "executions", "x0"),
        ("UPDATE flows SET quote = 0", "flows", "TNSR-USD"),
        ("UPDATE symbol_days SET wins = trips", "symbol_days", "TNSR-USD"),
        ("UPDATE lots SET remaining = 1 WHERE trade_id = 'h1'", "lots", "h1"),
        ("DELETE FROM allocations WHERE close_trade_id = 'c0'", "round_trips", "c0"),
        (
            "UPDATE order_states SET settled = true, state = 'filled' WHERE client_id = 'hx'",
            *("order_states", "hx"),
        ),
    ],
)
def test_what_is_derived_otherwise_than_from_the_facts_is_named(
    run: Command, database_url: str, damage: str, table: str, key: str
) -> None:
    run_sql(database_url, damage)
    page = as_json(run, "db", "check", code=1)
    assert any(d["table"] == table and d["key"].startswith(key) for d in page["drift"])
    code, out, _ = run("db", "check")
    assert code == 1
    assert "derived rows differ from the facts" in out


def test_a_difference_to_the_exchange_is_told_with_both_sides_until_it_is_resolved(
    run: Command, database_url: str
) -> None:
    noted = "INSERT INTO difference_notes (kind, subject, at_ns, ours, theirs, detail, resolution) VALUES"
    run_sql(
        database_url, f"{noted} ('execution_differs', 'TNSR-USD', 1, '8', '9', 'seen twice', NULL)"
    )
    run_sql(
        database_url,
        "INSERT INTO tie_outs (at_ns, verdict, fills, orders, balances, differences, detail)"
        f" VALUES ({at(NOW)}, 'different', 3, 1, 2, 1, 'TNSR-USD')",
    )
    page = as_json(run, "db", "check", code=1)
    (difference,) = page["differences"]
    assert (difference["ours"], difference["theirs"]) == ("8", "9")
    assert page["last_tie_out"]["verdict"] == "different"
    code, out, _ = run("db", "check")
    assert code == 1
    assert "different (3 executions, 1 orders, 2 balances)" in out
    run_sql(database_url, f"{noted} ('execution_differs', 'TNSR-USD', 2, '8', '9', '', 'agrees')")
    run_sql(
        database_url,
        "INSERT INTO tie_outs (at_ns, verdict, fills, orders, balances, differences, detail)"
        f" VALUES ({at(NOW) + 1}, 'clean', 3, 1, 2, 0, '')",
    )
    assert as_json(run, "db", "check")["agrees"] is True


def test_exits_of_another_reason_are_told_as_they_are(run: Command, database_url: str) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(NOW))
    ledger.write_intent(exit_of("stop", "h0", reason=ExitReason.STOP_LOSS, price=950, when=NOW))
    ledger.close()
    (held,) = as_json(run, "positions")["positions"]
    assert held["exit_orders"] == 2
    assert "SELL 10 at 0.095 by stop_loss (pending, stop)" in held["exit"]
