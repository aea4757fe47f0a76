"""From what was written to assignments: every value by its path, with the place it came from.

Layers, the weakest first: the files (a file's `base` before the file), old environment names,
`QUIETMAKER__SECTION__KEY`, and `--set section.key=value`. All values of all layers are checked, also
those that a stronger layer replaces: a wrong value is wrong wherever it stands.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final

from quietmaker.settings import legacy
from quietmaker.settings.keys import Key, Path, Reload, keys_of
from quietmaker.settings.kinds import Refused
from quietmaker.settings.nodes import (
    Entry,
    InvalidSettings,
    Mapping,
    Node,
    Place,
    Problem,
    Scalar,
    did_you_mean,
)
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.symbols import PRODUCT_ID, Symbols, wrong_symbol
from quietmaker.settings.trading import ProductSettings, SymbolSettings
from quietmaker.settings.urls import DatabaseUrl
from quietmaker.settings.yamldoc import parse, read_file

ENV_PREFIX: Final = "QUIETMAKER__"
EVERY: Final = "*"
"""The scope of a per-symbol key given without a section: above groups and symbols."""
EXCLUSIONS: Final[Path] = ("universe", "permanent_exclusions")
_GROUP_NAME: Final = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_BASE_DEPTH: Final = 8
_SECTIONS: Final = ("defaults", "groups", "symbols", "products")
MATCH: Final = Key(
    path=("match",),
    kind=Symbols(empty=False),
    default=None,
    optional=False,
    unit="",
    reload=Reload.LIVE,
    about="product ids and patterns that the group applies to",
)


@dataclass(frozen=True, slots=True)
class Assigned:
    """A value that somebody wrote, and where."""

    value: object
    place: Place


@dataclass(slots=True)
class Written:
    """Everything that was written, over all layers; a later layer has replaced an earlier one.

    Attributes:
        values: by full path, such as ``("symbols", "TNSR-USD", "gates", "include_fees")``.
        banned: exclusions of the old names; they add to the configured ones.
        files: the files that were read, the base first.
        notices: what the operator should hear of at the start.
    """

    values: dict[Path, Assigned] = field(default_factory=dict)
    banned: list[Assigned] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: list[FilePath] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def names(self, scope: str) -> list[str]:
        """Return the groups, symbols or products that were named, in order."""
        return list(dict.fromkeys(path[1] for path in self.values if path[0] == scope))


def read(path: FilePath | None, *, env: Map[str, str], overrides: Iterable[str]) -> Written:
    """Read all layers. Problems are collected in the result."""
    written = Written()
    if path is not None:
        _read_files(path, written)
    _read_old_names(env, written)
    _read_environment(env, written)
    for text in overrides:
        _read_override(text, written)
    return written


# --- files --------------------------------------------------------------------------------------


def _read_files(path: FilePath, written: Written) -> None:
    chain: list[tuple[str, Mapping]] = []
    seen: set[FilePath] = set()
    source = str(path)
    while True:
        resolved = _absolute(path)
        written.files.insert(0, path)
        if resolved in seen or len(chain) >= _BASE_DEPTH:
            why = "leads back to itself" if resolved in seen else f"goes on for {_BASE_DEPTH} files"
            written.problems.append(Problem(Place(source), "base", f"the chain of bases {why}"))
            break
        seen.add(resolved)
        try:
            tree = read_file(path, source=source, problems=written.problems)
        except InvalidSettings as error:
            written.problems.extend(error.problems)
            break
        chain.insert(0, (source, tree))
        base = _base(tree, written.problems)
        if base is None:
            break
        path = path.parent / base
        source = os.path.normpath(path)
    for _, tree in chain:
        _Reader(written).tree(tree)


def _absolute(path: FilePath) -> FilePath:
    try:
        return FilePath(os.path.realpath(path))
    except ValueError:  # a name that no file can have; reading it says so
        return path


def _base(tree: Mapping, problems: list[Problem]) -> str | None:
    for entry in tree.entries:
        if entry.name == "base":
            if isinstance(entry.value, Scalar) and not entry.value.is_null and entry.value.text:
                return entry.value.text
            problems.append(
                Problem(entry.place, "base", "expected the path of the file below this one")
            )
    return None


class _Reader:
    """Walks a tree along the schema and assigns what it finds."""

    def __init__(self, written: Written) -> None:
        self._written = written

    def tree(self, tree: Mapping) -> None:
        known = keys_of(GlobalSettings)
        shared = Mapping(tuple(e for e in tree.entries if e.name not in _SECTIONS), tree.place)
        self._section(shared, (), known, extra=("base", *_SECTIONS))
        for entry in tree.entries:
            if entry.name == "defaults":
                self._subsection(entry, ("defaults",), keys_of(SymbolSettings))
            elif entry.name in _SECTIONS:
                self._named(entry)

    def _named(self, entry: Entry) -> None:
        """Walk `groups`, `symbols` or `products`: names to sections."""
        scope, tree = entry.name, self._mapping(entry, (entry.name,))
        for item in tree.entries if tree else ():
            if fault := _wrong_name(scope, item.name):
                self._problem(item.place, (scope,), fault)
                continue
            known = dict(keys_of(ProductSettings if scope == "products" else SymbolSettings))
            if scope == "groups":
                known[MATCH.path] = MATCH
                self._require_match(item)
            self._subsection(item, (scope, item.name), known)

    def _require_match(self, item: Entry) -> None:
        entries = item.value.entries if isinstance(item.value, Mapping) else ()
        if any(entry.name == "match" for entry in entries):
            return
        if ("groups", item.name, "match") not in self._written.values:
            message = 'a group needs match, a list such as ["*-USDT"]'
            self._problem(item.place, ("groups", item.name), message)

    def _subsection(self, entry: Entry, scope: Path, known: Map[Path, Key]) -> None:
        tree = self._mapping(entry, scope)
        if tree is not None:
            self._section(tree, scope, known)

    def _section(
        self, tree: Mapping, scope: Path, known: Map[Path, Key], at: Path = (), extra: Path = ()
    ) -> None:
        here = {path[len(at)] for path in known if path[: len(at)] == at and len(path) > len(at)}
        for entry in tree.entries:
            path = (*at, entry.name)
            if path in known:
                self.assign(scope, known[path], entry.value)
            elif entry.name in here:
                sub = self._mapping(entry, scope + path)
                if sub is not None:
                    self._section(sub, scope, known, path)
            elif entry.name not in extra:
                hint = _where(entry.name, path, known, {*here, *extra}, top=not scope)
                self._problem(entry.place, scope + path, f"unknown key{hint}")

    def _mapping(self, entry: Entry, path: Path) -> Mapping | None:
        if isinstance(entry.value, Mapping):
            return entry.value
        if not (isinstance(entry.value, Scalar) and entry.value.is_null):
            self._problem(entry.value.place, path, "expected a mapping of keys to values")
        return None

    def assign(self, scope: Path, key: Key, node: Node) -> None:
        """Check one value and keep it."""
        path = scope + key.path
        if key.optional and isinstance(node, Scalar) and node.is_null:
            self._written.values[path] = Assigned(None, node.place)
            return
        try:
            value = key.kind.parse(node)
        except Refused as error:
            for place, message in error.faults:
                self._problem(place, path, message)
            return
        if fault := _forbidden(path, value, node.place):
            self._problem(node.place, path, fault)
            return
        # A replaced value keeps its place in the order, and so do the groups.
        self._written.values[path] = Assigned(value, node.place)

    def _problem(self, place: Place, path: Path, message: str) -> None:
        self._written.problems.append(
            Problem(place, ".".join(path).removeprefix(f"{EVERY}."), message)
        )


def _wrong_name(scope: str, name: str) -> str | None:
    if scope != "groups":
        return wrong_symbol(name)
    if name and len(name) <= 40 and set(name) <= set(_GROUP_NAME):
        return None
    return f"{name[:40]!r} is not a group's name; expected lower-case letters, digits, - and _"


def _where(name: str, path: Path, known: Map[Path, Key], here: set[str], *, top: bool) -> str:
    """Return the hint for an unknown key: another section has it, or a key here is spelt like it."""
    if hint := did_you_mean(name, here):
        return hint
    full = ".".join(path)
    if top and (
        path in keys_of(SymbolSettings) or any(p[:1] == path for p in keys_of(SymbolSettings))
    ):
        return f"; write it under defaults, as defaults.{full}"
    homes = [".".join(p) for p in known if p[-1] == name]
    if top:
        homes += ["defaults." + ".".join(p) for p in keys_of(SymbolSettings) if p[-1] == name]
    if homes:
        return f"; did you mean {homes[0]}?"
    return f"; known here: {', '.join(sorted(here))}" if here else ""


def _forbidden(path: Path, value: object, place: Place) -> str | None:
    """Return why a value may not come from where it comes from, or None."""
    in_file = place.line is not None
    if path == ("mode",) and value == "live" and not in_file:
        return "mode live can only be set in a file; a deliberate act, not an override"
    exposed = in_file or place.source.startswith("command line")
    if path == ("ledger", "url") and exposed and DatabaseUrl.has_password(str(value)):
        return (
            "a password does not belong here; give the whole URL in the environment "
            "(QUIETMAKER__LEDGER__URL) or in a file named by QUIETMAKER__LEDGER__URL_FILE"
        )
    return None


# --- environment and command line ---------------------------------------------------------------


def _read_old_names(env: Map[str, str], written: Written) -> None:
    reader = _Reader(written)
    honoured = legacy.fees_flag(env, written.problems, written.notices)
    if honoured is not None:
        key = keys_of(SymbolSettings)[honoured.path[1:]]
        reader.assign(honoured.path[:1], key, honoured.value)
    key = keys_of(GlobalSettings)[EXCLUSIONS]
    for value in legacy.exclusions(env, written.notices):
        try:
            written.banned.append(Assigned(key.kind.parse(value), value.place))
        except Refused as error:
            written.problems += [Problem(place, key.name, text) for place, text in error.faults]
    for old in legacy.symbol_filter(env, written.problems, written.notices):
        reader.assign((), keys_of(GlobalSettings)[old.path], old.value)


def _read_environment(env: Map[str, str], written: Written) -> None:
    for name in sorted(env):
        if not name.upper().startswith(ENV_PREFIX):
            continue
        place = Place(f"environment {name}")
        words = name[len(ENV_PREFIX) :].split("__")
        secret = env[name]
        if words[-1].upper() == "URL_FILE":
            words[-1] = "URL"
            text = _secret_file(secret, place, written)
            if text is None:
                continue
            secret = text
        _assign_text(_env_path(words), secret, place, written)


def _secret_file(name: str, place: Place, written: Written) -> str | None:
    try:
        return FilePath(name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        written.problems.append(Problem(place, "", f"the file {name!r} cannot be read: {error}"))
        return None


def _env_path(words: list[str]) -> Path:
    path = tuple(word.lower() for word in words)
    if path[0] in {"symbols", "products"} and len(path) > 1:
        # A shell takes no dash in a name: QUIETMAKER__SYMBOLS__TNSR_USD__... is TNSR-USD.
        return (path[0], words[1].upper().replace("_", "-"), *path[2:])
    return path


def _read_override(text: str, written: Written) -> None:
    name, equals, value = text.partition("=")
    place = Place(f"command line --set {name.strip()}")
    if not equals:
        message = "expected key=value, such as gates.min_spread_pct=0.3"
        written.problems.append(Problem(place, "", message))
        return
    _assign_text(tuple(name.strip().split(".")), value.strip(), place, written)


def _assign_text(path: Path, text: str, place: Place, written: Written) -> None:
    known = addressable(path)
    if known is None:
        names = [".".join(p) for p in _all_paths()]
        near = did_you_mean(".".join(path), names)
        written.problems.append(Problem(place, ".".join(path), f"unknown key{near}"))
        return
    scope, key = known
    node: Node = Scalar(text, True, place)
    if text.startswith(("[", "{")):
        try:
            node = _moved(
                parse(
                    text.encode(errors="surrogateescape"),
                    source=str(place),
                    problems=written.problems,
                ),
                place,
            )
        except InvalidSettings as error:
            written.problems.extend(error.problems)
            return
    elif not text:
        message = "is empty; unset it, or write null where the key allows it"
        written.problems.append(Problem(place, ".".join(path), message))
        return
    _Reader(written).assign(scope, key, node)


def addressable(path: Path) -> tuple[Path, Key] | None:
    """Return the scope and key that a dotted path names outside of files, or None."""
    scoped = keys_of(SymbolSettings)
    if path in keys_of(GlobalSettings):
        return (), keys_of(GlobalSettings)[path]
    if path in scoped:
        return (EVERY,), scoped[path]
    if path[0] == "defaults" and path[1:] in scoped:
        return path[:1], scoped[path[1:]]
    if path[0] == "symbols" and path[2:] in scoped and PRODUCT_ID.fullmatch(path[1]):
        return path[:2], scoped[path[2:]]
    products = keys_of(ProductSettings)
    if path[0] == "products" and path[2:] in products and PRODUCT_ID.fullmatch(path[1]):
        return path[:2], products[path[2:]]
    return None


def _all_paths() -> list[Path]:
    return [*keys_of(GlobalSettings), *keys_of(SymbolSettings)]


def _moved(node: Node, place: Place) -> Node:
    """Give every part of a parsed value the place of the whole: it has no line of its own."""
    if isinstance(node, Scalar):
        return Scalar(node.text, node.plain, place)
    if isinstance(node, Mapping):
        moved = (Entry(e.name, place, _moved(e.value, place)) for e in node.entries)
        return Mapping(tuple(moved), place)
    return type(node)(tuple(_moved(item, place) for item in node.items), place)
