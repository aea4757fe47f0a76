"""Decimal text to whole increments: exact, or refused by name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.grid import Grid, NumberError
from quietmaker.core.product import OffGridError
from quietmaker.core.units import EXACT

increments = st.sampled_from(["0.01", "0.00000001", "1", "0.05", "0.0025", "25", "0.1"])


@given(increment=increments, units=st.integers(0, 10**12), zeros=st.integers(0, 6))
def test_every_multiple_comes_back_as_its_number(increment: str, units: int, zeros: int) -> None:
    value = Decimal(units) * Decimal(increment)
    text = f"{value:f}"
    padded = text + "0" * zeros if "." in text else text
    grid = Grid(Decimal(increment))
    assert grid.units(text) == grid.units(padded) == grid.of(value) == units


@given(increment=increments, units=st.integers(0, 10**9))
def test_anything_between_two_multiples_is_refused(increment: str, units: int) -> None:
    value = (Decimal(units) + Decimal("0.5")) * Decimal(increment)
    with pytest.raises(OffGridError):
        Grid(Decimal(increment)).units(f"{value:f}")


@given(text=st.text(max_size=60))
def test_no_text_raises_anything_but_the_named_errors(text: str) -> None:
    try:
        units = Grid(Decimal("0.01")).units(text)
    except (NumberError, OffGridError):
        return
    assert units >= 0
    assert EXACT.multiply(Decimal(units), Decimal("0.01")) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "-1", "+-1", "NaN", "Infinity", "1_000", " 1", "1 ", "١", "0x10", "1e999", "1" * 50],
)
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(NumberError):
        Grid(Decimal("0.01")).units(text)


@pytest.mark.parametrize(
    ("text", "units"), [("5.", 500), (".5", 50), ("1e-2", 1), ("1E2", 10_000), ("007.10", 710)]
)
def test_unusual_but_clear_numbers_are_read(text: str, units: int) -> None:
    assert Grid(Decimal("0.01")).units(text) == units


@pytest.mark.parametrize("increment", ["0", "-0.01", "NaN", "Infinity"])
def test_an_increment_must_be_positive(increment: str) -> None:
    with pytest.raises(ValueError, match="increment"):
        Grid(Decimal(increment))
