"""A reload may lower every limit, and raise none above what was fixed at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from quietmaker.settings import Ceilings
from quietmaker.settings.ceilings import SHARED_LIMITS, SYMBOL_LIMITS
from quietmaker.settings.keys import keys_of
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import SymbolSettings
from tests.settings.files import read, refusal


def above(folder: Path, start: str, then: str) -> list[str]:
    return [str(each) for each in Ceilings(read(folder, start)).exceeded(read(folder, then))]


def test_a_higher_limit_is_named_with_its_ceiling_its_place_and_its_setting(tmp_path: Path) -> None:
    (found,) = above(tmp_path, "mode: paper", "defaults:\n  quote:\n    max_position: 75")
    assert found.startswith(f"{tmp_path}/test.yaml:3")
    assert "defaults.quote.max_position: 75 is above 50" in found
    assert "ceilings.quote.max_position" in found


def test_a_lower_limit_and_the_way_back_are_free(tmp_path: Path) -> None:
    start = "defaults: {quote: {max_position: 100}}"
    assert above(tmp_path, start, "defaults: {quote: {max_position: 30}}") == []
    assert above(tmp_path, start, start) == []


def test_room_that_was_given_at_the_start_can_be_used(tmp_path: Path) -> None:
    start = "ceilings: {quote: {max_position: 200}}"
    assert above(tmp_path, start, "defaults: {quote: {max_position: 200}}") == []
    assert len(above(tmp_path, start, "defaults: {quote: {max_position: 201}}")) == 1


@pytest.mark.parametrize(
    "then",
    [
        "symbols: {A-USD: {quote: {max_position: 75}}}",
        'groups: {g: {match: ["*-USD"], quote: {max_position: 75}}}',
    ],
)
def test_no_scope_is_a_way_around(tmp_path: Path, then: str) -> None:
    (found,) = above(tmp_path, "mode: paper", then)
    assert "quote.max_position: 75 is above 50" in found


def test_taking_a_tighter_value_out_must_not_raise_the_limit_either(tmp_path: Path) -> None:
    start = "defaults: {quote: {level_sizes: [10], max_position: 20}}"
    assert len(above(tmp_path, start, "defaults: {quote: {level_sizes: [10]}}")) == 1


def test_a_limit_that_is_switched_off_is_a_limit_that_is_raised(tmp_path: Path) -> None:
    (found,) = above(tmp_path, "mode: paper", "account: {max_daily_loss: null}")
    assert "no limit is above 20" in found
    assert above(tmp_path, "account: {max_daily_loss: null}", "account: {max_daily_loss: 9}") == []


def test_a_start_above_its_own_ceiling_is_refused(tmp_path: Path) -> None:
    text = refusal(tmp_path, "ceilings: {risk: {max_exposure: 100}}")
    assert "risk.max_exposure: 250 is above 100" in text


def test_the_ceilings_themselves_wait_for_a_restart() -> None:
    ceilings = [key for path, key in keys_of(GlobalSettings).items() if path[0] == "ceilings"]
    assert ceilings
    assert all(key.reload.value == "restart" for key in ceilings)
    limits = {*SYMBOL_LIMITS, *SHARED_LIMITS}
    assert {key.path[1:] for key in ceilings} <= limits
    assert set(SYMBOL_LIMITS) <= set(keys_of(SymbolSettings))
    assert set(SHARED_LIMITS) <= set(keys_of(GlobalSettings))
