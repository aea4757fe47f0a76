"""`symbols`: the states and their reasons, the operator's word, and what other thresholds would change."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from quietmaker.core.filter_states import DAY, HOUR, FilterState, Transition
from quietmaker.core.units import Instant
from quietmaker.ledger.filter_books import PostgresFilterBooks
from supervisors.commands import symbols
from tests.ledger.filter_makers import Traded, product_of, write_trades
from tests.ledger.makers import at
from tests.ledger.prompt import PromptLedger
from tests.supervisors.books import Command, command_on

ROOT = Path(__file__).parents[2]
NOW = Instant(time.time_ns())
BAD, GOOD = "TNSR-USD", "BTC-USD"


@pytest.fixture
def books(database_url: str) -> Iterator[PostgresFilterBooks]:
    """Return books in which one symbol lost ten trades, one a day, and another won as many."""
    products = {symbol: product_of(symbol) for symbol in (BAD, GOOD)}
    ledger = PromptLedger(lambda: database_url, products=products)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    for symbol, net in ((BAD, "-0.155"), (GOOD, "0.05")):
        write_trades(
            ledger,
            [
                Traded(symbol=symbol, net=Decimal(net), closed_at=Instant(NOW - n * DAY - HOUR))
                for n in range(10)
            ],
        )
    ledger.close()
    made = PostgresFilterBooks(lambda: database_url)
    yield made
    made.close()


@pytest.fixture
def run(
    books: PostgresFilterBooks,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Return what runs a command on those books."""
    del books
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USER", "ann")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return command_on(database_url, monkeypatch, capsys)


def exclude_bad(books: PostgresFilterBooks, *, hours_ago: int = 30) -> None:
    moved = Transition(
        symbol=BAD,
        at=Instant(NOW - hours_ago * HOUR),
        before=FilterState.ELIGIBLE,
        after=FilterState.EXCLUDED,
        rule="win_rate",
        value=Decimal(0),
        threshold=Decimal("0.3"),
        sample=10,
        reason="win_rate 0 % < 30 % (10 trades)",
    )
    books.store_transitions([moved], config_sha="c0ffee")


def as_json(run: Command, *args: str) -> Any:
    code, out, err = run("symbols", *args, "--json")
    assert code == 0, err
    return json.loads(out)


def listed(run: Command, *args: str) -> dict[str, Any]:
    return {each["symbol"]: each for each in as_json(run, "list", *args)["symbols"]}


def test_the_list_shows_states_with_the_numbers_that_they_come_from(
    run: Command, books: PostgresFilterBooks
) -> None:
    exclude_bad(books)
    found = listed(run, "--set", f"universe.permanent_exclusions={GOOD}")
    assert (found[BAD]["state"], found[BAD]["reason"]) == (
        "excluded",
        "win_rate 0 % < 30 % (10 trades)",
    )
    assert (found[BAD]["trades"], found[BAD]["win_rate_pct"]) == (10, "0")
    assert (found[BAD]["avg_pnl"], found[BAD]["total_pnl"]) == ("-0.155", "-1.55")
    assert found[GOOD]["state"] == "denied"
    assert found[GOOD]["reason"].startswith(f"permanent_exclusions: {GOOD}")


def test_people_are_told_that_no_instance_runs(run: Command) -> None:
    code, out, err = run("symbols", "list")
    assert code == 0
    assert BAD in out
    assert "no instance runs" in err


def test_explain_names_every_rule_and_what_would_change_it(
    run: Command, books: PostgresFilterBooks
) -> None:
    exclude_bad(books, hours_ago=2)
    told = as_json(run, "explain", BAD)
    assert [rule["rule"] for rule in told["rules"]] == [
        *("win_rate", "avg_pnl", "total_pnl", "avg_pnl_pct", "total_pnl_pct", "spread"),
    ]
    assert told["judged_on"] == "shadow trades, to come back"
    assert told["rules"][0]["would_change_it"] == "10 more closed trades"
    assert "least time excluded" in [each["words"] for each in told["kept_out_by"]]
    assert told["earliest_return"] > told["since"]
    assert told["history"][0]["to"] == "excluded"
    code, out, _ = run("symbols", "explain", BAD)
    assert code == 0
    assert f"{BAD} is excluded" in out
    assert "earliest return" in out


def test_explain_says_how_many_wins_a_failing_rate_needs(run: Command) -> None:
    told = as_json(run, "explain", BAD)
    assert told["rules"][0]["finding"] == "fail"
    assert told["rules"][0]["would_change_it"] == "5 won trades in a row"  # 5 of 15 is above 30 %


def test_by_ageing_the_date_of_return_is_shown(run: Command, books: PostgresFilterBooks) -> None:
    exclude_bad(books)
    told = as_json(run, "explain", BAD, "--set", "filter.shadow=false")
    (ageing,) = [each for each in told["kept_out_by"] if "by ageing" in each["words"]]
    assert told["earliest_return"] == ageing["until"]


def test_an_unknown_symbol_is_said_to_be_unknown_and_a_misspelt_one_is_refused(
    run: Command,
) -> None:
    code, _, err = run("symbols", "explain", "NEVER-USD")
    assert code == 3
    assert "nothing is known of NEVER-USD" in err
    code, _, err = run("symbols", "explain", "QNT,USD")
    assert code == 2
    assert "did you mean QNT-USD?" in err


def test_the_operators_word_is_stored_shown_and_audited(run: Command, database_url: str) -> None:
    code, _, err = run("symbols", "exclude", GOOD, "--reason", "delisting", "--days", "3")
    assert code == 0
    assert "at the next start" in err
    found = listed(run)[GOOD]
    assert (found["state"], found["reason"]) == ("denied", "operator ann: delisting")
    told = as_json(run, "explain", GOOD)["operator"]
    assert (told["action"], told["reason"], told["operator"]) == ("exclude", "delisting", "ann")
    assert told["until"] is not None
    assert run("symbols", "include", GOOD, "--reason", "it stays")[0] == 0
    assert listed(run)[GOOD]["state"] == "eligible"
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT operator, action, arguments->>'symbol' FROM operator_actions ORDER BY id"
        )
        assert cursor.fetchall() == [
            ("ann", "symbols exclude", GOOD),
            ("ann", "symbols include", GOOD),
        ]
    connection.close()


def test_a_word_needs_a_reason_and_a_future_and_does_not_outrank_the_configuration(
    run: Command,
) -> None:
    assert run("symbols", "exclude", GOOD)[0] == 2
    assert run("symbols", "exclude", GOOD, "--reason", " ")[0] == 2
    code, _, err = run("symbols", "exclude", GOOD, "--reason", "x", "--until", "2020-01-01")
    assert code == 2
    assert "in the past" in err
    banned = ("--set", f"universe.permanent_exclusions={GOOD}")
    code, _, err = run("symbols", "include", GOOD, "--reason", "x", *banned)
    assert code == 6
    assert "the configuration bans" in err


def test_simulate_shows_who_would_go_and_what_it_earned_since(run: Command) -> None:
    changes = as_json(run, "simulate", "--min-win-rate", "0.35")["changes"]
    assert [(each["symbol"], each["would"]) for each in changes] == [(BAD, "go")]
    # It failed with the fifth day of trades; five more followed.
    assert (changes[0]["pnl_since"], changes[0]["trades_since"]) == ("-0.775", 5)
    assert as_json(run, "simulate", "--min-win-rate", "0", "--min-trades", "5")["changes"] == []
    run_again = as_json(run, "simulate", "--min-win-rate", "0", "--min-avg-pnl", "0.06")["changes"]
    assert [each["symbol"] for each in run_again] == [GOOD, BAD]


def test_simulate_shows_whose_ban_would_end(run: Command, books: PostgresFilterBooks) -> None:
    denied = Transition(
        symbol=GOOD,
        at=Instant(NOW - HOUR),
        before=FilterState.ELIGIBLE,
        after=FilterState.DENIED,
        rule="permanent_exclusions",
        value=None,
        threshold=None,
        sample=None,
        reason=f"permanent_exclusions: {GOOD} (base.yaml:3)",
    )
    books.store_transitions([denied], config_sha="c0ffee")
    changes = as_json(run, "simulate", "--min-win-rate", "0")["changes"]
    assert [(each["symbol"], each["would"]) for each in changes] == [(GOOD, "lose its ban")]


def test_a_running_instance_adds_its_spreads_and_the_symbols_that_never_traded(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {"spread": {"value": "0.031", "sample": 3_600}}
    page = {
        "next_at": 1_800_000_000,
        "failing": "the books cannot be asked",
        "symbols": {GOOD: {"rules": wide}, "NEW-USD": {"rules": {}}},
    }
    monkeypatch.setattr(symbols, "fetch", lambda home: {"filter": page})
    found = listed(run)
    assert (found[GOOD]["spread_pct"], found["NEW-USD"]["state"]) == ("3.1", "eligible")
    assert found[BAD]["spread_pct"] is None
    assert found[GOOD]["next_evaluation"].startswith("2027-01-15")
    told = as_json(run, "explain", GOOD)
    (spread,) = [rule for rule in told["rules"] if rule["rule"] == "spread"]
    assert (spread["finding"], spread["words"]) == ("fail", "spread 3.1 % > 2 % (3600 s watched)")
    assert spread["would_change_it"] == "an average of 2 % or less over the window"
    _, _, err = run("symbols", "list")
    assert "did not hold: the books cannot be asked" in err
    assert "within seconds" in run("symbols", "exclude", GOOD, "--reason", "x")[2]
