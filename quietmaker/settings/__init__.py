"""The configuration: `load` reads and checks everything, `Settings` is what the process was told.

Each value has a range and a place; nothing is guessed, and a configuration with any fault is refused
with all its faults. See docs/configuration.md, which is generated from the keys.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from quietmaker.settings.ceilings import Ceilings
from quietmaker.settings.explained import Explained
from quietmaker.settings.keys import Reload
from quietmaker.settings.layers import read as _read
from quietmaker.settings.model import Settings
from quietmaker.settings.nodes import InvalidSettings, Problem
from quietmaker.settings.params import gate_params, percent
from quietmaker.settings.text import effective_spread_formula, percent_text

__all__ = [
    "Ceilings",
    "Explained",
    "InvalidSettings",
    "Problem",
    "Reload",
    "Settings",
    "effective_spread_formula",
    "gate_params",
    "load",
    "percent",
    "percent_text",
]


def load(
    path: Path | str | None, *, env: Mapping[str, str] | None = None, overrides: Iterable[str] = ()
) -> Settings:
    """Read a configuration.

    Precedence: ``overrides`` > ``QUIETMAKER__SECTION__KEY`` > old environment names > the file > the
    file that it names as ``base`` > defaults. Per symbol: a key without a section from ``overrides`` or
    the environment > ``symbols`` > ``groups`` (the last that matches) > ``defaults``.

    Args:
        path: a YAML file; None for the defaults alone.
        env: the environment; the process's own when None.
        overrides: ``section.key=value``, as given to ``--set``.

    Raises:
        InvalidSettings: a `ConfigError` with every problem found, each with its place and a remedy.
    """
    chosen = None if path is None else Path(path)
    found = Settings(_read(chosen, env=os.environ if env is None else env, overrides=overrides))
    if above := Ceilings(found).exceeded(found):
        raise InvalidSettings(above, files=found.files)
    return found
