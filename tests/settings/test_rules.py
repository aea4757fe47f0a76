"""Rules between keys, and the parameters that the core is given."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from quietmaker.core.fees import FeeRates
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Rate, rate
from quietmaker.settings import InvalidSettings, effective_spread_formula, load
from tests.settings.files import env_refusal, read, refusal

TNSR = Product(
    symbol="TNSR-USD",
    base="TNSR",
    quote="USD",
    tick=Decimal("0.001"),
    lot=Decimal("0.1"),
    min_size=Decimal("0.1"),
    max_size=Decimal(100000),
    min_notional=Decimal(1),
    untradable="",
)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["quote.sides=[]"], "an empty list; expected a list of one or more of bid, ask"),
        (["quote.sides=[bid, aks]"], "did you mean ask?"),
        (["quote.level_sizes=[51]"], "level of 51 exceeds max_position 50"),
        (["quote.level_sizes=[60]", "quote.max_position=70"], "exceeds risk.max_order_notional 50"),
        (["quote.max_position=300"], "exceeds risk.max_exposure 250"),
        (["quote.price_floor=2", "quote.price_ceiling=1"], "2 is not below price_ceiling 1"),
        (["risk.max_open_orders=1"], "too few for the levels and an exit: at least 2"),
        (["exits.taker_slippage_pct=4"], "4 exceeds taker_slippage_max_pct 3"),
        (["paper.taker_fee_pct=0.1"], "0.1 is below maker_fee_pct 0.25"),
        (
            ["products.A-USD.base_min_size=5", "products.A-USD.base_max_size=1"],
            "exceeds base_max_size 1",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(overrides: list[str], words: str) -> None:
    message = env_refusal({}, *overrides)
    assert words in message
    assert "command line --set" in message


def test_rules_hold_for_every_group_and_symbol_that_is_named(tmp_path: Path) -> None:
    text = """
groups:
  big: {match: ["*-EUR"], quote: {level_sizes: [60]}}
symbols:
  BTC-USD: {quote: {level_sizes: [70]}}
"""
    message = refusal(tmp_path, text)
    assert "test.yaml:3:" in message
    assert "groups.big.quote.level_sizes: level of 60" in message
    assert "test.yaml:5:" in message
    assert "symbols.BTC-USD.quote.level_sizes: level of 70" in message


def test_groups_that_contradict_each_other_only_together_are_refused_for_that_symbol(
    tmp_path: Path,
) -> None:
    text = """
groups:
  small: {match: ["TNSR-*"], quote: {level_sizes: [5], max_position: 10}}
  usd: {match: ["*-USD"], quote: {level_sizes: [20]}}
"""
    settings = read(tmp_path, text)
    assert settings.symbol("BTC-USD").quote.level_sizes == (Decimal(20),)
    with pytest.raises(InvalidSettings, match="level of 20 exceeds max_position 10"):
        settings.symbol("TNSR-USD")


def test_percent_becomes_an_exact_rate_and_seconds_become_nanoseconds() -> None:
    params = load(None, env={}).params("TNSR-USD", TNSR)
    assert params.gates.min_spread == rate("0.00025")
    assert params.gates.edge_buffer == rate("0.00005")
    assert params.gates.max_tick_share == rate("0.25")
    assert params.exits.min_profit == rate("0.002")
    assert params.exits.stop_loss == rate("0.02")
    assert params.exits.max_lifetime == 600 * SECOND
    assert params.exits.take_profit is None
    assert (params.quote.bid, params.quote.ask) == (True, False)
    assert params.quote.level_sizes == (Decimal(25),)
    assert params.quote.max_age == 120 * SECOND
    assert params.quote.time_to_live is None
    assert params.strategy_tag == "passivemm"


def test_optional_values_reach_the_core_when_they_are_set() -> None:
    overrides = [
        "exits.take_profit_pct=1.5",
        "exits.trailing_activation_pct=0.6",
        "quote.time_to_live_seconds=90",
    ]
    params = load(None, env={}, overrides=overrides).params("TNSR-USD", TNSR)
    assert params.exits.take_profit == rate("0.015")
    assert params.exits.trailing_activation == rate("0.006")
    assert params.quote.time_to_live == 90 * SECOND


@pytest.mark.parametrize(
    ("floor", "ceiling", "ticks"),
    [
        ("0.0981", "0.1019", (99, 101)),
        ("0.098", "0.102", (98, 102)),
        ("null", "null", (None, None)),
    ],
)
def test_the_price_band_is_rounded_inwards_to_ticks(
    floor: str, ceiling: str, ticks: tuple[int | None, int | None]
) -> None:
    settings = load(
        None, env={}, overrides=[f"quote.price_floor={floor}", f"quote.price_ceiling={ceiling}"]
    )
    quote = settings.params("TNSR-USD", TNSR).quote
    assert (quote.price_floor, quote.price_ceiling) == ticks


def test_gates_and_exit_rules_can_be_switched_off_by_name() -> None:
    settings = load(None, env={})
    params = settings.params("TNSR-USD", TNSR, without=["tick_too_coarse", "stop_loss"])
    assert params.without == {"tick_too_coarse", "stop_loss"}
    with pytest.raises(
        InvalidSettings, match=r"'stop_los' is no gate or exit rule; did you mean stop_loss\?"
    ):
        settings.params("TNSR-USD", TNSR, without=["stop_los"])


def test_both_sides_can_be_quoted() -> None:
    quote = load(None, env={}, overrides=["quote.sides=[ask, bid]"]).params("TNSR-USD", TNSR).quote
    assert (quote.bid, quote.ask) == (True, True)


def test_paper_fees_are_rates() -> None:
    fees = load(
        None, env={}, overrides=["paper.maker_fee_pct=0.6", "paper.taker_fee_pct=1.2"]
    ).paper_fees()
    assert fees == FeeRates(maker=rate("0.006"), taker=rate("0.012"))


def test_products_of_the_configuration_are_products_of_the_core(tmp_path: Path) -> None:
    text = "products: {TNSR-USD: {price_increment: 0.001, base_increment: 0.1, base_min_size: 0.1}}"
    (product,) = read(tmp_path, text).products().values()
    assert (product.symbol, product.base, product.quote) == ("TNSR-USD", "TNSR", "USD")
    assert (product.tick, product.lot, product.min_size) == (
        Decimal("0.001"),
        Decimal("0.1"),
        Decimal("0.1"),
    )


# --- the hash ---


def test_the_hash_counts_what_is_chosen_and_not_how_it_is_written(tmp_path: Path) -> None:
    one = read(tmp_path, "paper: {seed: 5, speed: 2.50}\nmode: paper # comment\n")
    two = load(None, env={"QUIETMAKER__PAPER__SPEED": "2.5"}, overrides=["paper.seed=5"])
    assert one.sha256 == two.sha256


@pytest.mark.parametrize(
    "override",
    [
        "paper.seed=2",
        "gates.min_spread_pct=0.03",
        "symbols.A-USD.quote.sides=[bid, ask]",
        "universe.symbols=A-USD",
    ],
)
def test_any_other_choice_has_another_hash(override: str) -> None:
    assert load(None, env={}, overrides=[override]).sha256 != load(None, env={}).sha256


def test_an_old_ban_changes_the_hash() -> None:
    assert load(None, env={"EXCLUDED_SYMBOLS": "A-USD"}).sha256 != load(None, env={}).sha256


def test_the_hash_is_on_every_parameter_set_and_holds_no_secret() -> None:
    one = load(None, env={"QUIETMAKER__LEDGER__URL": "postgresql://a:one@h/d"})
    two = load(None, env={"QUIETMAKER__LEDGER__URL": "postgresql://a:two@h/d"})
    assert one.sha256 == two.sha256
    assert one.params("TNSR-USD", TNSR).config_sha == one.sha256


# --- the formula ---


def fees(maker: str) -> FeeRates:
    return FeeRates(maker=rate(maker), taker=rate("0.004"))


def test_the_formula_states_its_numbers() -> None:
    gates = load(None, env={}).params("TNSR-USD", TNSR).gates
    assert effective_spread_formula(gates, fees("0.0025")) == (
        "required spread = max(min_spread 0.025 %, 2 × maker fee 0.25 % + edge buffer 0.005 % = 0.505 %, "
        "2 ticks / mid)"
    )


def test_the_formula_says_loudly_when_fees_are_not_part_of_it() -> None:
    gates = (
        load(None, env={}, overrides=["gates.include_fees=false"]).params("TNSR-USD", TNSR).gates
    )
    text = effective_spread_formula(gates, fees("0.0025"))
    assert "WARNING: FEES ARE NOT PART OF IT" in text
    assert "a round trip of two maker fills costs 0.5 %" in text
    assert "edge buffer" not in text


def test_the_formula_says_when_fees_are_unknown() -> None:
    gates = load(None, env={}).params("TNSR-USD", TNSR).gates
    assert "the fees are not known yet" in effective_spread_formula(gates, None)


def test_a_rebate_is_shown_as_such() -> None:
    gates = load(None, env={}).params("TNSR-USD", TNSR).gates
    assert "maker fee -0.01 %" in effective_spread_formula(
        gates, FeeRates(maker=Rate(-100_000), taker=Rate(0))
    )


# --- the exchange's address ---


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("paper.exchange_url=https://api.coinbase.com", "an address of another machine"),
        ("paper.exchange_url=ftp://127.0.0.1", "http://host:port or https://host:port"),
        ("exchange.address.rest=http://api.coinbase.com", "https://host:port"),
        ("exchange.address.rest=https://me:secret@api.coinbase.com", "not a usable address"),
        ("exchange.address.user=wss:///nowhere", "not a usable address"),
        ("exchange.address.market=wss://h:99999", "not a usable address"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_without_repeating_it(
    override: str, message: str
) -> None:
    with pytest.raises(InvalidSettings, match=message) as caught:
        load(None, env={}, overrides=[override])
    assert "secret" not in str(caught.value)


def test_an_address_loses_the_slash_at_its_end() -> None:
    settings = load(None, env={}, overrides=["paper.exchange_url=https://localhost:8443/"])
    assert settings.paper.exchange_url == "https://localhost:8443"


@pytest.mark.parametrize(
    ("longer", "shorter"),
    [("ping_timeout_seconds", "ping_seconds"), ("reconnect_seconds", "stale_seconds")],
)
def test_a_stream_is_given_up_later_than_it_is_doubted(longer: str, shorter: str) -> None:
    overrides = [f"exchange.streams.{longer}=7", f"exchange.streams.{shorter}=7"]
    with pytest.raises(InvalidSettings, match=f"{longer}: 7 is not above {shorter} 7"):
        load(None, env={}, overrides=overrides)
