"""The doctor: each thing that can be wrong is a row with its remedy, and the exit code is the verdict."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quietmaker.core.events import Mode
from quietmaker.core.modes import Imposed, ModeNoted, Source
from quietmaker.core.units import Instant
from quietmaker.errors import ConfigError
from quietmaker.settings import load
from supervisors.cli import main
from supervisors.clock import SystemClock
from supervisors.doctor import Finding, Patient, Row, books, examine, exchange, machine
from supervisors.home import Home, Tenant
from tests.kit.paper_exchange import paper_exchange
from tests.ledger.makers import PRODUCTS, at
from tests.ledger.prompt import PromptLedger
from tests.supervisors.control_rig import Rig

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.create()
    return found


def patient(
    home: Home, *overrides: str, env: dict[str, str] | None = None, config: str | None = None
) -> Patient:
    return Patient(
        settings=load(config, env=env or {}, overrides=["management.port=0", *overrides]),
        refusal="",
        config_file=Path("config/paper.yaml"),
        home=home,
        env=env or {},
        clock=SystemClock(),
    )


def findings(rows: Iterator[Row]) -> list[tuple[str, Finding]]:
    return [(row.check, row.finding) for row in rows]


def only(rows: Iterator[Row]) -> Row:
    (row,) = rows
    return row


def test_a_configuration_that_is_refused_fails_and_everything_else_is_still_looked_at(
    home: Home,
) -> None:
    ill = Patient(
        settings=None,
        refusal="line 3: unknown key",
        config_file=Path("x.yaml"),
        home=home,
        env={},
        clock=SystemClock(),
    )
    rows = list(examine(ill))
    assert rows[0] == Row(check="config", finding=Finding.FAIL, detail="line 3: unknown key")
    assert {row.check for row in rows} == {
        *("config", "home", "lock", "disk", "secrets", "port", "database", "exchange")
    }


def test_settings_that_are_known_to_lose_money_are_a_warning(home: Home) -> None:
    rows = list(machine.config(patient(home, "defaults.gates.include_fees=false")))
    assert [row.finding for row in rows] == [Finding.OK, Finding.WARN]


def test_a_home_that_others_can_look_into_is_a_warning_with_its_remedy(home: Home) -> None:
    assert only(machine.home(patient(home))).finding is Finding.OK
    home.root.chmod(0o755)
    row = only(machine.home(patient(home)))
    assert (row.finding, row.remedy) == (Finding.WARN, f"chmod 700 {home.root}")


def test_a_home_that_is_not_there_yet_is_made_by_the_first_start(tmp_path: Path) -> None:
    row = only(machine.home(patient(Home(tmp_path / "not" / "yet"))))
    assert row.finding is Finding.OK


def test_whether_a_home_can_be_written_is_asked_of_the_system(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, how: False)
    assert only(machine.home(patient(home))).finding is Finding.FAIL
    assert only(machine.home(patient(Home(home.root / "sub")))).finding is Finding.FAIL


def test_a_lock_that_a_killed_instance_left_is_told_from_one_that_is_held(home: Home) -> None:
    assert only(machine.lock(patient(home))).detail == "free: no instance runs"
    home.instance_file.write_text("{}")
    left = only(machine.lock(patient(home)))
    assert (left.finding, "killed" in left.detail) == (Finding.WARN, True)
    with Rig().serving(home):
        assert only(machine.lock(patient(home))).finding is Finding.OK
    with home.claim(Tenant.COMMAND):
        assert "a command uses" in only(machine.lock(patient(home))).detail
    with home.claim():
        assert "not come up yet" in only(machine.lock(patient(home))).detail


@pytest.mark.parametrize(
    ("free", "finding"),
    [
        (machine.SPARE, Finding.OK),
        (machine.SPARE - 1, Finding.WARN),
        (machine.LEAST - 1, Finding.FAIL),
    ],
)
def test_the_room_on_the_disk_is_judged(
    home: Home, monkeypatch: pytest.MonkeyPatch, free: int, finding: Finding
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, free))
    assert only(machine.disk(patient(home))).finding is finding


def test_a_secret_that_others_can_read_fails_for_real_money_and_warns_on_paper(
    home: Home, tmp_path: Path
) -> None:
    key = tmp_path / "key.json"
    key.write_text("{}")
    key.chmod(0o640)
    env = {"QUIETMAKER_API_KEY_FILE": str(key)}
    assert only(machine.secrets(patient(home, env=env))).finding is Finding.WARN
    row = only(machine.secrets(patient(home, env=env, config="config/live.yaml")))
    assert (row.finding, row.remedy) == (Finding.FAIL, f"chmod 600 {key}")
    key.chmod(0o600)
    assert only(machine.secrets(patient(home, env=env))).finding is Finding.OK


def test_a_port_that_somebody_else_has_fails_and_one_that_our_instance_has_does_not(
    home: Home,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"management.port={other.getsockname()[1]}"
        row = only(machine.port(patient(home, taken)))
        assert (row.finding, "management.port" in row.remedy) == (Finding.FAIL, True)
        with Rig().serving(home):
            assert only(machine.port(patient(home, taken))).finding is Finding.OK
    assert only(machine.port(patient(home, taken))).finding is Finding.OK


def test_books_that_are_not_there_yet_are_no_fault(home: Home) -> None:
    row = only(books.database(patient(home)))
    assert (row.finding, "none yet" in row.detail) == (Finding.OK, True)


def test_a_database_that_cannot_be_reached_fails(home: Home) -> None:
    ill = patient(home, "ledger.url=postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    (row,) = examine(ill, {"database": books.database})
    assert (row.check, row.finding) == ("database", Finding.FAIL)


def test_a_halt_in_the_books_is_a_warning_with_the_command_that_ends_it(
    home: Home, database_url: str
) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    halt = Imposed(
        scope="A-USD",
        source=Source.OPERATOR,
        mode=Mode.HALT,
        reason="odd fills",
        by="anna",
        at=Instant(at(1)),
        until=None,
    )
    ledger.write([ModeNoted(imposed=halt)])
    ledger.apply()
    rows = list(books.database(patient(home, env={"QUIETMAKER__LEDGER__URL": database_url})))
    assert [(row.check, row.finding) for row in rows] == [
        ("database", Finding.OK),
        ("modes", Finding.WARN),
        ("tie-out", Finding.OK),
    ]
    assert "operator anna: odd fills" in rows[1].detail
    assert "quietmaker resume --symbol A-USD" in rows[1].remedy
    ledger.close()


def test_the_paper_exchange_of_a_bot_that_does_not_run_is_skipped(home: Home) -> None:
    assert only(exchange.exchange(patient(home))).finding is Finding.SKIPPED


def test_without_a_key_an_exchange_is_not_even_asked(home: Home) -> None:
    row = only(exchange.exchange(patient(home, config="config/live.yaml")))
    assert (row.check, row.finding) == ("key", Finding.FAIL)
    assert "QUIETMAKER_API_KEY_FILE" in row.detail


class Shifted(SystemClock):
    """A clock of a machine that is set wrongly."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self._by = int(by * 1e9)

    def now(self) -> Instant:
        return Instant(super().now() + self._by)


def test_a_real_exchange_is_asked_for_clock_key_fees_and_symbols(
    home: Home, tmp_path: Path
) -> None:
    with paper_exchange(tmp_path / "exchange") as found:
        env = {"QUIETMAKER_API_KEY_FILE": str(found.first_key)}
        well = patient(home, f"paper.exchange_url={found.http_url}", env=env)
        rows = list(exchange.exchange(well))
        assert [(row.check, row.finding) for row in rows] == [
            ("clock", Finding.OK),
            ("key", Finding.OK),
            ("fees", Finding.OK),
            ("symbols", Finding.OK),
        ]
        assert "maker 0.25 %, taker 0.4 %; required spread" in rows[2].detail
        assert well.settings is not None
        limit = float(well.settings.exchange.max_clock_skew_seconds)
        for factor, finding in ((0.7, Finding.WARN), (1.5, Finding.FAIL)):
            wrong = Patient(
                settings=well.settings,
                refusal="",
                config_file=well.config_file,
                home=home,
                env=env,
                clock=Shifted(limit * factor),
            )
            row = next(iter(exchange.exchange(wrong)))
            assert (row.check, row.finding) == ("clock", finding)
            assert "chrony" in row.remedy


def test_a_check_that_breaks_is_a_row_and_the_others_go_on(home: Home) -> None:
    def broken(patient: Patient) -> Iterator[Row]:
        yield Row(check="one", finding=Finding.OK, detail="seen")
        raise RuntimeError("the doctor faints")

    def refused(patient: Patient) -> list[Row]:
        raise ConfigError("said on purpose")

    rows = list(examine(patient(home), {"one": broken, "two": refused, "three": machine.lock}))
    assert findings(iter(rows)) == [
        ("one", Finding.OK),
        ("one", Finding.FAIL),
        ("two", Finding.FAIL),
        ("lock", Finding.OK),
    ]
    assert rows[1].detail == "RuntimeError: the doctor faints"
    assert rows[2].detail == "said on purpose"


@pytest.fixture
def doctor(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    monkeypatch.setenv("QUIETMAKER_HOME", str(home.root))

    def run(*args: str) -> tuple[int, str]:
        code = main(["doctor", "--set", "management.port=0", *args])
        return code, capsys.readouterr().out

    return run


def test_the_exit_code_is_the_verdict(doctor: Callable[..., tuple[int, str]], home: Home) -> None:
    code, text = doctor()
    assert code == 0
    assert "ok" in text
    home.instance_file.write_text("{}")
    code, text = doctor()
    assert (code, "WARN" in text) == (0, True)
    code, text = doctor("--set", "gates.min_spread_pct=-1")
    assert (code, "FAIL" in text) == (1, True)


def test_json_has_every_row(doctor: Callable[..., tuple[int, str]]) -> None:
    code, text = doctor("--json")
    said: dict[str, Any] = json.loads(text)
    assert (code, said["ok"]) == (0, True)
    assert {row["check"] for row in said["rows"]} >= {"config", "home", "disk", "database"}
    assert all({*row} == {"check", "finding", "detail", "remedy"} for row in said["rows"])
