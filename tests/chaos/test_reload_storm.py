"""Some dozens of reloads while trading; `make reloads` does a thousand."""

from __future__ import annotations

from tests.chaos.reload_storm import storm


def test_reloads_of_all_kinds_lose_no_order_and_let_no_quote_out_of_bounds() -> None:
    report = storm(60, seed=7)
    assert report.flaws == []
    assert report.results["applied"] > 15
    assert report.results["rejected"] > 15
    assert report.orders > 10  # it quoted; how much, is a matter of the machine
