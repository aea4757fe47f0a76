"""The exchange: key and permissions, clock, fees, symbols. Nothing is sent that changes anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.core.units import SECOND, seconds
from quietmaker.errors import ExchangeRefused, NotRunning, SafetyRefusal
from quietmaker.settings import Settings, effective_spread_formula, gate_params, percent_text
from quietmaker.telemetry.metrics import Metrics
from supervisors import build, credentials
from supervisors.doctor.rows import Patient, Row, fail, ok, skipped, warn
from supervisors.exchange_instance import FILE, ExchangeInstance
from supervisors.link import check_permissions, live_endpoints, make_exchange, paper_endpoints
from supervisors.paper_server import Endpoints
from supervisors.paper_server import endpoints as endpoints_of

_HALF: Final = 2


def exchange(patient: Patient) -> Iterator[Row]:
    """Look at the exchange that would be traded on, with the key that would be used."""
    settings = patient.settings
    if settings is None:
        yield skipped("exchange", "no configuration says which")
        return
    try:
        endpoints, key = _reached(patient, settings)
    except NotRunning:
        yield skipped(
            "exchange", "the paper exchange starts and ends with the bot, which is not running"
        )
        return
    except SafetyRefusal as error:
        yield fail("key", str(error), "")
        return
    metrics = Metrics(
        version=build.version(), revision="", mode=settings.mode, now=patient.clock.now
    )
    adapter = make_exchange(
        settings, endpoints, Signer(key, patient.clock), clock=patient.clock, metrics=metrics
    )
    with contextlib.closing(adapter):
        yield _clock(adapter, patient, settings, endpoints)
        yield from _key(adapter, key)
        yield from _trading(adapter, settings)


def _reached(patient: Patient, settings: Settings) -> tuple[Endpoints, ApiKey]:
    """Return where the exchange answers, and the key for it.

    Raises:
        NotRunning: if it is the paper exchange of a bot that does not run.
        SafetyRefusal: if the environment names no key.
    """
    if settings.mode == "live":
        return live_endpoints(settings), credentials.api_key(patient.env)
    if settings.paper.exchange_url is not None:
        endpoints = paper_endpoints(settings, settings.paper.exchange_url)
        return endpoints, credentials.api_key(patient.env)
    if not patient.runs:
        raise NotRunning("no bot, no paper exchange of its own")
    found = ExchangeInstance.read(patient.home.exchange / FILE)
    return endpoints_of(found), ApiKey.load(found.first_key)


def _clock(
    adapter: CoinbaseExchange, patient: Patient, settings: Settings, endpoints: Endpoints
) -> Row:
    """Compare the clocks: the exchange's answer belongs to the middle of the wait for it."""
    before = patient.clock.now()
    theirs = adapter.time()
    after = patient.clock.now()
    skew = theirs - (before + after) // _HALF
    limit = seconds(settings.exchange.max_clock_skew_seconds)
    text = (
        f"{endpoints.rest} is {skew / SECOND:+.3f} s from this machine's clock, "
        f"{(after - before) / SECOND:.3f} s away; at {limit / SECOND:g} s nothing is quoted"
    )
    remedy = "set this machine's clock, and keep it set (chrony, systemd-timesyncd)"
    if abs(skew) >= limit:
        return fail("clock", text, remedy)
    if abs(skew) >= limit // _HALF:
        return warn("clock", text, remedy)
    return ok("clock", text)


def _key(adapter: CoinbaseExchange, key: ApiKey) -> Iterator[Row]:
    try:
        check_permissions(adapter, key)
    except (SafetyRefusal, ExchangeRefused) as error:
        yield fail("key", str(error), "make a key that can view and trade, and cannot transfer")
    else:
        yield ok("key", f"{key.name} can view and trade, and cannot transfer")


def _trading(adapter: CoinbaseExchange, settings: Settings) -> Iterator[Row]:
    fees = adapter.fees()
    formula = effective_spread_formula(gate_params(settings.scopes()[0][1].gates), fees)
    yield ok(
        "fees", f"maker {percent_text(fees.maker)}, taker {percent_text(fees.taker)}; {formula}"
    )
    offered = adapter.products()
    chosen = settings.select(offered)
    closed = [symbol for symbol in chosen if offered[symbol].untradable]
    for symbol in closed:
        yield warn("symbols", f"{symbol}: {offered[symbol].untradable}", "it is not entered")
    yield ok("symbols", f"{len(chosen)} of {len(offered)} products are configured")
