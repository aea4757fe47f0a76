"""Fault injection: rules that say what goes wrong, where, and how often.

A rule names a point (`faults_points`), what it matches there, and its frequency: it skips the first
`after` matches, then fires with `probability` on each, `count` times in all. Everything that is not
said matches. The same seed, rules and order of events give the same faults: each rule draws from
a generator of its own, and only when it could fire.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from quietmaker.exchange.server.faults_points import CHOICES, FREE, NEEDED, POINTS, Point

_RULE_KEYS = frozenset({"point", "match", "probability", "count", "after", "parameters"})


class FaultError(ValueError):
    """A rule that cannot be installed; the message says why and what is possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What goes wrong.

    Attributes:
        point: where.
        match: key to accepted patterns (``*`` and ``?`` as in file names); all keys must match.
        probability: of firing at a match.
        count: how often at most; None without bound.
        after: how many matches pass unharmed first.
        parameters: of the point, complete.
    """

    point: Point
    match: Mapping[str, tuple[str, ...]]
    probability: float
    count: int | None
    after: int
    parameters: Mapping[str, Any]


class Installed:
    """A rule in force, and how often it matched and fired."""

    __slots__ = ("_rng", "fired", "number", "rule", "seen")

    def __init__(self, rule: Rule, number: int, seed: int) -> None:
        """Put a rule in force."""
        self.rule = rule
        self.number = number
        self.seen = 0
        self.fired = 0
        self._rng = random.Random(f"{seed}:{number}")

    def fires(self, subject: Mapping[str, str]) -> bool:
        """Return whether it fires now, and count."""
        rule = self.rule
        for key, patterns in rule.match.items():
            value = subject.get(key, "")
            if not any(fnmatchcase(value, pattern) for pattern in patterns):
                return False
        self.seen += 1
        if self.seen <= rule.after or (rule.count is not None and self.fired >= rule.count):
            return False
        if rule.probability < 1 and self._rng.random() >= rule.probability:
            return False
        self.fired += 1
        return True

    def describe(self) -> dict[str, Any]:
        """Return the rule as the admin endpoint shows it."""
        rule = self.rule
        return {
            "id": self.number,
            "point": rule.point.name,
            "match": {key: list(patterns) for key, patterns in rule.match.items()},
            "probability": rule.probability,
            "count": rule.count,
            "after": rule.after,
            "parameters": dict(rule.parameters),
            "seen": self.seen,
            "fired": self.fired,
        }


class Faults:
    """The rules in force. One event loop, no lock."""

    def __init__(self, *, seed: int) -> None:
        """Start without rules: nothing goes wrong."""
        self._seed = seed
        self._numbers = 0
        self._rules: dict[int, Installed] = {}
        self._families: dict[str, list[Installed]] = {}

    def install(self, rule: Rule) -> Installed:
        """Put a rule in force behind those that are."""
        self._numbers += 1
        installed = Installed(rule, self._numbers, self._seed)
        self._rules[installed.number] = installed
        self._families.setdefault(rule.point.family, []).append(installed)
        return installed

    def remove(self, number: int) -> bool:
        """Take a rule out of force. Return whether there was one."""
        installed = self._rules.pop(number, None)
        if installed is None:
            return False
        self._families[installed.rule.point.family].remove(installed)
        return True

    def clear(self, *, seed: int | None = None) -> None:
        """Take all rules out of force and count again from one, so that a sequence can be repeated."""
        self._rules.clear()
        self._families.clear()
        self._numbers = 0
        if seed is not None:
            self._seed = seed

    def installed(self) -> tuple[Installed, ...]:
        """Return the rules in force, oldest first."""
        return tuple(self._rules.values())

    def active(self, family: str) -> bool:
        """Return whether any rule of a family is in force: the cheap question of the hot path."""
        return bool(self._families.get(family))

    def fire(self, family: str, subject: Mapping[str, str]) -> Iterator[Rule]:
        """Yield the rules of a family that fire for a subject, in the order of installation.

        Of points of which one rule only can act, the first that fires does; later ones are not asked.
        """
        taken: set[str] = set()
        for installed in tuple(self._families.get(family, ())):
            point = installed.rule.point
            if point.name not in taken and installed.fires(subject):
                if not point.additive:
                    taken.add(point.name)
                yield installed.rule

    def first(self, point: str, subject: Mapping[str, str]) -> Rule | None:
        """Return the first rule of a point that fires for a subject; later ones are not asked."""
        for installed in self._families.get(point.partition(".")[0], ()):
            if installed.rule.point.name == point and installed.fires(subject):
                return installed.rule
        return None


def parse_rule(body: Any) -> Rule:
    """Read a rule.

    Raises:
        FaultError: if it means nothing; the message says what it could mean.
    """
    if not isinstance(body, dict):
        raise FaultError(f"a rule is a JSON object, not {type(body).__name__}")
    _known("rule", body, _RULE_KEYS)
    name = body.get("point")
    point = POINTS.get(name) if isinstance(name, str) else None
    if point is None:
        raise FaultError(f"unknown point {name!r}; there are {', '.join(sorted(POINTS))}")
    return Rule(
        point=point,
        match=_match(point, body.get("match", {})),
        probability=_probability(body.get("probability", 1)),
        count=None if body.get("count") is None else _natural("count", body["count"]),
        after=_natural("after", body.get("after", 0)),
        parameters=_parameters(point, body.get("parameters", {})),
    )


def _match(point: Point, raw: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(raw, dict):
        raise FaultError(f"match of {point.name} is an object of key and value")
    _known(f"match of {point.name}", raw, point.match)
    match = {}
    for key, value in raw.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(each, str | bool | int) for each in values):
            raise FaultError(f"match of {point.name}: {key} is text, or a list of texts")
        match[key] = tuple(
            str(each).lower() if isinstance(each, bool) else str(each) for each in values
        )
    return match


def _parameters(point: Point, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise FaultError(f"parameters of {point.name} are an object of key and value")
    _known(f"parameters of {point.name}", raw, frozenset(point.parameters))
    merged = {**point.parameters, **raw}
    for key, value in merged.items():
        default = point.parameters[key]
        free = (point.name, key) in FREE
        if not free and type(value) is not type(default):
            raise FaultError(f"{point.name}: {key} is a {type(default).__name__}, not {value!r}")
        if key in NEEDED and not value:
            raise FaultError(f"{point.name} needs the parameter {key}")
        if isinstance(value, int) and value < 0 and key != "ms":
            raise FaultError(f"{point.name}: {key} is not negative, not {value}")
        choices = CHOICES.get((point.name, key))
        if choices is not None and value not in choices:
            raise FaultError(f"{point.name}: {key} is one of {', '.join(sorted(choices))}")
    return merged


def _known(what: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
    strange = sorted(given.keys() - known)
    if strange:
        raise FaultError(
            f"{what}: unknown {', '.join(strange)}; there are {', '.join(sorted(known))}"
        )


def _natural(what: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise FaultError(f"{what} is a whole number that is not negative, not {value!r}")
    return value


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise FaultError(f"probability is a number from 0 to 1, not {value!r}")
    return float(value)
