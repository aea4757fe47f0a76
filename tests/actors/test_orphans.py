"""Quotes whose trader is away are cancelled at the exchange; exits and what is not ours are not."""

from __future__ import annotations

import threading

from actors.orphans import Orphans, in_a_thread
from quietmaker.core.orders import OrderState
from tests.actors.fakes import FakeExchange, report


def orphans(exchange: FakeExchange) -> Orphans:
    return Orphans(exchange, mark="qm", run=lambda work: work())


def opened(*client_ids: str) -> FakeExchange:
    exchange = FakeExchange()
    for client_id in client_ids:
        exchange.orders[client_id] = report(client_id, OrderState.OPEN)
    return exchange


def test_entries_of_both_sides_and_of_any_life_are_withdrawn_and_nothing_else() -> None:
    ours = ("qm7-X-USD-BE1", "qm7.2-X-USD-SE4")
    others = ("qm7-X-USD-SX2", "by-hand-X-USD-BE1", "qm7-XX-USD-BE1")
    exchange = opened(*ours, *others)
    orphans(exchange).withdraw(["X-USD"])
    assert exchange.asked("cancel") == [ours]


def test_a_symbol_that_is_not_concerned_keeps_its_quotes() -> None:
    exchange = opened("qm7-X-USD-BE1")
    orphans(exchange).withdraw(["Y-USD"])
    assert exchange.asked("cancel") == []


def test_hundreds_are_cancelled_by_the_hundred() -> None:
    exchange = opened(*(f"qm7-X-USD-BE{number}" for number in range(230)))
    orphans(exchange).withdraw(["X-USD"])
    assert [len(batch) for batch in exchange.asked("cancel")] == [100, 100, 30]


def test_an_exchange_that_cannot_be_asked_is_told_of_and_breaks_nothing() -> None:
    exchange = opened("qm7-X-USD-BE1")
    exchange.down = True
    orphans(exchange).withdraw(["X-USD"])


def test_it_does_not_make_its_caller_wait() -> None:
    done, go = threading.Event(), threading.Event()

    def work() -> None:
        go.wait(30)
        done.set()

    in_a_thread(work)
    assert not done.is_set()
    go.set()
    assert done.wait(30)
