"""Columns of a Parquet batch to whole ticks and lots, vectorised and exact.

A binary float cannot hold 0.1. It can hold which multiple of 0.01 was meant, as long as the number has
at most 15 significant digits: a float counts as the multiple it is nearest to when it lies within
the noise that arithmetic leaves (`_NOISE` of its value), and as off the grid when it does not.
Decimal, text and integer columns have no noise and get no tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quietmaker.core.grid import Grid, NumberError, number
from quietmaker.core.product import OffGridError
from quietmaker.market.increments import MOST_DECIMALS

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

_NOISE: Final = 1e-13
"""Relative noise allowed in a float, some 450 units in the last place; sums of floats stay below."""
_NOISE_32: Final = 1.2e-7
"""The same for columns of 32-bit floats: their rounding, one unit in the last place."""
_MOST_ERROR: Final = 0.05
"""No noise moves a number by more of an increment than this: then the column is too coarse."""
_EXACT_FLOAT: Final = float(2**53)


class BadCellError(Exception):
    """A cell that cannot be taken: its row in the batch and why; never leaves this package."""

    def __init__(self, row: int, why: str) -> None:
        """Name row and reason."""
        super().__init__(why)
        self.row = row
        self.why = why


class BadColumnError(Exception):
    """A column of a type that cannot mean what it must; never leaves this package."""


class Numbers:
    """A numeric column of one batch; cells that do not apply count as 0."""

    def __init__(self, name: str, column: Any) -> None:
        """Take a pyarrow array of floats, decimals, integers, text or nothing but nulls.

        Raises:
            BadColumnError: if it holds something else.
        """
        self._name = name
        self._floats: Floats | None = None
        self._codes: Ints | None = None
        self._values: list[Decimal | str | int | None] = []
        kind = column.type
        self._noise = _NOISE_32 if pa.types.is_float32(kind) else _NOISE
        if pa.types.is_null(kind):
            self._floats = np.zeros(len(column))
        elif pa.types.is_floating(kind):
            self._floats = np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
        elif pa.types.is_dictionary(kind) or _is_exact(kind):
            encoded = column if pa.types.is_dictionary(kind) else column.dictionary_encode()
            self._values = [*encoded.dictionary.to_pylist(), None]
            self._codes = _codes(encoded, len(self._values) - 1)
        else:
            raise BadColumnError(f"column {name} is of type {kind}, not a number")

    def units(self, applies: Mask, symbols: Ints, grids: Sequence[Grid]) -> Ints:
        """Return each cell as a whole number of its symbol's increments; 0 where it does not apply.

        Raises:
            BadCellError: for the first cell that is negative, not finite, or off the grid.
        """
        if self._floats is not None:
            return self._from_floats(self._floats, applies, symbols, grids)
        return self._from_exact(applies, symbols, grids)

    def decimals(self, applies: Mask, symbols: Ints, known: Ints) -> None:
        """Raise the decimals known of each symbol until every cell fits.

        Raises:
            BadCellError: for the first cell that fits none, or is negative or not finite.
        """
        if self._floats is not None:
            self._decimals_of_floats(self._floats, applies, symbols, known)
            return
        for symbol, code, row in self._pairs(applies, symbols):
            value = self._value(code, row)
            exponent = value.normalize().as_tuple().exponent if value else 0
            assert isinstance(exponent, int)
            if -exponent > MOST_DECIMALS:
                raise BadCellError(row, f"{self._name} {value} has over {MOST_DECIMALS} decimals")
            known[symbol] = max(known[symbol], -exponent)

    def _clean(self, floats: Floats, applies: Mask) -> Floats:
        cells = np.where(applies, floats, 0.0)
        if np.isnan(cells.min()):  # a null in a row that it applies to: an empty side
            cells[np.isnan(cells)] = 0.0
        if cells.min() < 0 or cells.max() == np.inf:
            row = int(((cells < 0) | (cells == np.inf)).argmax())
            raise BadCellError(row, f"{self._name} is {floats[row]}")
        return cells

    def _from_floats(
        self, floats: Floats, applies: Mask, symbols: Ints, grids: Sequence[Grid]
    ) -> Ints:
        cells = self._clean(floats, applies)
        scaled = cells * _per_row(np.array([10.0**grid.decimals for grid in grids]), symbols)
        whole = np.rint(scaled)
        bad = _off(scaled, whole, self._noise)
        if bad.any() or whole.max() >= _EXACT_FLOAT:
            self._refuse(int((bad | (whole >= _EXACT_FLOAT)).argmax()), cells, symbols, grids)
        units: Ints = whole.astype(np.int64)
        steps = np.array([grid.step for grid in grids], dtype=np.int64)
        if (steps != 1).any():
            units, rest = np.divmod(units, steps[symbols])
            if rest.any():
                self._refuse(int(rest.argmax()), cells, symbols, grids)
        return units

    def _refuse(self, row: int, cells: Floats, symbols: Ints, grids: Sequence[Grid]) -> None:
        increment = grids[symbols[row]].increment
        raise BadCellError(
            row, f"{self._name} {float(cells[row])!r} is not a multiple of {increment:f}"
        )

    def _decimals_of_floats(
        self, floats: Floats, applies: Mask, symbols: Ints, known: Ints
    ) -> None:
        cells = self._clean(floats, applies)
        rows = np.arange(len(cells))
        while True:
            scaled = cells * _per_row(10.0 ** known.astype(np.float64), symbols)
            bad = _off(scaled, np.rint(scaled), self._noise)
            if not bad.any():
                return
            cells, symbols, rows = cells[bad], symbols[bad], rows[bad]
            known[np.unique(symbols)] += 1
            if known.max() > MOST_DECIMALS:
                raise BadCellError(
                    int(rows[0]),
                    f"{self._name} {float(cells[0])!r} fits no increment down to "
                    f"1e-{MOST_DECIMALS}; store it as decimal or state the product",
                )

    def _from_exact(self, applies: Mask, symbols: Ints, grids: Sequence[Grid]) -> Ints:
        table = np.zeros((len(grids), len(self._values)), dtype=np.int64)
        for symbol, code, row in self._pairs(applies, symbols):
            value = self._value(code, row)
            try:
                table[symbol, code] = grids[symbol].of(value)
            except (OffGridError, OverflowError) as error:
                raise BadCellError(row, f"{self._name}: {error}") from error
        assert self._codes is not None
        return np.where(applies, table[symbols, self._codes], 0)

    def _pairs(self, applies: Mask, symbols: Ints) -> list[tuple[int, int, int]]:
        """Return each pair of symbol and value that occurs, with its first row."""
        assert self._codes is not None
        keys = symbols * len(self._values) + self._codes
        rows = np.flatnonzero(applies)
        pairs, first = np.unique(keys[rows], return_index=True)
        return [
            (int(key) // len(self._values), int(key) % len(self._values), int(rows[place]))
            for key, place in zip(pairs, first, strict=True)
        ]

    def _value(self, code: int, row: int) -> Decimal:
        raw = self._values[code]
        if raw is None or raw == "":
            return Decimal(0)
        try:
            return number(str(raw))
        except NumberError as error:
            raise BadCellError(row, f"{self._name}: {error}") from error


def _is_exact(kind: Any) -> bool:
    return bool(
        pa.types.is_decimal(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    )


def _per_row(factors: Floats, symbols: Ints) -> Floats:
    """Return each row's factor; one number for all rows where all symbols have the same."""
    first = factors[:1]
    return first if (factors == first).all() else factors[symbols]


def _off(scaled: Floats, whole: Floats, noise: float) -> Mask:
    """Return which cells are further from a whole number than noise explains."""
    allowed = scaled * noise
    np.minimum(allowed, _MOST_ERROR, out=allowed)
    error = scaled - whole
    np.abs(error, out=error)
    return error > allowed


def words(name: str, column: Any) -> tuple[list[object], Ints]:
    """Return the distinct values of a column of words and, per row, the index of its value.

    Nulls have the index of a value None. Numbers are words too.

    Raises:
        BadColumnError: if the column cannot be told apart into values.
    """
    try:
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadColumnError(
            f"column {name} is of type {column.type}, which has no words"
        ) from error
    values: list[object] = [*encoded.dictionary.to_pylist(), None]
    return values, _codes(encoded, len(values) - 1)


def _codes(encoded: Any, null: int) -> Ints:
    """Return the indices of a dictionary column, `null` where there is no value.

    Without pyarrow's compute functions, whose import alone takes as long as 500,000 rows.
    """
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    if encoded.indices.null_count:  # then they come as floats
        codes = np.where(np.isnan(codes), null, codes)
    return np.asarray(codes, dtype=np.int64)
