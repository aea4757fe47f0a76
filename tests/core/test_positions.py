"""Positions: first in, first out; parts of a fee always sum to what was paid."""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.positions import FEE_QUANTUM, REMEMBERED_TRADES, Position, TradeMemory
from quietmaker.core.units import Liquidity, Side, add
from tests.kit.makers import START, make_fill


def holding(*fills: tuple[str, int, int, str], side: Side = Side.BUY) -> Position:
    position = Position()
    for number, (trade_id, price, size, fee) in enumerate(fills):
        position.apply(
            make_fill(trade_id, side, price, size, fee=fee, at=START + number), 2 * price
        )
    return position


def test_a_new_position_is_flat() -> None:
    position = Position()
    assert (position.lots, position.cost, position.fees) == (0, 0, Decimal(0))
    assert position.entry is None
    assert position.opened_at is None
    assert position.open_lots() == ()


def test_fills_of_one_side_add_up() -> None:
    position = holding(("a", 100, 10, "1"), ("b", 110, 5, "0.5"))
    assert (position.lots, position.cost, position.fees) == (15, 1_550, Decimal("1.5"))
    assert position.entry is Side.BUY
    assert position.opened_at == START


def test_the_oldest_lot_leaves_first() -> None:
    position = holding(("a", 100, 10, "1"), ("b", 110, 5, "0.5"))
    closed = position.apply(make_fill("x", Side.SELL, 120, 12, fee="0.6"), 240)
    assert [(part.lot.trade_id, part.lot.lots) for part in closed] == [("a", 10), ("b", 2)]
    assert [(lot.trade_id, lot.lots) for lot in position.open_lots()] == [("b", 3)]
    assert position.cost == 330


def test_a_short_leaves_by_buying() -> None:
    position = holding(("a", 100, 10, "1"), side=Side.SELL)
    assert position.entry is Side.SELL
    (part,) = position.apply(make_fill("x", Side.BUY, 90, 10, fee="0.9"), 180)
    assert (part.exit_price, part.lot.price, part.lot.entry) == (90, 100, Side.SELL)
    assert position.entry is None


def test_a_fill_beyond_the_position_opens_the_other_direction_with_its_part_of_the_fee() -> None:
    position = holding(("a", 100, 10, "1"))
    (part,) = position.apply(make_fill("x", Side.SELL, 120, 30, fee="3"), 240)
    assert part.exit_fee == Decimal(1)
    assert (position.lots, position.entry, position.fees) == (20, Side.SELL, Decimal(2))
    assert position.open_lots()[0].trade_id == "x"


def test_thirds_of_a_fee_sum_to_the_fee() -> None:
    position = holding(("a", 100, 3, "1"))
    parts = [
        part
        for number in range(3)
        for part in position.apply(make_fill(f"x{number}", Side.SELL, 100, 1), 200)
    ]
    taken = [part.lot.fee for part in parts]
    third = Decimal(1) / 3
    assert add(*taken) == 1
    assert all(abs(fee - third) <= FEE_QUANTUM for fee in taken)
    assert position.fees == 0


def test_an_exit_fee_is_split_over_the_lots_it_closes_and_sums_to_what_was_paid() -> None:
    position = holding(("a", 100, 1, "0"), ("b", 100, 1, "0"), ("c", 100, 1, "0"))
    closed = position.apply(make_fill("x", Side.SELL, 100, 3, fee="0.1"), 200)
    assert add(*(part.exit_fee for part in closed)) == Decimal("0.1")
    assert len({part.exit_fee for part in closed}) == 2  # one of them took the remainder


def test_a_closed_part_tells_how_both_fills_were_made() -> None:
    position = holding(("a", 100, 5, "0"))
    out = make_fill("x", Side.SELL, 101, 5, liquidity=Liquidity.TAKER, at=START + 9)
    (part,) = position.apply(out, 203)
    assert (part.lot.maker, part.exit_maker) == (True, False)
    assert (part.lot.twice_mid, part.exit_twice_mid) == (200, 203)
    assert part.at == START + 9


def test_a_position_rebuilt_from_its_lots_is_the_same() -> None:
    position = holding(("a", 100, 10, "1"), ("b", 110, 5, "0.5"))
    again = Position(position.open_lots())
    assert (again.lots, again.cost, again.fees) == (position.lots, position.cost, position.fees)
    assert again.open_lots() == position.open_lots()


def test_a_trade_is_new_once_and_recent_ones_are_remembered_in_bounded_memory() -> None:
    memory = TradeMemory()
    for number in range(5 * REMEMBERED_TRADES):
        assert memory.note(f"t{number}")
        assert not memory.note(f"t{number}")
        oldest = max(0, number - REMEMBERED_TRADES + 1)
        assert not memory.note(f"t{oldest}")
    assert memory.note("t0")
