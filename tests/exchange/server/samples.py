"""Recorded and documented messages, and what it means to have their shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

SAMPLES = Path(__file__).parents[4] / "shared" / "coinbase-samples"


def sample(name: str) -> list[Any]:
    """Return the messages of a sample file; skip the test where the samples are not."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"no {path}")
    text = path.read_bytes()
    if name.endswith(".jsonl"):
        return [orjson.loads(line) for line in text.splitlines() if line.strip()]
    return [orjson.loads(text)]


def shape(value: Any) -> Any:
    """Return keys in their order and types; a list is the shape of its rows, which must be one."""
    match value:
        case dict():
            return [(key, shape(inner)) for key, inner in value.items()]
        case list():
            shapes = [shape(inner) for inner in value]
            assert all(each == shapes[0] for each in shapes), shapes[:2]
            return ["list", shapes[0] if shapes else None]
        case _:
            return type(value).__name__
