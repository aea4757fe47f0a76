"""Logs: fixed words, exact numbers, no secrets, and never the same line without end."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.orders import ExitReason
from quietmaker.core.units import Side
from quietmaker.telemetry.events import ABOUT, EXIT_PHRASES, Event
from quietmaker.telemetry.logs import Log, LogHandle, RepeatLimit, configure
from quietmaker.telemetry.redact import MASK, Redactor


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [
        each for each in root.handlers if type(each).__module__.startswith("quietmaker")
    ]:
        root.removeHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)


def start(
    stream: io.StringIO,
    form: str = "auto",
    level: str = "info",
    repeats: int = 1000,
    env: dict[str, str] | None = None,
    secrets: tuple[str, ...] = (),
    counted: list[str] | None = None,
    said: list[str] | None = None,
) -> LogHandle:
    return configure(
        level=level,
        form=form,
        max_repeats_per_minute=repeats,
        env=env or {},
        context={"mode": "paper", "config_sha": "abc"},
        secrets=secrets,
        count=None if counted is None else counted.append,
        said=None if said is None else said.append,
        stream=stream,
    )


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_off_a_terminal_a_line_is_one_json_object_with_fixed_keys() -> None:
    start(out := io.StringIO())
    log = Log("trader").bind(actor="trader", symbol="TNSR-USD")
    log.info(
        Event.EXIT_DECIDED,
        "Break-even+ exit",
        price=Decimal("0.1000"),
        side=Side.SELL,
        lots=10,
        x=None,
    )
    (line,) = lines(out)
    timestamp = str(line.pop("timestamp"))
    assert timestamp.endswith("Z")
    assert line == {
        "level": "info",
        "event": "exit_decided",
        "logger": "trader",
        "message": "Break-even+ exit",
        "mode": "paper",
        "config_sha": "abc",
        "actor": "trader",
        "symbol": "TNSR-USD",
        "price": "0.1000",
        "side": "SELL",
        "lots": 10,
        "x": None,
    }


def test_on_a_terminal_a_line_is_for_people() -> None:
    start(out := Terminal(), env={"NO_COLOR": "1"})
    Log("trader").warning(Event.HOLD_CHANGED, "not quoted", symbol="TNSR-USD", reason="cooldown")
    text = out.getvalue()
    assert "warning TNSR-USD   not quoted  reason=cooldown" in text
    assert "\x1b" not in text


def test_colour_is_for_terminals_without_no_color() -> None:
    start(out := Terminal())
    Log("a").error(Event.ALERT, "look")
    assert "\x1b[31merror" in out.getvalue()
    start(plain := io.StringIO(), form="text")
    Log("a").error(Event.ALERT, "look")
    assert "\x1b" not in plain.getvalue()


def test_json_can_be_asked_for_on_a_terminal() -> None:
    start(out := Terminal(), form="json")
    Log("a").info(Event.PLAN, "hello")
    assert lines(out)[0]["event"] == "plan"


def test_a_message_with_line_breaks_stays_on_its_line() -> None:
    for form in ("json", "text"):
        start(out := io.StringIO(), form=form)
        Log("a").info(Event.PLAN, "one\ntwo\r\nthree\x1b[0", note="a\nb")
        assert len(out.getvalue().splitlines()) == 1


def test_a_per_cent_sign_is_text() -> None:
    start(out := io.StringIO())
    Log("a").info(Event.PLAN, "spread 0.2 % and %s")
    assert lines(out)[0]["message"] == "spread 0.2 % and %s"


def test_libraries_come_out_the_same_way() -> None:
    start(out := io.StringIO())
    logging.getLogger("somebody.else").warning("inbox %d", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old api", UserWarning, stacklevel=1)
    first, second = lines(out)
    assert (first["event"], first["logger"], first["message"]) == (
        "library",
        "somebody.else",
        "inbox 7",
    )
    assert "old api" in str(second["message"])


def test_what_a_library_does_in_passing_is_left_out() -> None:
    start(out := io.StringIO())
    logging.getLogger("alembic").info("running upgrade")
    assert lines(out) == []


def test_an_error_carries_its_traceback() -> None:
    start(out := io.StringIO())
    try:
        raise ValueError("broken")
    except ValueError as error:
        Log("a").error(Event.ACTOR_FAILED, "trader failed", error=error)
    assert "ValueError: broken" in str(lines(out)[0]["exception"])


def test_a_field_cannot_pose_as_a_fixed_key() -> None:
    start(out := io.StringIO())
    Log("a").info(Event.PLAN, "hello", event="forged", timestamp="now")
    line = lines(out)[0]
    assert line["event"] == "plan"
    assert (line["field_event"], line["field_timestamp"]) == ("forged", "now")


def test_the_level_holds_and_can_be_changed_while_running() -> None:
    handle = start(out := io.StringIO(), level="warning")
    Log("a").info(Event.PLAN, "unseen")
    handle.change(level="info", max_repeats_per_minute=5)
    Log("a").info(Event.PLAN, "seen")
    assert [line["message"] for line in lines(out)] == ["seen"]


def test_every_written_line_is_counted_by_level() -> None:
    counted: list[str] = []
    start(io.StringIO(), counted=counted, repeats=1)
    for _ in range(3):
        Log("a").info(Event.PLAN, "hello")
    Log("a").error(Event.ALERT, "look")
    assert counted == ["info", "error"]


def test_a_stream_that_is_gone_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    start(out)
    out.close()
    Log("a").info(Event.PLAN, "lost")
    Log("a").info(Event.PLAN, "lost")
    assert capsys.readouterr().err.count("the log cannot be written") == 1


# --- repeats ---


def record(
    event: Event, at: float, symbol: str = "", level: int = logging.INFO
) -> logging.LogRecord:
    made = logging.LogRecord("a", level, "f", 1, "m", None, None)
    made.created = at
    made.qm_event, made.qm_fields = event.value, {"symbol": symbol}
    return made


def test_repeats_are_held_back_per_event_and_symbol_and_counted_afterwards() -> None:
    limit = RepeatLimit(2)
    passed = [limit.filter(record(Event.HOLD_CHANGED, 100 + n, "A-USD")) for n in range(5)]
    assert passed == [True, True, False, False, False]
    assert limit.filter(record(Event.HOLD_CHANGED, 101, "B-USD"))
    assert limit.filter(record(Event.PLAN, 101, "A-USD"))
    late = record(Event.HOLD_CHANGED, 161, "A-USD")
    assert limit.filter(late)
    assert late.qm_suppressed == 3  # type: ignore[attr-defined]


def test_errors_are_never_held_back() -> None:
    limit = RepeatLimit(1)
    assert all(limit.filter(record(Event.ALERT, 100, level=logging.ERROR)) for _ in range(50))


def test_the_number_held_back_is_on_the_next_line() -> None:
    handle = start(out := io.StringIO(), repeats=1)
    for _ in range(3):
        Log("a").info(Event.PLAN, "hello")
    late = record(Event.PLAN, logging.LogRecord("a", 20, "f", 1, "m", None, None).created + 61)
    logging.getLogger("a").handle(late)
    handle.close()
    assert lines(out)[-1]["suppressed"] == 2


# --- secrets ---

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabcdef\n-----END EC PRIVATE KEY-----"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {PEM} loaded", "MHcCAQEEI"),
        (f"sent {JWT}", "eyJzdWIi"),
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("connect postgresql://bot:hunter2@db/books", "hunter2"),
        ("connect postgresql://bot:p@ss:w@db/books", "p@ss"),
        ("password=hunter2 host=db", "hunter2"),
        ("{'api_key': 'x', api_key: 'abc def'}", "abc def"),
        ("token: tok_12345", "tok_12345"),
    ],
)
def test_a_secret_is_known_by_its_form(text: str, secret: str) -> None:
    clean = Redactor().text(text)
    assert secret not in clean
    assert MASK in clean


def test_a_secret_is_masked_in_messages_fields_and_tracebacks() -> None:
    start(out := io.StringIO(), secrets=("s3cr3t-value",))
    log = Log("a", api_key="anything", note="has s3cr3t-value inside")
    try:
        raise ValueError("postgresql://u:hunter2@h and s3cr3t-value")
    except ValueError as error:
        log.error(Event.ALERT, "the key is s3cr3t-value", error=error)
    text = out.getvalue()
    assert "s3cr3t-value" not in text
    assert "hunter2" not in text
    assert lines(out)[0]["api_key"] == MASK


@given(
    secret=st.text(alphabet="abcXYZ0189-_.", min_size=6, max_size=20), before=st.text(max_size=20)
)
def test_a_known_secret_never_appears_whatever_stands_around_it(secret: str, before: str) -> None:
    assert secret not in Redactor([secret]).text(f"{before}{secret}{before}") or secret in MASK


@given(text=st.text(alphabet="abc 0123.,%$()=", max_size=60))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Redactor().text(text) == text


# --- words ---


def test_every_word_is_explained_and_written_like_a_word() -> None:
    assert set(ABOUT) == set(Event)
    assert all(event.value.replace("_", "").isalpha() and event.value.islower() for event in Event)


def test_every_exit_has_its_phrase_and_the_old_ones_are_kept() -> None:
    assert set(EXIT_PHRASES) == set(ExitReason)
    assert EXIT_PHRASES[ExitReason.BREAK_EVEN_PLUS] == "Break-even+ exit"
    assert EXIT_PHRASES[ExitReason.MAX_LIFETIME] == "Max lifetime"


def test_every_line_is_counted_by_its_word_also_one_held_back() -> None:
    said: list[str] = []
    start(out := io.StringIO(), repeats=1, said=said)
    for _ in range(3):
        Log("a").info(Event.HOLD_CHANGED, "the same again")
    logging.getLogger("library").warning("of somebody else")
    Log("a").debug(Event.ALERT, "below the level")
    assert said == ["hold_changed"] * 3 + ["library"]
    assert len(lines(out)) == 2
