"""Rules between keys: each value is legal alone, and together they make no sense."""

from __future__ import annotations

from collections.abc import Iterator

from quietmaker.core.units import plain
from quietmaker.settings.keys import Path
from quietmaker.settings.schema import GlobalSettings
from quietmaker.settings.trading import ProductSettings, SymbolSettings

Fault = tuple[Path, str]
"""The key to point at, and what is wrong."""


def symbol_faults(settings: SymbolSettings) -> Iterator[Fault]:
    """Yield what is wrong with the values that one symbol resolves to."""
    quote, exits, risk = settings.quote, settings.exits, settings.risk
    for size in quote.level_sizes:
        if size > quote.max_position:
            text = f"level of {plain(size)} exceeds max_position {plain(quote.max_position)}"
            yield ("quote", "level_sizes"), f"{text}: it could never be quoted"
        if size > risk.max_order_notional:
            limit = f"risk.max_order_notional {plain(risk.max_order_notional)}"
            yield ("quote", "level_sizes"), f"level of {plain(size)} exceeds {limit}"
    if quote.max_position > risk.max_exposure:
        text = f"{plain(quote.max_position)} exceeds risk.max_exposure {plain(risk.max_exposure)}"
        yield ("quote", "max_position"), f"{text}, the limit of all symbols together"
    floor, ceiling = quote.price_floor, quote.price_ceiling
    if floor is not None and ceiling is not None and floor >= ceiling:
        yield (
            ("quote", "price_floor"),
            f"{plain(floor)} is not below price_ceiling {plain(ceiling)}",
        )
    need = len(quote.level_sizes) * len(quote.sides) + 1
    if risk.max_open_orders < need:
        text = f"{risk.max_open_orders} is too few for the levels and an exit: at least {need}"
        yield ("risk", "max_open_orders"), text
    if exits.taker_slippage_pct > exits.taker_slippage_max_pct:
        limit = f"taker_slippage_max_pct {plain(exits.taker_slippage_max_pct)}"
        yield ("exits", "taker_slippage_pct"), f"{plain(exits.taker_slippage_pct)} exceeds {limit}"


def global_faults(settings: GlobalSettings) -> Iterator[Fault]:
    """Yield what is wrong with the values of the process."""
    real = settings.mode == "live" or settings.paper.market == "live"
    if real and any(set(name) <= {"*", "?", "-"} for name in settings.universe.symbols):
        yield ("universe", "symbols"), "a live market is traded by named symbols only; list them"
    if settings.paper.taker_fee_pct < settings.paper.maker_fee_pct:
        text = f"{plain(settings.paper.taker_fee_pct)} is below maker_fee_pct"
        yield ("paper", "taker_fee_pct"), f"{text} {plain(settings.paper.maker_fee_pct)}"
    streams = settings.exchange.streams
    for name in ("ping_timeout_seconds", "reconnect_seconds"):
        shorter = "ping_seconds" if name.startswith("ping") else "stale_seconds"
        if getattr(streams, name) <= getattr(streams, shorter):
            text = f"{plain(getattr(streams, name))} is not above {shorter}"
            yield ("exchange", "streams", name), f"{text} {plain(getattr(streams, shorter))}"


def product_faults(product: ProductSettings) -> Iterator[Fault]:
    """Yield what is wrong with the rules of one product."""
    if product.base_min_size > product.base_max_size:
        yield ("base_min_size",), f"exceeds base_max_size {plain(product.base_max_size)}"
