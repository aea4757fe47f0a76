"""The modes that stand come back from the books: a halt survives a restart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import psycopg2

from quietmaker.core.events import Mode
from quietmaker.core.modes import Imposed, ModeNoted, OperatorActed, Source
from quietmaker.ledger.modes import standing
from tests.ledger.derivations import query
from tests.ledger.makers import at
from tests.ledger.prompt import PromptLedger
from tests.ledger.test_journaled import Rig

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "control.md"


def imposed(
    mode: Mode, when: int, *, scope: str | None = None, source: Source = Source.OPERATOR
) -> Imposed:
    return Imposed(
        scope=scope,
        source=source,
        mode=mode,
        reason="a reason, 'quoted'",
        by="anna",
        at=at(when),
        until=at(when + 60) if mode is Mode.PAUSE else None,
    )


def store(ledger: PromptLedger, *imposed: Imposed) -> None:
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    ledger.write([ModeNoted(imposed=each) for each in imposed])
    ledger.apply()


def test_the_latest_word_of_each_source_on_each_scope_stands(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    halt = imposed(Mode.HALT, 3)
    drain = imposed(Mode.DRAIN, 4, scope="A-USD", source=Source.ROSTER)
    pause = imposed(Mode.PAUSE, 5, scope="A-USD")
    store(
        postgres_ledger,
        imposed(Mode.PAUSE, 1),
        imposed(Mode.RUN, 2),
        halt,
        drain,
        pause,
        imposed(Mode.FLATTEN, 6, scope="B-USD"),
        imposed(Mode.RUN, 7, scope="B-USD"),
    )
    found = standing(lambda: database_url)
    assert sorted(found, key=lambda each: each.at) == [halt, drain, pause]


def test_a_halt_stands_though_the_clock_was_set_back_after_an_earlier_lift(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    halt = imposed(Mode.HALT, 50)
    store(postgres_ledger, imposed(Mode.PAUSE, 90), imposed(Mode.RUN, 99), halt)
    assert standing(lambda: database_url) == (halt,)


def test_a_mode_and_a_command_that_are_told_twice_are_stored_once(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    acted = OperatorActed(
        at=at(1), operator="anna", action="halt", arguments=(("symbol", "A-USD"),), outcome="done"
    )
    store(postgres_ledger, imposed(Mode.HALT, 1), imposed(Mode.HALT, 1))
    postgres_ledger.write([acted])
    postgres_ledger.write([acted])
    postgres_ledger.apply()
    assert query(database_url, "SELECT count(*) FROM modes") == [(1,)]
    assert query(
        database_url, "SELECT operator, action, arguments->>'symbol' FROM operator_actions"
    ) == [("anna", "halt", "A-USD")]


def test_the_queries_of_the_document_answer_the_role_that_only_reads(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    store(postgres_ledger, imposed(Mode.HALT, 1))
    (block,) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE grafana_ro")
        counts = []
        for statement in filter(str.strip, block.split(";")):
            cursor.execute(statement)
            counts.append(len(cursor.fetchall()))
    connection.close()
    assert counts == [0, 1]


def test_a_halt_that_only_the_journal_heard_of_stands_at_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    rig = Rig(database_url, tmp_path / "journal")
    ledger = rig.begin()
    halt = imposed(Mode.HALT, 1)
    ledger.write([ModeNoted(imposed=halt)])
    rig.kill()  # nothing was applied: the database never heard of it
    assert standing(lambda: database_url) == ()
    rig.open()
    assert standing(lambda: database_url) == (halt,)
    rig.kill()
