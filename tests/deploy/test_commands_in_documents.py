"""Every command that a document tells is one that there is, with options that it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from supervisors.cli import root

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(
    [
        ROOT / "README.md",
        *(path for path in (ROOT / "docs").glob("*.md") if path.name != "cli.md"),
        *(ROOT / "deploy" / "prometheus" / "runbooks").glob("*.md"),
    ]
)
_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"`((?:quietmaker|make|deploy/\w+\.sh)(?: [^`]*)?)`")


def lines(document: Path) -> Iterator[str]:
    """Return every command of a document, in blocks and in the text, without comments and pipes."""
    text = document.read_text(encoding="utf-8")
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s+#\s|\||&&|;", line)[:1]:
                if part.strip():
                    yield part.strip()
    for inline in _INLINE.findall(_BLOCK.sub("", text)):
        yield " ".join(inline.split())


def ours(line: str) -> list[str]:
    """Return the words of a call of the program; empty for anything else."""
    line = re.sub(r'"\$\(([^)]*)\)"', r"\1", line)  # psql "$(quietmaker db url)"
    found = re.search(r"(?:^|\s|/)quietmaker(?:\s+(.*))?$", line)
    if found is None or line.startswith(("cd ", "git ", "curl ")):
        return []
    return shlex.split(found[1] or "", comments=True)


def accepts(words: list[str]) -> str:
    """Return why the command line refuses these words; empty when it takes them."""
    command: click.Command = root
    context = click.Context(root, info_name="quietmaker")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"no command {words[0]!r}"
        if "|" in words[0]:
            return ""
        command, context = found, click.Context(found, info_name=words[0], parent=context)
        words = words[1:]
    known = {name: option for option in command.params for name in option.opts}
    known |= {name: option for option in command.params for name in option.secondary_opts}
    for word in words:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in {*known, "--help", "--version"}:
            return f"{context.command_path} has no option {name}"
    return ""


def spread(words: list[str]) -> list[list[str]]:
    """Return one call per alternative: `trades list|explain` are two."""
    for place, word in enumerate(words):
        if "|" in word and re.fullmatch(r"[a-z|-]+", word):
            return [
                other
                for each in word.split("|")
                for other in spread([*words[:place], each, *words[place + 1 :]])
            ]
    return [words]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_the_program_exists_with_its_options(document: Path) -> None:
    refused = {
        line: reason
        for line in lines(document)
        for words in spread(ours(line))
        if words and (reason := accepts(words))
    }
    assert not refused


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_script_and_target_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in lines(document):
        if script := re.match(r"(deploy/[\w/]+(?:\.sh)?)(?:\s|$)", line):
            assert (ROOT / script[1]).is_file(), line
        if target := re.match(r"make ([a-z-]+)", line):
            assert target[1] in targets, line


def test_enough_was_found_to_mean_something() -> None:
    found = [line for document in DOCUMENTS for line in lines(document) if ours(line)]
    assert len(found) > 40
    assert accepts(["statsu"]) == "no command 'statsu'"
    assert accepts(["status", "--wtach"]) == "quietmaker status has no option --wtach"
