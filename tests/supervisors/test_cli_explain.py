"""`trades explain`: one story under every id of a trade, in words and as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quietmaker.core.commands import Alert, AlertKind, CancelReason
from quietmaker.core.orders import ExitReason, Move
from tests.ledger.makers import PRODUCTS, SYMBOL, at, entry, exit_of, fill_of, mark, moved
from tests.ledger.prompt import PromptLedger
from tests.supervisors.books import NOW, Command, command_on, founding_trade

ROOT = Path(__file__).parents[2]
LEFT = NOW - 3_600


@pytest.fixture
def run(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return what runs a command on books with the founding trade, its market and a withdrawn exit."""
    monkeypatch.chdir(ROOT)
    founding_trade(database_url, when=LEFT)
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(LEFT))
    patient = exit_of("x-patient", "e0", reason=ExitReason.BREAK_EVEN_PLUS, when=LEFT - 15)
    ledger.write_intent(patient)
    ledger.write(
        [
            moved(patient, "sent", when=LEFT - 14.99),
            moved(patient, Move.ACCEPTED, when=LEFT - 14.9, order_id="exchange-patient"),
            moved(
                patient,
                Move.CANCEL_SENT,
                when=LEFT - 11,
                cancel_reason=CancelReason.EXIT_CHANGED,
            ),
            moved(patient, Move.CANCELLED, when=LEFT - 10.9, filled=0),
            mark("a0", 2010),
            mark("a0", 1990, seconds=5),
            mark("a0", 1980, seconds=60),
            mark("b0", 2000),
            mark("b0", 1980, seconds=60),
            mark("c0", 2000),
            Alert(symbol=SYMBOL, now=at(LEFT - 2), kind=AlertKind.EXIT_STUCK, detail="x0 waits"),
        ]
    )
    ledger.close()
    return command_on(database_url, monkeypatch, capsys)


def explained(run: Command, id_: str) -> Any:
    code, out, _ = run("trades", "explain", id_, "--json")
    assert code == 0
    return json.loads(out)


@pytest.mark.parametrize(
    ("id_", "found_by", "order"),
    [
        ("e0", "client_id", "e0"),
        ("x0", "client_id", "x0"),
        ("exchange-0", "order_id", "x0"),
        ("exchange-buy-0", "order_id", "e0"),
        ("a0", "trade_id", "e0"),
        ("c0", "trade_id", "x0"),
        ("exchange-patient", "order_id", "x-patient"),
    ],
)
def test_every_id_of_a_trade_leads_to_its_story(
    run: Command, id_: str, found_by: str, order: str
) -> None:
    page = explained(run, id_)
    assert (page["found_by"], page["order"], page["symbol"]) == (found_by, order, SYMBOL)
    assert {each["client_id"] for each in page["orders"]} == {"e0", "x0", "x-patient"}


def test_the_founding_loss_is_told_as_fees_and_nothing_else(run: Command) -> None:
    code, out, _ = run("trades", "explain", "exchange-0")
    assert code == 0
    assert "TNSR-USD  round trip e0  -0.155 USD, 100 % fees" in out
    assert "the price made nothing and lost nothing: all of the loss is fees" in out
    assert "left by timeout_loss: held for the longest allowed time, with the price below" in out
    assert "-0.155  fees: 2 maker and 1 taker fills, 7.75 % of what was traded" in out


def test_the_split_is_complete_to_the_last_digit(run: Command) -> None:
    (trip,) = explained(run, "e0")["round_trips"]
    split = trip["split"]
    assert trip["net"] == "-0.155"
    assert split == {
        "gross": "0",
        "fees": "0.155",
        "spread_captured": "0.002",
        "price_move": "-0.002",
        "adverse_selection": "-0.002",
        "adverse_seconds": 60,
        "loss_from_fees_ratio": "1",
        "loss": "100 % fees",
    }


def test_adverse_selection_is_summed_where_it_is_known(run: Command, database_url: str) -> None:
    founding_trade(database_url, number=9, when=LEFT + 600)
    code, out, _ = run("pnl", "--by", "symbol", "--json")
    (line,) = json.loads(out)["lines"]
    assert code == 0
    assert (line["trips"], line["adverse_trips"], line["adverse_selection"]) == (2, 1, "-0.002")


def test_the_story_goes_from_the_decision_to_the_exit(run: Command) -> None:
    _, out, _ = run("trades", "explain", "e0")
    lines = out.splitlines()
    decided = next(n for n, line in enumerate(lines) if line.startswith("entry  e0"))
    told = "\n".join(lines[decided:])
    steps = [
        "decided: BUY 10 at 0.1, post-only, GTC; strategy passive-v1, config c0ffee, run 1",
        "on bid 0.0985, ask 0.1001, spread 1.6113 %, volatility 0.013",
        "sent",
        "accepted as exchange-buy-0",
        "filled 4 at 0.1 as maker, fee 0.03 USD (7.5 %), trade a0",
        "exit by timeout_loss  x0  exchange-0",
        "filled 10 at 0.1 as taker, fee 0.08 USD (8 %), trade c0",
        "alert",
        "exit_stuck: x0 waits",
    ]
    places = [told.index(step) for step in steps]
    assert places == sorted(places)
    assert "+5.000 s  filled 4" in told


def test_what_the_market_did_after_a_fill_is_told_with_its_value(run: Command) -> None:
    _, out, _ = run("trades", "explain", "a0")
    assert "mid 0.1005: spread captured +0.002" in out
    assert "the mid then moved by -0.004 after 5 s, -0.006 after 60 s" in out
    order = next(o for o in explained(run, "a0")["orders"] if o["client_id"] == "e0")
    assert order["fills"][0]["markouts"] == {"5": "-0.004", "60": "-0.006"}


def test_orders_that_never_executed_are_added_up_and_told_if_asked_for(run: Command) -> None:
    _, out, _ = run("trades", "explain", "e0")
    assert (
        "1 further order was placed for it and never executed; withdrawn for exit_changed 1" in out
    )
    assert "x-patient" not in out
    _, out, _ = run("trades", "explain", "x-patient")
    assert "cancel sent because of exit_changed" in out
    assert "cancelled with 0 executed" in out


def test_an_order_that_never_filled_cost_nothing(run: Command, database_url: str) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(NOW))
    quiet = entry("quiet", when=NOW - 50)
    ledger.write_intent(quiet)
    ledger.write([moved(quiet, Move.REJECTED, when=NOW - 49)])
    ledger.close()
    page = explained(run, "quiet")
    assert page["round_trips"] == []
    assert [order["state"] for order in page["orders"]] == ["failed"]
    _, out, _ = run("trades", "explain", "quiet")
    assert "it never executed, and so cost nothing" in out


def test_an_open_position_tells_what_is_held(run: Command, database_url: str) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(NOW))
    held = entry("held", when=NOW - 50)
    ledger.write_intent(held)
    ledger.write([fill_of(held, "h1", size=300, when=NOW - 40)])
    ledger.close()
    _, out, _ = run("trades", "explain", "h1")
    assert "its position is open: 3 are held" in out


def test_an_unknown_id_says_what_was_looked_at_and_what_is_similar(run: Command) -> None:
    code, out, err = run("trades", "explain", "exchange-by-0")
    assert code == 1
    assert out == ""
    assert "nothing has the id 'exchange-by-0'" in err
    assert "3 orders, 3 executions" in err
    assert "did you mean exchange-buy-0 (order id)?" in err
    code, out, _ = run("trades", "explain", "exchange-b", "--json")
    assert code == 1
    assert json.loads(out)["near"][0] == {"id": "exchange-buy-0", "kind": "order_id"}


def test_an_imported_order_is_told_as_what_it_is(run: Command, tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text(
        "order_id,symbol,side,order_time,price,size,fees,status\n"
        "old-b,TNSR-USD,BUY,2026-05-01 10:00:00+00,0.1,10,0.075,filled\n"
        "old-s,TNSR-USD,SELL,2026-05-01 10:10:00+00,0.1,10,0.08,filled\n"
        "old-z,TNSR-USD,SELL,2026-05-01 10:10:00+00,0,10,0.08,filled\n"
    )
    assert run("db", "import", str(old))[0] == 0
    _, out, _ = run("trades", "explain", "old-s")
    assert "imported from a predecessor (batch 1)" in out
    assert "units bought for 1 and held for up to 10 min 00 s: -0.155" in out
    assert explained(run, "old-b")["found_by"] == "imported_order_id"
    code, _, err = run("trades", "explain", "old-z")
    assert code == 1
    assert "an import refused it: batch 1, line 4: price not positive: 0" in err
