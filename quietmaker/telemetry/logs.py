"""Logs on standard output: JSON lines off a terminal, readable lines on one.

A line has a fixed word (`Event`), a message for people and for grep, and fields. Libraries that log
through `logging` come out the same way. Repeats are limited per event and symbol, and counted; errors
never are. Nothing leaves without passing the redactor.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Final, TextIO

from quietmaker.telemetry.events import Event
from quietmaker.telemetry.redact import Redactor

_EVENT: Final = "qm_event"
_FIELDS: Final = "qm_fields"
_SUPPRESSED: Final = "qm_suppressed"
_OWN_KEYS: Final = frozenset(
    {"timestamp", "level", "event", "logger", "message", "exception", "suppressed"}
)
_WINDOW: Final = 60.0
_MOST_KEYS: Final = 10_000
_COLOURS: Final = {
    "debug": "\x1b[2m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[31m",
}


class Log:
    """Where a part of the program writes its log. Cheap to make and to bind."""

    __slots__ = ("_bound", "_logger")

    def __init__(self, name: str, /, **bound: object) -> None:
        """Write under a name, with fields on every line."""
        self._logger = logging.getLogger(name)
        self._bound = bound

    def bind(self, /, **fields: object) -> Log:
        """Return a log with further fields on every line, such as the symbol."""
        return Log(self._logger.name, **{**self._bound, **fields})

    def debug(self, event: Event, message: str, /, **fields: object) -> None:
        """Write what only a developer wants to know."""
        self._write(logging.DEBUG, event, message, fields)

    def info(self, event: Event, message: str, /, **fields: object) -> None:
        """Write what happened."""
        self._write(logging.INFO, event, message, fields)

    def warning(self, event: Event, message: str, /, **fields: object) -> None:
        """Write what somebody should look at."""
        self._write(logging.WARNING, event, message, fields)

    def error(
        self, event: Event, message: str, /, *, error: BaseException | None = None, **fields: object
    ) -> None:
        """Write what went wrong, with the traceback of an error."""
        self._write(logging.ERROR, event, message, fields, error)

    def _write(
        self,
        level: int,
        event: Event,
        message: str,
        fields: Mapping[str, object],
        error: BaseException | None = None,
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {_EVENT: event.value, _FIELDS: {**self._bound, **fields}}
            self._logger.log(level, message, extra=extra, exc_info=error)


class RepeatLimit(logging.Filter):
    """Lets an event of a symbol through so many times a minute; says later how many it held back."""

    def __init__(self, per_minute: int) -> None:
        """Limit to ``per_minute`` lines per event and symbol."""
        super().__init__()
        self.per_minute = per_minute
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line may pass."""
        if record.levelno >= logging.ERROR:
            return True
        symbol = str(getattr(record, _FIELDS, {}).get("symbol", ""))
        key = (getattr(record, _EVENT, record.name), symbol)
        start, count = self._windows.get(key, (record.created, 0))
        if record.created - start >= _WINDOW:
            setattr(record, _SUPPRESSED, max(count - self.per_minute, 0))
            start, count = record.created, 0
        if len(self._windows) >= _MOST_KEYS:
            self._windows.clear()
        self._windows[key] = (start, count + 1)
        return count < self.per_minute


def _worth_it(record: logging.LogRecord) -> bool:
    """Return whether a line concerns the operator: ours; a library's from a warning on or when debugging."""
    ours = hasattr(record, _EVENT) or record.levelno >= logging.WARNING
    return ours or logging.getLogger().level <= logging.DEBUG


class _Said(logging.Filter):
    """Tells the word of every line that comes by, and lets it pass."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def filter(self, record: logging.LogRecord) -> bool:
        self._tell(getattr(record, _EVENT, Event.LIBRARY.value))
        return True


class _Formatter(logging.Formatter):
    """Takes a record apart: what both forms show."""

    def __init__(self, redactor: Redactor, context: Mapping[str, str]) -> None:
        super().__init__()
        self._redactor = redactor
        self._context = dict(context)

    def context(self, new: Mapping[str, str]) -> None:
        """Put these fields into every line from now on."""
        self._context = {**self._context, **new}

    def parts(self, record: logging.LogRecord) -> tuple[str, dict[str, object]]:
        """Return the message and the fields, without secrets."""
        fields = {**self._context, **getattr(record, _FIELDS, {})}
        clean = {name: self._redactor.field(name, _plain(value)) for name, value in fields.items()}
        if held_back := getattr(record, _SUPPRESSED, 0):
            clean["suppressed"] = held_back
        return self._redactor.text(record.getMessage()), clean

    def trace(self, record: logging.LogRecord) -> str:
        """Return the traceback, without secrets, or nothing."""
        if not record.exc_info:
            return ""
        return self._redactor.text(self.formatException(record.exc_info))


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message, fields = self.parts(record)
        at = datetime.fromtimestamp(record.created, tz=UTC)
        line: dict[str, object] = {
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": getattr(record, _EVENT, Event.LIBRARY.value),
            "logger": record.name,
            "message": message,
        }
        for name, value in fields.items():
            line[f"field_{name}" if name in _OWN_KEYS - {"suppressed"} else name] = value
        if trace := self.trace(record):
            line["exception"] = trace
        return json.dumps(line, ensure_ascii=True)


class TextFormatter(_Formatter):
    """A line for people: time, level, symbol, message, fields."""

    def __init__(self, redactor: Redactor, context: Mapping[str, str], *, colour: bool) -> None:
        """Colour the level where the terminal can."""
        del context  # the start-up plan has said it; it would fill every line
        super().__init__(redactor, {})
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message, fields = self.parts(record)
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
        level = record.levelname.lower()
        word = f"{level:7}"
        if self._colour and level in _COLOURS:
            word = f"{_COLOURS[level]}{word}\x1b[0m"
        symbol = fields.pop("symbol", "")
        rest = "  ".join(f"{name}={value}" for name, value in fields.items())
        line = f"{at} {word} {symbol:10} {message}" + (f"  {rest}" if rest else "")
        trace = self.trace(record)
        return _one_line(line) + (f"\n{trace}" if trace else "")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\x1b" else " " for char in text).rstrip()


def _plain(value: object) -> object:
    """Return a value as JSON can hold it; money stays exact, as text."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else str(value)
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


class LogHandle:
    """What `configure` installed: can be changed while running, and taken away."""

    def __init__(self, handler: logging.StreamHandler[TextIO], limit: RepeatLimit) -> None:
        """Keep both."""
        self._handler = handler
        self._limit = limit

    def change(self, *, level: str, max_repeats_per_minute: int) -> None:
        """Change what can be changed while running."""
        logging.getLogger().setLevel(level.upper())
        self._limit.per_minute = max_repeats_per_minute

    def say(self, **context: str) -> None:
        """Change fields that every JSON line has."""
        formatter = self._handler.formatter
        if isinstance(formatter, JsonFormatter):
            formatter.context(context)

    def close(self) -> None:
        """Write no more."""
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(self._handler)
        self._handler.flush()


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines; a log that cannot be written is counted and said once, and stops nothing."""

    def __init__(self, stream: TextIO, count: Callable[[str], None] | None) -> None:
        super().__init__(stream)
        self._count = count
        self._complained = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._count is not None:
            self._count(record.levelname.lower())
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        error = sys.exc_info()[1]
        if not self._complained and sys.stderr is not None:
            self._complained = True
            sys.stderr.write(f"the log cannot be written: {error!r} ({record.name})\n")


def configure(
    *,
    level: str,
    form: str,
    max_repeats_per_minute: int,
    env: Mapping[str, str],
    context: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    count: Callable[[str], None] | None = None,
    said: Callable[[str], None] | None = None,
    stream: TextIO | None = None,
) -> LogHandle:
    """Send all logging of the process to one stream.

    Args:
        level: least severe level that is written.
        form: ``json``, ``text``, or ``auto`` for text on a terminal.
        max_repeats_per_minute: lines per event and symbol.
        env: the environment; ``NO_COLOR`` is honoured.
        context: fields of every JSON line, such as mode and config_sha.
        secrets: values that never appear.
        count: told the level of each line that is written.
        said: told the word of each line, also of those held back as repeats.
        stream: standard output when None.
    """
    target = sys.stdout if stream is None else stream
    terminal = target.isatty()
    redactor = Redactor(secrets)
    handler = _Handler(target, count)
    if form == "text" or (form == "auto" and terminal):
        colour = terminal and not env.get("NO_COLOR")
        handler.setFormatter(TextFormatter(redactor, context or {}, colour=colour))
    else:
        handler.setFormatter(JsonFormatter(redactor, context or {}))
    limit = RepeatLimit(max_repeats_per_minute)
    handler.addFilter(_worth_it)
    if said is not None:
        handler.addFilter(_Said(said))
    handler.addFilter(limit)
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    return LogHandle(handler, limit)
