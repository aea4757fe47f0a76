"""The replay engine: what it promises of its decisions, its money and its memory."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.commands import Command, Gate, RoundTrip, SubmitOrder
from quietmaker.core.orders import Purpose
from quietmaker.core.params import TraderParams
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.market.recorder import write_parquet
from quietmaker.market.sources import open_source
from quietmaker.ports import MarketSource
from quietmaker.replay.decisions import DecisionWriter
from quietmaker.replay.engine import Engine
from quietmaker.replay.session import ColumnSource, models_for, run
from tests.kit.makers import make_exits, make_gates, make_params, make_quote, make_risk
from tests.replay.builders import SmallMarket, setup

QUEUE = FILL_MODELS["queue"]


def eager(*, improve: int = 0, refresh: int = 2, both: bool = True) -> TraderParams:
    """Return settings that trade a lot: no candles asked for, short pauses, short lives."""
    return make_params(
        quote=make_quote(
            ask=both,
            improve_ticks=improve,
            refresh_ticks=refresh,
            cooldown=1,
            max_age=60,
            level_sizes=("40", "60"),
            max_position="300",
        ),
        gates=make_gates(max_tick_share="1"),
        exits=make_exits(max_lifetime=20, stale_patience=5, stop_loss="0.004", rest_at_touch=both),
        risk=make_risk(max_orders_per_minute=600, max_daily_loss="100000"),
        without=frozenset({Gate.INSUFFICIENT_VOLATILITY.value}),
    )


def decisions_of(
    source: MarketSource, params: TraderParams, *, columns: bool = False, boxed: bool = True
) -> tuple[str, Engine]:
    """Return the decisions as they are written, and the engine."""
    market = SmallMarket(seed=0, events=0)
    chosen = setup(market, params=params)
    out = io.StringIO()
    engine = Engine(chosen, QUEUE, sink=DecisionWriter(out, chosen.products), boxed=boxed)
    if columns:
        assert isinstance(source, ColumnSource)
        for batch in source.columns():
            engine.run_columns(batch)
    else:
        engine.run_events(source.events())
    engine.finish()
    return out.getvalue(), engine


def test_the_same_market_gives_the_same_decisions() -> None:
    first, _ = decisions_of(SmallMarket(seed=4, events=3_000), eager())
    second, _ = decisions_of(SmallMarket(seed=4, events=3_000), eager())
    other, _ = decisions_of(SmallMarket(seed=5, events=3_000), eager())
    assert first == second
    assert '"round_trip"' in first
    assert first != other


def test_columns_and_events_of_one_recording_give_the_same_decisions(tmp_path: Path) -> None:
    path = tmp_path / "small.parquet"
    write_parquet(path, SmallMarket(seed=7, events=4_000))
    source = open_source(path, decoders=CoinbaseFrames())
    by_events, one = decisions_of(source, eager())
    by_columns, two = decisions_of(source, eager(), columns=True)
    assert one.events == two.events == 4_000
    assert by_events == by_columns
    assert '"round_trip"' in by_events


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    improve=st.integers(-1, 3),
    refresh=st.integers(1, 5),
    both=st.booleans(),
)
def test_passing_over_quiet_touches_changes_no_decision(
    seed: int, improve: int, refresh: int, both: bool
) -> None:
    params = eager(improve=improve, refresh=refresh, both=both)
    boxed, _ = decisions_of(SmallMarket(seed=seed, events=600), params)
    every, _ = decisions_of(SmallMarket(seed=seed, events=600), params, boxed=False)
    assert boxed == every


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), improve=st.integers(0, 2))
def test_cash_equals_the_round_trips_and_what_is_still_held(seed: int, improve: int) -> None:
    market = SmallMarket(seed=seed, events=1_500)
    chosen = setup(market, params=eager(improve=improve))
    trips: list[Command] = []
    engine = Engine(chosen, QUEUE, sink=trips.append)
    engine.run_events(market.events())
    engine.finish()
    product = chosen.products["AAA-USD"]
    position = engine.trader("AAA-USD").state.position
    net = sum((trip.net for trip in trips if isinstance(trip, RoundTrip)), Decimal(0))
    sign = 0 if position.entry is None else position.entry.sign
    held = sign * product.notional(position.cost, 1)
    open_part = engine.trader("AAA-USD").open_result()
    usd, base = engine.balances()["USD"], engine.balances()["AAA"]
    assert usd.available + usd.hold == Decimal(10_000) + net + open_part - held - position.fees
    assert base.available + base.hold == Decimal(100) + sign * product.size(position.lots)


def test_an_excluded_symbol_is_never_entered() -> None:
    market = SmallMarket(seed=1, events=1_000)
    chosen = setup(market, params=eager(), excluded={"AAA-USD": "permanent"})
    engine = Engine(chosen, QUEUE, sink=None)
    engine.run_events(market.events())
    assert not engine.stats.orders[Purpose.ENTRY]
    assert engine.stats.refusals[Gate.EXCLUDED] == 2


def test_memory_does_not_grow_with_orders() -> None:
    market = SmallMarket(seed=3, events=12_000)
    chosen = setup(market, params=eager())
    engine = Engine(chosen, QUEUE, sink=None)
    engine.run_events(market.events())
    assert engine.stats.orders.total() > 1_000
    assert len(engine.trader("AAA-USD").state.orders) < 10


def test_symbols_do_not_disturb_each_other() -> None:
    both = SmallMarket(seed=9, events=4_000, symbols=("AAA-USD", "BBB-USD"))
    chosen = setup(both, params=eager())
    sent: list[Command] = []
    engine = Engine(chosen, QUEUE, sink=sent.append)
    engine.run_events(both.events())
    alone: list[Command] = []
    only = Engine(chosen, QUEUE, sink=alone.append)
    only.run_events(event for event in both.events() if event.symbol == "AAA-USD")
    submitted = [c for c in sent if isinstance(c, SubmitOrder) and c.intent.symbol == "AAA-USD"]
    assert submitted
    assert submitted == [c for c in alone if isinstance(c, SubmitOrder)]


def test_every_replay_is_told_under_an_optimistic_and_a_pessimistic_model() -> None:
    market = SmallMarket(seed=2, events=3_000)
    outcome = run(
        market,
        setup(market, params=eager()),
        models_for("probabilistic", only=False),
        sink=None,
        progress=None,
    )
    assert list(outcome.engines) == ["probabilistic", "touch", "queue"]
    fills = {name: engine.stats.fills.total() for name, engine in outcome.engines.items()}
    assert fills["touch"] > fills["queue"] > 0
