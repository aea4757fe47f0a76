"""Both streams on our own exchange's server: TLS, keys, orders, executions, faults. Nothing is scripted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from quietmaker.coinbase.auth import Signer
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.coinbase.streams.market_stream import CHANNELS, CoinbaseMarketStream
from quietmaker.coinbase.streams.socket_thread import TIMES
from quietmaker.coinbase.streams.user_stream import CoinbaseUserStream
from quietmaker.coinbase.streams.watch import ConnectionState
from quietmaker.core.market import BookSnapshot, FeedLost, MarketEvent, StaleReason, TradePrint
from quietmaker.core.orders import Move
from quietmaker.core.units import MILLISECOND, SECOND, Liquidity, Nanos
from quietmaker.ports import (
    Accepted,
    UserEvent,
    UserFill,
    UserOrder,
    UserStreamLost,
    UserStreamReady,
)
from supervisors.clock import SystemClock
from tests.coinbase.rig import FREELY, Watch
from tests.coinbase.rigs import Heard, Watched, no_thread_is_left, quick
from tests.exchange.server.serving import USDC, Served, serve
from tests.exchange.support import PRODUCT, SYMBOL, buy

TIMES_HERE = replace(TIMES, patience=Nanos(20 * MILLISECOND))
ALIAS = replace(PRODUCT, symbol=USDC, quote="USDC")


@dataclass
class Connected:
    """The three ways of our adapter to one exchange."""

    served: Served
    market: Heard[MarketEvent] = field(default_factory=Heard)
    user: Heard[UserEvent] = field(default_factory=Heard)
    market_watch: Watched = field(default_factory=Watched)
    user_watch: Watched = field(default_factory=Watched)

    def __post_init__(self) -> None:
        """Connect them over TLS."""
        clock = SystemClock()
        base = f"127.0.0.1:{self.served.tls_port}"
        signer: Signer = self.served.signer
        self.exchange = CoinbaseExchange(
            url=f"https://{base}",
            ca_file=self.served.authority,
            signer=signer,
            id_prefix="qm",
            timeouts=Timeouts(connect=Nanos(5 * SECOND), read=Nanos(5 * SECOND)),
            limits=FREELY,
            clock=clock,
            watch=Watch(),
            pause=lambda _: None,
            jitter=lambda: 0.0,
        )
        self.exchange.serve({SYMBOL: PRODUCT, USDC: ALIAS})
        self.market_stream = CoinbaseMarketStream(
            url=f"wss://{base}/",
            products={SYMBOL: PRODUCT, USDC: ALIAS},
            aliases={USDC: SYMBOL},
            token=signer.socket,
            clock=clock,
            times=TIMES_HERE,
            watch=self.market_watch,
            random=random.Random(1),
            ca_file=self.served.authority,
            channels=(*CHANNELS, "ticker"),
            backoff=quick,
        )
        self.user_stream = CoinbaseUserStream(
            url=f"wss://{base}/user",
            products={SYMBOL: PRODUCT, USDC: ALIAS},
            token=signer.socket,
            fills_of=self.exchange.fills_of,
            learn=self.exchange.learn,
            clock=clock,
            times=TIMES_HERE,
            watch=self.user_watch,
            random=random.Random(1),
            ca_file=self.served.authority,
            backoff=quick,
        )
        self.exchange.products()
        self.user_stream.start(self.user)
        self.market_stream.start(self.market)
        self.user.of(UserStreamReady)
        self.market.of(BookSnapshot, 2)


@contextmanager
def connected() -> Iterator[Connected]:
    """Connect to a server of its own."""
    with serve() as served:
        ours = Connected(served)
        try:
            yield ours
        finally:
            ours.market_stream.stop()
            ours.user_stream.stop()
            ours.exchange.close()
    no_thread_is_left()


@pytest.fixture
def ours() -> Iterator[Connected]:
    """Return a connected adapter."""
    with connected() as each:
        yield each


def test_both_streams_become_ready_and_nothing_is_odd(ours: Connected) -> None:
    ours.market_watch.until(ConnectionState.READY)
    ours.user_watch.until(ConnectionState.READY)
    assert {event.symbol for event in ours.market.of(BookSnapshot)} == {SYMBOL, USDC}
    ours.served.trade()
    assert {event.symbol for event in ours.market.of(TradePrint, 2)} == {SYMBOL, USDC}
    assert ours.market_watch.issues.events == []
    assert ours.user_watch.issues.events == []


def test_an_order_lives_from_acceptance_to_its_exact_execution(ours: Connected) -> None:
    answer = ours.exchange.submit(buy("qm1-1", 100, 50))
    assert isinstance(answer, Accepted)
    [accepted] = ours.user.of(UserOrder)
    assert (accepted.client_id, accepted.order_id) == ("qm1-1", answer.order_id)
    ours.served.market(
        {"product": SYMBOL, "trade": {"price": "0.099", "size": "99", "aggressor": "SELL"}}
    )
    fills = ours.user.of(UserFill)
    ours.user.until(lambda events: any(getattr(e, "move", None) is Move.FILLED for e in events))
    assert sum(told.fill.size for told in fills) == 50
    assert {told.fill.client_id for told in fills} == {"qm1-1"}
    assert {told.fill.liquidity for told in fills} == {Liquidity.MAKER}
    assert [told.fill for told in fills] == [
        told.fill for told in ours.exchange.fills_of([answer.order_id])
    ]


def test_a_gap_on_the_market_heals_by_new_snapshots(ours: Connected) -> None:
    ours.served.fault("ws.drop", match={"channel": "market_trades"}, count=1)
    ours.served.trade()
    ours.served.trade(price="0.102")
    lost = ours.market.of(FeedLost)
    assert {event.reason for event in lost} == {StaleReason.GAP}
    ours.market.of(BookSnapshot, 4)


def test_a_connection_that_is_cut_comes_back_and_orders_are_told_once(ours: Connected) -> None:
    ours.exchange.submit(buy("qm1-1", 100, 50))
    ours.user.of(UserOrder)
    ours.served.fault("ws.close", match={"channel": "heartbeats", "endpoint": "user"}, count=1)
    ours.user.of(UserStreamLost)
    ours.user.of(UserStreamReady, 2)
    assert [type(event) for event in ours.user.events if isinstance(event, UserOrder)] == [
        UserOrder
    ]
