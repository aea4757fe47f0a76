"""One symbol, or several, or all of them."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.model import Dashboard, Panel, Query, m
from deploy.dashboards.overview import EVENTS


def _of(name: str, matchers: str = "") -> str:
    return m(name, ", ".join(filter(None, (matchers, 'symbol=~"$symbol"'))))


SYMBOLS: Final = Dashboard(
    name="symbols",
    title="Quietmaker / Symbols",
    about="Market, quotes, position and verdict by symbol.",
    symbols=True,
    annotations=EVENTS,
    panels=(
        Panel(
            title="Why a side is not quoted",
            about="The current reason by symbol and side; quoted when it is.",
            kind="table",
            queries=(Query(f"{_of('quietmaker_quote_reason')} == 1", "{{symbol}} {{side}}"),),
            width=12,
            height=8,
            now=True,
        ),
        Panel(
            title="Symbols by state of the filter",
            about="Eligible, on probation, excluded for their results, or denied for good.",
            queries=(Query(f"sum by (state) ({m('quietmaker_symbols')})", "{{state}}"),),
            stacked=True,
            width=12,
            height=8,
        ),
        Panel(
            title="Excluded symbols",
            about="Which symbols may not enter, and by what.",
            kind="table",
            queries=(Query(_of("quietmaker_symbol_excluded"), "{{symbol}}: {{reason}}"),),
            now=True,
        ),
        Panel(
            title="Excluded and included again",
            about="Symbols that the filter moved within a day, by direction.",
            queries=(
                Query(
                    f"sum by (direction) (increase({m('quietmaker_symbol_filter_transitions_total')}[1d]))",
                    "{{direction}}",
                ),
            ),
        ),
        Panel(
            title="Spread of the market",
            about="As a share of mid. Entries need gates.min_spread_pct, or what the fees ask for.",
            unit="percentunit",
            queries=(Query(_of("quietmaker_book_spread_ratio"), "{{symbol}}"),),
        ),
        Panel(
            title="Our best entry",
            about="Price of the best resting entry of each side.",
            unit="currencyUSD",
            queries=(Query(_of("quietmaker_quote_price_usd"), "{{symbol}} {{side}}"),),
        ),
        Panel(
            title="Inventory",
            about="Value of the open position at mid; negative for a short.",
            unit="currencyUSD",
            queries=(Query(_of("quietmaker_inventory_usd"), "{{symbol}}"),),
        ),
        Panel(
            title="Result",
            about="Of the round trips closed on this UTC day, plus what leaving now as maker would earn.",
            unit="currencyUSD",
            queries=(
                Query(
                    f"{_of('quietmaker_realized_pnl_usd')} + {_of('quietmaker_unrealized_pnl_usd')}",
                    "{{symbol}}",
                ),
            ),
        ),
        Panel(
            title="Age of the open position",
            about="Time since its first fill.",
            unit="s",
            queries=(
                Query(
                    f"time() - {_of('quietmaker_oldest_position_timestamp_seconds')}", "{{symbol}}"
                ),
            ),
        ),
        Panel(
            title="Working orders",
            about="Entries and exits, by side.",
            queries=(Query(_of("quietmaker_open_orders"), "{{symbol}} {{side}}"),),
        ),
        Panel(
            title="Executions per hour",
            about="By symbol.",
            queries=(
                Query(
                    f"3600 * sum by (symbol) (rate({_of('quietmaker_fills_total')}[$__rate_interval]))",
                    "{{symbol}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="Age of the book",
            about="Time since the last update.",
            unit="s",
            queries=(
                Query(
                    f"time() - {_of('quietmaker_book_last_update_timestamp_seconds')}", "{{symbol}}"
                ),
            ),
        ),
    ),
)
