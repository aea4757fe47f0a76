"""What is traded, why not more, and how it ends."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.model import Dashboard, Panel, Query, good_above, good_below, m, rate
from deploy.dashboards.overview import EVENTS


def _share(name: str, part: str, over: str) -> str:
    whole = f"sum(increase({m(name)}[{over}]))"
    return f"sum(increase({m(name, part)}[{over}])) / ({whole} > 0)"


_TRIPS: Final = "quietmaker_round_trips_total"
_ANSWERED: Final = "quietmaker_order_submit_duration_seconds_bucket"
_HELD: Final = "quietmaker_position_hold_seconds"
_TRADED: Final = f"(sum(increase({m('quietmaker_fill_notional_usd_total')}[1h])) > 0)"


def _moved(direction: str) -> str:
    series = m("quietmaker_fill_markout_usd_total", f'direction="{direction}"')
    return f"sum by (horizon) (increase({series}[1h]))"


TRADING: Final = Dashboard(
    name="trading",
    title="Quietmaker / Trading",
    about="Orders, executions, exits and their reasons.",
    annotations=EVENTS,
    panels=(
        Panel(
            title="Losses by fees alone",
            about="Share of the round trips of a day that lost although the price did not move against"
            " them. The target is below 5 %.",
            kind="stat",
            unit="percentunit",
            queries=(Query(_share(_TRIPS, 'result="lost_to_fees"', "1d"), "of all"),),
            steps=good_below(0.03, 0.05),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Won",
            about="Share of the round trips of a day that ended above zero after all fees.",
            kind="stat",
            unit="percentunit",
            queries=(Query(_share(_TRIPS, 'result="won"', "1d"), "of all"),),
            steps=good_above(0.3, 0.5),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Mean time held",
            about="From first fill to flat, over a day. The target is below ten minutes.",
            kind="stat",
            unit="s",
            queries=(
                Query(
                    f"sum(increase({m(_HELD + '_sum')}[1d])) / sum(increase({m(_HELD + '_count')}[1d]))"
                ),
            ),
            steps=good_below(480, 600),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Maker share of the value",
            about="Share of the value of the day's executions that paid the maker fee.",
            kind="stat",
            unit="percentunit",
            queries=(
                Query(
                    _share("quietmaker_fill_notional_usd_total", 'liquidity="maker"', "1d"), "maker"
                ),
            ),
            steps=good_above(0.8, 0.95),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Executions per minute",
            about="By side and liquidity.",
            queries=(
                Query(
                    f"60 * sum by (side, liquidity) ({rate('quietmaker_fills_total')})",
                    "{{side}} {{liquidity}}",
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="Orders per minute",
            about="Sent by purpose, cancelled by reason.",
            queries=(
                Query(
                    f"60 * sum by (purpose) ({rate('quietmaker_orders_submitted_total')})",
                    "{{purpose}}",
                ),
                Query(
                    f"60 * sum by (reason) ({rate('quietmaker_orders_canceled_total')})",
                    "cancelled: {{reason}}",
                ),
            ),
        ),
        Panel(
            title="Exits per hour",
            about="Positions left, by the rule that decided it: break_even_plus is the one to wish for.",
            queries=(
                Query(f"3600 * sum by (reason) ({rate('quietmaker_exits_total')})", "{{reason}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="Gates that closed, per minute",
            about="How often a gate began to refuse a side.",
            queries=(
                Query(
                    f"60 * sum by (reason) ({rate('quietmaker_entries_skipped_total')}) > 0 or"
                    f" 60 * sum({rate('quietmaker_entries_skipped_total')})",
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            title="Time held",
            about="Distribution of the time from first fill to flat.",
            kind="heatmap",
            unit="s",
            queries=(Query(f"sum by (le) ({rate(_HELD + '_bucket')})", "{{le}}"),),
        ),
        Panel(
            title="Markout",
            about="What the mid's move after our executions was worth, per dollar traded: below zero the"
            " market knows better than our quotes.",
            unit="percentunit",
            queries=(
                Query(
                    f"({_moved('favourable')} - {_moved('adverse')}) / on () group_left () {_TRADED}",
                    "{{horizon}}",
                ),
            ),
        ),
        Panel(
            title="Fees and value",
            about="Fees since the start of the process, and the value that was traded.",
            unit="currencyUSD",
            queries=(
                Query(f"sum by (liquidity) ({m('quietmaker_fees_usd')})", "fees {{liquidity}}"),
                Query(f"sum({m('quietmaker_fill_notional_usd_total')})", "value"),
            ),
        ),
        Panel(
            title="Time to an answer",
            about="From the request of an order to its answer.",
            unit="s",
            queries=tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le) ({rate(_ANSWERED)}))",
                    f"p{int(share * 100)}",
                )
                for share in (0.5, 0.95, 0.99)
            ),
        ),
    ),
)
