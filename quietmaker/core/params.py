"""What the operator chose for one symbol, in the units of the core.

Built by the settings from YAML; immutable, so that a reload is one reference that changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.units import Nanos, Rate, Ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteParams:
    """How entries are quoted.

    Attributes:
        bid, ask: which sides open positions. An ask entry sells inventory that the account owns.
        level_sizes: notional of each level in quote currency, nearest the touch first.
        level_spacing: distance between levels as a share of the price (at least one tick).
        improve_ticks: 0 joins the touch, +n is n ticks better, -n is n ticks behind it.
        refresh_ticks: a resting quote is moved once the wanted price is this many ticks away.
        max_age: a quote older than this is replaced.
        cooldown: no new entry for this long after a fill.
        post_only_rejects: entries in a row that are refused for crossing, also after they were taken,
            before the side is held and the book asked for anew.
        price_floor, price_ceiling: entries rest only within this band, inclusive.
        max_position: greatest notional of the position and its entry orders, in quote currency.
        inventory_skew: how far quotes move away from more inventory when the position is full, as a
            share of the price.
        time_to_live: entries are sent good-till-date with this life, a dead-man switch; None is GTC.
    """

    bid: bool
    ask: bool
    level_sizes: tuple[Decimal, ...]
    level_spacing: Rate
    improve_ticks: int
    refresh_ticks: int
    max_age: Nanos
    cooldown: Nanos
    post_only_rejects: int
    price_floor: Ticks | None
    price_ceiling: Ticks | None
    max_position: Decimal
    inventory_skew: Rate
    time_to_live: Nanos | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateParams:
    """When entries are allowed.

    Attributes:
        min_spread: least spread as a share of mid.
        include_fees: whether two maker fees and the edge buffer are part of the requirement.
        edge_buffer: what must remain beyond the fees.
        max_tick_share: greatest share of the expected edge that one tick may cost.
        min_candles: closed five-minute candles that must be present in the last 25 minutes (1 to 5).
    """

    min_spread: Rate
    include_fees: bool
    edge_buffer: Rate
    max_tick_share: Rate
    min_candles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitParams:
    """How positions are left.

    Attributes:
        min_profit: net return on the entry cost that the resting exit asks for.
        rest_at_touch: whether the resting exit joins the touch while that is better than its target.
        max_lifetime: age since the first fill at which the position must go.
        stale_patience: how long a stale position at a loss is offered at the touch before it is taken out.
        touch_patience: the same for a take-profit or trailing exit.
        stop_loss: adverse move from the average entry price that triggers the stop; the effective
            distance is never tighter than twice the taker fee.
        take_profit: favourable move beyond break-even; None switches the rule off.
        trailing_activation, trailing_distance: the trail starts at the first and fires at a retreat of
            the second from the best price; None switches the rule off.
        taker_slippage: how far through the touch the first bounded taker order reaches.
        taker_slippage_max: how far retries may reach; each unfilled try doubles the reach up to it.
        retry_delay: pause before an exit that was refused is tried again; doubled up to a minute.
    """

    min_profit: Rate
    rest_at_touch: bool
    max_lifetime: Nanos
    stale_patience: Nanos
    touch_patience: Nanos
    stop_loss: Rate
    take_profit: Rate | None
    trailing_activation: Rate | None
    trailing_distance: Rate
    taker_slippage: Rate
    taker_slippage_max: Rate
    retry_delay: Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskParams:
    """The limits of one symbol and its share of the account's.

    Attributes:
        max_order_notional: greatest value of one entry order, in quote.
        max_exposure: greatest sum over all symbols of positions and entry orders, in quote.
        max_open_orders: greatest number of working orders of the symbol.
        max_orders_per_minute: greatest number of entry orders sent in any minute.
        max_daily_loss: entries stop for the UTC day once the symbol has lost this much, in quote.
    """

    max_order_notional: Decimal
    max_exposure: Decimal
    max_open_orders: int
    max_orders_per_minute: int
    max_daily_loss: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderParams:
    """Everything that one trader is configured with.

    Attributes:
        strategy_tag: written on every order.
        without: names of gates and exit rules that are switched off (`quietmaker replay --without`).
        config_sha: hash of the configuration generation, written on every trade.
    """

    quote: QuoteParams
    gates: GateParams
    exits: ExitParams
    risk: RiskParams
    strategy_tag: str
    without: frozenset[str]
    config_sha: str


def requotes(old: TraderParams, new: TraderParams) -> bool:
    """Return whether entries that rest by the old parameters must be quoted anew.

    What only says when a quote is judged or replaced works on those that rest as well.
    """
    return _quoted_by(old) != _quoted_by(new)


def _quoted_by(params: TraderParams) -> tuple[object, ...]:
    quote, risk = params.quote, params.risk
    return (
        (quote.bid, quote.ask, quote.level_sizes, quote.level_spacing, quote.improve_ticks),
        (quote.price_floor, quote.price_ceiling, quote.max_position, quote.inventory_skew),
        quote.time_to_live,
        (risk.max_order_notional, risk.max_exposure, risk.max_open_orders),
    )
