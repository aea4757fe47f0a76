"""Symbols in the configuration: product ids, patterns over them, and what operators write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final

from quietmaker.core.units import plain
from quietmaker.settings.kinds import JsonSchema, Kind, Number, Refused
from quietmaker.settings.nodes import Mapping, Node, Place, Scalar, Sequence

PRODUCT_ID: Final = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{2,10}")
_PATTERN: Final = re.compile(r"[A-Z0-9*?-]{1,40}")
_CURRENCY: Final = re.compile(r"[A-Z0-9]{1,20}")
_QUOTES: Final = ("USDC", "USDT", "USD", "EUR", "GBP", "BTC", "ETH")
_SEPARATORS: Final = re.compile(r"[\s,._/:]+")


def matches(symbol: str, pattern: str) -> bool:
    """Return whether a symbol is named by a product id or by a pattern with ``*`` and ``?``."""
    return symbol == pattern or fnmatchcase(symbol, pattern)


def suggestion(text: str) -> str:
    """Return the product id that was probably meant, or nothing."""
    joined = _SEPARATORS.sub("-", text.strip().upper()).strip("-")
    if PRODUCT_ID.fullmatch(joined):
        return joined
    for quote in _QUOTES:
        base = joined.removesuffix(quote)
        if base != joined and _CURRENCY.fullmatch(base):
            return f"{base}-{quote}"
    return f"{joined}-USD" if _CURRENCY.fullmatch(joined) and joined not in _QUOTES[:5] else ""


def wrong_symbol(text: str, *, globs: bool = False) -> str | None:
    """Return what is wrong with a product id or pattern, or None."""
    if PRODUCT_ID.fullmatch(text):
        return None
    pattern = _PATTERN.fullmatch(text) and ("*" in text or "?" in text)
    if globs and pattern:
        return None
    form = "a product id such as BTC-USD" + (", or a pattern such as *-USDT" if globs else "")
    meant = suggestion(text)
    hint = f"; did you mean {meant}?" if meant else ""
    return f"{text[:60]!r} is not a symbol; expected {form}{hint}"


@dataclass(frozen=True)
class Symbols(Kind):
    """A list of product ids and patterns; one text with commas between them is the same list."""

    empty: bool

    def parse(self, node: Node) -> tuple[str, ...]:
        """Return the product ids and patterns, in order."""
        if isinstance(node, Mapping):
            raise self.refusal(node.place, "a mapping")
        items = node.items if isinstance(node, Sequence) else (node,)
        texts = [self.scalar(item) for item in items]
        if isinstance(node, Scalar):
            texts = [Scalar(part, False, node.place) for part in _split(node.text)]
        faults = [(item.place, fault) for item, fault in _faults(texts) if fault]
        if not texts and not self.empty:
            faults.append((node.place, f"an empty list; expected {self.expected()}"))
        if faults:
            raise Refused(*faults)
        return tuple(dict.fromkeys(item.text for item in texts))

    def expected(self) -> str:
        """Return the form of the list."""
        return 'a list of product ids such as BTC-USD, or of patterns such as "*-USD"'

    def json_schema(self) -> JsonSchema:
        """Return an array of strings."""
        items = {"type": "string", "pattern": "^[A-Z0-9*?-]+$"}
        return {"type": "array", "items": items, "minItems": 0 if self.empty else 1}

    def show(self, value: object) -> str:
        """Return a flow sequence; patterns are quoted, because a bare ``*`` is an alias."""
        items = value if isinstance(value, tuple) else ()
        return "[" + ", ".join(f'"{s}"' if set("*?") & set(s) else s for s in items) + "]"


def _split(text: str) -> list[str]:
    """Split at commas and spaces, except where a comma stands for the dash of a product id."""
    return [part for part in re.split(r"[,;\s]+", text) if part]


def _faults(items: list[Scalar]) -> list[tuple[Scalar, str | None]]:
    """Judge each item; a currency followed by a quote currency is one id with the wrong separator."""
    found: list[tuple[Scalar, str | None]] = []
    skip = False
    for index, item in enumerate(items):
        if skip:
            skip = False
            continue
        after = items[index + 1].text if index + 1 < len(items) else ""
        if _CURRENCY.fullmatch(item.text) and after in _QUOTES:
            meant = f"{item.text}-{after}"
            pair = f"{item.text},{after}"
            found.append((item, f"{pair!r} is not a symbol; did you mean {meant}?"))
            skip = True
        else:
            found.append((item, wrong_symbol(item.text, globs=True)))
    return found


@dataclass(frozen=True)
class Balances(Kind):
    """A mapping of currencies to amounts."""

    each: Number

    def parse(self, node: Node) -> tuple[tuple[str, Decimal], ...]:
        """Return the amounts by currency, in order."""
        if not isinstance(node, Mapping) or not node.entries:
            found = "nothing" if isinstance(node, Mapping) else "no mapping"
            raise self.refusal(node.place, found)
        amounts: list[tuple[str, Decimal]] = []
        faults: list[tuple[Place, str]] = []
        for entry in node.entries:
            if not _CURRENCY.fullmatch(entry.name):
                faults.append((entry.place, f"{entry.name[:40]!r} is not a currency such as USD"))
                continue
            try:
                amounts.append((entry.name, self.each.parse(entry.value)))
            except Refused as error:
                faults.extend(error.faults)
        if faults:
            raise Refused(*faults)
        return tuple(amounts)

    def expected(self) -> str:
        """Return the form of the mapping."""
        return f"a mapping of currencies such as USD to {self.each.expected()}"

    def json_schema(self) -> JsonSchema:
        """Return an object."""
        return {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Z0-9]+$"},
            "additionalProperties": self.each.json_schema(),
            "minProperties": 1,
        }

    def show(self, value: object) -> str:
        """Return a flow mapping."""
        items = value if isinstance(value, tuple) else ()
        return "{" + ", ".join(f"{name}: {plain(amount)}" for name, amount in items) + "}"
