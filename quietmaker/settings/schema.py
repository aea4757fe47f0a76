"""The keys that are chosen once for the process.

A key belongs here once something reads it, not before.
"""
# ruff: noqa: RUF009 - key() and section() are dataclasses.field() with our metadata

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.settings.filtering import FilterSettings
from quietmaker.settings.keys import (
    Reload,
    key,
    pct,
    seconds,
    section,
    whole,
)
from quietmaker.settings.kinds import Choice, Number, Text
from quietmaker.settings.limits import CeilingSettings
from quietmaker.settings.risk import AccountSettings
from quietmaker.settings.symbols import Balances, Symbols
from quietmaker.settings.urls import DatabaseUrl, WebUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class UniverseSettings:
    """Which symbols are traded."""

    symbols: tuple[str, ...] = key(
        Symbols(empty=False),
        ("*",),
        'product ids, or patterns over what the market offers; "*" (all) is for paper mode only; a symbol '
        "that is taken out is left by its exits and then removed",
        reload=Reload.LIVE,
    )
    permanent_exclusions: tuple[str, ...] = key(
        Symbols(empty=True),
        (),
        "never entered; an open position is still left by its exit rules",
        reload=Reload.LIVE,
    )


FILL_MODELS: Final = ("touch", "probabilistic", "queue")
"""How the paper exchange decides that a resting order is filled, the most optimistic first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSettings:
    """The market and the exchange of paper mode. Live mode reads none of it."""

    market: str = key(
        Text(r"\S(.*\S)?", "synthetic, live, manual, or the path of a recording"),
        "synthetic",
        "synthetic; a recording that is played back; live, the public market of Coinbase as it happens; "
        "or manual, moved over the exchange's admin endpoint",
    )
    speed: Decimal = key(
        Number(Decimal("0.01"), Decimal(100_000)),
        Decimal(1),
        "market seconds per second",
        unit="times",
    )
    seed: int = key(
        whole(0, 2**32 - 1), 1, "of the synthetic market and of the fill model; equal seeds repeat"
    )
    starting_balances: tuple[tuple[str, Decimal], ...] = key(
        Balances(Number(Decimal(0), Decimal(1_000_000_000_000), decimals=18)),
        (("USD", Decimal(1000)),),
        "what the paper account holds at its first start",
        unit="by currency",
    )
    maker_fee_pct: Decimal = key(
        pct("-1", "5", "0.02"),
        Decimal("0.25"),
        "fee of a fill that adds liquidity",
        unit="percent of its value",
    )
    taker_fee_pct: Decimal = key(
        pct("0", "5", "0.02"),
        Decimal("0.4"),
        "fee of a fill that takes liquidity",
        unit="percent of its value",
    )
    fill_model: str = key(
        Choice(FILL_MODELS),
        "probabilistic",
        "how fills of resting orders are decided; touch is optimistic, queue pessimistic",
    )
    order_latency_ms: Decimal = key(
        Number(Decimal(0), Decimal(60_000), decimals=3),
        Decimal(50),
        "time from a request to its effect at the paper exchange",
        unit="milliseconds",
    )
    exchange_url: str | None = key(
        WebUrl(("http", "https"), loopback=True),
        None,
        "a paper exchange that runs already (quietmaker exchange); null starts one for this run",
        optional=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSettings:
    """Where Coinbase answers. Paper mode has its own exchange, on this machine, and reads none of it."""

    rest: str = key(WebUrl(("https",)), "https://api.coinbase.com", "REST, without a path")
    market: str = key(
        WebUrl(("wss",)), "wss://advanced-trade-ws.coinbase.com", "WebSocket of market data"
    )
    user: str = key(
        WebUrl(("wss",)), "wss://advanced-trade-ws-user.coinbase.com", "WebSocket of our own orders"
    )
    ca_file: str | None = key(
        Text(r"\S(.*\S)?", "the path of a PEM file"),
        None,
        "trusts these certificates instead of the system's",
        optional=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSettings:
    """How requests are sent, and how many: Coinbase's limits are documented badly, so stay below them."""

    connect_timeout_seconds: Decimal = key(
        seconds("0.1", "60"),
        Decimal(3),
        "a connection not made by then is given up",
        unit="seconds",
    )
    read_timeout_seconds: Decimal = key(
        seconds("0.1", "120"),
        Decimal(7),
        "an answer not there by then is missing; that of an order is then unknown",
        unit="seconds",
    )
    private_per_second: int = key(
        whole(1, 1000), 15, "requests that are signed: orders and queries", unit="per second"
    )
    public_per_second: int = key(
        whole(1, 1000), 5, "requests that are not signed", unit="per second"
    )
    per_hour: int = key(
        whole(60, 1_000_000), 9_000, "all requests together; 10000 is documented", unit="per hour"
    )
    entries_per_minute: int = key(
        whole(1, 6_000),
        90,
        "entry orders of all symbols together; more are refused as churn_budget, exits never are",
        unit="per minute",
        reload=Reload.LIVE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How the WebSockets are kept alive, and when their data is stale."""

    ping_seconds: Decimal = key(
        seconds("1", "120"), Decimal(20), "pause between pings", unit="seconds"
    )
    ping_timeout_seconds: Decimal = key(
        seconds("1", "600"),
        Decimal(60),
        "a connection that answers no ping for this long is made anew",
        unit="seconds",
    )
    stale_seconds: Decimal = key(
        seconds("1.5", "60"),
        Decimal(5),
        "without a heartbeat for this long quotes are pulled",
        unit="seconds",
    )
    reconnect_seconds: Decimal = key(
        seconds("2", "300"),
        Decimal(12),
        "without a heartbeat for this long the connection is made anew",
        unit="seconds",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """The connection to the exchange."""

    address: AddressSettings = section()
    requests: RequestSettings = section()
    streams: StreamSettings = section()
    max_clock_skew_seconds: Decimal = key(
        seconds("0.1", "60"),
        Decimal(2),
        "entries stop while our clock is further from the exchange's",
        unit="seconds",
    )
    refresh_seconds: Decimal = key(
        seconds("1", "3600"),
        Decimal(15),
        "how often balances and fee rates are asked for",
        unit="seconds",
    )
    products_refresh_seconds: Decimal = key(
        seconds("5", "86400"),
        Decimal(300),
        "how often increments and trading states are asked for",
        unit="seconds",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSettings:
    """The books."""

    url: str = key(
        DatabaseUrl(),
        "embedded",
        "embedded starts PostgreSQL under QUIETMAKER_HOME; else a server's URL, with a password only "
        "from the environment or a *_FILE",
    )
    tie_out_seconds: Decimal = key(
        seconds("10", "86400"),
        Decimal(300),
        "how often executions, orders, positions and balances are compared with the exchange's",
        unit="seconds",
    )
    keep_unfilled_days: int = key(
        whole(1, 36_500),
        30,
        "how long orders that never executed are kept; a refreshed quote is one",
        unit="days",
    )
    keep_history_days: int = key(
        whole(1, 36_500),
        180,
        "how long events of orders that are over, balances, alerts and tie-outs are kept; orders with "
        "executions and all results stay for ever",
        unit="days",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagementSettings:
    """The port for metrics and health."""

    host: str = key(
        Text(r"[0-9A-Za-z.:-]{1,253}", "a host name or address"),
        "127.0.0.1",
        "address that the management port listens on",
    )
    port: int = key(whole(0, 65535), 9464, "0 takes any free port", unit="TCP port")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingSettings:
    """Logs, on standard output."""

    level: str = key(
        Choice(("debug", "info", "warning", "error")),
        "info",
        "least severe level that is written",
        reload=Reload.LIVE,
    )
    format: str = key(
        Choice(("auto", "json", "text")), "auto", "auto is text on a terminal and JSON elsewhere"
    )
    max_repeats_per_minute: int = key(
        whole(1, 100_000),
        60,
        "lines per event and symbol in any minute; errors are never held back",
        unit="lines",
        reload=Reload.LIVE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadSettings:
    """How a running process hears of a changed file. SIGHUP and `config reload` work at any time."""

    poll_seconds: Decimal | None = key(
        seconds("0.1", "3600"),
        Decimal(5),
        "how often the files are looked at; new content is read once it was seen twice; null never looks",
        unit="seconds",
        reload=Reload.LIVE,
        optional=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntensitySettings:
    """How often the children of one branch may be restarted before the branch gives up."""

    max_restarts: int = key(
        whole(0, 1000), 3, "restarts allowed within the period", unit="restarts"
    )
    period_seconds: Decimal = key(
        seconds("1", "86400"), Decimal(60), "length of the period", unit="seconds"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionSettings:
    """Restart intensity of each branch of the supervision tree."""

    root: IntensitySettings = section(max_restarts=3, period_seconds=Decimal(600))
    trading: IntensitySettings = section(max_restarts=3, period_seconds=Decimal(60))
    symbols: IntensitySettings = section(max_restarts=5, period_seconds=Decimal(30))
    edge: IntensitySettings = section(max_restarts=5, period_seconds=Decimal(300))


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalSettings:
    """What is chosen once for the process."""

    mode: str = key(
        Choice(("paper", "live")),
        "paper",
        "live also needs --live on the command line, and can only be set in a file",
    )
    universe: UniverseSettings = section()
    filter: FilterSettings = section()
    paper: PaperSettings = section()
    exchange: ExchangeSettings = section()
    ledger: LedgerSettings = section()
    account: AccountSettings = section()
    management: ManagementSettings = section()
    logging: LoggingSettings = section()
    reload: ReloadSettings = section()
    ceilings: CeilingSettings = section()
    supervision: SupervisionSettings = section()
