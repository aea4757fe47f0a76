"""The keys that can differ per symbol, and a product's rules. A value has the unit of its key's name.

A key belongs here once something reads it, not before.
"""
# ruff: noqa: RUF009 - key() and section() are dataclasses.field() with our metadata

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from quietmaker.settings.keys import (
    INCREMENT,
    MONEY,
    MONEY_ABOVE_ZERO,
    PRICE,
    QUOTE,
    Reload,
    key,
    pct,
    seconds,
    section,
    whole,
)
from quietmaker.settings.kinds import Amounts, Choices, Flag, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSettings:
    """How entries are quoted."""

    sides: tuple[str, ...] = key(
        Choices(("bid", "ask")),
        ("bid",),
        "bid buys to open positions; ask also sells what the account holds beyond the bot's own positions",
        reload=Reload.REQUOTE,
    )
    level_sizes: tuple[Decimal, ...] = key(
        Amounts(MONEY_ABOVE_ZERO, 10),
        (Decimal(25),),
        "size of each order level, nearest the touch first",
        unit=QUOTE,
        reload=Reload.REQUOTE,
    )
    level_spacing_pct: Decimal = key(
        pct("0", "20", "0.002"),
        Decimal("0.1"),
        "distance between levels, at least one tick",
        unit="percent of the price",
        reload=Reload.REQUOTE,
    )
    improve_ticks: int = key(
        whole(-100, 100),
        0,
        "0 joins the touch, n goes n ticks better, -n stays n ticks behind",
        unit="ticks",
        reload=Reload.REQUOTE,
    )
    refresh_ticks: int = key(
        whole(1, 1000),
        1,
        "a resting quote moves once the wanted price is this far away; more keeps its place in the queue",
        unit="ticks",
        reload=Reload.LIVE,
    )
    max_age_seconds: Decimal = key(
        seconds("1", "86400"),
        Decimal(120),
        "an older quote is replaced",
        unit="seconds",
        reload=Reload.LIVE,
    )
    cooldown_seconds: Decimal = key(
        seconds("0", "86400"),
        Decimal(15),
        "no new entry for this long after a fill",
        unit="seconds",
        reload=Reload.LIVE,
    )
    post_only_rejects: int = key(
        whole(1, 20),
        3,
        "after so many entries in a row that would have crossed, the side is held for a while that grows, "
        "the book is asked for anew, and the next entry rests further from the touch until one stays",
        unit="entries",
        reload=Reload.LIVE,
    )
    price_floor: Decimal | None = key(
        PRICE,
        None,
        "no entry rests below this price",
        unit=QUOTE,
        reload=Reload.REQUOTE,
        optional=True,
    )
    price_ceiling: Decimal | None = key(
        PRICE,
        None,
        "no entry rests above this price",
        unit=QUOTE,
        reload=Reload.REQUOTE,
        optional=True,
    )
    max_position: Decimal = key(
        MONEY_ABOVE_ZERO,
        Decimal(50),
        "greatest value of the position and its entry orders",
        unit=QUOTE,
        reload=Reload.REQUOTE,
    )
    inventory_skew_pct: Decimal = key(
        pct("0", "20", "0.002"),
        Decimal(0),
        "how far quotes move away from more inventory when the position is full; 0 is off",
        unit="percent of the price",
        reload=Reload.REQUOTE,
    )
    time_to_live_seconds: Decimal | None = key(
        seconds("5", "86400"),
        None,
        "entries expire at the exchange after this long, even if the bot dies; a living one renews them in "
        "time; null rests until cancelled",
        unit="seconds",
        reload=Reload.REQUOTE,
        optional=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """When entries are allowed."""

    min_spread_pct: Decimal = key(
        pct("0", "50", "0.002"),
        Decimal("0.025"),
        "least spread between bid and ask",
        unit="percent of mid",
        reload=Reload.LIVE,
    )
    include_fees: bool = key(
        Flag(),
        True,
        "true = the spread must also cover two maker fees and the edge buffer; false = fees are ignored",
        reload=Reload.LIVE,
    )
    edge_buffer_pct: Decimal = key(
        pct("0", "10", "0.0005"),
        Decimal("0.005"),
        "what must remain of the spread beyond the fees, when include_fees is true",
        unit="percent of mid",
        reload=Reload.LIVE,
    )
    max_tick_share_pct: Decimal = key(
        pct("0.1", "100", "1"),
        Decimal(25),
        "greatest share of the expected edge that one tick may cost",
        unit="percent of the edge",
        reload=Reload.LIVE,
    )
    min_candles: int = key(
        whole(1, 5),
        5,
        "closed five-minute candles that the last 25 minutes must have; fewer is insufficient_data",
        unit="candles",
        reload=Reload.LIVE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitSettings:
    """How positions are left."""

    min_profit_pct: Decimal = key(
        pct("0", "50", "0.01"),
        Decimal("0.2"),
        "net return that the resting break-even+ exit asks for, after all fees",
        unit="percent of the entry cost",
        reload=Reload.LIVE,
    )
    rest_at_touch: bool = key(
        Flag(),
        False,
        "the resting exit joins the touch while that is better than its target",
        reload=Reload.LIVE,
    )
    max_lifetime_seconds: Decimal = key(
        seconds("1", "604800"),
        Decimal(600),
        "age since the first fill at which a position must go",
        unit="seconds",
        reload=Reload.LIVE,
    )
    stale_patience_seconds: Decimal = key(
        seconds("0", "86400"),
        Decimal(60),
        "how long a position too old and at a loss is offered at the touch before it is taken out",
        unit="seconds",
        reload=Reload.LIVE,
    )
    touch_patience_seconds: Decimal = key(
        seconds("0", "86400"),
        Decimal(30),
        "the same for a take-profit or trailing exit",
        unit="seconds",
        reload=Reload.LIVE,
    )
    stop_loss_pct: Decimal = key(
        pct("0.1", "90", "0.1"),
        Decimal(2),
        "adverse move that triggers the stop; never tighter than twice the taker fee",
        unit="percent of the entry price",
        reload=Reload.LIVE,
    )
    take_profit_pct: Decimal | None = key(
        pct("0.01", "1000", "0.05"),
        None,
        "favourable move beyond break-even that is taken; null is off",
        unit="percent of the price",
        reload=Reload.LIVE,
        optional=True,
    )
    trailing_activation_pct: Decimal | None = key(
        pct("0.01", "1000", "0.05"),
        None,
        "favourable move beyond break-even at which the trailing stop starts; null is off",
        unit="percent of the price",
        reload=Reload.LIVE,
        optional=True,
    )
    trailing_distance_pct: Decimal = key(
        pct("0.01", "90", "0.01"),
        Decimal("0.3"),
        "retreat from the best price at which the trailing stop fires",
        unit="percent of the price",
        reload=Reload.LIVE,
    )
    taker_slippage_pct: Decimal = key(
        pct("0.01", "50", "0.01"),
        Decimal("0.3"),
        "how far through the touch the first taker exit may reach",
        unit="percent of the price",
        reload=Reload.LIVE,
    )
    taker_slippage_max_pct: Decimal = key(
        pct("0.01", "50", "0.05"),
        Decimal(3),
        "how far its retries may reach; each doubles the reach up to this",
        unit="percent of the price",
        reload=Reload.LIVE,
    )
    retry_delay_seconds: Decimal = key(
        seconds("0.1", "60"),
        Decimal(1),
        "pause before a refused exit is tried again; doubled up to a minute",
        unit="seconds",
        reload=Reload.LIVE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """What an entry order may not exceed, and what pauses the symbol."""

    max_order_notional: Decimal = key(
        MONEY_ABOVE_ZERO,
        Decimal(50),
        "greatest value of one entry order",
        unit=QUOTE,
        reload=Reload.REQUOTE,
    )
    max_exposure: Decimal = key(
        MONEY_ABOVE_ZERO,
        Decimal(250),
        "greatest value of positions and entry orders over all symbols together",
        unit=QUOTE,
        reload=Reload.REQUOTE,
    )
    max_open_orders: int = key(
        whole(1, 100),
        6,
        "greatest number of working orders of the symbol",
        unit="orders",
        reload=Reload.REQUOTE,
    )
    max_orders_per_minute: int = key(
        whole(1, 600),
        30,
        "greatest number of entry orders sent in any minute",
        unit="orders",
        reload=Reload.LIVE,
    )
    max_daily_loss: Decimal = key(
        MONEY_ABOVE_ZERO,
        Decimal(5),
        "entries stop for the UTC day once the symbol has lost this much",
        unit=QUOTE,
        reload=Reload.LIVE,
    )
    max_consecutive_losses: int | None = key(
        whole(1, 100),
        8,
        "a breaker: so many round trips lost in a row; null is off",
        unit="round trips",
        reload=Reload.LIVE,
        optional=True,
    )
    max_reject_pct: Decimal | None = key(
        pct("1", "100"),
        Decimal(60),
        "a breaker: this share of at least 10 orders within 5 minutes was refused; null is off",
        unit="percent of the answers",
        reload=Reload.LIVE,
        optional=True,
    )
    max_adverse_markout_pct: Decimal | None = key(
        pct("0.001", "50", "0.005"),
        Decimal(1),
        "a breaker: the mid went so far against the last 10 to 20 executions within a minute; null is off",
        unit="percent of their value",
        reload=Reload.LIVE,
        optional=True,
    )
    max_inventory_age_seconds: Decimal | None = key(
        seconds("1", "31536000"),
        Decimal(3600),
        "a breaker: a position is so old, and older than exits.max_lifetime_seconds and the patience; "
        "null is off",
        unit="seconds",
        reload=Reload.LIVE,
        optional=True,
    )
    max_data_age_seconds: Decimal | None = key(
        seconds("1", "86400"),
        Decimal(120),
        "a breaker: the book could not be trusted for so long (quotes are pulled at once, whatever this "
        "is); null is off",
        unit="seconds",
        reload=Reload.LIVE,
        optional=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolSettings:
    """What can be chosen per symbol: in `defaults`, for a group, or for one symbol."""

    strategy_tag: str = key(
        Text(r"[a-z][a-z0-9_-]{0,31}", "a lower-case word of up to 32 letters, digits, - and _"),
        "passivemm",
        "written on every order and trade",
        reload=Reload.LIVE,
    )
    quote: QuoteSettings = section()
    gates: GateSettings = section()
    exits: ExitSettings = section()
    risk: RiskSettings = section()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSettings:
    """A product's rules, for a recording that does not carry them."""

    price_increment: Decimal = key(INCREMENT, Decimal("0.01"), "one tick", unit=QUOTE)
    base_increment: Decimal = key(INCREMENT, Decimal("0.00000001"), "one lot", unit="base currency")
    base_min_size: Decimal = key(
        INCREMENT, Decimal("0.00000001"), "least order size", unit="base currency"
    )
    base_max_size: Decimal = key(
        INCREMENT, Decimal(1_000_000), "greatest order size", unit="base currency"
    )
    quote_min_size: Decimal = key(MONEY, Decimal(1), "least order value", unit=QUOTE)
