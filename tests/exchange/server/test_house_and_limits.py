"""TLS files, the catalogue, rate limits: what the server stands on."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import urllib3
from cryptography import x509

from quietmaker.coinbase.products import products_from_answer
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import QuietmakerError, SourceError
from quietmaker.exchange.latency import INSTANT
from quietmaker.exchange.models import DEFAULT_MODEL
from quietmaker.exchange.server import app
from quietmaker.exchange.server.app import ExchangeServer, ServerSettings
from quietmaker.exchange.server.catalogue import NOTHING, merge, read_catalogue
from quietmaker.exchange.server.connection import Limits
from quietmaker.exchange.server.limits import RateLimiter, Rates
from quietmaker.exchange.server.monitor import Tally
from quietmaker.exchange.server.tls import NAMES, TlsFiles, prepare, server_context
from quietmaker.exchange.testing import ManualClock
from quietmaker.market.manual import ManualMarket
from tests.exchange.server.samples import SAMPLES
from tests.exchange.server.serving import BASE, Served, serve
from tests.exchange.support import FEES, PRODUCT, SYMBOL

NOW = Instant(1_800_000_000 * SECOND)
DAY = 86_400 * SECOND
FULL = Path(SAMPLES).parent / "market-data/coinbase-advanced-2026-08-09/market_products_920.json.gz"


# --- TLS ----------------------------------------------------------------------------------------


def certificate(files: TlsFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def test_the_authority_is_made_once_and_the_certificate_before_it_expires(tmp_path: Path) -> None:
    files = TlsFiles(folder=tmp_path / "e")
    assert prepare(files, NOW)
    authority, first = files.authority.read_bytes(), certificate(files)
    assert not prepare(files, Instant(NOW + 366 * DAY))
    assert prepare(files, Instant(NOW + 368 * DAY))
    assert files.authority.read_bytes() == authority
    assert certificate(files).serial_number != first.serial_number
    assert prepare(files, Instant(NOW - 400 * DAY))  # a clock that was set back


def test_keys_are_private_and_the_authority_is_not(tmp_path: Path) -> None:
    files = TlsFiles(folder=tmp_path / "e")
    prepare(files, NOW)
    modes = [path.stat().st_mode & 0o777 for path in (files.authority_key, files.certificate)]
    assert modes == [0o600, 0o600]
    assert files.authority.stat().st_mode & 0o777 == 0o644


def test_the_certificate_is_for_this_machine_and_of_a_strict_form(tmp_path: Path) -> None:
    files = TlsFiles(folder=tmp_path)
    prepare(files, Instant(int(datetime.now(tz=UTC).timestamp()) * SECOND))
    names = certificate(files).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert {str(name.value) for name in names.value} == set(NAMES)
    client = ssl.create_default_context(cafile=str(files.authority))
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    inbox, outbox, back, forth = (ssl.MemoryBIO() for _ in range(4))
    ours = client.wrap_bio(inbox, outbox, server_hostname="127.0.0.1")
    theirs = server_context(files).wrap_bio(back, forth, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
            back.write(outbox.read())
            inbox.write(forth.read())
    assert ours.version() == "TLSv1.3"


def test_another_authority_makes_another_certificate(tmp_path: Path) -> None:
    files = TlsFiles(folder=tmp_path)
    prepare(files, NOW)
    files.authority.unlink()
    assert prepare(files, NOW)
    certificate(files).verify_directly_issued_by(
        x509.load_pem_x509_certificate(files.authority.read_bytes())
    )


def test_a_broken_authority_says_what_to_remove(tmp_path: Path) -> None:
    files = TlsFiles(folder=tmp_path)
    prepare(files, NOW)
    files.authority.write_text("nonsense")
    with pytest.raises(QuietmakerError, match=r"remove ca\.pem"):
        prepare(files, NOW)


def test_the_certificate_lasts_no_longer_than_its_authority(tmp_path: Path) -> None:
    files = TlsFiles(folder=tmp_path)
    prepare(files, NOW)
    prepare(files, Instant(NOW + 3500 * DAY))
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    assert certificate(files).not_valid_after_utc <= authority.not_valid_after_utc
    left = authority.not_valid_after_utc - datetime.fromtimestamp(NOW // SECOND, UTC)
    assert left == timedelta(days=3650)


def test_rest_answers_over_tls_to_who_trusts_the_authority() -> None:
    with serve() as served:
        url = f"https://127.0.0.1:{served.tls_port}{BASE}/time"
        with (
            urllib3.PoolManager(retries=False) as other,
            pytest.raises(urllib3.exceptions.SSLError),
        ):
            other.request("GET", url)
        with urllib3.PoolManager(ca_certs=str(served.authority), retries=False) as trusting:
            assert trusting.request("GET", url).status == 200


# --- the catalogue ------------------------------------------------------------------------------


def test_the_full_answer_loads_as_it_is() -> None:
    if not FULL.exists():
        pytest.skip(f"no {FULL}")
    recorded = read_catalogue(FULL, products_from_answer)
    btc = replace(PRODUCT, symbol="BTC-USD", base="BTC")
    catalogue = merge(recorded, {SYMBOL: PRODUCT, "BTC-USD": btc})
    assert len(catalogue.products) == 920
    assert catalogue.aliases == {"TNSR-USDC": SYMBOL, "BTC-USDC": "BTC-USD"}
    row = catalogue.row("BTC-USDC")
    assert (row["price_increment"], row["alias"]) == ("0.001", "BTC-USD")
    assert catalogue.products["BTC-USDC"].quote == "USDC"
    assert catalogue.canonical("ETH-USDC") == "ETH-USD"
    assert recorded.rows["ETH-USD"].items() <= catalogue.row("ETH-USD").items()
    assert [s for s, p in catalogue.products.items() if p.untradable == "delisted"]


def test_without_a_file_what_is_played_is_listed() -> None:
    catalogue = merge(NOTHING, {SYMBOL: PRODUCT})
    row = catalogue.row(SYMBOL)
    assert (row["status"], row["base_min_size"], row["alias_to"]) == ("online", "0.1", [])
    assert catalogue.canonical("NO-USD") is None


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("missing", None, "cannot be read"),
        ("empty", b"", "is not JSON"),
        ("cut", gzip.compress(b'{"products": []}', mtime=0)[:-6], "cut off or damaged"),
        ("other", b'{"candles": []}', "no product"),
    ],
)
def test_a_file_that_is_no_catalogue_is_named_with_the_remedy(
    tmp_path: Path, name: str, data: bytes | None, wanted: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SourceError, match=wanted) as caught:
        read_catalogue(path, products_from_answer)
    assert str(path) in str(caught.value)
    assert "--catalogue" in str(caught.value)


# --- limits -------------------------------------------------------------------------------------


def test_a_bucket_holds_a_second_and_fills_evenly() -> None:
    clock = ManualClock(int(NOW))
    limiter = RateLimiter(rate=10, clock=clock)
    verdicts = [limiter.take("a") for _ in range(11)]
    assert [v.passed for v in verdicts if v] == [True] * 10 + [False]
    assert [v.remaining for v in verdicts if v][:3] == [9, 8, 7]
    last = verdicts[-1]
    assert last is not None
    assert (last.limit, last.reset, last.wait) == (10, NOW // SECOND + 1, 1)
    clock.advance(SECOND // 10)
    again = limiter.take("a")
    assert again is not None
    assert again.passed
    other = limiter.take("b")
    assert other is not None
    assert other.remaining == 9


def test_no_rate_is_no_limit() -> None:
    assert RateLimiter(rate=0, clock=ManualClock(0)).take("a") is None


def test_who_has_a_full_bucket_is_forgotten() -> None:
    clock = ManualClock(int(NOW))
    limiter = RateLimiter(rate=1, clock=clock)
    for number in range(10_000):
        limiter.take(str(number))
    clock.advance(10 * SECOND)
    limiter.take("last")
    assert len(limiter._buckets) == 1


@pytest.fixture
def limited() -> Iterator[Served]:
    with serve(rates=Rates(private=3, public=2)) as served:
        yield served


def test_answers_carry_the_limit_and_429_says_when(limited: Served) -> None:
    answers = [limited.answer("GET", f"{BASE}/accounts") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]
    refused = answers[-1]
    assert refused.json() == {
        "errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]
    }
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-limit"] == "3"


def test_public_requests_are_limited_by_address(limited: Served) -> None:
    url = f"http://127.0.0.1:{limited.port}{BASE}/time"
    assert [limited.http.request("GET", url).status for _ in range(3)] == [200, 200, 429]


def test_a_running_server_gets_a_new_certificate_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "RENEW_EVERY", 0.001)
    clock, tally = ManualClock(int(NOW)), Tally()
    settings = ServerSettings(
        folder=tmp_path,
        balances={},
        fees=FEES,
        model=DEFAULT_MODEL,
        latency=INSTANT,
        seed=1,
        speed=Decimal(1),
        warmup=Nanos(0),
        loop=False,
        session=None,
        rates=Rates(),
        sockets=Limits(),
        market_client_id=False,
        admin=False,
    )
    source = ManualMarket({SYMBOL: PRODUCT})
    server = ExchangeServer(settings, source=source, recorded=NOTHING, clock=clock, tally=tally)
    first = certificate(TlsFiles(folder=tmp_path)).serial_number

    async def story() -> None:
        running = asyncio.create_task(server.run())
        clock.advance(370 * DAY)
        while ("log", "certificate_renewed") not in tally.counts:
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), 30))
    assert certificate(TlsFiles(folder=tmp_path)).serial_number != first
