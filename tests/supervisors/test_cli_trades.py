"""`trades`, `orders`, `pnl`: the same rows for people, for programs and for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.conftest import run_sql
from tests.supervisors.books import NOW, Command, command_on, founding_trade, open_order

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Return what runs a command on books with three founding trades, one of 40 days ago."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "home"))
    for number, age in enumerate((3_600, 7_200, 40 * 86_400)):
        founding_trade(database_url, number=number, when=NOW - age)
    return command_on(database_url, monkeypatch, capsys)


def as_json(run: Command, *args: str) -> Any:
    code, out, _ = run(*args, "--json")
    assert code == 0
    return json.loads(out)


def test_round_trips_say_what_they_earned_and_what_the_loss_was_made_of(run: Command) -> None:
    page = as_json(run, "trades", "list")
    assert page["mode"] == "paper"
    assert page["more"] is False
    assert [trip["id"] for trip in page["round_trips"]] == ["e0", "e1"]
    trip = page["round_trips"][0]
    assert (trip["net"], trip["fees"], trip["loss"]) == ("-0.155", "0.155", "100 % fees")
    assert (trip["exit_reason"], trip["size"], trip["closing_order"]) == (
        "timeout_loss",
        "10",
        "x0",
    )
    assert trip["closed_at"].endswith("Z")


def test_people_see_the_loss_in_words_and_programs_every_digit(run: Command) -> None:
    code, out, err = run("trades", "list", "--limit", "1")
    assert code == 0
    assert "TNSR-USD" in out
    assert "-0.155" in out
    assert "100 % fees" in out
    assert len(out.splitlines()) == 2
    assert "the latest 1; there are more (--limit)" in err


def test_csv_has_a_heading_and_a_line_per_row(run: Command) -> None:
    code, out, _ = run("trades", "list", "--csv")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [line["id"] for line in lines] == ["e0", "e1"]
    assert lines[0]["net"] == "-0.155"


def test_older_trades_are_a_question_of_days(run: Command) -> None:
    assert len(as_json(run, "trades", "list", "--days", "60")["round_trips"]) == 3
    long_ago = as_json(run, "trades", "list", "--until", "2024-01-01")
    assert long_ago["round_trips"] == []
    assert len(as_json(run, "trades", "list", "--since", "2023-01-01")["round_trips"]) == 3


@pytest.mark.parametrize(
    ("args", "ids"),
    [
        (("--symbol", "TNSR-USD"), ["e0", "e1"]),
        (("--symbol", "BTC-USD"), []),
        (("--strategy", "passive-v1"), ["e0", "e1"]),
        (("--strategy", "another"), []),
    ],
)
def test_lists_are_narrowed_down(run: Command, args: tuple[str, ...], ids: list[str]) -> None:
    page = as_json(run, "trades", "list", *args)
    assert [trip["id"] for trip in page["round_trips"]] == ids


def test_an_empty_list_is_said_to_be_empty_and_is_no_error(run: Command) -> None:
    code, _, err = run("trades", "list", "--symbol", "BTC-USD")
    assert code == 0
    assert "no round trips from" in err


def test_fills_are_listed_with_what_they_were_for(run: Command) -> None:
    fills = as_json(run, "trades", "list", "--fills")["fills"]
    assert [fill["trade_id"] for fill in fills] == ["c0", "b0", "a0", "c1", "b1", "a1"]
    sold = fills[0]
    assert (sold["liquidity"], sold["purpose"], sold["exit_reason"]) == (
        *("TAKER", "exit", "timeout_loss"),
    )
    assert (sold["order_id"], sold["passive_order_id"]) == ("exchange-0", "e0")
    assert sold["mid_60s"] is None


def test_orders_are_the_rows_of_the_operators_view(run: Command) -> None:
    orders = as_json(run, "trades", "list", "--orders")["orders"]
    assert [(each["order_id"], each["pnl_usd"]) for each in orders] == [
        *(("exchange-0", "-0.155"), ("exchange-buy-0", None)),
        *(("exchange-1", "-0.155"), ("exchange-buy-1", None)),
    ]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("trades", "list", "--json", "--csv"), "--json and --csv exclude each other"),
        (("trades", "list", "--fills", "--orders"), "--fills and --orders exclude each other"),
        (("trades", "list", "--since", "2026-01-01", "--days", "3"), "exclude each other"),
        (("trades", "list", "--since", "yesterday"), "'yesterday' is no time; write 2026-01-31"),
        (("trades", "list", "--since", "2026-02-01", "--until", "2026-01-01"), "is not before"),
        (("trades", "list", "--symbol", "tnsr-usd"), "did you mean TNSR-USD?"),
        (("trades", "list", "--days", "0"), "0 is not in the range"),
        (("pnl", "--by", "moon"), "'moon' is not one of"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_how_it_is_right(
    run: Command, args: tuple[str, ...], words: str
) -> None:
    code, out, err = run(*args)
    assert code == 2
    assert out == ""
    assert words in err


@pytest.mark.parametrize(
    ("by", "key"),
    [("symbol", "TNSR-USD"), ("exit_reason", "timeout_loss"), ("config", "c0ffee")],
)
def test_profit_and_loss_adds_up_by_anything(run: Command, by: str, key: str) -> None:
    page = as_json(run, "pnl", "--by", by)
    (line,) = page["lines"]
    assert line["key"] == key
    assert (line["currency"], line["trips"], line["wins"], line["win_rate"]) == ("USD", 2, 0, "0")
    assert (line["net"], line["fees"], line["loss"]) == ("-0.31", "0.31", "100 % fees")
    assert (line["adverse_selection"], line["adverse_trips"]) == (None, 0)
    assert page["totals"] == [{**line, "key": "total"}]


def test_days_are_utc_and_their_sum_is_the_total(run: Command) -> None:
    page = as_json(run, "pnl", "--by", "day", "--days", "60")
    assert sum(line["trips"] for line in page["lines"]) == 3
    assert page["totals"][0]["net"] == "-0.465"
    code, out, _ = run("pnl", "--days", "60")
    assert code == 0
    assert out.splitlines()[-1].startswith("total")


def test_a_drawdown_needs_a_capital_and_is_a_share_of_its_peak(
    run: Command, database_url: str
) -> None:
    assert as_json(run, "pnl", "--days", "60")["drawdown"] == {}, "no tie-out has seen the account"
    run_sql(
        database_url,
        "INSERT INTO cash_movements (reference, currency, amount, kind, at_ns, evidence, inferred)"
        f" VALUES ('o', 'USD', 31, 'opening', {2**62}, '{{}}', true)",
    )
    page = as_json(run, "pnl", "--days", "60")
    assert page["drawdown"] == {"USD": {"share": "0.015", "peak": "31", "low": "30.535"}}
    _, _, err = run("pnl", "--days", "60")
    assert "drawdown by day: 1.50 % (31 to 30.535 USD)" in err


def test_open_orders_tell_their_age_state_and_purpose(run: Command, database_url: str) -> None:
    assert as_json(run, "orders")["orders"] == []
    open_order(database_url, "resting", when=NOW - 65)
    page = as_json(run, "orders")
    (order,) = page["orders"]
    assert page["running"] is False
    assert (order["client_id"], order["order_id"]) == ("resting", "at-resting")
    assert (order["state"], order["purpose"], order["filled"]) == ("open", "entry", "0")
    assert 60 <= order["age_seconds"] < 86_400  # the whole suite may run in between
    _, out, err = run("orders")
    assert " min " in out
    assert "settled with the exchange at the next start" in err


def test_a_time_span_is_half_open(run: Command) -> None:
    closed = as_json(run, "trades", "list", "--limit", "1")["round_trips"][0]["closed_at"]
    from_then = as_json(run, "trades", "list", "--since", closed)["round_trips"]
    before = as_json(run, "trades", "list", "--days", "30")["round_trips"]
    assert [trip["id"] for trip in from_then] == ["e0"]
    until_then = as_json(run, "trades", "list", "--until", closed)["round_trips"]
    assert [trip["id"] for trip in until_then] == ["e1", "e2"]
    assert len(before) == 2
