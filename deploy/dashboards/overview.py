"""The first screen: is it running, is it earning, what is at risk, does anything need me?"""

from __future__ import annotations

from typing import Final

from deploy.dashboards.model import Dashboard, Panel, Query, good_above, good_below, m, rate

_YES_NO: Final = {"1": ("yes", "green"), "0": ("no", "red")}
EVENTS: Final = (
    (
        "Start",
        f"changes({m('process_start_time_seconds')}[1m]) > 0",
        "{{instance}} started",
    ),
    (
        "Configuration",
        f"changes({m('quietmaker_config_last_reload_success_timestamp_seconds')}[1m]) > 0",
        "{{instance}} took over a configuration",
    ),
    (
        "Exclusion",
        f"sum by (direction, reason) (increase({m('quietmaker_symbol_filter_transitions_total')}[1m])) > 0",
        "{{direction}}: {{reason}}",
    ),
)
_DAY_NET: Final = (
    f"sum({m('quietmaker_realized_pnl_usd')}) + sum({m('quietmaker_unrealized_pnl_usd')})"
)

OVERVIEW: Final = Dashboard(
    name="overview",
    title="Quietmaker / Overview",
    about="On call: does it run, does it earn, what is at risk, does anything need me?",
    annotations=EVENTS,
    panels=(
        Panel(
            title="State",
            about="What the process is doing, in which mode, and which build it is.",
            kind="stat",
            queries=(
                Query(f"{m('quietmaker_state')} == 1", "{{state}}"),
                Query(m("quietmaker_build_info"), "{{mode}} {{version}} {{revision}}"),
            ),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Reached and ready",
            about="Whether Prometheus reaches it, and whether every readiness check passes.",
            kind="stat",
            queries=(
                Query(m("up"), "up"),
                Query(m("quietmaker_ready"), "ready"),
            ),
            words=_YES_NO,
            steps=good_above(0.5, 1),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Age of the market data",
            about="Time since the last event of any symbol, and how long the latest one was under way.",
            kind="stat",
            unit="s",
            queries=(
                Query(f"time() - {m('quietmaker_market_last_event_timestamp_seconds')}", "age"),
                Query(m("quietmaker_market_data_lag_seconds"), "under way"),
            ),
            steps=good_below(5, 60),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Result of the day",
            about="Round trips closed on this UTC day since the start, plus what leaving now as maker"
            " would earn; after all fees. The result of record is on the dashboard of the books.",
            kind="stat",
            unit="currencyUSD",
            queries=(Query(_DAY_NET, "net"),),
            steps=((None, "red"), (0, "green")),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Alerts",
            about="What fires; each has a runbook of its name.",
            kind="table",
            queries=(Query('ALERTS{alertstate="firing"}'),),
            now=True,
        ),
        Panel(
            title="Quoted sides",
            about="Share of the time in which a side is quoted, over all sides that are switched on.",
            unit="percentunit",
            queries=(
                Query(f"avg by (side) ({rate('quietmaker_quoting_seconds_total')})", "{{side}}"),
            ),
        ),
        Panel(
            title="Why sides are not quoted",
            about="Sides by the current reason; quoted ones too.",
            queries=(
                Query(f"count by (reason) ({m('quietmaker_quote_reason')} == 1)", "{{reason}}"),
            ),
            stacked=True,
        ),
        Panel(
            title="Executions per minute",
            about="By side.",
            queries=(Query(f"60 * sum by (side) ({rate('quietmaker_fills_total')})", "{{side}}"),),
        ),
        Panel(
            title="Refused orders per minute",
            about="By the exchange's word; unknown are orders without an answer.",
            queries=(
                Query(
                    f"60 * sum by (reason) ({rate('quietmaker_orders_rejected_total')})",
                    "{{reason}}",
                ),
                Query(f"60 * sum({rate('quietmaker_orders_unknown_total')})", "unknown"),
            ),
        ),
        Panel(
            title="Inventory",
            about="Value of all open positions at mid.",
            unit="currencyUSD",
            queries=(Query(f"sum(abs({m('quietmaker_inventory_usd')}))", "held"),),
        ),
        Panel(
            title="Equity",
            about="Money put in, and what trading made of it; deposits and withdrawals do not move it.",
            unit="currencyUSD",
            queries=(Query(m("quietmaker_equity_usd"), "equity"),),
        ),
        Panel(
            title="Limits used",
            about="Share of each limit that is used, by its setting; of many symbols that of the worst.",
            kind="bargauge",
            unit="percentunit",
            queries=(Query(m("quietmaker_risk_limit_ratio"), "{{limit}}"),),
            steps=good_below(0.8, 1),
            now=True,
        ),
        Panel(
            title="What must not be",
            about="Differences between books and exchange that are not resolved, symbols whose units no exit"
            " order covers, breakers that are not armed, and symbols in another mode than run.",
            queries=(
                Query(f"sum({m('quietmaker_differences_unresolved')})", "differences"),
                Query(f"sum({m('quietmaker_position_unprotected')})", "without an exit"),
                Query(f"sum by (phase) ({m('quietmaker_breakers')})", "breakers {{phase}}"),
                Query(f"count({m('quietmaker_mode')}) or vector(0)", "not in mode run"),
            ),
        ),
    ),
)
