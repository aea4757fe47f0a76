"""Which order of the exchange is which of ours: learned from everywhere, and forgotten in time."""

from __future__ import annotations

from quietmaker.coinbase.rest.identity import Known, OrderIds
from tests.coinbase.rig import intent


def test_both_ids_lead_to_each_other() -> None:
    ids = OrderIds(10)
    ids.learn("c", "o", True)
    ids.learn("c", "o")  # a listing that does not say keeps what is known
    assert ids.order_id("c") == "o"
    assert ids.order("o") == Known(order_id="o", client_id="c", post_only=True)
    assert ids.order_id("other") is None


def test_the_memory_is_bounded_and_the_oldest_goes_first() -> None:
    ids = OrderIds(3)
    for number in range(4):
        ids.learn(f"c{number}", f"o{number}")
        ids.sent(intent(f"c{number}"))
    assert ids.order_id("c0") is None
    assert ids.order("o0") is None
    assert ids.intent("c0") is None
    assert ids.order_id("c1") == "o1"
    assert ids.intent("c3") == intent("c3")
    ids.learn("c1", "o1")
    ids.learn("c9", "o9")
    assert ids.order_id("c1") == "o1"
    assert ids.order_id("c2") is None


def test_an_order_that_took_over_a_client_id_is_not_forgotten_with_the_old_one() -> None:
    ids = OrderIds(2)
    for order_id in ("o1", "o2", "o3"):
        ids.learn("c", order_id)
    assert ids.order_id("c") == "o3"
    assert ids.order("o1") is None
