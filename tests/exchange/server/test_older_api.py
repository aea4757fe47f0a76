"""The older API that libraries for the whole of Coinbase begin with."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.exchange.server.serving import Served, serve
from tests.exchange.support import SYMBOL


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as server:
        yield server


def test_time_is_told_in_whole_seconds(served: Served) -> None:
    status, body = served.ask("GET", "/v2/time")
    assert status == 200
    assert body["data"]["iso"].endswith("Z")
    assert body["data"]["epoch"] > 1_700_000_000


def test_every_currency_is_listed_with_a_name_and_as_one_kind_only(served: Served) -> None:
    fiat = {row["id"] for row in served.ask("GET", "/v2/currencies")[1]["data"]}
    crypto = served.ask("GET", "/v2/currencies/crypto")[1]["data"]
    assert fiat == {"USD"}
    assert {row["code"] for row in crypto} == {"TNSR", "USDC"}
    assert all(row["name"] and row["asset_id"] for row in crypto)


def test_rates_follow_the_market(served: Served) -> None:
    served.trade("0.101", "1", "BUY")
    rates = served.ask("GET", "/v2/exchange-rates")[1]["data"]
    assert (rates["currency"], rates["rates"]["USD"]) == ("USD", "1")
    assert Decimal(rates["rates"]["TNSR"]) == (1 / Decimal("0.101")).quantize(Decimal("1e-12"))
    tokens = served.ask("GET", "/v2/exchange-rates?currency=TNSR")[1]["data"]
    assert tokens["rates"]["USD"] == "0.101"
    assert served.ask("GET", "/v2/exchange-rates?currency=NONE")[0] == 400


@pytest.mark.parametrize(("kind", "amount"), [("spot", "0.101"), ("buy", "0.102"), ("sell", "0.1")])
def test_a_price_is_the_last_or_what_one_gets_now(served: Served, kind: str, amount: str) -> None:
    served.trade("0.101", "1", "BUY")
    status, body = served.ask("GET", f"/v2/prices/{SYMBOL}/{kind}")
    assert (status, body) == (200, {"data": {"amount": amount, "base": "TNSR", "currency": "USD"}})


def test_a_price_of_nothing_is_not_found(served: Served) -> None:
    for path in ("NONE-USD/spot", f"{SYMBOL}/else"):
        status, body = served.ask("GET", f"/v2/prices/{path}")
        assert (status, body["errors"][0]["id"]) == (404, "not_found")


def test_accounts_are_listed_in_pages_with_what_is_held(served: Served) -> None:
    served.place("older")
    rows = {}
    path = "/v2/accounts?limit=1"
    while path:
        status, body = served.ask("GET", path)
        assert status == 200
        [row] = body["data"]
        rows[row["balance"]["currency"]] = row["balance"]["amount"]
        path = body["pagination"]["next_uri"]
    assert rows == {"USD": "1000", "TNSR": "1000", "USDC": "500"}


def test_accounts_need_a_key(served: Served) -> None:
    assert served.http.request("GET", f"http://127.0.0.1:{served.port}/v2/accounts").status == 401
