"""What became of a reload of the configuration, as a fact."""

from __future__ import annotations

from dataclasses import dataclass

from quietmaker.core.units import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded:
    """A configuration was read while running, and taken or refused.

    Attributes:
        generation, config_sha: in force after it.
        changes, waiting: what came into force, and what waits for a restart: key, before, after.
        problems: why nothing was changed.
        chosen: every key and its value, where the generation is new.
    """

    at: Instant
    trigger: str
    by: str
    result: str
    generation: int
    config_sha: str
    changes: tuple[tuple[str, str, str], ...]
    waiting: tuple[tuple[str, str, str], ...]
    problems: tuple[str, ...]
    chosen: tuple[tuple[str, str], ...]
