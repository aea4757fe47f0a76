"""The kinds of value that a key can hold: text in, typed value out, or a refusal that helps.

Numbers are read from their text: what was written is what is used, to the last digit.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.units import plain
from quietmaker.settings.nodes import Node, Place, Scalar, Sequence, did_you_mean

JsonSchema = dict[str, object]
"""A fragment of JSON Schema."""

_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
_LEADING_ZERO: Final = re.compile(r"[+-]?0[0-9]")
_SEXAGESIMAL: Final = re.compile(r"[0-9]+(:[0-5]?[0-9])+")
_UNITS: Final = re.compile(r"([+-]?[0-9.]+)\s*(ms|s|sec|seconds|m|min|h|usd|USD|\$|bps|ticks)")
_LONGEST_NUMBER: Final = 40


class Refused(Exception):  # noqa: N818 - a control flow of this package, never seen by a user
    """A value that its kind refuses: one message per fault, each at its place."""

    def __init__(self, *faults: tuple[Place, str]) -> None:
        """Keep the faults."""
        super().__init__(faults)
        self.faults = faults


class Kind(ABC):
    """What a key may hold."""

    @abstractmethod
    def parse(self, node: Node) -> object:
        """Return the typed value.

        Raises:
            Refused: with the place, what was found and what was expected.
        """

    @abstractmethod
    def expected(self) -> str:
        """Return what is expected, as an English noun phrase."""

    @abstractmethod
    def json_schema(self) -> JsonSchema:
        """Return the same expectation for editors."""

    def show(self, value: object) -> str:
        """Return a value as YAML text that parses to it again."""
        return str(value)

    def mask(self, value: object) -> str:
        """Return a value as text that may be shown to anyone."""
        return self.show(value)

    def scalar(self, node: Node) -> Scalar:
        """Return the node as a scalar, or refuse it."""
        if isinstance(node, Scalar) and not node.is_null:
            return node
        found = "no value" if isinstance(node, Scalar) else _shape(node)
        raise self.refusal(node.place, found)

    def refusal(self, place: Place, found: str, hint: str = "") -> Refused:
        """Return the refusal of one value."""
        return Refused((place, f"{found}; expected {self.expected()}{hint}"))


def _shape(node: Node) -> str:
    return "a list" if isinstance(node, Sequence) else "a mapping"


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


class Flag(Kind):
    """True or false, and nothing else that YAML 1.1 takes for it."""

    def parse(self, node: Node) -> bool:
        """Return the truth value."""
        scalar = self.scalar(node)
        if scalar.text in {"true", "false"}:
            return scalar.text == "true"
        raise self.refusal(node.place, _quote(scalar.text), self._hint(scalar.text))

    @staticmethod
    def _hint(text: str) -> str:
        folded = text.casefold()
        if folded in {"yes", "on", "1", "y", "true"}:
            return "; write true"
        return "; write false" if folded in {"no", "off", "0", "n", "false"} else ""

    def expected(self) -> str:
        """Return the two words."""
        return "true or false"

    def json_schema(self) -> JsonSchema:
        """Return a boolean."""
        return {"type": "boolean"}

    def show(self, value: object) -> str:
        """Return ``true`` or ``false``."""
        return "true" if value else "false"


@dataclass(frozen=True)
class Number(Kind):
    """A decimal number within a range, inclusive.

    Attributes:
        decimals: most digits after the point; more could not be kept exactly where it is used.
        unit: named in messages.
    """

    low: Decimal
    high: Decimal
    decimals: int = 9
    unit: str = ""

    def parse(self, node: Node) -> Decimal:
        """Return the number, exactly as written."""
        scalar = self.scalar(node)
        return self._checked(scalar.text, node.place)

    def _checked(self, text: str, place: Place) -> Decimal:
        if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
            raise self.refusal(place, f"{_quote(text)} is not a number", _number_hint(text))
        if _LEADING_ZERO.match(text):
            plain = text.lstrip("+-0") or "0"
            hint = f"; a leading zero means octal to some readers, write {plain}"
            raise self.refusal(place, f"{_quote(text)} is ambiguous", hint)
        value = Decimal(text)
        if not self.low <= value <= self.high:
            raise self.refusal(place, f"{text} is out of range")
        if value.quantize(Decimal(1).scaleb(-self.decimals)) != value:
            raise Refused((place, f"{text} has more than {self.decimals} decimals"))
        return value

    def expected(self) -> str:
        """Return the range."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"a number from {plain(self.low)} to {plain(self.high)}{unit}"

    def json_schema(self) -> JsonSchema:
        """Return a number with its range."""
        return {"type": "number", "minimum": float(self.low), "maximum": float(self.high)}

    def show(self, value: object) -> str:
        """Return the number without an exponent."""
        return plain(value) if isinstance(value, Decimal) else str(value)


@dataclass(frozen=True)
class Whole(Number):
    """A whole number within a range, inclusive."""

    def parse(self, node: Node) -> int:  # type: ignore[override]  # an int where the base has Decimal
        """Return the whole number."""
        value = self._checked(self.scalar(node).text, node.place)
        if value != int(value):
            raise self.refusal(node.place, f"{plain(value)} is not whole")
        return int(value)

    def expected(self) -> str:
        """Return the range."""
        return "a whole " + super().expected().removeprefix("a ")

    def json_schema(self) -> JsonSchema:
        """Return an integer with its range."""
        return {"type": "integer", "minimum": int(self.low), "maximum": int(self.high)}


@dataclass(frozen=True)
class Percent(Number):
    """A number of percent: 0.2 is 0.2 %, a ratio of 0.002.

    A value below ``ratio_below`` (and above zero) looks like a ratio that somebody forgot to multiply
    by a hundred, and is refused. Whoever means it writes the sign: ``0.001%``.
    """

    decimals: int = 7  # a rate is kept in parts per billion
    unit: str = "percent"
    ratio_below: Decimal = Decimal(0)

    def parse(self, node: Node) -> Decimal:
        """Return the number of percent."""
        scalar = self.scalar(node)
        signed = scalar.text.endswith("%")
        value = self._checked(scalar.text.removesuffix("%").rstrip(), node.place)
        if not signed and 0 < abs(value) < self.ratio_below:
            meant, literal = plain(value * 100), plain(value)
            raise Refused(
                (
                    node.place,
                    f"{scalar.text} looks like a ratio, and this key is in percent; write {meant} for "
                    f"{meant} %, or {literal}% if so little is meant",
                )
            )
        return value

    def show(self, value: object) -> str:
        """Return the number, with the sign where the bare number would be taken for a ratio."""
        text = super().show(value)
        small = isinstance(value, Decimal) and 0 < abs(value) < self.ratio_below
        return f"{text}%" if small else text

    def json_schema(self) -> JsonSchema:
        """Return a number, or text with the percent sign."""
        signed = {"type": "string", "pattern": r"^[+-]?[0-9.]+\s*%$"}
        return {"anyOf": [super().json_schema(), signed]}


def _number_hint(text: str) -> str:
    if _SEXAGESIMAL.fullmatch(text):
        return f"; write {_seconds_of(text)} if you mean the time span {text}"
    bare = text.replace("_", "").replace(",", "")
    if bare != text and _NUMBER.fullmatch(bare):
        return f"; write {bare}"
    if match := _UNITS.fullmatch(text):
        return f"; write the number alone, {match[1]}: the unit is part of the key"
    return ""


def _seconds_of(text: str) -> int:
    total = 0
    for part in text.split(":"):
        total = total * 60 + int(part)
    return total


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def parse(self, node: Node) -> str:
        """Return the word."""
        text = self.scalar(node).text
        if text in self.words:
            return text
        raise self.refusal(node.place, _quote(text), did_you_mean(text, self.words))

    def expected(self) -> str:
        """Return the words."""
        return " or ".join(self.words) if len(self.words) < 3 else "one of " + ", ".join(self.words)

    def json_schema(self) -> JsonSchema:
        """Return an enumeration."""
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Choices(Kind):
    """One or more of a few words."""

    words: tuple[str, ...]

    def parse(self, node: Node) -> tuple[str, ...]:
        """Return the words in their own order, each once."""
        items: Seq[Node] = node.items if isinstance(node, Sequence) else (node,)
        each = Choice(self.words)
        found = {each.parse(item) for item in items}
        if not found:
            raise self.refusal(node.place, "an empty list")
        return tuple(word for word in self.words if word in found)

    def expected(self) -> str:
        """Return the words."""
        return "a list of one or more of " + ", ".join(self.words)

    def json_schema(self) -> JsonSchema:
        """Return an array of words."""
        each = Choice(self.words).json_schema()
        return {"type": "array", "items": each, "minItems": 1, "uniqueItems": True}

    def show(self, value: object) -> str:
        """Return a flow sequence."""
        return "[" + ", ".join(value if isinstance(value, tuple) else ()) + "]"


@dataclass(frozen=True)
class Text(Kind):
    """Text of a given form."""

    pattern: str
    form: str

    def parse(self, node: Node) -> str:
        """Return the text."""
        text = self.scalar(node).text
        if re.fullmatch(self.pattern, text):
            return text
        raise self.refusal(node.place, _quote(text))

    def expected(self) -> str:
        """Return the form."""
        return self.form

    def json_schema(self) -> JsonSchema:
        """Return a string with its pattern."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True)
class Amounts(Kind):
    """A list of numbers, each within a range."""

    each: Number
    most: int

    def parse(self, node: Node) -> tuple[Decimal, ...]:
        """Return the numbers."""
        items: Seq[Node] = node.items if isinstance(node, Sequence) else (self.scalar(node),)
        if not 1 <= len(items) <= self.most:
            raise self.refusal(node.place, f"{len(items)} values")
        return tuple(_each(self.each, items))

    def expected(self) -> str:
        """Return the range of an item and of their number."""
        return f"a list of 1 to {self.most} values, each {self.each.expected()}"

    def json_schema(self) -> JsonSchema:
        """Return an array."""
        each = self.each.json_schema()
        many = {"type": "array", "items": each, "minItems": 1, "maxItems": self.most}
        return {"anyOf": [many, each]}

    def show(self, value: object) -> str:
        """Return a flow sequence."""
        items = value if isinstance(value, tuple) else ()
        return "[" + ", ".join(map(self.each.show, items)) + "]"


def _each(kind: Number, items: Seq[Node]) -> list[Decimal]:
    values: list[Decimal] = []
    faults: list[tuple[Place, str]] = []
    for item in items:
        try:
            values.append(kind.parse(item))
        except Refused as error:
            faults.extend(error.faults)
    if faults:
        raise Refused(*faults)
    return values
