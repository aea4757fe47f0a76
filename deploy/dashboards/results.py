"""Profit and loss of record, from the books. Every sum is exact; a trade counts once, on its closing."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.model import Dashboard, Panel

_TIME: Final = "$__timeFilter(closed_at)"
_SUMS: Final = """\
count(*) AS trades,
       round(count(*) FILTER (WHERE net > 0) * 1.0 / count(*), 4) AS won,
       sum(net) AS net, sum(fees) AS fees, sum(net + fees) AS gross, round(avg(net), 8) AS net_per_trade"""
_WINDOW: Final = f"FROM round_trips\nWHERE {_TIME}"

RESULTS: Final = Dashboard(
    name="results",
    title="Quietmaker / P&L of record",
    about="Results from the books in PostgreSQL, through the role that only reads.",
    books=True,
    since="now-30d",
    panels=(
        Panel(
            title="Net result",
            about="After all fees, of the round trips closed in the period.",
            kind="stat",
            unit="currencyUSD",
            sql=f"SELECT coalesce(sum(net), 0)::float AS net {_WINDOW}",
            steps=((None, "red"), (0, "green")),
            width=6,
            height=4,
        ),
        Panel(
            title="Won",
            about="Share of round trips above zero after all fees, with its 95 % interval (Wilson).",
            kind="table",
            sql=f"""\
SELECT n AS trades, round(p, 4) AS won,
       round((p + z / (2 * n) - root) / (1 + z / n), 4) AS low,
       round((p + z / (2 * n) + root) / (1 + z / n), 4) AS high
FROM (SELECT n, p, 3.8416 AS z, 1.96 * sqrt(p * (1 - p) / n + 3.8416 / (4 * n * n)) AS root
      FROM (SELECT count(*)::numeric AS n, avg(CASE WHEN net > 0 THEN 1 ELSE 0 END) AS p
            {_WINDOW}) counted
      WHERE n > 0) shares""",
            width=6,
            height=4,
        ),
        Panel(
            title="Losses by fees alone",
            about="Share of round trips that lost although the price moved for us or not at all. The founding"
            " trade was one: −0.155 in net, 100 % fees. The target is below 5 %.",
            kind="stat",
            unit="percentunit",
            sql=f"""\
SELECT (count(*) FILTER (WHERE net < 0 AND net + fees >= 0))::float / nullif(count(*), 0) AS share
{_WINDOW}""",
            steps=((None, "green"), (0.03, "yellow"), (0.05, "red")),
            width=6,
            height=4,
        ),
        Panel(
            title="Mean time held",
            about="From first fill to flat. The target is below ten minutes.",
            kind="stat",
            unit="s",
            sql=f"SELECT avg(hold_seconds)::float AS held {_WINDOW}",
            steps=((None, "green"), (480, "yellow"), (600, "red")),
            width=6,
            height=4,
        ),
        Panel(
            title="Net result, summed up",
            about="After all fees, from the begin of the period.",
            unit="currencyUSD",
            sql=f"""\
SELECT closed_at AS time, sum(net) OVER (ORDER BY closed_ns, trip_id)::float AS net
{_WINDOW}
ORDER BY 1""",
            width=12,
        ),
        Panel(
            title="By day",
            about="UTC days.",
            kind="table",
            unit="none",
            sql=f"""\
SELECT date_trunc('day', closed_at, 'UTC') AS day, {_SUMS}
{_WINDOW}
GROUP BY 1 ORDER BY 1 DESC""",
            width=12,
        ),
        Panel(
            title="By symbol",
            about="Worst first: what the filter would look at.",
            kind="table",
            sql=f"""\
SELECT symbol, {_SUMS}
{_WINDOW}
GROUP BY symbol ORDER BY sum(net)""",
            width=12,
        ),
        Panel(
            title="By exit rule",
            about="break_even_plus should close most; timeouts and stops cost.",
            kind="table",
            sql=f"""\
SELECT exit_reason::text AS exit_reason, {_SUMS}, round(avg(hold_seconds), 1) AS held
{_WINDOW}
GROUP BY exit_reason ORDER BY count(*) DESC""",
            width=12,
        ),
        Panel(
            title="By configuration",
            about="Which settings earned what. The hash is the one of the log and of quietmaker_config_info.",
            kind="table",
            sql=f"""\
SELECT left(config_sha, 12) AS config, min(closed_at) AS first, {_SUMS}
{_WINDOW}
GROUP BY config_sha ORDER BY min(closed_at) DESC""",
            width=12,
        ),
        Panel(
            title="Where the result comes from",
            about="net = spread captured + price move − fees; adverse selection is part of the price move.",
            kind="table",
            sql=f"""\
SELECT symbol, sum(spread_captured) AS spread_captured, sum(price_move) AS price_move, -sum(fees) AS fees,
       sum(net) AS net, sum(adverse_selection) AS adverse_selection
{_WINDOW}
GROUP BY symbol ORDER BY sum(net)""",
            width=12,
        ),
        Panel(
            title="Time held",
            about="Round trips by the time from first fill to flat.",
            kind="table",
            sql=f"""\
SELECT CASE WHEN hold_seconds < 60 THEN '1: below 1 min' WHEN hold_seconds < 300 THEN '2: 1 to 5 min'
            WHEN hold_seconds < 600 THEN '3: 5 to 10 min' WHEN hold_seconds < 3600 THEN '4: 10 to 60 min'
            ELSE '5: above 1 h' END AS held, count(*) AS trades, sum(net) AS net
{_WINDOW}
GROUP BY 1 ORDER BY 1""",
        ),
        Panel(
            title="Markout by symbol",
            about="What the mid did after our fills, in quote: positive for us.",
            kind="table",
            sql="""\
SELECT symbol, count(*) AS fills, round(sum(markout_5s), 4) AS "5 s", round(sum(markout_30s), 4) AS "30 s",
       round(sum(markout_60s), 4) AS "60 s", round(sum(markout_300s), 4) AS "300 s"
FROM fill_markouts
WHERE $__timeFilter(at)
GROUP BY symbol ORDER BY sum(markout_60s)""",
        ),
        Panel(
            title="Excluded and included again",
            about="What the symbol filter moved, by which rule.",
            kind="table",
            sql="""\
SELECT to_state AS state, rule::text AS rule, count(*) AS symbols, max(at) AS latest
FROM filter_transitions
WHERE $__timeFilter(at)
GROUP BY 1, 2 ORDER BY 3 DESC""",
        ),
        Panel(
            title="Comparisons of books and account",
            about="Every tie-out by its verdict; different should not occur.",
            kind="table",
            sql="""\
SELECT verdict, count(*) AS times, max(at) AS latest, sum(differences) AS differences
FROM tie_outs
WHERE $__timeFilter(at)
GROUP BY verdict ORDER BY verdict""",
        ),
        Panel(
            title="Money that came and went",
            about="Opening balances, deposits, withdrawals, and trading that is not ours.",
            kind="table",
            sql="""\
SELECT at, kind, currency::text AS currency, amount
FROM cash_movements
WHERE $__timeFilter(at)
ORDER BY at DESC
LIMIT 100""",
        ),
        Panel(
            title="Last trades",
            about="One row per executed order; pnl_usd is on the row that closes a round trip.",
            kind="table",
            sql="""\
SELECT order_time, symbol, side, price, size, fees_usd, pnl_usd, exit_reason, hold_seconds
FROM trade_records
WHERE $__timeFilter(order_time)
ORDER BY order_time DESC
LIMIT 100""",
        ),
    ),
)
