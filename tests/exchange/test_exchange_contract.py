"""What every `Exchange` with its two streams promises, whatever stands behind it.

A new adapter adds itself to `RIGS` with a way to open it on `MARKET` and to let time pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Protocol

import pytest

from quietmaker.core.market import BookSnapshot, MarketEvent, TradePrint
from quietmaker.core.orders import Move, OrderState
from quietmaker.core.units import Instant, Liquidity, Side
from quietmaker.ports import (
    Accepted,
    Balance,
    CancelOutcome,
    Exchange,
    MarketStream,
    Rejected,
    UserEvent,
    UserFill,
    UserOrder,
    UserStream,
    UserStreamReady,
)
from tests.exchange.rigs import rig
from tests.exchange.sources import elsewhere, touch, trade
from tests.exchange.support import FEES, OTHER, PRODUCT, SYMBOL, buy, sell
from tests.exchange.wire_rig import wired

MARKET = (
    touch(0, 99, 500, 100, 500),
    elsewhere(touch(0, 50, 10, 60, 10)),
    trade(1, 99, 40, Side.SELL),
    trade(2, 99, 600, Side.SELL),
    touch(3, 98, 100, 100, 500),
    trade(310, 98, 1, Side.SELL),
    touch(700, 98, 100, 100, 500),
)
"""A market of which the first second is over when the exchange opens; amounts in ticks and lots."""


class Opened(Protocol):
    """An exchange under test."""

    @property
    def exchange(self) -> Exchange:
        """Return its orders."""

    @property
    def market_stream(self) -> MarketStream:
        """Return its market."""

    @property
    def user_stream(self) -> UserStream:
        """Return what happens to its orders."""

    def run(self, seconds: float) -> None:
        """Return once that much of the market has happened and was delivered."""


class PaperRig:
    """The paper exchange."""

    def __init__(self) -> None:
        """Open it on the market."""
        self._rig = rig(MARKET, warmup=0.5)

    @property
    def exchange(self) -> Exchange:
        """Return its orders."""
        return self._rig.exchange

    @property
    def market_stream(self) -> MarketStream:
        """Return its market."""
        return self._rig.exchange.market_stream

    @property
    def user_stream(self) -> UserStream:
        """Return what happens to its orders."""
        return self._rig.exchange.user_stream

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self._rig.run(seconds)


@contextmanager
def paper() -> Iterator[Opened]:
    """Open the paper exchange, and close it."""
    opened = PaperRig()
    yield opened
    opened._rig.exchange.close()


def wire() -> AbstractContextManager[Opened]:
    """Open the Coinbase adapter with its streams on the exchange's server, over real sockets."""
    return wired(MARKET, warmup=0.5)


RIGS: dict[str, Callable[[], AbstractContextManager[Opened]]] = {"paper": paper, "wire": wire}


@pytest.fixture(params=sorted(RIGS))
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Open each kind of exchange in turn."""
    with RIGS[request.param]() as one:
        yield one


class Ears:
    """Hears both streams."""

    def __init__(self, opened: Opened) -> None:
        """Start listening."""
        self.market: list[MarketEvent] = []
        self.user: list[UserEvent] = []
        opened.user_stream.start(self.user.append)
        opened.market_stream.start(self.market.append)
        opened.run(0)

    def moves(self, client_id: str) -> list[Move]:
        """Return what was told of an order."""
        return [e.move for e in self.user if isinstance(e, UserOrder) and e.client_id == client_id]


def test_products_and_fees_are_those_of_the_account(opened: Opened) -> None:
    assert opened.exchange.products() == {SYMBOL: PRODUCT, OTHER.symbol: OTHER}
    assert opened.exchange.fees() == FEES


def test_the_clock_does_not_run_backwards(opened: Opened) -> None:
    before = opened.exchange.time()
    opened.run(1)
    assert opened.exchange.time() >= before


def test_an_accepted_order_is_open_and_holds_its_funds(opened: Opened) -> None:
    answer = opened.exchange.submit(buy("a", 99, 100))
    assert isinstance(answer, Accepted)
    report = opened.exchange.order("a", since=Instant(0))
    assert report is not None
    assert (report.order_id, report.state, report.filled) == (answer.order_id, OrderState.OPEN, 0)
    assert list(opened.exchange.open_orders()) == [report]
    held = Decimal("0.99") * Decimal("1.004")
    assert opened.exchange.balances()["USD"] == Balance(
        currency="USD", available=1000 - held, hold=held
    )


def test_an_order_is_refused_with_coinbases_word(opened: Opened) -> None:
    refused = Rejected(reason="INVALID_LIMIT_PRICE_POST_ONLY")
    assert opened.exchange.submit(buy("a", 100, 100)) == refused
    assert opened.exchange.order("a", since=Instant(0)) is None


def test_a_repeated_client_id_is_the_same_order(opened: Opened) -> None:
    first = opened.exchange.submit(buy("a", 99, 100))
    assert opened.exchange.submit(buy("a", 99, 100)) == first
    assert len(opened.exchange.open_orders()) == 1


def test_an_order_that_never_was_is_none(opened: Opened) -> None:
    assert opened.exchange.order("never", since=Instant(0)) is None


def test_a_currency_that_was_never_funded_has_no_row(opened: Opened) -> None:
    assert OTHER.base not in opened.exchange.balances()


def test_cancelling_is_answered_for_each_order(opened: Opened) -> None:
    opened.exchange.submit(sell("a", 101, 100))
    assert opened.exchange.cancel(["a", "never"]) == (
        CancelOutcome(client_id="a", reason=None),
        CancelOutcome(client_id="never", reason="UNKNOWN_CANCEL_ORDER"),
    )
    opened.run(0)
    report = opened.exchange.order("a", since=Instant(0))
    assert report is not None
    assert report.state is OrderState.CANCELLED
    assert opened.exchange.open_orders() == ()
    assert opened.exchange.cancel(()) == ()


def test_a_snapshot_of_each_symbol_comes_first(opened: Opened) -> None:
    ears = Ears(opened)
    opened.run(4)
    first = {event.symbol: event for event in reversed(ears.market)}
    assert set(first) == {SYMBOL, OTHER.symbol}
    for event in first.values():
        assert isinstance(event, BookSnapshot)
    assert any(isinstance(event, TradePrint) for event in ears.market)
    assert [event.at for event in ears.market] == sorted(event.at for event in ears.market)


def test_a_resync_is_a_fresh_snapshot_of_one_book(opened: Opened) -> None:
    ears = Ears(opened)
    opened.run(4)
    ears.market.clear()
    opened.market_stream.resync(SYMBOL)
    opened.run(0)
    books = [event for event in ears.market if isinstance(event, BookSnapshot)]
    assert [book.symbol for book in books] == [SYMBOL]
    assert books[0].bids == ((98, 100),)


def test_the_stream_and_the_queries_tell_the_same_life(opened: Opened) -> None:
    ears = Ears(opened)
    answer = opened.exchange.submit(buy("a", 99, 100))
    opened.run(4)
    assert isinstance(answer, Accepted)
    assert ears.moves("a") == [Move.ACCEPTED, Move.FILLED]
    fills = [event for event in ears.user if isinstance(event, UserFill)]
    assert fills == list(opened.exchange.fills(Instant(0)))
    assert [fill.fill.size for fill in fills] == [40, 60]
    for told in fills:
        assert told.order_id == answer.order_id
        assert told.fill.liquidity is Liquidity.MAKER
        assert told.fill.fee == PRODUCT.notional(99, told.fill.size) * Decimal("0.0025")
    assert opened.exchange.fills(fills[-1].fill.at) == (fills[-1],)
    report = opened.exchange.order("a", since=Instant(0))
    assert report is not None
    assert (report.state, report.filled) == (OrderState.FILLED, 100)


def test_executions_of_the_account_are_told_in_decimals_for_a_span_of_time(opened: Opened) -> None:
    Ears(opened)
    opened.exchange.submit(buy("a", 99, 100))
    opened.run(4)
    fills = [told.fill for told in opened.exchange.fills(Instant(0))]
    after = Instant(fills[-1].at + 1)
    told = opened.exchange.executions(Instant(0), after)
    assert [(each.trade_id, each.client_id) for each in told] == [(f.trade_id, "a") for f in fills]
    assert told[0].text() == "TNSR-USD BUY 4 at 0.099, fee 0.00099, order a"
    assert (told[0].at, told[0].liquidity, told[0].undoes) == (fills[0].at, Liquidity.MAKER, "")
    assert opened.exchange.executions(fills[-1].at, after) == told[1:]
    assert opened.exchange.executions(Instant(0), fills[-1].at) == told[:1]
    changes = {currency: Decimal(0) for currency in ("USD", "TNSR")}
    for each in told:
        changes["TNSR"] += each.base_change
        changes["USD"] += each.quote_change
    for currency, change in changes.items():
        balance = opened.exchange.balances()[currency]
        assert balance.available + balance.hold == 1000 + change


def test_the_user_stream_says_once_that_nothing_can_be_missed_from_now_on(opened: Opened) -> None:
    ears = Ears(opened)
    opened.exchange.submit(buy("a", 99, 100))
    opened.run(0)
    assert [type(event) for event in ears.user] == [UserStreamReady, UserOrder]
    opened.user_stream.stop()
    opened.market_stream.stop()
    again = Ears(opened)
    # What is open may be told first: a snapshot comes before the stream is ready.
    repeated = [event for event in again.user if not isinstance(event, UserStreamReady)]
    assert len(again.user) - len(repeated) == 1
    assert set(again.moves("a")) <= {Move.ACCEPTED}


def test_one_stream_stops_without_the_other(opened: Opened) -> None:
    ears = Ears(opened)
    opened.run(1)
    opened.market_stream.stop()
    told = len(ears.market)
    opened.exchange.submit(buy("a", 97, 100))
    opened.run(4)
    assert len(ears.market) == told
    assert ears.moves("a") == [Move.ACCEPTED]


def test_candles_are_told_oldest_first_and_holes_stay_holes(opened: Opened) -> None:
    Ears(opened)
    opened.run(699)
    bars = opened.exchange.candles(SYMBOL)
    assert [(bar.low, bar.high) for bar in bars] == [(99, 99), (98, 98)]
    assert bars[1].start - bars[0].start == 300 * 10**9
    assert opened.exchange.candles(OTHER.symbol) == ()


def test_nothing_is_told_after_stop_and_the_orders_live_on(opened: Opened) -> None:
    ears = Ears(opened)
    opened.exchange.submit(buy("a", 99, 100))
    opened.run(0)
    opened.market_stream.stop()
    opened.user_stream.stop()
    told = (len(ears.market), len(ears.user))
    opened.run(4)
    assert (len(ears.market), len(ears.user)) == told
    again = Ears(opened)
    report = opened.exchange.order("a", since=Instant(0))
    assert report is not None
    assert report.state is OrderState.FILLED
    assert isinstance(again.market[0], BookSnapshot)
    assert len(opened.exchange.fills(Instant(0))) == 2
