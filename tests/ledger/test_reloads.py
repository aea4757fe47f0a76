"""Reloads are in the books, and every order has the hash of the configuration that decided it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from quietmaker.core.reloads import ConfigReloaded
from tests.ledger.derivations import query
from tests.ledger.makers import at, entry
from tests.ledger.prompt import PromptLedger

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "reload.md"
APPLIED = ConfigReloaded(
    at=at(5),
    trigger="signal",
    by="SIGHUP",
    result="applied",
    generation=2,
    config_sha="beef",
    changes=(("defaults.quote.max_position", "50", "40"),),
    waiting=(("paper.seed", "1", "2"),),
    problems=(),
    chosen=(("mode", "paper"), ("defaults.quote.max_position", "40")),
)
REFUSED = replace(
    APPLIED,
    at=at(6),
    result="rejected",
    changes=(),
    waiting=(),
    problems=("paper.yaml:3: odd \x00 things",),
    chosen=(),
)


def begun(ledger: PromptLedger) -> PromptLedger:
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    return ledger


def test_a_reload_is_stored_once_with_what_was_new_and_the_settings_behind_the_hash(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    ledger = begun(postgres_ledger)
    ledger.write([APPLIED, REFUSED])
    ledger.write([APPLIED])
    ledger.apply()
    stored = query(
        database_url,
        "SELECT trigger, asked_by, result, generation, config_sha, changes->0->>2, waiting->0->>0,"
        " json_array_length(problems) FROM config_reloads ORDER BY at_ns",
    )
    assert stored == [
        ("signal", "SIGHUP", "applied", 2, "beef", "40", "paper.seed", 0),
        ("signal", "SIGHUP", "rejected", 2, "beef", None, None, 1),
    ]
    chosen = "SELECT config_sha, settings->>'defaults.quote.max_position' FROM config_history"
    assert query(database_url, chosen) == [("beef", "40")]


def test_the_queries_of_the_documentation_find_it(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    ledger = begun(postgres_ledger)
    ledger.write([replace(APPLIED, config_sha="0123456789abcdef")])
    ledger.apply()
    (block,) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    reloads, settings = (query(database_url, each) for each in block.split(";")[:2])
    assert [row[1:6] for row in reloads] == [("signal", "SIGHUP", "applied", 2, "0123456789ab")]
    assert len(settings) == 1


def test_orders_have_the_hash_that_they_were_decided_by_and_not_that_of_the_start(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    ledger = begun(postgres_ledger)
    ledger.write_intent(entry("qm1-a", when=1))
    ledger.write([APPLIED])
    ledger.write_intent(replace(entry("qm1-b", when=9), config_sha="beef"))
    ledger.apply()
    assert query(
        database_url, "SELECT client_id, config_sha FROM order_intents ORDER BY client_id"
    ) == [("qm1-a", "c0ffee"), ("qm1-b", "beef")]
