"""What a value may be, and how a wrong one is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from quietmaker.settings import load
from tests.settings.files import env_refusal, read, refusal


def gate(folder: Path, text: str) -> Decimal:
    return (
        read(folder, f"defaults: {{gates: {{min_spread_pct: {text}}}}}")
        .symbol("A-USD")
        .gates.min_spread_pct
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.2", "0.2"),
        ("1e-2", "0.01"),
        (".5", "0.5"),
        ("'0.2'", "0.2"),
        ("0.2%", "0.2"),
        ("+3", "3"),
    ],
)
def test_a_number_is_read_from_its_text_to_the_last_digit(
    tmp_path: Path, text: str, value: str
) -> None:
    assert str(gate(tmp_path, text).normalize()) == str(Decimal(value).normalize())


def test_a_number_never_passes_through_binary_floating_point(tmp_path: Path) -> None:
    assert gate(tmp_path, "0.1000001") == Decimal("0.1000001")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1:30", ["'1:30' is not a number", "write 90"]),
        ("010", ["ambiguous", "write 10"]),
        ("1_000", ["not a number", "write 1000"]),
        ("0x10", ["not a number"]),
        ("NaN", ["not a number"]),
        (".inf", ["not a number"]),
        ("yes", ["not a number"]),
        ("0.2 bps", ["write the number alone, 0.2"]),
        ("51", ["51 is out of range", "from 0 to 50"]),
        ("-0.1", ["out of range"]),
        ("1e99", ["out of range"]),
        ("1e999999999", ["not a number"]),
        ("0.12345678", ["more than 7 decimals"]),
        ("", ["no value", "expected a number"]),
        ("null", ["no value"]),
        ("[1]", ["a list"]),
        ("{a: 1}", ["a mapping"]),
        ("1" * 200, ["not a number"]),
    ],
)
def test_a_wrong_number_is_refused_with_its_place_key_range_and_remedy(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    message = refusal(tmp_path, f"defaults:\n  gates:\n    min_spread_pct: {text}\n")
    assert "test.yaml:3:" in message
    assert "defaults.gates.min_spread_pct" in message
    for word in words:
        assert word in message


def test_a_percent_that_looks_like_a_ratio_is_refused_with_the_percent_it_stands_for(
    tmp_path: Path,
) -> None:
    message = refusal(tmp_path, "defaults: {gates: {min_spread_pct: 0.00025}}")
    assert "0.00025 looks like a ratio" in message
    assert "write 0.025 for 0.025 %" in message


def test_a_tiny_percent_with_its_sign_is_taken_at_its_word(tmp_path: Path) -> None:
    assert gate(tmp_path, "0.00025%") == Decimal("0.00025")


@pytest.mark.parametrize(
    ("key", "ratio"),
    [
        ("gates.min_spread_pct", "0.00025"),
        ("gates.edge_buffer_pct", "0.00005"),
        ("gates.max_tick_share_pct", "0.25"),
        ("exits.min_profit_pct", "0.002"),
        ("exits.stop_loss_pct", "0.02"),
        ("exits.taker_slippage_pct", "0.003"),
        ("paper.maker_fee_pct", "0.0025"),
        ("paper.maker_fee_pct", "0.012"),
        ("paper.taker_fee_pct", "0.004"),
    ],
)
def test_every_default_written_as_a_ratio_is_refused(key: str, ratio: str) -> None:
    assert "looks like a ratio" in env_refusal(
        {}, f"{key}={ratio}"
    ) or "out of range" in env_refusal({}, f"{key}={ratio}")


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "1", "0", "True", "FALSE", "y", "''", "2"]
)
def test_a_flag_is_true_or_false_and_nothing_that_yaml_takes_for_it(
    tmp_path: Path, word: str
) -> None:
    assert "expected true or false" in refusal(
        tmp_path, f"defaults: {{gates: {{include_fees: {word}}}}}"
    )


def test_a_flag_hints_at_the_word_that_was_meant(tmp_path: Path) -> None:
    assert "write false" in refusal(tmp_path, "defaults: {gates: {include_fees: NO}}")


def test_a_bare_no_in_a_list_of_symbols_is_text_and_refused_as_such(tmp_path: Path) -> None:
    message = refusal(tmp_path, "universe: {permanent_exclusions: [NO, BTC-USD]}")
    assert "'NO' is not a symbol" in message
    assert "did you mean NO-USD?" in message


@pytest.mark.parametrize(
    "text", ["[QNT,USD]", "['QNT,USD']", "'QNT,USD'", "[BTC-USD, QNT, USD]", "'BTC-USD QNT,USD'"]
)
def test_a_comma_in_place_of_the_dash_is_refused_with_the_product_id(
    tmp_path: Path, text: str
) -> None:
    message = refusal(tmp_path, f"universe: {{permanent_exclusions: {text}}}")
    assert "'QNT,USD' is not a symbol" in message
    assert "did you mean QNT-USD?" in message


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("btc-usd", "BTC-USD"),
        ("BTCUSD", "BTC-USD"),
        ("BTC/USDT", "BTC-USDT"),
        ("BTC_USD", "BTC-USD"),
        ("UNFI", "UNFI-USD"),
        ("BTCUSDC", "BTC-USDC"),
    ],
)
def test_a_wrong_symbol_is_refused_with_the_product_id_that_was_meant(
    tmp_path: Path, wrong: str, meant: str
) -> None:
    assert f"did you mean {meant}?" in refusal(tmp_path, f"universe: {{symbols: [{wrong}]}}")


def test_every_wrong_symbol_of_a_list_is_reported_at_its_own_place(tmp_path: Path) -> None:
    message = refusal(tmp_path, "universe:\n  symbols:\n    - btc\n    - ETH-USD\n    - '???!'\n")
    assert "test.yaml:3:7" in message
    assert "test.yaml:5:7" in message
    assert "test.yaml:4" not in message


def test_symbols_may_be_given_as_one_text_with_commas() -> None:
    settings = load(None, env={}, overrides=["universe.symbols=BTC-USD, ETH-USD"])
    assert settings.universe.symbols == ("BTC-USD", "ETH-USD")


def test_an_empty_list_of_symbols_to_trade_is_refused_but_not_of_exclusions(tmp_path: Path) -> None:
    assert "an empty list" in refusal(tmp_path, "universe: {symbols: []}")
    assert (
        read(tmp_path, "universe: {permanent_exclusions: []}").universe.permanent_exclusions == ()
    )


def test_level_sizes_are_exact_and_each_fault_is_reported(tmp_path: Path) -> None:
    settings = read(tmp_path, "defaults: {quote: {level_sizes: [10, 12.5]}}")
    assert settings.symbol("A-USD").quote.level_sizes == (Decimal(10), Decimal("12.5"))
    message = refusal(tmp_path, "defaults: {quote: {level_sizes: [x, 12.5, 0]}}")
    assert "'x' is not a number" in message
    assert "0 is out of range" in message


def test_balances_name_currencies_and_amounts(tmp_path: Path) -> None:
    settings = read(tmp_path, "paper: {starting_balances: {USD: 500, BTC: 0.01}}")
    assert dict(settings.paper.starting_balances) == {"USD": Decimal(500), "BTC": Decimal("0.01")}
    message = refusal(tmp_path, "paper: {starting_balances: {usd: 500, BTC: -1}}")
    assert "'usd' is not a currency" in message
    assert "-1 is out of range" in message
    assert "a mapping of currencies" in refusal(tmp_path, "paper: {starting_balances: 500}")
    assert "a mapping of currencies" in refusal(tmp_path, "paper: {starting_balances: {}}")


def test_an_optional_value_can_be_switched_off_with_null(tmp_path: Path) -> None:
    on = read(tmp_path, "defaults: {exits: {take_profit_pct: 1}}")
    off = read(tmp_path, "defaults: {exits: {take_profit_pct: null}}")
    assert on.symbol("A-USD").exits.take_profit_pct == 1
    assert off.symbol("A-USD").exits.take_profit_pct is None


def test_an_unknown_word_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    message = refusal(tmp_path, "paper: {fill_model: queu}")
    assert "one of touch, probabilistic, queue" in message
    assert "did you mean queue?" in message


@pytest.mark.parametrize(
    "url", ["mysql://a/b", "localhost", "postgresql://h:notaport/d", "postgresql://h:0/d"]
)
def test_a_wrong_database_url_is_refused_without_repeating_it(url: str) -> None:
    message = env_refusal({"QUIETMAKER__LEDGER__URL": url})
    assert "embedded, or postgresql://" in message
    assert url not in message
