"""The settings: what the process was told, resolved, with the origin of each value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as Map
from dataclasses import fields
from functools import cache, cached_property
from typing import Any, Final, TypeVar, get_type_hints

from quietmaker.core.fees import FeeRates
from quietmaker.core.params import TraderParams
from quietmaker.core.product import Product
from quietmaker.settings import rules
from quietmaker.settings.explained import Explained, explained
from quietmaker.settings.filtering import FilterSettings
from quietmaker.settings.keys import Key, Path, keys_of
from quietmaker.settings.layers import EVERY, EXCLUSIONS, MATCH, Written
from quietmaker.settings.limits import CeilingSettings
from quietmaker.settings.nodes import InvalidSettings, Place, Problem, did_you_mean
from quietmaker.settings.params import percent, trader_params, without_names
from quietmaker.settings.risk import AccountSettings
from quietmaker.settings.schema import (
    ExchangeSettings,
    GlobalSettings,
    LedgerSettings,
    LoggingSettings,
    ManagementSettings,
    PaperSettings,
    ReloadSettings,
    SupervisionSettings,
    UniverseSettings,
)
from quietmaker.settings.symbols import matches
from quietmaker.settings.trading import ProductSettings, SymbolSettings

_DEFAULT: Final = Place("default")
_S = TypeVar("_S")


class Settings:
    """A configuration that was checked as a whole. Immutable.

    Attributes:
        files: the files it was read from, the base first.
        notices: what the operator should hear of at the start, such as old names that are honoured.
        written: what it was resolved from.
    """

    def __init__(self, written: Written) -> None:
        """Resolve and check.

        Raises:
            InvalidSettings: with every problem found.
        """
        self.written = written
        self._values = dict(written.values)
        self._banned = tuple(written.banned)
        self._groups = tuple(written.names("groups"))
        self._cache: dict[str, SymbolSettings] = {}
        self.files = tuple(written.files)
        self.notices = tuple(written.notices)
        problems = list(written.problems)
        self._shared = _build(GlobalSettings, self._shared_value)
        problems.extend(self._rule_problems())
        if problems:
            raise InvalidSettings(problems, files=self.files)

    # --- sections ---

    @property
    def mode(self) -> str:
        """Return ``paper`` or ``live``."""
        return self._shared.mode

    @property
    def universe(self) -> UniverseSettings:
        """Return which symbols are traded; the exclusions include those of the old names."""
        return self._shared.universe

    @property
    def filter(self) -> FilterSettings:
        """Return how the symbol filter decides."""
        return self._shared.filter

    @property
    def paper(self) -> PaperSettings:
        """Return the market and exchange of paper mode."""
        return self._shared.paper

    @property
    def exchange(self) -> ExchangeSettings:
        """Return how the exchange is reached."""
        return self._shared.exchange

    @property
    def ledger(self) -> LedgerSettings:
        """Return where the books are."""
        return self._shared.ledger

    @property
    def account(self) -> AccountSettings:
        """Return the limits of the whole account, and how breakers come back."""
        return self._shared.account

    @property
    def management(self) -> ManagementSettings:
        """Return where the management port listens."""
        return self._shared.management

    @property
    def logging(self) -> LoggingSettings:
        """Return how logs are written."""
        return self._shared.logging

    @property
    def reload(self) -> ReloadSettings:
        """Return how changed files are noticed."""
        return self._shared.reload

    @property
    def ceilings(self) -> CeilingSettings:
        """Return how far a reload may raise limits."""
        return self._shared.ceilings

    @property
    def supervision(self) -> SupervisionSettings:
        """Return the restart intensities."""
        return self._shared.supervision

    # --- what the process asks ---

    def symbol(self, symbol: str) -> SymbolSettings:
        """Return the settings of one symbol.

        Raises:
            InvalidSettings: if the groups that match it contradict each other.
        """
        found = self._cache.get(symbol)
        if found is None:
            scopes = self._scopes(symbol)
            found = self._resolved(scopes)
            if problems := list(self._faults_of(found, scopes)):
                raise InvalidSettings(problems)
            self._cache[symbol] = found
        return found

    def params(self, symbol: str, product: Product, *, without: Iterable[str] = ()) -> TraderParams:
        """Return what a trader of this symbol is configured with.

        Args:
            symbol: the product id.
            product: its increments; price limits become ticks.
            without: names of gates and exit rules to switch off.

        Raises:
            InvalidSettings: if groups contradict each other, or a name in ``without`` is unknown.
        """
        chosen = self.symbol(symbol)
        return trader_params(
            chosen, product, without=without_names(without), config_sha=self.sha256
        )

    def scopes(self) -> list[tuple[str, SymbolSettings]]:
        """Return what `defaults`, each group and each named symbol resolve to, for showing."""
        named = [(symbol, self.symbol(symbol)) for symbol in self._names("symbols")]
        every: list[Path] = [(EVERY,), ("defaults",)]
        found = [("defaults", self._resolved(every))]
        for name in self._groups:
            found.append(
                (f"group {name}", self._resolved([(EVERY,), ("groups", name), *every[1:]]))
            )
        return found + named

    def paper_fees(self) -> FeeRates:
        """Return the fee rates that the paper exchange charges."""
        paper = self.paper
        return FeeRates(maker=percent(paper.maker_fee_pct), taker=percent(paper.taker_fee_pct))

    def products(self) -> Map[str, Product]:
        """Return the products described in the configuration, for sources that have no such data."""
        return {symbol: self._product(symbol) for symbol in self._names("products")}

    def select(self, available: Iterable[str]) -> tuple[str, ...]:
        """Return the symbols to trade among those that a market has, in its order.

        Excluded symbols are among them: they may have positions to leave. See `exclusion`.

        Raises:
            InvalidSettings: if a symbol is named that the market does not have.
        """
        offered = tuple(available)
        wanted = self.universe.symbols
        chosen = tuple(s for s in offered if any(matches(s, pattern) for pattern in wanted))
        place = self._place(("universe", "symbols"))
        problems = [
            Problem(
                place, "universe.symbols", f"the market has no {name}{did_you_mean(name, offered)}"
            )
            for name in wanted
            if not any(matches(symbol, name) for symbol in offered)
        ]
        if problems:
            raise InvalidSettings(problems)
        return chosen

    def exclusion(self, symbol: str) -> str | None:
        """Return the rule by which a symbol is never entered, with its origin, or None."""
        lists = [*self._banned]
        if (assigned := self._values.get(EXCLUSIONS)) is not None:
            lists.insert(0, assigned)
        for listed in lists:
            for pattern in _texts(listed.value):
                if matches(symbol, pattern):
                    return f"permanent_exclusions: {pattern} ({listed.place.short})"
        return None

    @cached_property
    def sha256(self) -> str:
        """Return the hash of everything that was chosen, the defaults included, secrets masked.

        Comments, the order of keys and the spelling of numbers do not count.
        """
        chosen = {line.key: line.value for line in self._all()}
        chosen["universe.permanent_exclusions"] = ",".join(
            sorted(self.universe.permanent_exclusions)
        )
        chosen["groups"] = ",".join(self._groups)
        text = json.dumps(chosen, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def explain(self, symbol: str | None = None) -> list[Explained]:
        """Return every value with its unit and origin.

        Args:
            symbol: the product id to resolve for; None returns the shared settings, and everything
                that was written per group, symbol and product.
        """
        if symbol is None:
            return list(self._all())
        scopes = self._scopes(symbol)
        lines = []
        for path, key in keys_of(SymbolSettings).items():
            value, place, scope = self._scoped_full(key, scopes)
            lines.append(explained(path, key, value, place, scope))
        return lines

    # --- resolution ---

    def _shared_value(self, key: Key) -> object:
        value = self._values[key.path].value if key.path in self._values else key.default
        if key.path != EXCLUSIONS:
            return value
        banned = (text for more in self._banned for text in _texts(more.value))
        return tuple(dict.fromkeys((*_texts(value), *banned)))

    def _resolved(self, scopes: list[Path]) -> SymbolSettings:
        return _build(SymbolSettings, lambda key: self._scoped(key, scopes)[0])

    def _scopes(self, symbol: str) -> list[Path]:
        """Return where a symbol's values may stand, the strongest first."""
        groups = [("groups", name) for name in self._groups if self._in_group(symbol, name)]
        return [(EVERY,), ("symbols", symbol), *reversed(groups), ("defaults",)]

    def _in_group(self, symbol: str, name: str) -> bool:
        match = self._values.get(("groups", name, "match"))
        return match is not None and any(matches(symbol, p) for p in _texts(match.value))

    def _scoped(self, key: Key, scopes: Iterable[Path]) -> tuple[object, Place]:
        value, place, _ = self._scoped_full(key, scopes)
        return value, place

    def _scoped_full(self, key: Key, scopes: Iterable[Path]) -> tuple[object, Place, Path]:
        for scope in scopes:
            if (assigned := self._values.get(scope + key.path)) is not None:
                return assigned.value, assigned.place, scope
        return key.default, _DEFAULT, ()

    def _product(self, symbol: str) -> Product:
        chosen = self._product_settings(symbol)
        base, _, quote = symbol.partition("-")
        return Product(
            symbol=symbol,
            base=base,
            quote=quote,
            tick=chosen.price_increment,
            lot=chosen.base_increment,
            min_size=chosen.base_min_size,
            max_size=chosen.base_max_size,
            min_notional=chosen.quote_min_size,
            untradable="",
        )

    def _product_settings(self, symbol: str) -> ProductSettings:
        scopes = [("products", symbol)]
        return _build(ProductSettings, lambda key: self._scoped(key, scopes)[0])

    def _names(self, scope: str) -> list[str]:
        return list(dict.fromkeys(path[1] for path in self._values if path[0] == scope))

    def _place(self, path: Path) -> Place:
        assigned = self._values.get(path)
        return assigned.place if assigned else _DEFAULT

    # --- rules between keys ---

    def _rule_problems(self) -> Iterator[Problem]:
        for path, message in rules.global_faults(self._shared):
            yield Problem(self._place(path), ".".join(path), message)
        for scopes in self._scopes_to_check():
            chosen = self._resolved(scopes)
            yield from self._faults_of(chosen, scopes)
        for symbol in self._names("products"):
            for path, message in rules.product_faults(self._product_settings(symbol)):
                full = ("products", symbol, *path)
                yield Problem(self._place(full), ".".join(full), message)

    def _scopes_to_check(self) -> Iterator[list[Path]]:
        yield [(EVERY,), ("defaults",)]
        for name in self._groups:
            yield [(EVERY,), ("groups", name), ("defaults",)]
        named = [s for s in self.universe.symbols if not set("*?") & set(s)]
        for symbol in dict.fromkeys([*self._names("symbols"), *named]):
            yield self._scopes(symbol)

    def _faults_of(self, chosen: SymbolSettings, scopes: list[Path]) -> Iterator[Problem]:
        for path, message in rules.symbol_faults(chosen):
            _, place, scope = self._scoped_full(keys_of(SymbolSettings)[path], scopes)
            shown = ".".join((*(scope or ("defaults",)), *path)).removeprefix(f"{EVERY}.")
            yield Problem(place, shown, message)

    # --- explanation ---

    def _all(self) -> Iterator[Explained]:
        for path, key in keys_of(GlobalSettings).items():
            value = self._shared_value(key)
            yield explained(path, key, value, self._place(path), ())
        for path, key in keys_of(SymbolSettings).items():
            value, place = self._scoped(key, [("defaults",)])
            yield explained(("defaults", *path), key, value, place, ())
        yield from self._written_in((EVERY,))
        for name in self._groups:
            match = self._values[("groups", name, "match")]
            yield Explained(
                key=f"groups.{name}.match",
                value="[" + ", ".join(f'"{text}"' for text in _texts(match.value)) + "]",
                unit="",
                origin=match.place.short,
                reload=MATCH.reload,
            )
            yield from self._written_in(("groups", name))
        for symbol in self._names("symbols"):
            yield from self._written_in(("symbols", symbol))
        for symbol in self._names("products"):
            for path, key in keys_of(ProductSettings).items():
                value, place = self._scoped(key, [("products", symbol)])
                yield explained(("products", symbol, *path), key, value, place, ())

    def _written_in(self, scope: Path) -> Iterator[Explained]:
        for path, key in keys_of(SymbolSettings).items():
            if (assigned := self._values.get(scope + path)) is not None:
                yield explained((*scope, *path), key, assigned.value, assigned.place, ())


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(text) for text in value) if isinstance(value, tuple) else ()


def _build(section: type[_S], value: Callable[[Key], object]) -> _S:
    """Make a section from the value of each of its keys."""
    return _build_at(section, (), keys_of(section), value)


@cache
def _hints(section: type) -> dict[str, Any]:
    """Return the types of a section's fields; working them out takes longer than everything else."""
    return get_type_hints(section)


def _build_at(
    section: type[_S], at: Path, known: Map[Path, Key], value: Callable[[Key], object]
) -> _S:
    kind: type = section
    hints = _hints(kind)
    parts: dict[str, Any] = {}
    for part in fields(section):  # type: ignore[arg-type]  # every section is a dataclass
        path = (*at, part.name)
        if path in known:
            parts[part.name] = value(known[path])
        else:
            parts[part.name] = _build_at(hints[part.name], path, known, value)
    return section(**parts)
