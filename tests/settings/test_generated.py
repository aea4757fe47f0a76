"""What is generated from the keys agrees with them; what is written by hand loads."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from quietmaker.exchange.models import DEFAULT_MODEL, FILL_MODELS
from quietmaker.settings import Reload, docs, load
from quietmaker.settings import schema as schema_module
from quietmaker.settings.keys import Key, keys_of
from quietmaker.settings.layers import MATCH
from quietmaker.settings.nodes import Place, Problem
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import ProductSettings, SymbolSettings
from quietmaker.settings.yamldoc import parse

ROOT = Path(__file__).parents[2]
SECTIONS = (GlobalSettings, SymbolSettings, ProductSettings)


def every_key() -> list[Key]:
    return [key for section in SECTIONS for key in keys_of(section).values()]


def test_base_yaml_is_what_the_keys_say() -> None:
    assert (ROOT / docs.BASE_YAML).read_text() == docs.base_yaml(), (
        "run python -m quietmaker.settings.docs"
    )


def test_the_reference_is_what_the_keys_say() -> None:
    assert (ROOT / docs.REFERENCE).read_text() == docs.reference(), (
        "run python -m quietmaker.settings.docs"
    )


def test_base_yaml_has_every_key_and_changes_nothing() -> None:
    base = load(ROOT / "config/base.yaml", env={})
    assert base.sha256 == load(None, env={}).sha256
    origins = {line.key: line.origin for line in base.explain()}
    assert [key for key, origin in origins.items() if origin == "default"] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.name
)
def test_every_shipped_configuration_loads(path: Path) -> None:
    settings = load(path, env={})
    assert settings.mode == ("live" if path.name == "live.yaml" else "paper")


@pytest.mark.parametrize("key", every_key(), ids=lambda key: key.name)
def test_every_default_is_a_legal_value_that_survives_being_written(key: Key) -> None:
    problems: list[Problem] = []
    if key.default is None:
        assert key.optional
        return
    node = parse(key.show(key.default).encode(), source="default", problems=problems)
    assert key.kind.parse(node) == key.default


@pytest.mark.parametrize("key", [*every_key(), MATCH], ids=lambda key: key.name)
def test_every_key_says_what_it_is(key: Key) -> None:
    assert key.about
    assert not key.about.endswith(".")
    assert key.reload in Reload
    name = key.path[-1]
    if name.endswith("_pct"):
        assert key.unit.startswith("percent"), "a _pct key holds percent"
    if name.endswith("_seconds"):
        assert key.unit == "seconds"


def test_the_json_schema_is_json_and_covers_every_key() -> None:
    text = json.dumps(docs.json_schema())
    for key in every_key():
        assert f'"{key.path[-1]}"' in text


def test_the_examples_of_the_reference_load(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", docs.reference(), flags=re.DOTALL)
    assert blocks
    (tmp_path / "base.yaml").write_text(docs.base_yaml())
    for number, block in enumerate(blocks):
        path = tmp_path / f"example{number}.yaml"
        path.write_text(block)
        load(path, env={})


def test_the_fill_models_are_those_of_the_paper_exchange() -> None:
    assert set(schema_module.FILL_MODELS) == set(FILL_MODELS)
    assert load(None, env={}).paper.fill_model == DEFAULT_MODEL.name


def named_in_core() -> Iterator[str]:
    """Yield what the core's texts name as settings, such as ``gates.min_candles``."""
    for path in (ROOT / "quietmaker/core").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.findall(r"\(((?:quote|gates|exits|risk)\.[a-z_]+\*?)", node.value)


def test_every_setting_that_the_core_names_exists() -> None:
    names = set(named_in_core())
    assert names, "the core names the setting of a refusal"
    known = [key.name for key in keys_of(SymbolSettings).values()]
    assert [name for name in names if not any(fnmatchcase(key, name) for key in known)] == []


def test_a_place_without_a_line_is_its_source() -> None:
    assert str(Place("environment X")) == "environment X"
    assert str(Place("a.yaml", 3, 7)) == "a.yaml:3:7"
