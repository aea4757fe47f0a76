"""Metrics: what happens is counted, under names and labels that stay few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.scrape import after_days, series
from quietmaker.core.commands import Alert, AlertKind, CancelReason, Gate, HoldChanged, RoundTrip
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import ExitReason, Fill, Intent, Purpose, TimeInForce
from quietmaker.core.units import SECOND, Instant, Liquidity, Lots, Rate, Side, Ticks
from quietmaker.ports import LedgerStanding
from quietmaker.telemetry.metrics import (
    ACTORS,
    LedgerOperation,
    MarketKind,
    Metrics,
    ProcessState,
    SymbolSnapshot,
)

START = Instant(1_790_000_000 * SECOND)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> Instant:
        return self.at

    def after(self, seconds: int) -> Instant:
        self.at = Instant(self.at + seconds * SECOND)
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(version="1.2.3", revision="abc", mode="paper", now=clock)


def samples(metrics: Metrics) -> dict[str, float]:
    """Return every sample as ``name{label=value,...}`` without our prefix."""
    body, _ = metrics.expose("")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            name = sample.name.removeprefix("quietmaker_")
            found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found


def intent(symbol: str = "TNSR-USD") -> Intent:
    return Intent(
        client_id="c1",
        symbol=symbol,
        side=Side.BUY,
        price=Ticks(99),
        size=Lots(10),
        post_only=True,
        time_in_force=TimeInForce.GTC,
        expire_at=None,
        purpose=Purpose.ENTRY,
        exit_reason=None,
        strategy_tag="passivemm",
        passive_order_id="c1",
        decided_at=START,
        bid=Ticks(98),
        ask=Ticks(101),
        inputs=(),
        config_sha="c0ffee",
    )


def fill(
    symbol: str = "TNSR-USD", fee: str = "0.0775", liquidity: Liquidity = Liquidity.MAKER
) -> Fill:
    return Fill(
        trade_id="t1",
        client_id="c1",
        symbol=symbol,
        side=Side.BUY,
        price=Ticks(99),
        size=Lots(10),
        fee=Decimal(fee),
        liquidity=liquidity,
        at=START,
    )


def trip(net: str, fees: str, *, closed: Instant = START, symbol: str = "TNSR-USD") -> RoundTrip:
    return RoundTrip(
        id="c1",
        symbol=symbol,
        entry=Side.BUY,
        lots=Lots(10),
        opened_at=Instant(closed - 90 * SECOND),
        closed_at=closed,
        exit_reason=ExitReason.BREAK_EVEN_PLUS,
        entry_value=Decimal(31),
        exit_value=Decimal(31),
        fees=Decimal(fees),
        spread_captured=Decimal(0),
        price_move=Decimal(0),
        net=Decimal(net),
        net_return=Rate(0),
        maker_fills=2,
        taker_fills=0,
        dust=Lots(0),
        closing_order="c2",
        strategy_tag="passivemm",
        config_sha="sha",
    )


def hold(gate: Gate | None, at: Instant, side: Side = Side.BUY) -> HoldChanged:
    return HoldChanged(symbol="TNSR-USD", now=at, side=side, gate=gate, detail="")


# --- known label sets ---


def test_every_known_label_set_is_there_at_zero_from_the_start(metrics: Metrics) -> None:
    found = samples(metrics)
    expected = [f"entries_skipped_total{{reason={each.value}}}" for each in Gate]
    expected += [f"exits_total{{reason={each.value}}}" for each in ExitReason]
    expected += [f"alerts_total{{kind={each.value}}}" for each in AlertKind]
    expected += [f"orders_canceled_total{{reason={each.value}}}" for each in CancelReason]
    expected += [f"market_data_lost_total{{reason={each.value}}}" for each in StaleReason]
    expected += [f"market_events_total{{kind={each.value}}}" for each in MarketKind]
    expected += [f"actor_restarts_total{{actor={actor}}}" for actor in ACTORS]
    expected += [f"round_trips_total{{result={each}}}" for each in ("won", "lost", "lost_to_fees")]
    assert {name: found.get(name) for name in expected} == dict.fromkeys(expected, 0.0)


def test_the_build_and_the_mode_are_said(metrics: Metrics) -> None:
    (name,) = [name for name in samples(metrics) if name.startswith("build_info")]
    assert "mode=paper" in name
    assert "revision=abc" in name
    assert "version=1.2.3" in name


def test_a_symbol_begins_at_zero_and_takes_its_series_along(metrics: Metrics) -> None:
    metrics.add_symbol("TNSR-USD")
    found = samples(metrics)
    assert found["orders_submitted_total{purpose=exit,side=sell,symbol=TNSR-USD}"] == 0
    assert found["fills_total{liquidity=taker,side=buy,symbol=TNSR-USD}"] == 0
    assert found["quote_reason{reason=warming_up,side=buy,symbol=TNSR-USD}"] == 1
    metrics.remove_symbol("TNSR-USD")
    metrics.remove_symbol("TNSR-USD")
    assert [name for name in samples(metrics) if "TNSR" in name] == []


def test_no_family_carries_a_time_of_creation(metrics: Metrics) -> None:
    metrics.add_symbol("TNSR-USD")
    assert [name for name in samples(metrics) if "_created" in name] == []


def test_a_hundred_symbols_stay_below_three_thousand_series() -> None:
    assert 2_000 < series(after_days()) <= 3_000


# --- what happens ---


def test_orders_and_fills_are_counted_with_their_exact_value(metrics: Metrics) -> None:
    metrics.order_submitted(intent())
    metrics.fill(fill(), Decimal("31.00"))
    metrics.fill(fill(), Decimal("0.10"))
    found = samples(metrics)
    assert found["orders_submitted_total{purpose=entry,side=buy,symbol=TNSR-USD}"] == 1
    assert found["fills_total{liquidity=maker,side=buy,symbol=TNSR-USD}"] == 2
    assert found["fill_notional_usd_total{liquidity=maker}"] == pytest.approx(31.1)
    assert found["fees_usd{liquidity=maker}"] == pytest.approx(0.155)


def test_a_rebate_lowers_the_fees(metrics: Metrics) -> None:
    metrics.fill(fill(fee="-0.01"), Decimal(31))
    assert samples(metrics)["fees_usd{liquidity=maker}"] == pytest.approx(-0.01)


def test_money_that_is_no_dollar_is_not_added_to_dollars(metrics: Metrics) -> None:
    metrics.fill(fill(symbol="ETH-BTC"), Decimal(31))
    metrics.round_trip(trip("-1", "0.1", symbol="ETH-BTC"))
    found = samples(metrics)
    assert found["fills_total{liquidity=maker,side=buy,symbol=ETH-BTC}"] == 1
    assert found["fill_notional_usd_total{liquidity=maker}"] == 0
    assert found["realized_pnl_usd{symbol=ETH-BTC}"] == 0


def test_refusals_are_counted_under_the_exchanges_word_but_never_without_bound(
    metrics: Metrics,
) -> None:
    metrics.order_rejected("INSUFFICIENT_FUND")
    metrics.order_rejected("INSUFFICIENT_FUND")
    metrics.order_rejected("order 1234: not enough money!")
    for number in range(100):
        metrics.order_rejected(f"WORD_{number}")
    rejected = {
        name: n for name, n in samples(metrics).items() if name.startswith("orders_rejected")
    }
    assert rejected["orders_rejected_total{reason=INSUFFICIENT_FUND}"] == 2
    assert len(rejected) <= 40
    assert sum(rejected.values()) == 103
    assert rejected["orders_rejected_total{reason=other}"] > 1


@pytest.mark.parametrize(
    ("net", "fees", "result"),
    [
        ("0.05", "0.155", "won"),
        ("-0.155", "0.155", "lost_to_fees"),
        ("-0.1", "0.155", "lost_to_fees"),
        ("-0.2", "0.155", "lost"),
        ("0", "0.155", "break_even"),
        ("-0.2", "0", "lost"),
    ],
)
def test_a_loss_that_the_fees_alone_made_is_told_apart(
    metrics: Metrics, net: str, fees: str, result: str
) -> None:
    metrics.round_trip(trip(net, fees))
    found = samples(metrics)
    for each in ("won", "lost", "lost_to_fees", "break_even"):
        assert found[f"round_trips_total{{result={each}}}"] == (1 if each == result else 0)
    assert found["exits_total{reason=break_even_plus}"] == 1
    assert found["position_hold_seconds_sum"] == 90


def test_the_result_of_a_day_ends_with_the_day(metrics: Metrics, clock: Clock) -> None:
    metrics.round_trip(trip("-0.2", "0.1", closed=clock.at))
    metrics.round_trip(trip("0.5", "0.1", closed=clock.after(1)))
    assert samples(metrics)["realized_pnl_usd{symbol=TNSR-USD}"] == pytest.approx(0.3)
    clock.after(86_400)
    assert samples(metrics)["realized_pnl_usd{symbol=TNSR-USD}"] == 0
    metrics.round_trip(trip("0.1", "0.1", closed=clock.at))
    assert samples(metrics)["realized_pnl_usd{symbol=TNSR-USD}"] == pytest.approx(0.1)


def test_the_current_reason_for_not_quoting_is_exactly_one_per_side(
    metrics: Metrics, clock: Clock
) -> None:
    metrics.hold_changed(hold(Gate.INSUFFICIENT_VOLATILITY, clock.at))
    metrics.hold_changed(hold(Gate.COOLDOWN, clock.after(1)))
    metrics.hold_changed(hold(None, clock.after(1), Side.SELL))
    found = samples(metrics)
    reasons = [name for name in found if name.startswith("quote_reason")]
    assert sorted(reasons) == [
        "quote_reason{reason=cooldown,side=buy,symbol=TNSR-USD}",
        "quote_reason{reason=quoted,side=sell,symbol=TNSR-USD}",
    ]
    assert found["entries_skipped_total{reason=insufficient_volatility}"] == 1
    assert found["entries_skipped_total{reason=cooldown}"] == 1


def test_quoting_time_runs_while_a_side_is_quoted(metrics: Metrics, clock: Clock) -> None:
    name = "quoting_seconds_total{side=buy,symbol=TNSR-USD}"
    metrics.hold_changed(hold(None, clock.at))
    clock.after(10)
    assert samples(metrics)[name] == 10
    metrics.hold_changed(hold(None, clock.after(5)))
    metrics.hold_changed(hold(Gate.COOLDOWN, clock.after(5)))
    clock.after(100)
    assert samples(metrics)[name] == 20


def snapshot(symbol: str = "TNSR-USD") -> SymbolSnapshot:
    return SymbolSnapshot(
        symbol=symbol,
        mode=0,
        bid=Decimal("0.099"),
        ask=None,
        spread=Decimal("0.01"),
        inventory=Decimal("-31"),
        unrealized=None,
        open_bids=1,
        open_asks=0,
        oldest_position=START,
        unprotected=True,
        book=START,
    )


def test_the_state_of_symbols_is_read_at_the_scrape(metrics: Metrics) -> None:
    halted = replace(snapshot("HALT-USD"), mode=4)
    metrics.watch(symbols=lambda: [snapshot(), halted], inboxes=lambda: {"gateway": 7})
    found = samples(metrics)
    assert found["quote_price_usd{side=buy,symbol=TNSR-USD}"] == 0.099
    assert "quote_price_usd{side=sell,symbol=TNSR-USD}" not in found
    assert found["mode{symbol=HALT-USD}"] == 4
    assert "mode{symbol=TNSR-USD}" not in found
    assert found["inventory_usd{symbol=TNSR-USD}"] == -31
    assert "unrealized_pnl_usd{symbol=TNSR-USD}" not in found
    assert found["oldest_position_timestamp_seconds{symbol=TNSR-USD}"] == 1_790_000_000
    assert found["position_unprotected{symbol=TNSR-USD}"] == 1
    assert found["actor_inbox_messages{actor=gateway}"] == 7


def test_a_scrape_survives_a_source_that_raises_and_counts_it(metrics: Metrics) -> None:
    def broken() -> Iterator[SymbolSnapshot]:
        yield snapshot()
        raise RuntimeError("half a snapshot")

    metrics.watch(symbols=broken, inboxes=dict)
    assert not [name for name in samples(metrics) if name.startswith("quote_price")]
    assert samples(metrics)["snapshot_errors_total"] >= 1


def test_the_process_has_exactly_one_state(metrics: Metrics) -> None:
    for state in ProcessState:
        metrics.state(state)
        shown = {
            name for name, value in samples(metrics).items() if name.startswith("state{") and value
        }
        assert shown == {f"state{{state={state.value}}}"}


def test_the_configuration_in_force_is_the_only_one_shown(metrics: Metrics) -> None:
    metrics.config.loaded("aaa", START, generation=1, waiting=False)
    metrics.config.loaded("bbb", Instant(START + SECOND), generation=2, waiting=True)
    found = samples(metrics)
    assert [name for name in found if name.startswith("config_info")] == ["config_info{sha256=bbb}"]
    assert found["config_last_reload_successful"] == 1
    assert found["config_last_reload_success_timestamp_seconds"] == 1_790_000_001


def test_actors_market_ledger_and_logs_are_counted(metrics: Metrics) -> None:
    metrics.actor_failed("trader")
    metrics.actor_restarted("trader")
    metrics.heartbeat("clock", START)
    metrics.dead_letter()
    metrics.message_timer("trader")(2 * SECOND)
    metrics.log_event("alert")
    metrics.wire.reconnect("market", "keepalive")
    metrics.market_event(MarketKind.TRADE, START, 3)
    metrics.market_data_lost(StaleReason.GAP)
    metrics.ledger_write(LedgerOperation.INTENT, 0.002, ok=True)
    metrics.ledger_write(LedgerOperation.FACTS, 0.2, ok=False)
    metrics.ledger_stands(LedgerStanding(trouble="away", backlog=4, oldest=START))
    metrics.fact_refused()
    metrics.log_message("critical")
    metrics.order_unknown()
    metrics.submit_answered(0.02)
    metrics.cancel_requested(CancelReason.REPRICE)
    metrics.alert(Alert(symbol="TNSR-USD", now=START, kind=AlertKind.TAKER_FILL, detail=""))
    metrics.ready(True)
    found = samples(metrics)
    expected = {
        "actor_failures_total{actor=trader}": 1,
        "actor_restarts_total{actor=trader}": 1,
        "actor_last_heartbeat_timestamp_seconds{actor=clock}": 1_790_000_000,
        "dead_letters_total": 1,
        "actor_message_duration_seconds_sum{actor=trader}": 2,
        "log_events_total{event=alert}": 1,
        "websocket_reconnects_total{channel=market,reason=keepalive}": 1,
        "market_events_total{kind=trade}": 3,
        "market_last_event_timestamp_seconds": 1_790_000_000,
        "market_data_lost_total{reason=sequence_gap}": 1,
        "db_operations_total{operation=intent,result=ok}": 1,
        "db_operations_total{operation=facts,result=failed}": 1,
        "ledger_backlog_records": 4,
        "ledger_backlog_oldest_timestamp_seconds": 1_790_000_000,
        "ledger_available": 0,
        "ledger_facts_refused_total": 1,
        "log_messages_total{level=error}": 1,
        "orders_unknown_total": 1,
        "order_submit_duration_seconds_count": 1,
        "orders_canceled_total{reason=reprice}": 1,
        "alerts_total{kind=taker_fill}": 1,
        "ready": 1,
    }
    assert {name: found[name] for name in expected} == expected


def test_two_sets_of_metrics_do_not_meet(metrics: Metrics, clock: Clock) -> None:
    other = Metrics(version="1", revision="b", mode="live", now=clock)
    metrics.order_unknown()
    assert samples(other)["orders_unknown_total"] == 0


def test_openmetrics_is_served_to_who_asks_for_it(metrics: Metrics) -> None:
    body, content_type = metrics.expose("application/openmetrics-text; version=1.0.0")
    assert "openmetrics" in content_type
    assert body.endswith(b"# EOF\n")
