"""What is new between two configurations, and what of it waits for a restart."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from quietmaker.settings import InvalidSettings, Reload
from quietmaker.settings.changes import changes, hold_back, reload_class
from quietmaker.settings.keys import keys_of
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import SymbolSettings
from tests.settings.files import read


def test_a_change_says_what_was_and_what_is_and_where_it_is_written(tmp_path: Path) -> None:
    old = read(tmp_path, "defaults: {gates: {min_spread_pct: 0.3}}")
    new = read(tmp_path, "defaults:\n  gates:\n    min_spread_pct: 0.4\n")
    (found,) = changes(old, new)
    assert str(found) == "defaults.gates.min_spread_pct: 0.3 -> 0.4"
    assert found.origin.endswith("test.yaml:3")
    assert found.reload is Reload.LIVE


def test_an_override_that_comes_or_goes_is_a_change(tmp_path: Path) -> None:
    bare = read(tmp_path, "mode: paper")
    more = read(tmp_path, "symbols: {TNSR-USD: {quote: {improve_ticks: 2}}}")
    assert [str(each) for each in changes(bare, more)] == [
        "symbols.TNSR-USD.quote.improve_ticks: (not set) -> 2"
    ]
    assert [str(each) for each in changes(more, bare)] == [
        "symbols.TNSR-USD.quote.improve_ticks: 2 -> (not set)"
    ]


def test_spelling_and_comments_are_no_change(tmp_path: Path) -> None:
    old = read(tmp_path, "defaults: {gates: {min_spread_pct: 0.30}}")
    new = read(tmp_path, "# a note\ndefaults:\n  gates: {min_spread_pct: 3e-1}")
    assert changes(old, new) == ()


def test_keys_that_need_a_restart_keep_their_value_and_are_named(tmp_path: Path) -> None:
    old = read(tmp_path, "paper: {seed: 1}\ndefaults: {gates: {min_spread_pct: 0.3}}")
    new = read(
        tmp_path,
        "paper: {seed: 2}\nledger: {tie_out_seconds: 60}\ndefaults: {gates: {min_spread_pct: 0.4}}",
    )
    held, waiting = hold_back(old, new)
    assert [each.key for each in waiting] == ["paper.seed", "ledger.tie_out_seconds"]
    assert held.paper.seed == 1
    assert held.ledger.tie_out_seconds == Decimal(300)
    assert str(held.symbol("TNSR-USD").gates.min_spread_pct) == "0.4"
    assert [each.key for each in changes(old, held)] == ["defaults.gates.min_spread_pct"]


def test_a_restart_key_that_is_taken_out_of_the_file_stays_as_it_is(tmp_path: Path) -> None:
    old = read(tmp_path, "paper: {seed: 7}")
    held, waiting = hold_back(old, read(tmp_path, "mode: paper"))
    assert [str(each) for each in waiting] == ["paper.seed: 7 -> 1"]
    assert held.paper.seed == 7
    assert held.sha256 == old.sha256


def test_new_values_that_contradict_what_stays_are_refused(tmp_path: Path) -> None:
    old = read(tmp_path, "products: {AAA-USD: {base_min_size: 1}}\npaper: {maker_fee_pct: 0.3}")
    new = read(
        tmp_path,
        "products: {AAA-USD: {base_min_size: 1}}\npaper: {maker_fee_pct: 0.3, taker_fee_pct: 0.35}",
    )
    held, waiting = hold_back(old, new)
    assert [each.key for each in waiting] == ["paper.taker_fee_pct"]
    assert held.sha256 == old.sha256


def test_every_key_has_its_class_wherever_it_is_written() -> None:
    for path, key in keys_of(GlobalSettings).items():
        assert reload_class(path) is key.reload
    for path, key in keys_of(SymbolSettings).items():
        for scope in (("defaults",), ("*",), ("groups", "thin"), ("symbols", "TNSR-USD")):
            assert reload_class((*scope, *path)) is key.reload
    assert reload_class(("products", "TNSR-USD", "price_increment")) is Reload.RESTART


def test_a_refusal_knows_the_files_that_were_read(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("mode: paper")
    with pytest.raises(InvalidSettings) as caught:
        read(tmp_path, "base: base.yaml\nnonsense: 1")
    assert [path.name for path in caught.value.files] == ["base.yaml", "test.yaml"]
