"""The products of the synthetic market: what each is like, and why it is there.

Increments, prices and the share of the price that a tick is are those of Coinbase's product list of
2026-08-09, but for TNSR-USD, whose tick of $0.001 at $0.099 is the case this project was founded on.
docs/synthetic-market.md compares the statistics with the recordings that they were calibrated on.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.product import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """A state of the market; factors apply to the profile's own numbers.

    Attributes:
        name: what it is called.
        mean_seconds: how long it lasts on average.
        weight: how often it follows another, relative to the others.
        volatility, spread, trades: factors.
        drift: of the log price per second, in units of the profile's volatility; its sign is drawn.
        lean: how far the share of buys leans with the drift, where the profile's is balanced.
        jumps_per_minute: how often the price jumps.
    """

    name: str
    mean_seconds: float
    weight: float
    volatility: float
    spread: float
    trades: float
    drift: float
    lean: float
    jumps_per_minute: float


REGIMES: Final = (
    Regime(
        name="calm", mean_seconds=240, weight=50,
        volatility=0.5, spread=1.0, trades=0.8, drift=0.0, lean=0.0, jumps_per_minute=0.0,
    ),
    Regime(
        name="active", mean_seconds=120, weight=30,
        volatility=1.6, spread=1.05, trades=1.6, drift=0.0, lean=0.0, jumps_per_minute=0.0,
    ),
    Regime(
        name="trending", mean_seconds=90, weight=15,
        volatility=1.0, spread=1.05, trades=1.3, drift=0.25, lean=0.3, jumps_per_minute=0.0,
    ),
    Regime(
        name="jumpy", mean_seconds=60, weight=8,
        volatility=1.3, spread=1.3, trades=1.4, drift=0.0, lean=0.0, jumps_per_minute=1.0,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one product is like in the calm regime.

    Attributes:
        product: its rules.
        price: where the price starts, and what it is pulled back to.
        spread_bps: typical distance between bid and ask; 0 is always one tick.
        volatility_bps: standard deviation of the mid's return over one second.
        pull_seconds: time in which a deviation from `price` fades to a third.
        updates_per_second: rate of book updates; at most 20, they are batches of 50 ms and more.
        trades_per_second: rate of single trades, before clustering.
        clustering: trades that one trade provokes on average; below 1.
        buy_share: share of trades that lift the ask.
        trade_value: median value of a trade, in quote.
        trade_spread: standard deviation of the logarithm of a trade's size.
        level_value: median value of a book level, in quote.
        impact_bps: how far a trade of median size moves the price in its direction.
    """

    product: Product
    price: Decimal
    spread_bps: float
    volatility_bps: float
    pull_seconds: float
    updates_per_second: float
    trades_per_second: float
    clustering: float
    buy_share: float
    trade_value: float
    trade_spread: float
    level_value: float
    impact_bps: float


def _product(symbol: str, tick: str, lot: str) -> Product:
    base, _, quote = symbol.partition("-")
    return Product(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(lot),
        max_size=Decimal(10_000_000),
        min_notional=Decimal(1),
        untradable="",
    )


def _liquid(
    symbol: str, price: str, tick: str, spread: float, updates: float, trades: float, value: float
) -> Profile:
    """A liquid product: its spread is below any fee; a fee-paying maker must refuse it."""
    return Profile(
        product=_product(symbol, tick, "0.00000001"),
        price=Decimal(price),
        spread_bps=spread,
        volatility_bps=0.5,
        pull_seconds=14_400,
        updates_per_second=updates,
        trades_per_second=trades,
        clustering=0.5,
        buy_share=0.5,
        trade_value=35,
        trade_spread=2.35,
        level_value=value,
        impact_bps=0.01,
    )


def _middling(symbol: str, price: str, tick: str, lot: str, spread: float) -> Profile:
    """A middling product: a spread of some ticks, and still below two maker fees."""
    return Profile(
        product=_product(symbol, tick, lot),
        price=Decimal(price),
        spread_bps=spread,
        volatility_bps=1.2,
        pull_seconds=7_200,
        updates_per_second=5,
        trades_per_second=0.25,
        clustering=0.4,
        buy_share=0.5,
        trade_value=60,
        trade_spread=1.6,
        level_value=600,
        impact_bps=0.5,
    )


def _thin(
    symbol: str, price: str, tick: str, lot: str, spread: float, *, volatility: float, trades: float
) -> Profile:
    """A thin product with a wide spread that trades at both sides every few seconds.

    The more volatile ones leave a maker behind now and then: trades are informed (`impact_bps`), and
    a position can outlive its patience or meet its stop.
    """
    return Profile(
        product=_product(symbol, tick, lot),
        price=Decimal(price),
        spread_bps=spread,
        volatility_bps=volatility,
        pull_seconds=3_600,
        updates_per_second=4,
        trades_per_second=trades,
        clustering=0.35,
        buy_share=0.5,
        trade_value=45,
        trade_spread=1.2,
        level_value=70,
        impact_bps=3.0,
    )


def _coarse() -> Profile:
    """The founding case: one tick is a hundredth of the price."""
    return Profile(
        product=_product("TNSR-USD", "0.001", "0.01"),
        price=Decimal("0.099"),
        spread_bps=101,
        volatility_bps=2.5,
        pull_seconds=1_800,
        updates_per_second=3,
        trades_per_second=0.25,
        clustering=0.35,
        buy_share=0.5,
        trade_value=40,
        trade_spread=1.2,
        level_value=400,
        impact_bps=1.0,
    )


def _dull() -> Profile:
    """A wide spread in which nothing moves: trades lift one side only, at the same price for hours."""
    return Profile(
        product=_product("SAFE-USD", "0.0001", "0.01"),
        price=Decimal("0.0941"),
        spread_bps=110,
        volatility_bps=0.04,
        pull_seconds=600,
        updates_per_second=2,
        trades_per_second=0.1,
        clustering=0.1,
        buy_share=1.0,
        trade_value=15,
        trade_spread=0.6,
        level_value=2_000,
        impact_bps=0.0,
    )


PROFILES: Final = {
    profile.product.symbol: profile
    for profile in (
        _liquid("BTC-USD", "65083.66", "0.01", 0.0, 16.0, 0.8, 16_000),
        _liquid("ETH-USD", "1919.44", "0.01", 0.3, 15.0, 0.45, 210),
        _liquid("SOL-USD", "77.12", "0.01", 0.0, 9.0, 0.4, 3_000),
        _middling("DASH-USD", "31.43", "0.01", "0.00000001", 9),
        _middling("ATOM-USD", "1.39", "0.001", "0.01", 16),
        _middling("XTZ-USD", "0.2048", "0.0001", "0.01", 40),
        _thin("PROVE-USD", "0.1609", "0.0001", "0.01", 120, volatility=2.0, trades=0.25),
        _thin("FORTH-USD", "0.1898", "0.0001", "0.001", 135, volatility=7.0, trades=0.15),
        _thin("KAIO-USD", "0.01688", "0.00001", "1", 128, volatility=10.0, trades=0.15),
        _thin("AGLD-USD", "0.1656", "0.0001", "0.01", 112, volatility=4.0, trades=0.2),
        _coarse(),
        _dull(),
    )
}
"""The default universe, in a fixed order."""
