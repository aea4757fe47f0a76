"""The door to YAML: bytes in, nodes out, every fault a ConfigError with its place.

PyYAML only tokenises here. Its composer would keep the last of two equal keys, guess types and follow
aliases without end; this one refuses duplicates, keeps the text, and counts what it builds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from quietmaker.settings.nodes import (
    Entry,
    InvalidSettings,
    Mapping,
    Node,
    Place,
    Problem,
    Scalar,
    Sequence,
    did_you_mean,
    refuse,
)

MAX_BYTES: Final = 256 * 1024
"""Larger than any real configuration; a bigger file is something else, or half of an attack."""
MAX_DEPTH: Final = 24
MAX_NODES: Final = 20_000
_MERGE: Final = "<<"


def read_file(path: Path, *, source: str, problems: list[Problem]) -> Mapping:
    """Read a configuration file.

    Args:
        path: the file.
        source: how errors and origins name it.
        problems: receives duplicate keys, after which reading goes on.

    Raises:
        InvalidSettings: if it cannot be read, or is no mapping in UTF-8 YAML.
    """
    here = Place(source)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        near = did_you_mean(path.name, _siblings(path))
        raise refuse(here, f"no such file{near}") from None
    except OSError as error:
        raise refuse(here, f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise refuse(here, f"cannot be the name of a file: {error}") from error
    node = parse(raw, source=source, problems=problems)
    if isinstance(node, Scalar) and node.is_null:
        raise refuse(here, "is empty; write at least one key, or {} for all defaults")
    if not isinstance(node, Mapping):
        what = "a list" if isinstance(node, Sequence) else "a single value"
        raise refuse(node.place, f"is {what}; expected a mapping of `section:` to its keys")
    return node


def _siblings(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except (OSError, ValueError):
        return []


def parse(raw: bytes, *, source: str, problems: list[Problem]) -> Node:
    """Parse one YAML document into nodes; an empty text is a null scalar.

    Duplicate keys go to ``problems`` and the first one stays.

    Raises:
        InvalidSettings: for everything that is not one well-formed document in UTF-8.
    """
    text = _decode(raw, source)
    try:
        return _Composer(text, source, problems).document()
    except yaml.MarkedYAMLError as error:
        raise _syntax(error, source) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        message = f"character {error.character!r} is not allowed in YAML"
        raise refuse(Place(source, line, column), message) from error
    except (ValueError, OverflowError) as error:
        # The scanner turns an escape such as "\UFFFFFFFF" into a character without checking it.
        raise refuse(Place(source), f"is not valid YAML: {error}") from error


def _decode(raw: bytes, source: str) -> str:
    if len(raw) > MAX_BYTES:
        raise refuse(Place(source), f"is larger than {MAX_BYTES // 1024} KiB: not a configuration")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refuse(Place(source, 1, 1), "is UTF-16; save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise refuse(Place(source, line, column), message) from None


def _syntax(error: yaml.MarkedYAMLError, source: str) -> InvalidSettings:
    mark = error.problem_mark or error.context_mark
    place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
    problem = error.problem or error.context or "syntax error"
    if "'\\t'" in problem:
        return refuse(place, "is not valid YAML: a tab; indent with spaces")
    if "alias" in f"{problem} {error.context}":
        problem += "; write a value that begins with * in quotes"
    return refuse(place, f"is not valid YAML: {problem}")


class _Composer:
    """Builds nodes from PyYAML's events."""

    def __init__(self, text: str, source: str, problems: list[Problem]) -> None:
        self._source = source
        self._problems = problems
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def document(self) -> Node:
        next(self._events)  # StreamStart
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            return Scalar("", True, Place(self._source, 1, 1))
        node = self._node(next(self._events), 0)
        next(self._events)  # DocumentEnd
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise refuse(self._place(event), "has a second document; one file holds one document")
        return node

    def _node(self, event: yaml.Event, depth: int) -> Node:
        place = self._place(event)
        self._count(place, 1)
        if depth > MAX_DEPTH:
            raise refuse(place, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            raise refuse(place, "a value is missing")
        if event.tag not in {None, "!"}:
            raise refuse(place, f"the tag {event.tag} is not used here; write the plain value")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(event.value, event.style is None, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(place, depth)
        else:
            node = self._mapping(place, depth)
        if event.anchor:
            # Known only once it is complete, so that nothing can contain itself.
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent, place: Place) -> Node:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            message = f"no anchor &{event.anchor} before this alias"
            raise refuse(place, f"{message}; write a value that begins with * in quotes")
        self._count(place, _size(node))
        return node

    def _count(self, place: Place, more: int) -> None:
        self._nodes += more
        if self._nodes > MAX_NODES:
            raise refuse(place, f"says more than {MAX_NODES} things: not a configuration")

    def _sequence(self, place: Place, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return Sequence(tuple(items), place)

    def _mapping(self, place: Place, depth: int) -> Mapping:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise refuse(key.place, "a key must be a word, not a list or a mapping")
            value = self._node(next(self._events), depth + 1)
            if key.plain and key.text == _MERGE:
                self._merge(merged, value)
                continue
            if key.text in own:
                first = own[key.text].place
                message = f"duplicate key; it is already given at line {first.line}"
                self._problems.append(Problem(key.place, key.text, message))
                continue
            own[key.text] = Entry(key.text, key.place, value)
        kept = [entry for name, entry in merged.items() if name not in own]
        return Mapping((*kept, *own.values()), place)

    def _merge(self, merged: dict[str, Entry], value: Node) -> None:
        for node in value.items if isinstance(value, Sequence) else (value,):
            if not isinstance(node, Mapping):
                raise refuse(node.place, "<< merges mappings; this is none")
            self._count(node.place, len(node.entries))
            for entry in node.entries:
                merged.setdefault(entry.name, entry)

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._source, mark.line + 1, mark.column + 1) if mark else Place(self._source)


def _size(node: Node) -> int:
    if isinstance(node, Sequence):
        return 1 + sum(map(_size, node.items))
    if isinstance(node, Mapping):
        return 1 + sum(_size(entry.value) for entry in node.entries)
    return 1
