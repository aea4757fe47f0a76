"""Changes to JSON that fault rules make: fields that vanish, appear, or hold something strange."""

from __future__ import annotations

from typing import Any, Final

import orjson

from quietmaker.exchange.server.faults import Rule

_KINDS: Final = frozenset({"remove", "add", "set"})


def changed(body: bytes, rule: Rule) -> bytes:
    """Return a JSON text after a rule of the kind remove, add or set; other kinds change nothing."""
    kind = rule.point.name.partition(".")[2]
    if kind not in _KINDS:
        return body
    field = rule.parameters["field"]
    value = orjson.loads(body)
    match kind:
        case "remove":
            _remove(value, field)
        case "add":
            _add(value, field, rule.parameters["value"])
        case _:
            _set(value, field, rule.parameters["value"])
    return orjson.dumps(value)


def truncated(body: bytes, rule: Rule) -> bytes:
    """Return the beginning of a text: never all of it, never nothing."""
    share = len(body) * min(int(rule.parameters["percent"]), 100) // 100
    return body[: min(max(share, 1), len(body) - 1)]


def _remove(value: Any, field: str) -> None:
    match value:
        case dict():
            value.pop(field, None)
            for inner in value.values():
                _remove(inner, field)
        case list():
            for inner in value:
                _remove(inner, field)
        case _:
            pass


def _add(value: Any, field: str, content: Any) -> None:
    match value:
        case dict():
            for inner in value.values():
                _add(inner, field, content)
            value[field] = content
        case list():
            for inner in value:
                _add(inner, field, content)
        case _:
            pass


def _set(value: Any, field: str, content: Any) -> None:
    match value:
        case dict():
            for key, inner in value.items():
                if key == field:
                    value[key] = content
                else:
                    _set(inner, field, content)
        case list():
            for inner in value:
                _set(inner, field, content)
        case _:
            pass
