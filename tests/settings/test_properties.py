"""Any configuration whatever is either settings, or refused with places; nothing else ever happens."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from quietmaker.settings import InvalidSettings, Settings, docs, load
from quietmaker.settings.keys import keys_of
from quietmaker.settings.layers import addressable
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import SymbolSettings

NAMES = sorted(
    {part for s in (GlobalSettings, SymbolSettings) for path in keys_of(s) for part in path}
)
DOTTED = sorted({".".join(path) for s in (GlobalSettings, SymbolSettings) for path in keys_of(s)})
WORDS = st.sampled_from(
    [*"true NO 1:30 010 1e-3 -1 0.5 1e999 *-USD BTC-USD QNT,USD null ~ [ {}".split(), ""]  # noqa: SIM905
)
SCALARS = WORDS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
SECTIONS = ["defaults", "groups", "symbols", "products", "match", "base", "<<", "BTC-USD"]
KEYS = st.sampled_from([*NAMES, *SECTIONS]) | st.text(max_size=5)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


def settings_or_refusal(
    raw: bytes | None, env: dict[str, str], overrides: list[str]
) -> Settings | None:
    """Load; a refusal must name a place for each problem, on a line that can be printed."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "any.yaml")
        path.write_bytes(raw or b"{}")
        refused = None
        try:
            return load(path, env=env, overrides=overrides)
        except InvalidSettings as error:
            refused = error
    assert refused.problems
    assert all(problem.place.source and problem.message for problem in refused.problems)
    assert str(refused).encode()
    assert len(str(refused).splitlines()) == 1 + len(refused.problems)
    return None


@given(tree=TREES)
@settings(max_examples=300, deadline=None)
def test_any_tree_is_settings_or_refused_with_places(tree: object) -> None:
    settings_or_refusal(json.dumps(tree, allow_nan=True).encode(), {}, [])


@given(raw=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_settings_or_refused_with_places(raw: bytes) -> None:
    settings_or_refusal(raw, {}, [])


@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,?\\ \n\t~<0.1\u00e9\ud7ff\uffff", max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_of_yaml_signs_is_settings_or_refused_with_places(text: str) -> None:
    settings_or_refusal(text.encode(errors="replace"), {}, [])


@given(
    place=st.integers(0, 4000),
    cut=st.integers(0, 40),
    put=st.binary(max_size=12),
)
@settings(max_examples=200, deadline=None)
def test_a_damaged_base_yaml_is_settings_or_refused_with_places(
    place: int, cut: int, put: bytes
) -> None:
    raw = docs.base_yaml().encode()
    settings_or_refusal(raw[:place] + put + raw[place + cut :], {}, [])


@given(
    name=st.sampled_from(DOTTED) | st.text(max_size=20),
    value=SCALARS.map(str) | st.text(max_size=30),
)
@settings(max_examples=300, deadline=None)
def test_any_override_is_settings_or_refused_with_its_place(name: str, value: str) -> None:
    settings_or_refusal(None, {}, [f"{name}={value}"])
    env_name = "QUIETMAKER__" + name.upper().replace(".", "__")
    settings_or_refusal(None, {env_name: value, "EXCLUDED_SYMBOLS": value}, [])


@given(value=st.decimals(min_value=0, max_value=50, places=7))
@settings(max_examples=200, deadline=None)
def test_every_legal_percent_is_kept_to_the_last_digit(value: Decimal) -> None:
    loaded = settings_or_refusal(None, {}, [f"gates.min_spread_pct={value:f}%"])
    assert loaded is not None
    assert loaded.symbol("A-USD").gates.min_spread_pct == value


@given(name=st.sampled_from(DOTTED))
@settings(max_examples=100, deadline=None)
def test_every_key_can_be_addressed_outside_of_files(name: str) -> None:
    assert addressable(tuple(name.split("."))) is not None
