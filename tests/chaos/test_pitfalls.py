"""The pitfalls that users of Coinbase reported, P1 to P22: what no other test names, and a count."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from quietmaker.coinbase.rest.rest import Endpoint
from quietmaker.core.commands import CancelReason, Gate
from quietmaker.core.orders import Purpose, TimeInForce
from tests.chaos.ending import ends_well
from tests.chaos.market import SYMBOLS
from tests.chaos.rig import running
from tests.chaos.test_request_faults import rule

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"(?:_p|\bP)(\d{1,2})(?=_|\b)")


def sources() -> Iterator[str]:
    """Yield the source of every test function."""
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield ast.get_source_segment(text, node) or ""


def test_every_pitfall_is_named_in_a_test() -> None:
    named = {int(number) for source in sources() for number in NAMED.findall(source)}
    assert set(range(1, 23)) <= named


def test_p10_nothing_of_ours_uses_the_library_that_broke_its_clients() -> None:
    assert "supervisors.link" in sys.modules
    ours = {name for name in sys.modules if name.partition(".")[0] == "websockets"}
    assert ours == set()


def test_p13_an_order_changes_by_cancelling_and_placing_and_never_by_an_edit() -> None:
    assert not [each for each in Endpoint if "edit" in each.value]
    with running() as rig:
        for ticks in (3, 3, -2, -4):
            rig.until(rig.quoting, "quotes")
            rig.served.market(*(book.moved(ticks) for book in rig.waves.books.values()))
            rig.until(
                lambda: all(
                    rig.waves.books[r.symbol].bid == r.order.intent.price for r in rig.live
                ),
                "quotes follow the market",
            )
        reasons = {fact.cancel_reason for fact in rig.ledger.events} - {None}
        assert CancelReason.REPRICE in reasons
        assert not any(record.edits for record in rig.orders)
        ends_well(rig)


def test_p12_entries_that_die_for_crossing_have_the_book_asked_for_and_rest_further_away() -> None:
    with running("quote.post_only_rejects=3") as rig:
        rig.trade(2)
        rig.suffer(rule("order.die", {"side": "BUY"}, 1), fired=12)
        assert any(hold.gate is Gate.POST_ONLY_REFUSED for hold in rig.ledger.holds)
        assert "book_doubted" in rig.counted("market_data_lost")
        entries = [i for i in rig.ledger.intents.values() if i.purpose is Purpose.ENTRY]
        assert any(entry.price < entry.bid for entry in entries)
        assert all(entry.post_only for entry in entries)
        rig.trade(2)
        ends_well(rig)


def test_p14_balances_are_asked_for_since_nobody_tells_them() -> None:
    with running() as rig:
        account = rig.served.server.desk.floor.core.account
        taken = account.balances()["USD"].available - Decimal(10)

        def funds() -> list[int]:
            return [rig.core(symbol).state.funds or 0 for symbol in SYMBOLS]

        # More than a symbol could ever use is not told.
        rig.until(lambda: len({*funds()}) == 1, "there is plenty")
        plenty = funds()
        rig.served.on_loop(lambda: account._credit("USD", -taken))
        # What rests is paid for: the 10 that are left come on top of it.
        rig.until(lambda: max(funds()) < min(plenty) // 5, "somebody withdrew")
        rig.served.on_loop(lambda: account._credit("USD", taken))
        rig.until(lambda: funds() == plenty, "it is back")
        ends_well(rig)


def test_p18_orders_that_are_refused_for_crossing_stay_post_only_and_within_the_budget() -> None:
    with running("risk.max_orders_per_minute=40") as rig:
        rig.trade(2)
        rig.suffer(rule("order.die", {"side": "BUY"}, 1), fired=10)
        entries = [i for i in rig.ledger.intents.values() if i.purpose is Purpose.ENTRY]
        assert all(entry.post_only for entry in entries)
        assert not [entry for entry in entries if entry.time_in_force is TimeInForce.IOC]
        assert len(entries) <= 40 * len(SYMBOLS)
        rig.trade(2)
        ends_well(rig)
