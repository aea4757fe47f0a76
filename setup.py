"""Build a wheel whose trading core is compiled, wherever a C compiler is at hand.

The core, the matching core and the replay engine are typed so that mypyc compiles them as they are. A
wheel (`pip install .`, the container, `make bench`) holds them compiled, with their sources beside them
for tracebacks; an editable install never does: a stale binary would shadow an edited source, and tests
would no longer test what one reads. Without a compiler the wheel is pure Python and behaves the same,
only slower.

mypyc leaves the constructors of dataclasses to the interpreter, which made a quarter of a replay's
time. `spell_out` writes them out before compiling, one line each, so that line numbers stay.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT: Final = Path(__file__).resolve().parent
COMPILED: Final = (
    "quietmaker/core/*.py",
    "quietmaker/coinbase/fields.py",
    "quietmaker/coinbase/frames.py",
    "quietmaker/coinbase/times.py",
    "quietmaker/coinbase/streams/user_frames.py",
    "quietmaker/coinbase/wire.py",
    "quietmaker/exchange/account.py",
    "quietmaker/exchange/admission.py",
    "quietmaker/exchange/answers.py",
    "quietmaker/exchange/depth.py",
    "quietmaker/exchange/latency.py",
    "quietmaker/exchange/levels.py",
    "quietmaker/exchange/market_orders.py",
    "quietmaker/exchange/matching.py",
    "quietmaker/exchange/models.py",
    "quietmaker/exchange/orders.py",
    "quietmaker/exchange/refusals.py",
    "quietmaker/exchange/taken.py",
    "quietmaker/exchange/venue.py",
    "quietmaker/market/columns.py",
    "quietmaker/ports.py",
    "quietmaker/replay/engine.py",
    "quietmaker/replay/stats.py",
)


def compilable() -> str:
    """Return what is missing for compiling, empty when nothing is."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler})"
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        return f"no {header} (Debian: python3-dev)"
    try:
        import mypyc  # noqa: F401, PLC0415
    except ImportError:
        return "no mypyc (pip install mypy)"
    return ""


def compile_into(target: Path) -> None:
    """Compile the modules of a copy of the library; the shared objects appear beside their sources.

    Raises:
        RuntimeError: if mypyc or the C compiler fails, with their last words.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        shutil.copytree(target / "quietmaker", scratch / "quietmaker")
        paths = [path for glob in COMPILED for path in sorted(scratch.glob(glob))]
        for path in paths:
            path.write_text(spell_out(path.read_text(encoding="utf-8")), encoding="utf-8")
        # pip's isolated build finds mypyc through a PYTHONPATH of its own, which must stay.
        search = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "mypyc", "--config-file=", "--ignore-missing-imports"),
                *(str(path.relative_to(scratch)) for path in paths),
            ],
            cwd=scratch,
            env=os.environ
            | {"MYPYC_OPT_LEVEL": "1", "MYPYC_DEBUG_LEVEL": "0", "PYTHONPATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"mypyc failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        for built in scratch.rglob("*.so"):
            place = built.relative_to(scratch)
            if place.parts[0] != "build":
                shutil.copy2(built, target / place)


def spell_out(source: str) -> str:
    """Return a module with the constructors of its dataclasses written out, on lines that were empty."""
    lines = source.split("\n")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            _spell_out_class(node, lines)
    return "\n".join(lines)


def _spell_out_class(node: ast.ClassDef, lines: list[str]) -> None:
    decorator = next((call for each in node.decorator_list if (call := _dataclass(each))), None)
    names = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    if decorator is None or not fields or "__init__" in names:
        return
    options = {word.arg: word.value for word in decorator.keywords}
    parameters, body = ["self"], []
    if "kw_only" in options:
        parameters.append("*")
    for part in fields:
        name, kind = ast.unparse(part.target), ast.unparse(part.annotation)
        default = part.value
        if kind.startswith("ClassVar") or _option(default, "init") == "False":
            continue
        factory = _option(default, "default_factory")
        if factory:
            parameters.append(f"{name}: {kind} | None = None")
            body.append(f"self.{name} = {factory}() if {name} is None else {name}")
        else:
            given = "" if default is None else f" = {ast.unparse(default)}"
            parameters.append(f"{name}: {kind}{given}")
            body.append(f"self.{name} = {name}")
    if not body:
        return
    if "__post_init__" in names:
        body.append("self.__post_init__()")
    row = decorator.lineno - 1
    lines[row] = lines[row].replace("@dataclass(", "@dataclass(init=False, ")
    row = max(part.end_lineno or 0 for part in fields)
    row = next(place for place in range(row, len(lines)) if not lines[place].strip())
    constructor = f"def __init__({', '.join(parameters)}) -> None: {'; '.join(body)}"
    lines[row] = f"    {constructor}  # type: ignore"


def _dataclass(decorator: ast.expr) -> ast.Call | None:
    """Return a decorator that is a call of `dataclass`."""
    called = isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass"
    return decorator if called and isinstance(decorator, ast.Call) else None


def _option(default: ast.expr | None, name: str) -> str:
    """Return an argument of a `field(...)`, as text; empty where there is none."""
    if not isinstance(default, ast.Call) or ast.unparse(default.func) != "field":
        return ""
    return next((ast.unparse(word.value) for word in default.keywords if word.arg == name), "")


class BuildPy(build_py):
    """Copy the sources and, except for an editable install, compile the core beside them."""

    def run(self) -> None:
        """Copy, then compile."""
        if self.editable_mode:
            super().run()
            return
        shutil.rmtree(self.build_lib, ignore_errors=True)  # what was compiled before must not stay
        super().run()
        missing = compilable()
        if not missing:
            try:
                compile_into(Path(self.build_lib))
            except RuntimeError as error:
                missing = str(error)
        if missing:
            sys.stderr.write(f"note: the core runs interpreted, several times slower: {missing}\n")


class Binary(Distribution):
    """A distribution with compiled modules, wherever they can be compiled."""

    def has_ext_modules(self) -> bool:
        """Return whether the wheel is bound to a platform."""
        return not compilable()


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildPy}, distclass=Binary)
