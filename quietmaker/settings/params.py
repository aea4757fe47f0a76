"""From the units of the configuration (percent, seconds, prices) to those of the core."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from quietmaker.core.commands import Gate
from quietmaker.core.orders import ExitReason
from quietmaker.core.params import ExitParams, GateParams, QuoteParams, RiskParams, TraderParams
from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, Rate, Ticks, rate, seconds
from quietmaker.settings.nodes import InvalidSettings, Place, Problem, did_you_mean
from quietmaker.settings.trading import (
    ExitSettings,
    GateSettings,
    QuoteSettings,
    RiskSettings,
    SymbolSettings,
)

RULES: Final = frozenset(rule.value for rule in (*Gate, *ExitReason))
"""Every name that `--without` knows."""


def percent(value: Decimal) -> Rate:
    """Convert a number of percent to a rate: 0.25 becomes 2,500,000 parts per billion."""
    return rate(EXACT.multiply(value, Decimal("0.01")))


def without_names(names: Iterable[str]) -> frozenset[str]:
    """Check names of gates and exit rules.

    Raises:
        InvalidSettings: for a name that is neither.
    """
    chosen = frozenset(names)
    place = Place("command line --without")
    unknown = sorted(chosen - RULES)
    if unknown:
        raise InvalidSettings(
            Problem(
                place,
                "",
                f"{name!r} is no gate or exit rule{did_you_mean(name, RULES)}; "
                f"there are {', '.join(sorted(RULES))}",
            )
            for name in unknown
        )
    return chosen


def trader_params(
    settings: SymbolSettings, product: Product, *, without: frozenset[str], config_sha: str
) -> TraderParams:
    """Return the parameters of one trader."""
    return TraderParams(
        quote=_quote(settings.quote, product),
        gates=gate_params(settings.gates),
        exits=_exits(settings.exits),
        risk=_risk(settings.risk),
        strategy_tag=settings.strategy_tag,
        without=without,
        config_sha=config_sha,
    )


def _quote(quote: QuoteSettings, product: Product) -> QuoteParams:
    floor, ceiling, life = quote.price_floor, quote.price_ceiling, quote.time_to_live_seconds
    return QuoteParams(
        bid="bid" in quote.sides,
        ask="ask" in quote.sides,
        level_sizes=quote.level_sizes,
        level_spacing=percent(quote.level_spacing_pct),
        improve_ticks=quote.improve_ticks,
        refresh_ticks=quote.refresh_ticks,
        max_age=seconds(quote.max_age_seconds),
        cooldown=seconds(quote.cooldown_seconds),
        post_only_rejects=quote.post_only_rejects,
        # Rounded into the band: a quote on the limit tick is still within it.
        price_floor=None if floor is None else Ticks(_ceil_div(floor, product.tick)),
        price_ceiling=None if ceiling is None else Ticks(int(ceiling // product.tick)),
        max_position=quote.max_position,
        inventory_skew=percent(quote.inventory_skew_pct),
        time_to_live=None if life is None else seconds(life),
    )


def _ceil_div(amount: Decimal, unit: Decimal) -> int:
    # Decimal's // truncates towards zero: -(-a // b) would not round up.
    count, rest = divmod(amount, unit)
    return int(count) + (rest > 0)


def gate_params(gates: GateSettings) -> GateParams:
    """Return the gates of one symbol in the units of the core."""
    return GateParams(
        min_spread=percent(gates.min_spread_pct),
        include_fees=gates.include_fees,
        edge_buffer=percent(gates.edge_buffer_pct),
        max_tick_share=percent(gates.max_tick_share_pct),
        min_candles=gates.min_candles,
    )


def _exits(exits: ExitSettings) -> ExitParams:
    profit, activation = exits.take_profit_pct, exits.trailing_activation_pct
    return ExitParams(
        min_profit=percent(exits.min_profit_pct),
        rest_at_touch=exits.rest_at_touch,
        max_lifetime=seconds(exits.max_lifetime_seconds),
        stale_patience=seconds(exits.stale_patience_seconds),
        touch_patience=seconds(exits.touch_patience_seconds),
        stop_loss=percent(exits.stop_loss_pct),
        take_profit=None if profit is None else percent(profit),
        trailing_activation=None if activation is None else percent(activation),
        trailing_distance=percent(exits.trailing_distance_pct),
        taker_slippage=percent(exits.taker_slippage_pct),
        taker_slippage_max=percent(exits.taker_slippage_max_pct),
        retry_delay=seconds(exits.retry_delay_seconds),
    )


def _risk(risk: RiskSettings) -> RiskParams:
    return RiskParams(
        max_order_notional=risk.max_order_notional,
        max_exposure=risk.max_exposure,
        max_open_orders=risk.max_open_orders,
        max_orders_per_minute=risk.max_orders_per_minute,
        max_daily_loss=risk.max_daily_loss,
    )
