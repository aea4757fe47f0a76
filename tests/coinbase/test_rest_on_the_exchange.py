"""The adapter on our own exchange's server, with its faults: no order is lost, and none is placed twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.core.units import MILLISECOND, SECOND, Instant, Nanos
from quietmaker.ports import Accepted, Rejected, SubmitOutcome, Unknown
from supervisors.clock import SystemClock
from tests.coinbase.rig import FREELY, Watch
from tests.exchange.server.serving import BASE, Served, serve
from tests.exchange.support import SYMBOL, buy

ORDERS = {"path": f"{BASE}/orders", "method": "POST"}
MEANT = buy("qm1", 99, 100)


@dataclass
class Ours:
    """The server and the adapter."""

    served: Served
    exchange: CoinbaseExchange
    watch: Watch

    def placed(self) -> int:
        """Return how many orders the exchange has."""
        return len(self.served.orders)


@pytest.fixture
def ours() -> Iterator[Ours]:
    """Connect over TLS."""
    with serve() as served:
        watch = Watch()
        exchange = CoinbaseExchange(
            url=f"https://127.0.0.1:{served.tls_port}",
            ca_file=served.authority,
            signer=served.signer,
            id_prefix="qm",
            timeouts=Timeouts(connect=Nanos(5 * SECOND), read=Nanos(400 * MILLISECOND)),
            limits=FREELY,
            clock=SystemClock(),
            watch=watch,
            pause=time.sleep,
            jitter=lambda: 0.0,
        )
        exchange.serve({SYMBOL: exchange.products()[SYMBOL]})
        exchange.time()
        yield Ours(served, exchange, watch)
        exchange.close()


FAULTS: list[tuple[str, dict[str, Any], type[SubmitOutcome] | Any, bool]] = [
    ("rest.bad_gateway", {"placed": True}, Unknown, True),
    ("rest.bad_gateway", {"placed": False}, Unknown, False),
    ("rest.timeout", {"placed": True}, Unknown, True),
    ("rest.timeout", {"placed": False}, Unknown, False),
    ("rest.truncate", {}, Unknown, True),
    ("rest.remove", {"field": "success"}, Unknown, True),
    ("rest.remove", {"field": "order_id"}, Unknown, True),
    ("rest.remove", {"field": "order_configuration"}, Accepted, True),
    ("rest.add", {"field": "novelty", "value": 1}, Accepted, True),
    ("rest.unauthorized", {}, Accepted, True),
    ("rest.rate_limited", {"retry_after": "0"}, Accepted, True),
    # The server breaks a connection that had been kept open: sent again once, taken once.
    ("rest.abort", {"placed": True}, Accepted, True),
    ("rest.abort", {"placed": False}, Accepted, True),
]


@pytest.mark.parametrize(("point", "parameters", "outcome", "placed"), FAULTS)
def test_p1_p3_p7_after_a_fault_the_truth_is_found_and_a_repetition_places_nothing_more(
    ours: Ours, point: str, parameters: dict[str, Any], outcome: Any, placed: bool
) -> None:
    before = SystemClock().now()
    ours.served.fault(point, match=ORDERS, parameters=parameters, count=1)
    assert isinstance(ours.exchange.submit(MEANT), outcome)
    assert ours.placed() == placed
    report = ours.exchange.order("qm1", since=before)
    assert (report is not None) == placed
    again = ours.exchange.submit(MEANT)
    assert isinstance(again, Accepted)
    assert ours.placed() == 1
    report = ours.exchange.order("qm1", since=before)
    assert report is not None
    assert report.order_id == again.order_id
    assert list(ours.exchange.open_orders()) == [report]


def test_p3_a_burst_of_refused_tokens_places_nothing(ours: Ours) -> None:
    ours.served.fault("rest.unauthorized", match=ORDERS, parameters={}, count=3)
    outcome = ours.exchange.submit(MEANT)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("unauthorized")
    assert ours.placed() == 0


def test_p3_a_clock_of_the_exchange_that_is_wrong_does_not_keep_us_from_cancelling(
    ours: Ours,
) -> None:
    ours.served.fault("clock.skew", match={"where": "rest"}, parameters={"ms": 600_000})
    assert abs(ours.exchange.time() - SystemClock().now()) > 500 * SECOND
    assert isinstance(ours.exchange.submit(MEANT), Accepted)
    (outcome,) = ours.exchange.cancel(["qm1"])
    assert outcome.reason is None
    assert ours.watch.issues == {}
    ours.served.fault("rest.unauthorized", match=ORDERS, parameters={}, count=1)
    assert isinstance(ours.exchange.submit(buy("qm2", 99, 100)), Accepted)
    assert isinstance(ours.exchange.submit(buy("qm3", 99, 100)), Accepted)


def test_p6_an_unknown_status_is_live(ours: Ours) -> None:
    assert isinstance(ours.exchange.submit(MEANT), Accepted)
    ours.served.fault("rest.set", parameters={"field": "status", "value": "BRAND_NEW"}, count=1)
    report = ours.exchange.order("qm1", since=Instant(0))
    assert report is not None
    assert report.state.value == "open"
    assert ours.watch.issues["unknown_order_status"] == 1
