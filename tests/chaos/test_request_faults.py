"""Every fault of requests and answers, while the bot trades: unknown is neither failed nor zero."""

from __future__ import annotations

from typing import Any, Final

import pytest

from quietmaker.core.commands import AlertKind
from tests.chaos.ending import ends_well
from tests.chaos.market import SYMBOLS
from tests.chaos.rig import running

BASE: Final = "/api/v3/brokerage"
SUBMIT: Final = {"method": "POST", "path": f"{BASE}/orders"}
CANCEL: Final = {"method": "POST", "path": f"{BASE}/orders/batch_cancel"}
FILLS: Final = {"path": f"{BASE}/orders/historical/fills"}
QUERIES: Final = {"path": f"{BASE}/orders/historical/*"}
ANY: Final = {"path": f"{BASE}/*"}


def rule(
    point: str, match: dict[str, Any], probability: float = 0.3, **parameters: Any
) -> dict[str, Any]:
    """Return a fault rule."""
    return {"point": point, "match": match, "probability": probability, "parameters": parameters}


ORDERS = {
    "answers 502 and the order was placed": rule("rest.bad_gateway", SUBMIT, placed=True),
    "answers 502 and it was not": rule("rest.bad_gateway", SUBMIT, placed=False),
    "answers 503 and the order was placed": rule(
        "rest.bad_gateway", SUBMIT, placed=True, status=503
    ),
    "never answers and the order was placed": rule("rest.timeout", SUBMIT, placed=True),
    "never answers and it was not": rule("rest.timeout", SUBMIT, placed=False),
    "breaks off and the order was placed": rule("rest.abort", SUBMIT, placed=True),
    "breaks off and it was not": rule("rest.abort", SUBMIT, placed=False),
    "answers late, after the user stream": rule("rest.delay", SUBMIT, ms=300, when="after"),
    "answers later than anybody waits": rule("rest.delay", SUBMIT, ms=1_500, when="after"),
    "is heard late": rule("rest.delay", SUBMIT, ms=300, when="before"),
    "is heard only when nobody waits any more": rule("rest.delay", SUBMIT, ms=1_500),
    "answers 401": rule("rest.unauthorized", SUBMIT),
    "answers 429": rule("rest.rate_limited", SUBMIT),
    "answers 429 and says for how long": rule("rest.rate_limited", SUBMIT, retry_after="1"),
    "answers half": rule("rest.truncate", SUBMIT, percent=50),
    "answers without an order id": rule("rest.remove", SUBMIT, field="order_id"),
    "answers without success": rule("rest.remove", SUBMIT, field="success"),
    "answers with a field more": rule("rest.add", SUBMIT, field="mood", value="good"),
}

CANCELLATIONS = {
    "answers 502 and was done": rule("rest.bad_gateway", CANCEL, 0.5, placed=True),
    "answers 502 and was not": rule("rest.bad_gateway", CANCEL, 0.5, placed=False),
    "never answers and was done": rule("rest.timeout", CANCEL, placed=True),
    "never answers and was not": rule("rest.timeout", CANCEL, placed=False),
    "answers 401": rule("rest.unauthorized", CANCEL, 0.5),
    "answers 429": rule("rest.rate_limited", CANCEL, 0.5),
    "answers half": rule("rest.truncate", CANCEL, 0.5),
    "answers for no order": rule("rest.set", CANCEL, 0.5, field="results", value=[]),
    "answers without ids": rule("rest.remove", CANCEL, 0.5, field="order_id"),
    "refuses with a word that nobody knows": rule(
        "rest.set", CANCEL, 0.5, field="failure_reason", value="MERCURY_IN_RETROGRADE"
    ),
}

QUESTIONS = {
    "executions are answered with 502": rule("rest.bad_gateway", FILLS, 0.5),
    "executions are never answered": rule("rest.timeout", FILLS),
    "executions are answered with half": rule("rest.truncate", FILLS, 0.5),
    "executions lack their commission": rule("rest.remove", FILLS, 0.5, field="commission"),
    "executions are of a kind that nobody knows": rule(
        "rest.set", FILLS, 0.5, field="liquidity_indicator", value="UNKNOWN_LIQUIDITY_INDICATOR"
    ),
    "orders are in a status that nobody knows": rule(
        "rest.set", QUERIES, 0.5, field="status", value="HIBERNATING"
    ),
    "everything is refused with 401 half of the time": rule("rest.unauthorized", ANY, 0.5),
    "everything is too much, 429, a third of the time": rule("rest.rate_limited", ANY),
    "everything is answered with 502 a third of the time": rule(
        "rest.bad_gateway", ANY, placed=True
    ),
    "every answer has a field more": rule("rest.add", ANY, 1, field="mood", value={"a": []}),
}


@pytest.mark.parametrize("each", ORDERS.values(), ids=ORDERS.keys())
def test_an_order_request_ends_known_and_placed_once(each: dict[str, Any]) -> None:
    with running() as rig:
        rig.trade(4)
        rig.suffer(each, fired=2)
        rig.trade(4)
        ends_well(rig, alerts={AlertKind.EXIT_REFUSED})


@pytest.mark.parametrize("each", CANCELLATIONS.values(), ids=CANCELLATIONS.keys())
def test_a_cancellation_is_asked_for_until_the_order_has_ended(each: dict[str, Any]) -> None:
    with running() as rig:
        rig.trade(4)
        rig.suffer(each, fired=2)
        rig.trade(4)
        ends_well(rig, pulled=False)


@pytest.mark.parametrize("each", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_question_without_an_answer_is_asked_again(each: dict[str, Any]) -> None:
    with running() as rig:
        rig.trade(4)
        rig.suffer(each, fired=4)
        rig.trade(4)
        ends_well(rig, alerts={AlertKind.EXIT_REFUSED}, pulled=False)


@pytest.mark.parametrize(
    "lost",
    [
        rule("rest.timeout", SUBMIT, 1, placed=True),
        rule("rest.bad_gateway", SUBMIT, 1, placed=True),
    ],
    ids=["no answer", "502"],
)
def test_an_order_that_was_placed_unheard_is_found_and_not_placed_twice(
    lost: dict[str, Any],
) -> None:
    """Neither the answer nor the user stream tells of it: only asking does."""
    deaf = rule("ws.mute", {"channel": "user", "kind": "update"}, 1)
    with running(before=[{**lost, "count": len(SYMBOLS)}, deaf], quoting=False) as rig:
        rig.until(
            lambda: sum(f.what == "accepted" for f in rig.ledger.events) >= len(SYMBOLS), "found"
        )
        assert sum(fact.what == "outcome_unknown" for fact in rig.ledger.events) == len(SYMBOLS)
        assert len(rig.orders) == len(SYMBOLS)
        rig.heal()
        rig.trade(4)
        ends_well(rig)
