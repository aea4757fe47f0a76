"""Helpers of the settings tests: write configuration files and load them without the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from quietmaker.settings import InvalidSettings, Settings, load


def write(folder: Path, text: str | bytes, name: str = "test.yaml") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str | bytes) -> Settings:
    """Load a file with this text, and nothing of the environment."""
    return load(write(folder, text), env={})


def refusal(folder: Path, text: str | bytes) -> str:
    """Return the message with which a file of this text is refused."""
    with pytest.raises(InvalidSettings) as caught:
        read(folder, text)
    return str(caught.value)


def env_refusal(env: dict[str, str], *overrides: str) -> str:
    """Return the message with which an environment and overrides are refused."""
    with pytest.raises(InvalidSettings) as caught:
        load(None, env=env, overrides=overrides)
    return str(caught.value)
