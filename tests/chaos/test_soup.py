"""All faults at once, each seldom, from a seed: the market goes on, and the books end like the exchange's.

A few seconds of one seed run with the other tests; `make soup` runs minutes of several.
"""

from __future__ import annotations

import os
from typing import Any, Final

import pytest

from quietmaker.core.commands import AlertKind
from quietmaker.core.units import SECOND
from tests.chaos.ending import ends_well
from tests.chaos.rig import running
from tests.chaos.test_request_faults import ANY, CANCEL, FILLS, QUERIES, SUBMIT, rule
from tests.chaos.test_socket_faults import BOOKS, MARKET, ORDERS, UPDATES

SEEDS: Final = [int(seed) for seed in os.environ.get("QUIETMAKER_CHAOS_SEEDS", "1,2").split(",")]
SECONDS: Final = int(os.environ.get("QUIETMAKER_CHAOS_SECONDS", "6"))
RARE: Final = 0.01
SOUP: Final[list[dict[str, Any]]] = [
    rule("ws.drop", MARKET, RARE),
    rule("ws.drop", ORDERS, RARE),
    rule("ws.gap", BOOKS, RARE, skip=2),
    rule("ws.duplicate", MARKET, RARE, sequence="same"),
    rule("ws.duplicate", ORDERS, 0.05, copies=2),
    rule("ws.reorder", UPDATES, RARE, by=2),
    rule("ws.delay", ORDERS, RARE, ms=400),
    rule("ws.delay", UPDATES, RARE, ms=300),
    rule("ws.truncate", MARKET, RARE),
    rule("ws.truncate", ORDERS, RARE),
    rule("ws.garbage", MARKET, RARE, kind="utf8"),
    rule("ws.half", ORDERS, RARE),
    rule("ws.close", MARKET, 0.003, code=1000),
    rule("ws.abort", ORDERS, 0.003),
    rule("ws.error", MARKET, RARE),
    rule("ws.set", ORDERS, RARE, field="status", value="HIBERNATING"),
    rule("ws.set", UPDATES, RARE, field="side", value="middle"),
    rule("ws.remove", ORDERS, RARE, field="cumulative_quantity"),
    rule("ws.add", MARKET, 0.05, field="mood", value="good"),
    rule("ws.pad", {**BOOKS, "kind": "snapshot"}, 0.1, megabytes=1),
    rule("ws.client_id", MARKET, 0.1, present=True),
    rule("rest.bad_gateway", SUBMIT, 0.02, placed=True),
    rule("rest.timeout", SUBMIT, RARE, placed=True),
    rule("rest.abort", SUBMIT, 0.02, placed=False),
    rule("rest.delay", SUBMIT, 0.05, ms=200, when="after"),
    rule("rest.bad_gateway", CANCEL, 0.03),
    rule("rest.truncate", FILLS, 0.05),
    rule("rest.unauthorized", ANY, 0.03),
    rule("rest.rate_limited", ANY, RARE),
    rule("rest.set", QUERIES, 0.02, field="status", value="HIBERNATING"),
    rule("rest.add", ANY, 0.05, field="mood", value={"a": []}),
    rule("order.die", {}, 0.02),
    rule("order.unsettled", {}, 0.1),
    rule("fills.late", {}, 0.1, ms=700),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_soup_of_all_faults_costs_nothing(seed: int) -> None:
    with running(seed=seed) as rig:
        rig.install(*SOUP)
        end = rig.clock.monotonic() + SECONDS * SECOND
        while rig.clock.monotonic() < end:
            rig.waves.step()
            rig.step()
        assert rig.fired > 10
        rig.heal()
        rig.trade(4)
        ends_well(rig, alerts={AlertKind.EXIT_REFUSED}, pulled=False)
