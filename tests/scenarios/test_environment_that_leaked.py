"""Incident C3.

Paths of a laptop leaked to production through a mounted `.env`; the fix removed every variable, the
database's password among them, and was reverted within twenty minutes. Nothing had checked an environment
as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from quietmaker.errors import ConfigError
from quietmaker.settings import load
from tests.deploy.test_scripts import Site, stopped_nothing

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "variable",
    [
        {"QUIETMAKER__EXCHANGE__URL": "https://x.ngrok.io"},
        {"QUIETMAKER__MANAGMENT__PORT": "9464"},
        {"QUIETMAKER__LEDGER__URL_FILE": "/Users/me/secrets/url"},
        {"QUIETMAKER__MODE": "live"},
    ],
)
def test_a_variable_of_another_environment_is_refused_by_name(variable: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as refused:
        load(ROOT / "config" / "paper.yaml", env=variable, overrides=())
    assert next(iter(variable)) in str(refused.value)


def test_an_environment_that_is_refused_stops_nothing_that_runs(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.update()
    before = site.setting()
    site.commit("with a variable less")
    assert site.update(valid=False).returncode != 0
    assert stopped_nothing(site)
    assert (site.setting(), site.read()["running"]) == (before, before)


def test_the_environment_of_compose_is_no_environment_of_the_program() -> None:
    text = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    assert "env_file" not in text
