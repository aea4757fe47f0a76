"""The documents of metrics and log words are what the program has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quietmaker.telemetry.catalogue import catalogue
from quietmaker.telemetry.docs import LOGS, METRICS, logs_document, metrics_document
from quietmaker.telemetry.events import ABOUT, Event

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("place", "make"), [(METRICS, metrics_document), (LOGS, logs_document)])
def test_the_document_is_up_to_date(place: str, make: object) -> None:
    assert callable(make)
    assert (ROOT / place).read_text(encoding="utf-8") == make(), "run make docs"


def test_every_word_of_the_log_has_a_meaning() -> None:
    assert set(ABOUT) == set(Event)


def test_names_follow_the_conventions_of_prometheus() -> None:
    for family in catalogue():
        if not family.ours:
            continue
        assert re.fullmatch(r"quietmaker_[a-z][a-z0-9_]*", family.name), family.name
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name
        assert not re.search(r"_(ms|millis\w*|minutes|percent|pct)(_|$)", family.name), family.name
        assert family.about.endswith("."), family.name


def test_no_label_can_hold_an_id_a_price_or_free_text() -> None:
    labels = {label for family in catalogue() for label in family.labels}
    assert not labels & {"client_id", "order_id", "trade_id", "price", "error", "message", "detail"}


def test_few_families_have_a_series_for_each_symbol_and_no_histogram_does() -> None:
    by_symbol = [family for family in catalogue() if "symbol" in family.labels]
    assert not [family.name for family in by_symbol if family.kind == "histogram"]
    assert len(by_symbol) <= 20
