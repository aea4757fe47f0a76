"""Precedence, resolution per symbol, origins, and the old environment names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from quietmaker.settings import InvalidSettings, Settings, load
from tests.settings.files import env_refusal, read, refusal, write

LAYERED = """
defaults: {gates: {min_spread_pct: 1}, exits: {stop_loss_pct: 5}}
groups:
  usd: {match: ["*-USD"], gates: {min_spread_pct: 2}}
  thin: {match: ["TNSR-*"], gates: {min_spread_pct: 3}}
symbols:
  BTC-USD: {gates: {min_spread_pct: 4}}
"""


def origin(settings: Settings, symbol: str, key: str) -> str:
    return next(line.origin for line in settings.explain(symbol) if line.key == key)


def test_every_layer_outranks_the_ones_below_it(tmp_path: Path) -> None:
    write(tmp_path, "paper: {seed: 1}\n", "base.yaml")
    path = write(tmp_path, "base: base.yaml\npaper: {seed: 2}\n")
    env = {"QUIETMAKER__PAPER__SEED": "3"}
    assert load(tmp_path / "base.yaml", env={}).paper.seed == 1
    assert load(path, env={}).paper.seed == 2
    assert load(path, env=env).paper.seed == 3
    assert load(path, env=env, overrides=["paper.seed=4"]).paper.seed == 4
    assert load(path, env=env, overrides=["paper.seed=4", "paper.seed=5"]).paper.seed == 5


def test_a_symbol_takes_its_own_value_then_the_last_matching_group_then_the_default(
    tmp_path: Path,
) -> None:
    settings = read(tmp_path, LAYERED)
    assert settings.symbol("BTC-USD").gates.min_spread_pct == 4
    assert settings.symbol("TNSR-USD").gates.min_spread_pct == 3
    assert settings.symbol("ETH-USD").gates.min_spread_pct == 2
    assert settings.symbol("ETH-EUR").gates.min_spread_pct == 1
    assert settings.symbol("BTC-USD").exits.stop_loss_pct == 5


def test_every_value_knows_its_origin(tmp_path: Path) -> None:
    settings = read(tmp_path, LAYERED)
    assert origin(settings, "BTC-USD", "gates.min_spread_pct").endswith("test.yaml:7 (this symbol)")
    assert origin(settings, "TNSR-USD", "gates.min_spread_pct").endswith("test.yaml:5 (group thin)")
    assert origin(settings, "ETH-EUR", "gates.min_spread_pct").endswith("test.yaml:2")
    assert origin(settings, "ETH-EUR", "gates.include_fees") == "default"


def test_a_bare_per_symbol_key_outside_of_files_holds_for_every_symbol(tmp_path: Path) -> None:
    path = write(tmp_path, LAYERED)
    by_env = load(path, env={"QUIETMAKER__GATES__MIN_SPREAD_PCT": "9"})
    by_line = load(path, env={}, overrides=["gates.min_spread_pct=9"])
    for settings in (by_env, by_line):
        assert {
            settings.symbol(s).gates.min_spread_pct for s in ("BTC-USD", "TNSR-USD", "X-EUR")
        } == {9}
    assert origin(by_line, "BTC-USD", "gates.min_spread_pct") == (
        "command line --set gates.min_spread_pct (every symbol)"
    )


def test_defaults_and_single_symbols_can_be_addressed_outside_of_files(tmp_path: Path) -> None:
    path = write(tmp_path, LAYERED)
    settings = load(
        path,
        env={"QUIETMAKER__SYMBOLS__TNSR_USD__GATES__MIN_SPREAD_PCT": "8"},
        overrides=["defaults.gates.min_spread_pct=7", "symbols.SOL-USD.gates.min_spread_pct=6"],
    )
    assert settings.symbol("TNSR-USD").gates.min_spread_pct == 8
    assert settings.symbol("SOL-USD").gates.min_spread_pct == 6
    assert settings.symbol("X-EUR").gates.min_spread_pct == 7
    assert settings.symbol("BTC-USD").gates.min_spread_pct == 4


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("paper.seed", "expected key=value"),
        ("paper.sed=1", "did you mean paper.seed?"),
        ("paper.seed=", "is empty; unset it"),
        ("paper.seed=[", "is not valid YAML"),
        ("=1", "unknown key"),
        ("symbols.btc.gates.min_spread_pct=1", "unknown key"),
        ("universe.symbols=[QNT,USD]", "did you mean QNT-USD?"),
        ("mode=live", "mode live can only be set in a file"),
        ("ledger.url=postgresql://u:secret@h/d", "a password does not belong here"),
    ],
)
def test_a_wrong_override_is_refused(override: str, words: str) -> None:
    message = env_refusal({}, override)
    assert words in message
    assert "secret" not in message


def test_lists_and_mappings_can_be_given_outside_of_files() -> None:
    settings = load(
        None,
        env={"QUIETMAKER__PAPER__STARTING_BALANCES": "{USD: 10, BTC: 1}"},
        overrides=['universe.symbols=["*-USD", BTC-EUR]', "quote.level_sizes=[1, 2]"],
    )
    assert [name for name, _ in settings.paper.starting_balances] == ["USD", "BTC"]
    assert settings.universe.symbols == ("*-USD", "BTC-EUR")
    assert settings.symbol("A-USD").quote.level_sizes == (Decimal(1), Decimal(2))


def test_an_unknown_variable_with_our_prefix_is_refused_and_others_are_not_ours() -> None:
    assert "environment QUIETMAKER__PAPER__SEDE" in env_refusal({"QUIETMAKER__PAPER__SEDE": "1"})
    load(None, env={"QUIETMAKER_HOME": "/somewhere", "PAPER__SEED": "x"})


def test_live_is_a_deliberate_act_in_a_file(tmp_path: Path) -> None:
    text = "mode: live\nuniverse: {symbols: [BTC-USD]}\n"
    assert read(tmp_path, text).mode == "live"
    assert load(write(tmp_path, text), env={"QUIETMAKER__MODE": "paper"}).mode == "paper"
    assert "only be set in a file" in env_refusal({"QUIETMAKER__MODE": "live"})
    assert "a live market is traded by named symbols only" in refusal(tmp_path, "mode: live")


# --- secrets ---


def test_a_password_comes_from_the_environment_or_a_named_file_and_is_masked(
    tmp_path: Path,
) -> None:
    url = "postgresql://bot:hunter2@db:5432/books"
    named = write(tmp_path, url + "\n", "secret")
    for env in ({"QUIETMAKER__LEDGER__URL": url}, {"QUIETMAKER__LEDGER__URL_FILE": str(named)}):
        settings = load(None, env=env)
        assert settings.ledger.url == url
        shown = next(line for line in settings.explain() if line.key == "ledger.url")
        assert shown.value == "postgresql://bot:***@db:5432/books"
        assert "hunter2" not in repr(settings.explain())


def test_a_password_in_a_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    message = refusal(tmp_path, "ledger: {url: 'postgresql://bot:hunter2@db/books'}")
    assert "QUIETMAKER__LEDGER__URL_FILE" in message
    assert "hunter2" not in message


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "nowhere" in env_refusal({"QUIETMAKER__LEDGER__URL_FILE": str(tmp_path / "nowhere")})


# --- old names ---


@pytest.mark.parametrize(
    ("text", "included"),
    [("true", True), ("1", True), ("YES", True), ("false", False), ("0", False)],
)
def test_the_old_fee_flag_means_that_fees_are_included_and_is_reported(
    text: str, included: bool
) -> None:
    settings = load(None, env={"PASSIVE_IGNORE_FEES_FOR_SPREAD": text})
    assert settings.symbol("A-USD").gates.include_fees is included
    (notice,) = settings.notices
    assert ("fees ARE part" if included else "fees are NOT part") in notice


def test_the_old_fee_flag_is_outranked_by_the_new_name_and_outranks_files(tmp_path: Path) -> None:
    path = write(tmp_path, "defaults: {gates: {include_fees: true}}")
    old = {"PASSIVE_IGNORE_FEES_FOR_SPREAD": "false"}
    assert load(path, env=old).symbol("A-USD").gates.include_fees is False
    new = {**old, "QUIETMAKER__DEFAULTS__GATES__INCLUDE_FEES": "true"}
    assert load(path, env=new).symbol("A-USD").gates.include_fees is True


def test_a_wrong_old_fee_flag_is_refused() -> None:
    assert "PASSIVE_IGNORE_FEES_FOR_SPREAD" in env_refusal(
        {"PASSIVE_IGNORE_FEES_FOR_SPREAD": "maybe"}
    )


def test_the_old_exclusion_lists_add_to_the_configured_one(tmp_path: Path) -> None:
    path = write(tmp_path, "universe: {permanent_exclusions: [A-USD]}")
    settings = load(path, env={"EXCLUDED_SYMBOLS": "B-USD,C-USD", "PERMANENT_EXCLUSIONS": "*-EUR"})
    assert settings.universe.permanent_exclusions == ("A-USD", "B-USD", "C-USD", "*-EUR")
    assert (
        settings.exclusion("B-USD") == "permanent_exclusions: B-USD (environment EXCLUDED_SYMBOLS)"
    )
    assert (
        settings.exclusion("X-EUR")
        == "permanent_exclusions: *-EUR (environment PERMANENT_EXCLUSIONS)"
    )
    assert str(settings.exclusion("A-USD")).endswith("test.yaml:1)")
    assert settings.exclusion("D-USD") is None
    assert len(settings.notices) == 2


def test_an_old_ban_survives_a_new_list_and_an_empty_one_means_nothing() -> None:
    env = {"EXCLUDED_SYMBOLS": "B-USD", "QUIETMAKER__UNIVERSE__PERMANENT_EXCLUSIONS": "A-USD"}
    assert load(None, env=env).universe.permanent_exclusions == ("A-USD", "B-USD")
    assert load(None, env={"EXCLUDED_SYMBOLS": ""}).universe.permanent_exclusions == ()


def test_the_typo_of_the_old_list_is_refused() -> None:
    assert "did you mean QNT-USD?" in env_refusal({"EXCLUDED_SYMBOLS": "TNSR-USD,QNT,USD"})


def test_the_old_filter_settings_are_honoured_in_their_own_units() -> None:
    old = {
        "DYNAMIC_FILTER_ENABLED": "True",
        "DYNAMIC_FILTER_MIN_WIN_RATE": "0.35",
        "DYNAMIC_FILTER_MIN_AVG_PNL": "-2.0",
        "DYNAMIC_FILTER_MIN_TOTAL_PNL": "-20",
        "DYNAMIC_FILTER_MAX_SPREAD_PCT": "0.015",
        "DYNAMIC_FILTER_MIN_TRADES": "10",
        "DYNAMIC_FILTER_LOOKBACK_DAYS": "14",
    }
    settings = load(None, env=old)
    limits = settings.filter.policy().thresholds
    assert (limits.min_win_rate, limits.max_spread) == (Decimal("0.35"), Decimal("0.015"))
    assert (limits.min_avg_pnl, limits.min_total_pnl) == (Decimal(-2), Decimal(-20))
    assert limits.min_trades == 10
    assert (settings.filter.enabled, settings.filter.lookback_days) == (True, 14)
    assert len(settings.notices) == len(old)


def test_an_old_filter_setting_is_outranked_by_the_new_name() -> None:
    env = {"DYNAMIC_FILTER_MIN_TRADES": "10", "QUIETMAKER__FILTER__MIN_TRADES": "7"}
    assert load(None, env=env).filter.min_trades == 7


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DYNAMIC_FILTER_MIN_WIN_RATE", "35"),
        ("DYNAMIC_FILTER_MIN_WIN_RATE", "thirty"),
        ("DYNAMIC_FILTER_MAX_SPREAD_PCT", "2"),
        ("DYNAMIC_FILTER_MIN_TRADES", "0"),
        ("DYNAMIC_FILTER_LOOKBACK_DAYS", "-1"),
        ("DYNAMIC_FILTER_ENABLED", "perhaps"),
    ],
)
def test_an_old_filter_setting_out_of_range_is_refused_by_its_name(name: str, text: str) -> None:
    assert name in env_refusal({name: text})


def test_an_old_filter_name_that_never_was_is_reported() -> None:
    (notice,) = load(None, env={"DYNAMIC_FILTER_MINTRADES": "3"}).notices
    assert notice.endswith("did you mean DYNAMIC_FILTER_MIN_TRADES?")


# --- universe ---


def test_the_universe_selects_in_the_order_of_the_market() -> None:
    settings = load(None, env={}, overrides=["universe.symbols=*-USD,BTC-EUR"])
    offered = ("ETH-USD", "BTC-EUR", "ETH-EUR", "BTC-USD")
    assert settings.select(offered) == ("ETH-USD", "BTC-EUR", "BTC-USD")


def test_a_symbol_that_the_market_does_not_have_is_refused() -> None:
    settings = load(None, env={}, overrides=["universe.symbols=BTC-USD,TNSR-USD"])
    with pytest.raises(
        InvalidSettings, match=r"the market has no TNSR-USD; did you mean TNSRX-USD\?"
    ):
        settings.select(["BTC-USD", "TNSRX-USD"])
