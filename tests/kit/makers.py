"""Builders of products and parameters. Every default is written here, so a test names only its point.

The default market: one tick is $0.0001, one lot 0.1 X, so that one tick on one lot is $0.00001. At a
bid of 10,000 ticks ($1.00) a level of $25 is 250 lots. Fees are 0.25 % maker and 0.40 % taker, so the
spread required is 0.505 % (51 ticks at 10,000).
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.candles import BUCKET
from quietmaker.core.fees import FeeRates, fee_on
from quietmaker.core.market import CandleBar
from quietmaker.core.orders import (
    ExitReason,
    Fill,
    Intent,
    OrderState,
    Purpose,
    TimeInForce,
    Working,
)
from quietmaker.core.params import ExitParams, GateParams, QuoteParams, RiskParams, TraderParams
from quietmaker.core.product import Product
from quietmaker.core.units import (
    MILLISECOND,
    SECOND,
    Instant,
    Liquidity,
    Lots,
    Nanos,
    Rate,
    Side,
    Ticks,
    rate,
    seconds,
)

SYMBOL = "X-USD"
START = Instant(5_666_400 * BUCKET + SECOND)
"""One second into a five-minute bucket, at the start of a UTC day."""

FEES = FeeRates(maker=rate("0.0025"), taker=rate("0.004"))
FREE = FeeRates(maker=Rate(0), taker=Rate(0))


def make_product(
    *,
    symbol: str = SYMBOL,
    tick: str = "0.0001",
    lot: str = "0.1",
    min_size: str = "0.1",
    max_size: str = "1000000",
    min_notional: str = "1",
    untradable: str = "",
) -> Product:
    """Return a product."""
    return Product(
        symbol=symbol,
        base=symbol.partition("-")[0],
        quote="USD",
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(min_size),
        max_size=Decimal(max_size),
        min_notional=Decimal(min_notional),
        untradable=untradable,
    )


def make_quote(
    *,
    bid: bool = True,
    ask: bool = False,
    level_sizes: tuple[str, ...] = ("25",),
    level_spacing: str = "0.001",
    improve_ticks: int = 0,
    refresh_ticks: int = 1,
    max_age: float = 120,
    cooldown: float = 15,
    post_only_rejects: int = 3,
    price_floor: int | None = None,
    price_ceiling: int | None = None,
    max_position: str = "50",
    inventory_skew: str = "0",
    time_to_live: float | None = None,
) -> QuoteParams:
    """Return how entries are quoted; times are in seconds."""
    return QuoteParams(
        bid=bid,
        ask=ask,
        level_sizes=tuple(Decimal(size) for size in level_sizes),
        level_spacing=rate(level_spacing),
        improve_ticks=improve_ticks,
        refresh_ticks=refresh_ticks,
        max_age=seconds(max_age),
        cooldown=seconds(cooldown),
        post_only_rejects=post_only_rejects,
        price_floor=None if price_floor is None else Ticks(price_floor),
        price_ceiling=None if price_ceiling is None else Ticks(price_ceiling),
        max_position=Decimal(max_position),
        inventory_skew=rate(inventory_skew),
        time_to_live=None if time_to_live is None else seconds(time_to_live),
    )


def make_gates(
    *,
    min_spread: str = "0.00025",
    include_fees: bool = True,
    edge_buffer: str = "0.00005",
    max_tick_share: str = "0.25",
    min_candles: int = 5,
) -> GateParams:
    """Return when entries are allowed."""
    return GateParams(
        min_spread=rate(min_spread),
        include_fees=include_fees,
        edge_buffer=rate(edge_buffer),
        max_tick_share=rate(max_tick_share),
        min_candles=min_candles,
    )


def make_exits(
    *,
    min_profit: str = "0.002",
    rest_at_touch: bool = False,
    max_lifetime: float = 600,
    stale_patience: float = 60,
    touch_patience: float = 30,
    stop_loss: str = "0.02",
    take_profit: str | None = None,
    trailing_activation: str | None = None,
    trailing_distance: str = "0.01",
    taker_slippage: str = "0.003",
    taker_slippage_max: str = "0.03",
    retry_delay: float = 1,
) -> ExitParams:
    """Return how positions are left; times are in seconds."""
    return ExitParams(
        min_profit=rate(min_profit),
        rest_at_touch=rest_at_touch,
        max_lifetime=seconds(max_lifetime),
        stale_patience=seconds(stale_patience),
        touch_patience=seconds(touch_patience),
        stop_loss=rate(stop_loss),
        take_profit=None if take_profit is None else rate(take_profit),
        trailing_activation=None if trailing_activation is None else rate(trailing_activation),
        trailing_distance=rate(trailing_distance),
        taker_slippage=rate(taker_slippage),
        taker_slippage_max=rate(taker_slippage_max),
        retry_delay=seconds(retry_delay),
    )


def make_risk(
    *,
    max_order_notional: str = "100",
    max_exposure: str = "500",
    max_open_orders: int = 10,
    max_orders_per_minute: int = 30,
    max_daily_loss: str = "50",
) -> RiskParams:
    """Return the limits."""
    return RiskParams(
        max_order_notional=Decimal(max_order_notional),
        max_exposure=Decimal(max_exposure),
        max_open_orders=max_open_orders,
        max_orders_per_minute=max_orders_per_minute,
        max_daily_loss=Decimal(max_daily_loss),
    )


def make_params(
    *,
    quote: QuoteParams | None = None,
    gates: GateParams | None = None,
    exits: ExitParams | None = None,
    risk: RiskParams | None = None,
    without: frozenset[str] = frozenset(),
    strategy_tag: str = "passivemm",
) -> TraderParams:
    """Return a configuration; parts that are not given are the defaults."""
    return TraderParams(
        quote=quote or make_quote(),
        gates=gates or make_gates(),
        exits=exits or make_exits(),
        risk=risk or make_risk(),
        strategy_tag=strategy_tag,
        without=without,
        config_sha="c0ffee",
    )


def make_intent(
    client_id: str,
    side: Side,
    price: int,
    size: int,
    *,
    symbol: str = SYMBOL,
    purpose: Purpose = Purpose.ENTRY,
    reason: ExitReason | None = None,
    post_only: bool = True,
    time_in_force: TimeInForce = TimeInForce.GTC,
    entry: str | None = None,
    at: Instant = START,
) -> Intent:
    """Return an order as it might have been decided; for orders of an earlier run."""
    return Intent(
        client_id=client_id,
        symbol=symbol,
        side=side,
        price=Ticks(price),
        size=Lots(size),
        post_only=post_only,
        time_in_force=time_in_force,
        expire_at=None,
        purpose=purpose,
        exit_reason=reason,
        strategy_tag="passivemm",
        passive_order_id=entry or client_id,
        decided_at=at,
        bid=Ticks(price - 1),
        ask=Ticks(price + 1),
        inputs=(),
        config_sha="c0ffee",
    )


def make_working(intent: Intent, *, state: OrderState = OrderState.OPEN) -> Working:
    """Return an order of an earlier run that the exchange still has."""
    return Working(intent=intent, state=state, sent_at=intent.decided_at)


def make_fill(
    trade_id: str,
    side: Side,
    price: int,
    size: int,
    *,
    client_id: str = "order",
    symbol: str = SYMBOL,
    fee: str | Decimal = "0",
    liquidity: Liquidity = Liquidity.MAKER,
    at: int = START,
) -> Fill:
    """Return an execution."""
    return Fill(
        trade_id=trade_id,
        client_id=client_id,
        symbol=symbol,
        side=side,
        price=Ticks(price),
        size=Lots(size),
        fee=Decimal(fee),
        liquidity=liquidity,
        at=Instant(at),
    )


def maker_fee(product: Product, price: int, size: int, fees: FeeRates = FEES) -> Decimal:
    """Return the exact fee of a maker fill."""
    return fee_on(product.notional(price, size), fees.maker)


def candles(
    now: Instant, *, low: int, high: int, count: int = 5, symbol: str = SYMBOL
) -> tuple[CandleBar, ...]:
    """Return the latest closed five-minute buckets, each with this range."""
    current = now // BUCKET
    return tuple(
        CandleBar(
            symbol=symbol,
            at=now,
            start=Instant((current - back) * BUCKET),
            low=Ticks(low),
            high=Ticks(high),
        )
        for back in range(count, 0, -1)
    )


def ms(value: int) -> Nanos:
    """Return milliseconds as nanoseconds."""
    return Nanos(value * MILLISECOND)
