"""An exchange in a process of its own, and the SDK in another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sdk.remote import PYTHON, Client, Sdk
from tests.kit.operator import Operator
from tests.kit.paper_exchange import paper_exchange

BTC = {"product": "BTC-USD", "book": {"bids": [["60000", "2"]], "asks": [["60010", "2"]]}}
TNSR = {
    "product": "TNSR-USD",
    "book": {
        "bids": [["0.1", "1000"], ["0.0999", "2000"], ["0.0998", "3000"]],
        "asks": [["0.102", "1500"], ["0.1021", "2500"]],
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Return a running exchange with a market by hand."""
    settings = {
        "paper.market": "manual",
        "paper.maker_fee_pct": "0.25",
        "paper.taker_fee_pct": "0.4",
    }
    options = (
        *("--catalogue", str(Path(__file__).with_name("products.json"))),
        *("--balance", "USD=1000", "--balance", "USDC=500", "--balance", "TNSR=5000"),
        *("--private-rate", "1000", "--public-rate", "1000"),
        *("--connection-rate", "0", "--message-rate", "0"),
    )
    with paper_exchange(tmp_path_factory.mktemp("home"), settings, *options) as instance:
        operator = Operator(instance)
        yield operator
        operator.leave()


@pytest.fixture(scope="module")
def sdk(server: Operator) -> Iterator[Sdk]:
    """Return the SDK."""
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there; make it with: make sdk")
    running = Sdk(server)
    yield running
    running.close()


@pytest.fixture
def exchange(server: Operator) -> Iterator[Operator]:
    """Return the exchange with its books in place, and leave it without faults and clients."""
    server.market(TNSR, BTC)
    yield server
    server.clear()


@pytest.fixture
def client(sdk: Sdk, exchange: Operator) -> Iterator[Client]:
    """Return a `RESTClient` with a key, and leave no order open."""
    rest = sdk.rest(exchange.instance.first_key)
    yield rest
    if still := [row["order_id"] for row in rest.list_orders(order_status=["OPEN"])["orders"]]:
        rest.cancel_orders(still[:100])
