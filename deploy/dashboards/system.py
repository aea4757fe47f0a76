"""The machine room: actors, streams, requests, database, process."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.model import Dashboard, Panel, Query, good_below, m, rate
from deploy.dashboards.overview import EVENTS

_KEEPALIVE: Final = m("quietmaker_websocket_reconnects_total", 'reason="keepalive"')


def _quantile(share: float, family: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) ({rate(family + '_bucket')}))"


SYSTEM: Final = Dashboard(
    name="system",
    title="Quietmaker / System",
    about="Actors, streams, requests, database and process.",
    annotations=EVENTS,
    panels=(
        Panel(
            title="Keepalive time-outs",
            about="Streams lost within a day because a ping was not answered. There should be none.",
            kind="stat",
            queries=(
                Query(
                    f"sum(increase({_KEEPALIVE}[1d]))",
                    "a day",
                ),
            ),
            steps=good_below(1, 1),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Streams",
            about="Whether each WebSocket is subscribed and delivers.",
            kind="stat",
            queries=(Query(m("quietmaker_websocket_connected"), "{{channel}}"),),
            words={"1": ("up", "green"), "0": ("down", "red")},
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Clock skew",
            about="The exchange's clock less ours.",
            kind="stat",
            unit="s",
            queries=(Query(m("quietmaker_clock_skew_seconds")),),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Behind the journal",
            about="Records that the database does not hold yet.",
            kind="stat",
            queries=(Query(m("quietmaker_ledger_backlog_records"), "records"),),
            steps=good_below(100, 10_000),
            width=6,
            height=4,
            now=True,
        ),
        Panel(
            title="Actors: time for a message",
            about="95th percentile.",
            unit="s",
            queries=(
                Query(
                    _quantile(0.95, "quietmaker_actor_message_duration_seconds", "actor"),
                    "{{actor}}",
                ),
            ),
        ),
        Panel(
            title="Actors: inboxes",
            about="Messages that wait.",
            queries=(Query(m("quietmaker_actor_inbox_messages"), "{{actor}}"),),
        ),
        Panel(
            title="Actors: failures and heartbeats",
            about="Failures and restarts per hour, and the age of the slowest heartbeat in seconds.",
            queries=(
                Query(
                    f"3600 * sum by (actor) ({rate('quietmaker_actor_restarts_total')})",
                    "{{actor}} restarted",
                ),
                Query(
                    f"max(time() - {m('quietmaker_actor_last_heartbeat_timestamp_seconds')})",
                    "slowest heartbeat",
                ),
            ),
        ),
        Panel(
            title="Streams: frames per second",
            about="And why connections were lost, per hour.",
            queries=(
                Query(rate("quietmaker_websocket_messages_total"), "{{channel}}"),
                Query(
                    f"3600 * sum by (channel, reason) ({rate('quietmaker_websocket_reconnects_total')})",
                    "{{channel}} lost: {{reason}}",
                ),
            ),
        ),
        Panel(
            title="Requests per minute",
            about="By answer.",
            queries=(
                Query(
                    f"60 * sum by (code) ({rate('quietmaker_exchange_requests_total')})", "{{code}}"
                ),
            ),
            stacked=True,
        ),
        Panel(
            title="Requests: time to an answer",
            about="95th percentile by endpoint.",
            unit="s",
            queries=(
                Query(
                    _quantile(0.95, "quietmaker_exchange_request_duration_seconds", "endpoint"),
                    "{{endpoint}}",
                ),
            ),
        ),
        Panel(
            title="Rate limits",
            about="Requests that may be sent at once now.",
            queries=(Query(m("quietmaker_exchange_rate_limit_tokens"), "{{bucket}}"),),
        ),
        Panel(
            title="Database: time of a write",
            about="95th percentile, and failures per minute.",
            unit="s",
            queries=(
                Query(
                    _quantile(0.95, "quietmaker_db_operation_duration_seconds", "operation"),
                    "{{operation}}",
                ),
            ),
        ),
        Panel(
            title="Log lines per minute",
            about="By level.",
            queries=(
                Query(
                    f"60 * sum by (level) ({rate('quietmaker_log_messages_total')})", "{{level}}"
                ),
            ),
        ),
        Panel(
            title="Processor and memory",
            about="Share of one core, and resident memory in gigabytes.",
            queries=(
                Query(rate("process_cpu_seconds_total"), "cores"),
                Query(f"{m('process_resident_memory_bytes')} / 1e9", "GB"),
            ),
        ),
        Panel(
            title="Threads and files",
            about="Threads, and open file descriptors.",
            queries=(
                Query(m("quietmaker_threads"), "threads"),
                Query(m("process_open_fds"), "files"),
            ),
        ),
    ),
)
