"""Orders beyond a maker's: fill or kill, market orders, changed orders, products that share a book."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quietmaker.core.orders import Intent, Move, OrderState, TimeInForce
from quietmaker.core.units import Side
from quietmaker.exchange.latency import INSTANT
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.ports import Accepted, Balance, Rejected
from tests.exchange.support import (
    BALANCES,
    FEES,
    OTHER,
    PRODUCT,
    Desk,
    buy,
    desk,
    intent,
    make_core,
    sell,
)

BUY, SELL = Side.BUY, Side.SELL
USDC = replace(PRODUCT, symbol="TNSR-USDC", quote="USDC")


def fok(client_id: str, side: Side, price: int, size: int) -> Intent:
    """Return an order that is filled at once and whole, or not at all."""
    return intent(client_id, side, price, size, post_only=False, time_in_force=TimeInForce.FOK)


def market(client_id: str, side: Side, size: int = 0, quote: str | None = None) -> MarketOrder:
    """Return a market order."""
    taker = intent(client_id, side, 0, size, post_only=False, time_in_force=TimeInForce.IOC)
    return MarketOrder(intent=taker, quote=None if quote is None else Decimal(quote))


def deep(**options: object) -> Desk:
    """Return a desk on a market with some depth."""
    d = Desk(make_core(**options))  # type: ignore[arg-type]
    d.book(0, {99: 30, 98: 40, 80: 900}, {100: 30, 101: 20, 130: 900})
    return d


# --- fill or kill -------------------------------------------------------------------------------


def test_a_fill_or_kill_order_that_fits_is_filled_whole() -> None:
    d = deep()
    d.send(fok("f", BUY, 101, 50))
    assert [(fill.price, fill.size) for fill in d.fills] == [(100, 30), (101, 20)]
    assert d.moves("f") == [Move.ACCEPTED, Move.FILLED]


def test_a_fill_or_kill_order_that_does_not_fit_takes_nothing_and_holds_nothing() -> None:
    d = deep()
    d.send(fok("f", BUY, 101, 51))
    assert d.fills == []
    assert d.moves("f") == [Move.ACCEPTED, Move.CANCELLED]
    assert d.core.account.hold("USD") == 0


def test_fill_or_kill_counts_lots_that_we_took_already_as_gone() -> None:
    d = deep()
    d.send(fok("e", BUY, 100, 10))
    d.send(fok("f", BUY, 100, 21))
    assert d.filled("f") == 0
    d.send(fok("g", BUY, 100, 20))
    assert d.filled("g") == 20


def test_post_only_does_not_go_with_fill_or_kill() -> None:
    refused = deep().send(replace(fok("f", BUY, 101, 5), post_only=True))
    assert refused == Rejected(reason="POST_ONLY_NOT_ALLOWED_WITH_FOK")


# --- market orders ------------------------------------------------------------------------------


def test_a_market_order_walks_the_book_and_holds_no_more_than_it_costs() -> None:
    d = deep(balances={"USD": Decimal("0.508"), "TNSR": Decimal(0)})
    d.send(market("m", BUY, 50))
    assert [(fill.price, fill.size) for fill in d.fills] == [(100, 30), (101, 20)]
    assert d.moves("m") == [Move.ACCEPTED, Move.FILLED]


def test_a_market_sell_takes_the_bids() -> None:
    d = deep()
    d.send(market("m", SELL, 40))
    assert [(fill.price, fill.size) for fill in d.fills] == [(99, 30), (98, 10)]


def test_a_market_order_stops_ten_percent_from_the_touch() -> None:
    d = deep()
    d.send(market("b", BUY, 500))
    d.send(market("s", SELL, 500))
    assert {fill.price for fill in d.fills} == {100, 101, 99, 98}
    assert d.moves("b") == d.moves("s") == [Move.ACCEPTED, Move.CANCELLED]


def test_a_buy_for_quote_spends_at_most_the_amount_with_its_fee() -> None:
    d = deep(balances={"USD": Decimal("0.3"), "TNSR": Decimal(0)})
    d.send(market("m", BUY, quote="0.3"))
    assert d.moves("m") == [Move.ACCEPTED, Move.FILLED]
    assert d.filled("m") == 29  # 29 lots of 0.01 and 0.4 % are 0.29116; 30 would be 0.3012
    assert d.core.account.available("USD") == Decimal("0.3") - Decimal("0.29116")


def test_a_buy_for_quote_that_reaches_a_second_level_budgets_at_its_price() -> None:
    d = deep()
    d.send(market("m", BUY, quote="0.45"))
    assert [(fill.price, fill.size) for fill in d.fills] == [(100, 30), (101, 14)]


@pytest.mark.parametrize("amount", ["0.3012", "0.3013", "0.304", "0.3145"])
def test_a_buy_for_quote_never_buys_fewer_lots_by_reaching_deeper(amount: str) -> None:
    d = deep()
    d.send(market("m", BUY, quote=amount))
    assert d.filled("m") >= 30


def test_a_buy_for_more_quote_than_the_market_shows_takes_it_and_cancels_the_rest() -> None:
    d = deep()
    d.send(market("m", BUY, quote="100"))
    assert d.filled("m") == 50
    assert d.moves("m") == [Move.ACCEPTED, Move.CANCELLED]


def test_a_market_order_without_a_market_is_refused_and_says_why() -> None:
    d = Desk(make_core())
    assert d.send(market("m", BUY, 5)) == Rejected(reason="PREVIEW_MISSING_PRODUCT_PRICE_BOOK")
    d.book(0, {99: 5}, {})
    assert d.send(market("n", BUY, 5)) == Rejected(reason="INVALID_NO_LIQUIDITY")
    elsewhere = market("o", BUY, 5)
    elsewhere = replace(elsewhere, intent=replace(elsewhere.intent, symbol="NO-USD"))
    assert d.send(elsewhere) == Rejected(reason="INVALID_PRODUCT_ID")


def test_a_market_order_that_is_too_small_is_refused() -> None:
    refused = deep().send(market("m", BUY, quote="0.001"))
    assert refused == Rejected(reason="PREVIEW_INVALID_BASE_SIZE_TOO_SMALL")


def test_a_repeated_market_order_is_the_first_one() -> None:
    d = deep()
    first = d.send(market("m", BUY, 5))
    assert d.send(market("m", BUY, 50)) == first
    assert d.filled("m") == 5


# --- changes ------------------------------------------------------------------------------------


def amended(d: Desk, client_id: str, price: int, size: int) -> str | None:
    """Change an order and hear what that did."""
    refused = d.core.amend(d.now, client_id, price, size)
    d.run(d.now)
    return refused


def test_an_order_that_shrinks_keeps_its_place() -> None:
    d = desk(model="queue")
    d.send(buy("a", 99, 100))
    d.trade(1, 99, 200, SELL)
    assert amended(d, "a", 99, 60) is None
    assert (d.order("a").ahead, d.order("a").left) == (300, 60)
    assert d.core.account.hold("USD") == Decimal("0.594") * Decimal("1.004")


@pytest.mark.parametrize(("price", "size"), [(99, 200), (98, 100), (98, 50)])
def test_any_other_change_goes_to_the_end_of_the_queue(price: int, size: int) -> None:
    d = Desk(make_core(model="queue"))
    d.book(0, {99: 500, 98: 500}, {100: 500})
    d.send(buy("a", 99, 100))
    d.trade(1, 99, 200, SELL)
    assert d.order("a").ahead == 300
    assert amended(d, "a", price, size) is None
    assert d.order("a").ahead == 500
    assert (d.order("a").price, d.order("a").left) == (price, size)


def test_a_change_counts_what_has_executed() -> None:
    d = desk(model="touch")
    d.send(buy("a", 99, 100))
    d.trade(1, 99, 40, SELL)
    assert amended(d, "a", 99, 40) == "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
    assert amended(d, "a", 99, 50) is None
    assert (d.order("a").left, d.order("a").filled) == (10, 40)
    d.trade(2, 99, 40, SELL)
    assert d.filled("a") == 50
    assert d.core.account.balances()["USD"].hold == 0


def test_a_change_that_is_refused_changes_nothing() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    before = (d.order("a").intent, d.order("a").ahead, d.core.account.balances())
    assert amended(d, "a", 100, 100) == "INVALID_LIMIT_PRICE_POST_ONLY"
    assert amended(d, "a", 99, 10_000_001) == "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"
    assert amended(d, "a", 99, 9_000_000) == "INSUFFICIENT_FUND"
    assert amended(d, "a", 0, 100) == "INVALID_LIMIT_PRICE"
    assert amended(d, "a", 99, 100) == "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"
    assert amended(d, "never", 99, 100) == "ORDER_NOT_FOUND"
    assert (d.order("a").intent, d.order("a").ahead, d.core.account.balances()) == before


def test_only_open_orders_that_are_good_till_cancelled_can_be_changed() -> None:
    d = desk()
    gtd = buy("g", 99, 100, time_in_force=TimeInForce.GTD, expire_at=10**10)
    d.send(gtd)
    assert amended(d, "g", 98, 100) == "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    d.send(buy("a", 99, 100))
    d.cancel("a")
    assert amended(d, "a", 98, 100) == "ONLY_OPEN_ORDERS_CAN_BE_EDITED"


def test_a_changed_price_that_crosses_takes() -> None:
    d = desk()
    d.send(buy("a", 99, 100, post_only=False))
    assert amended(d, "a", 100, 100) is None
    assert d.order("a").state is OrderState.FILLED
    assert {fill.price for fill in d.fills} == {100}


# --- products that share a book -----------------------------------------------------------------


def shared() -> Desk:
    """Return a desk on a market that two products share."""
    core = MatchingCore(
        products={PRODUCT.symbol: PRODUCT, OTHER.symbol: OTHER, USDC.symbol: USDC},
        balances={**BALANCES, "USDC": Decimal(10)},
        fees=FEES,
        model=FILL_MODELS["touch"],
        latency=INSTANT,
        seed=1,
        aliases={USDC.symbol: PRODUCT.symbol},
    )
    d = Desk(core)
    d.touch(0, 99, 500, 100, 500)
    return d


def test_an_order_in_an_alias_meets_the_shared_book_and_settles_in_its_own_currency() -> None:
    d = shared()
    assert isinstance(d.send(buy("a", 99, 100, symbol=USDC.symbol)), Accepted)
    assert d.core.account.hold("USDC") == Decimal("0.99") * Decimal("1.004")
    d.trade(1, 99, 100, SELL)
    [fill] = d.fills
    assert fill.symbol == USDC.symbol
    assert d.core.account.balances()["USDC"] == Balance(
        currency="USDC", available=10 - Decimal("0.99") * Decimal("1.0025"), hold=Decimal(0)
    )
    assert d.core.account.available("USD") == 1000


def test_orders_of_both_names_share_the_queue_and_never_trade_with_each_other() -> None:
    d = shared()
    d.send(buy("a", 99, 100, symbol=USDC.symbol))
    d.send(buy("b", 99, 100))
    d.trade(1, 99, 150, SELL)
    assert (d.filled("a"), d.filled("b")) == (100, 50)
    assert d.send(sell("c", 99, 10)) == Rejected(reason="INVALID_LIMIT_PRICE_POST_ONLY")
