"""The filter on a real database that is killed while it evaluates, and through ten restarts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_states import HOUR, FilterState
from quietmaker.core.units import Instant
from quietmaker.ledger.filter_books import PostgresFilterBooks
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from quietmaker.ports import FilterTrades
from tests.actors.test_symbol_filter import SYMBOLS, Rig
from tests.ledger.filter_makers import Traded, product_of, write_trades
from tests.ledger.makers import at
from tests.ledger.prompt import PromptLedger


class KilledBooks(PostgresFilterBooks):
    """Has the server killed between two questions of one evaluation, when armed."""

    def __init__(self, server: EmbeddedPostgres, url: str) -> None:
        super().__init__(lambda: self.url)
        self.server, self.url = server, url
        self.armed = False

    def trades(self, windows: Mapping[str, Windows]) -> Mapping[str, FilterTrades]:
        """Ask, of a server that has just died if armed."""
        if self.armed:
            self.armed = False
            kill(self.server)
        return super().trades(windows)


def kill(server: EmbeddedPostgres) -> None:
    """Kill the server and all its workers, as a crash of the machine would."""
    assert server.pid is not None
    master = psutil.Process(server.pid)
    workers = master.children()
    for each in (master, *workers):
        each.kill()
    psutil.wait_procs([master, *workers], timeout=10)


@dataclass
class Live:
    """A filter over books on a real server."""

    server: EmbeddedPostgres
    books: KilledBooks
    rig: Rig


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """Return a filter that is about to begin on books in which one symbol loses."""
    server, rig = EmbeddedPostgres(tmp_path / "home"), Rig()
    url = server.start()
    ledger = PromptLedger(lambda: url, products={symbol: product_of(symbol) for symbol in SYMBOLS})
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    for symbol, net in zip(SYMBOLS, ("-0.155", "0.05"), strict=True):
        write_trades(
            ledger,
            [
                Traded(symbol=symbol, net=Decimal(net), closed_at=Instant(rig.clock.at - n * HOUR))
                for n in range(8)
            ],
        )
    ledger.close()
    books = KilledBooks(server, url)
    rig.books = books  # type: ignore[assignment]
    rig.start()
    yield Live(server, books, rig)
    books.close()
    server.stop()


def states(rig: Rig) -> list[FilterState]:
    return [rig.state(symbol) for symbol in SYMBOLS]


def test_a_database_killed_in_the_middle_of_an_evaluation_changes_no_verdict(live: Live) -> None:
    rig = live.rig
    rig.begin()
    assert states(rig) == [FilterState.EXCLUDED, FilterState.ELIGIBLE]
    last = rig.eligibility.evaluated_at
    live.books.armed = True
    rig.hours(1)
    assert "cannot be asked" in rig.eligibility.failing
    assert states(rig) == [FilterState.EXCLUDED, FilterState.ELIGIBLE]
    assert rig.eligibility.evaluated_at == last
    assert rig.told("A-USD").rule is not None
    live.books.url = live.server.start()
    rig.hours(1)
    assert rig.eligibility.failing == ""
    assert states(rig) == [FilterState.EXCLUDED, FilterState.ELIGIBLE]


def test_a_database_killed_before_the_first_verdict_lets_nobody_in(live: Live) -> None:
    live.books.armed = True
    live.rig.begin()
    assert not live.rig.eligibility.known
    assert live.rig.traders["B-USD"].messages == []


def test_ten_restarts_in_a_row_give_the_same_verdicts_from_a_real_database(live: Live) -> None:
    rig = live.rig
    rig.begin()
    first = [rig.told(symbol) for symbol in SYMBOLS]
    for _ in range(10):
        rig.start()
        rig.begin()
        assert [rig.told(symbol) for symbol in SYMBOLS] == first
    assert len(live.books.history(None, limit=100)) == 1
