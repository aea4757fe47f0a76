"""The adapter against the scripted server, with time by hand where nothing has to be waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.coinbase.rest.limits import RateLimits
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.core.units import SECOND, Instant, Lots, Nanos, Side, Ticks
from tests.actors.fakes import HandClock
from tests.coinbase.stub import Stub, answer

KEY = ApiKey(name="organizations/o/apiKeys/k", private_key=generate_private_key(SECP256R1()))
PREFIX = "qm"
FREELY = RateLimits(
    private_per_second=1_000, public_per_second=1_000, per_hour=1_000_000, urgent_share=25
)
PRODUCTS: list[dict[str, Any]] = [
    {
        "product_id": symbol,
        "product_type": "SPOT",
        "status": "online",
        "price_increment": "0.01",
        "base_increment": "0.00000001",
        "base_min_size": "0.00000001",
        "base_max_size": "3400",
        "quote_min_size": "1",
        "base_currency_id": symbol.partition("-")[0],
        "quote_currency_id": symbol.partition("-")[2],
        "alias": alias,
    }
    for symbol, alias in (("BTC-USD", ""), ("BTC-USDC", "BTC-USD"), ("ADA-USDT", ""))
]


class Watch:
    """Counts."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.requests: Counter[tuple[str, str]] = Counter()
        self.issues: Counter[str] = Counter()
        self.left: dict[str, float] = {}

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request."""
        assert seconds >= 0
        self.requests[endpoint, code] += 1

    def tokens(self, bucket: str, left: float) -> None:
        """Remember what is left."""
        self.left[bucket] = left

    def issue(self, kind: str) -> None:
        """Count something odd."""
        self.issues[kind] += 1


@dataclass
class Rig:
    """A server, and an exchange that talks to it. Pauses pass on the clock of the hand."""

    stub: Stub
    exchange: CoinbaseExchange
    watch: Watch
    clock: HandClock
    pauses: list[float]


@contextmanager
def rig(
    *,
    signer: bool = True,
    limits: RateLimits = FREELY,
    read: float = 5.0,
    symbols: tuple[str, ...] = ("BTC-USD", "BTC-USDC"),
    stub: Stub | None = None,
    ca_file: Path | None = None,
) -> Iterator[Rig]:
    """Open both, with the products known."""
    server, clock, watch = stub or Stub(), HandClock(), Watch()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(int(seconds * SECOND) + 1)

    exchange = CoinbaseExchange(
        url=server.url,
        ca_file=ca_file,
        signer=Signer(KEY, clock) if signer else None,
        id_prefix=PREFIX,
        timeouts=Timeouts(connect=Nanos(5 * SECOND), read=Nanos(int(read * SECOND))),
        limits=limits,
        clock=clock,
        watch=watch,
        pause=pause,
        jitter=lambda: 0.5,
    )
    path = "/products" if signer else "/market/products"
    server.route("GET", path, answer({"products": PRODUCTS, "pagination": None}))
    server.route("GET", "/time", lambda _: answer({"epochMillis": str(clock.at // 10**6)}))
    try:
        exchange.serve({s: p for s, p in exchange.products().items() if s in symbols})
        yield Rig(stub=server, exchange=exchange, watch=watch, clock=clock, pauses=pauses)
    finally:
        exchange.close()
        server.close()


def intent(
    client_id: str = "qm1-BTC-USD-B1",
    *,
    symbol: str = "BTC-USD",
    side: Side = Side.BUY,
    price: int = 6_500_012,
    size: int = 150_000,
    post_only: bool = True,
    tif: TimeInForce = TimeInForce.GTC,
    expire_at: Instant | None = None,
    purpose: Purpose = Purpose.ENTRY,
) -> Intent:
    """Return an order: 0.0015 BTC at 65000.12."""
    return Intent(
        client_id=client_id,
        symbol=symbol,
        side=side,
        price=Ticks(price),
        size=Lots(size),
        post_only=post_only,
        time_in_force=tif,
        expire_at=expire_at,
        purpose=purpose,
        exit_reason=None,
        strategy_tag="passivemm",
        passive_order_id=client_id,
        decided_at=HandClock().now(),
        bid=Ticks(price),
        ask=Ticks(price + 100),
        inputs=(),
        config_sha="c0ffee",
    )


def success(body: dict[str, Any], order_id: str = "o-1") -> dict[str, Any]:
    """Return Coinbase's answer to a request that was taken."""
    return {
        "success": True,
        "success_response": {
            "order_id": order_id,
            "product_id": body["product_id"],
            "side": body["side"],
            "client_order_id": body["client_order_id"],
        },
        "order_configuration": body["order_configuration"],
    }


def order_row(
    order_id: str = "o-1", client_id: str = "qm1-BTC-USD-B1", **more: Any
) -> dict[str, Any]:
    """Return an order as the exchange lists it."""
    return {
        "order_id": order_id,
        "client_order_id": client_id,
        "product_id": "BTC-USD",
        "side": "BUY",
        "status": "OPEN",
        "filled_size": "0",
        "created_time": "2026-08-09T21:05:48Z",
        "order_configuration": {
            "limit_limit_gtc": {
                "base_size": "0.0015",
                "limit_price": "65000.12",
                "post_only": True,
            }
        },
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        **more,
    }


def fill_row(entry_id: str = "e-1", order_id: str = "o-1", **more: Any) -> dict[str, Any]:
    """Return an execution as the exchange lists it."""
    return {
        "entry_id": entry_id,
        "trade_id": f"t-{entry_id}",
        "order_id": order_id,
        "trade_time": "2026-08-09T21:05:50Z",
        "trade_type": "FILL",
        "price": "65000.12",
        "size": "0.001",
        "commission": "0.1625003000000000",
        "product_id": "BTC-USD",
        "sequence_timestamp": "2026-08-09T21:05:50.003001Z",
        "liquidity_indicator": "MAKER",
        "size_in_quote": False,
        "side": "BUY",
        **more,
    }


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Make a certificate that signs itself, for a host name or address; return it and its key."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    alternative: x509.GeneralName = (
        x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    public, private = folder / f"{host}.pem", folder / f"{host}.key"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return public, private
