"""The document of the command line is what the commands say."""

from __future__ import annotations

from supervisors.cli import VERBS
from supervisors.docs import PLACE, document


def test_the_document_of_the_commands_is_up_to_date() -> None:
    assert PLACE.read_text(encoding="utf-8") == document(), "run python -m supervisors.docs"


def test_every_command_is_in_the_document() -> None:
    text = document()
    for name in VERBS:
        assert f"## `quietmaker {name}`" in text
    for name in ("trades explain", "db restore", "db import", "db check"):
        assert f"## `quietmaker {name}`" in text
