"""The result of a replay as data (for `--json`) and as text."""

from __future__ import annotations

from typing import Any

from quietmaker.core.orders import Purpose
from quietmaker.core.units import Liquidity
from quietmaker.replay.engine import Engine
from quietmaker.replay.session import OPTIMISTIC, PESSIMISTIC, Outcome
from quietmaker.replay.stats import Stats, Trips, in_seconds


def as_data(outcome: Outcome) -> dict[str, Any]:
    """Return the result: the chosen model's at the top, every model's under ``models``."""
    chosen = next(iter(outcome.engines))
    engine = outcome.engines[chosen]
    seconds = outcome.seconds[chosen]
    return {
        "fill_model": chosen,
        "optimistic_model": OPTIMISTIC,
        "pessimistic_model": PESSIMISTIC,
        "events": engine.events,
        "engine_seconds": round(seconds, 6),
        "events_per_second": round(engine.events / seconds) if seconds else None,
        "market_seconds": in_seconds(outcome.ended_at - outcome.started_at),
        **_result(engine),
        "models": {name: _result(each) for name, each in outcome.engines.items()},
    }


def _result(engine: Engine) -> dict[str, Any]:
    stats = engine.stats
    makers, takers = stats.fills[Liquidity.MAKER], stats.fills[Liquidity.TAKER]
    return {
        "bias": engine.model.bias,
        "quotes": stats.orders[Purpose.ENTRY],
        "exit_orders": stats.orders[Purpose.EXIT],
        "cancels": dict(sorted((reason.value, n) for reason, n in stats.cancels.items())),
        "refusals": {
            gate.value: {"count": stats.refusals[gate], "seconds": in_seconds(stats.held[gate])}
            for gate in sorted(stats.refusals, key=lambda gate: gate.value)
        },
        "quoted_seconds": in_seconds(stats.quoted),
        "fills": {"maker": makers, "taker": takers},
        "maker_ratio": round(makers / (makers + takers), 6) if makers + takers else None,
        "round_trips": _round_trips(stats),
        "pnl": {
            currency: {
                "spread_captured": f"{money.spread_captured:f}",
                "price_move": f"{money.price_move:f}",
                "fees": f"{money.fees:f}",
                "net": f"{money.net:f}",
            }
            for currency, money in sorted(stats.money.items())
        },
        "alerts": dict(sorted(stats.alerts.items())),
        "balances": {
            currency: f"{balance.available + balance.hold:f}"
            for currency, balance in sorted(engine.balances().items())
        },
    }


def _round_trips(stats: Stats) -> dict[str, Any]:
    count = sum(trips.count for trips in stats.trips.values())
    hold = sum(trips.hold for trips in stats.trips.values())
    by_reason = sorted(stats.trips.items(), key=lambda item: item[0].value)
    return {
        "count": count,
        "wins": sum(trips.wins for trips in stats.trips.values()),
        "fee_only_losses": sum(trips.fee_only_losses for trips in stats.trips.values()),
        "mean_hold_seconds": in_seconds(hold // count) if count else None,
        "longest_hold_seconds": in_seconds(
            max((trips.longest for trips in stats.trips.values()), default=0)
        ),
        "by_exit_reason": {reason.value: _trips(trips) for reason, trips in by_reason},
    }


def _trips(trips: Trips) -> dict[str, Any]:
    return {
        "count": trips.count,
        "wins": trips.wins,
        "mean_hold_seconds": in_seconds(trips.hold // trips.count),
        "net": f"{trips.net:f}",
    }


def as_rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the result as titles and lines for a person."""
    trips = data["round_trips"]
    rows = [
        ("events", f"{data['events']:,} ({data['market_seconds']:,} s of market)"),
        ("speed", f"{data['events_per_second'] or 0:,} events/s of CPU time"),
        ("orders", f"{data['quotes']:,} entries, {data['exit_orders']:,} exits"),
        ("fills", f"{data['fills']['maker']:,} maker, {data['fills']['taker']:,} taker"),
        ("quoted", f"{data['quoted_seconds']:,} s"),
    ]
    rows += [
        (f"refused: {gate}", f"{each['count']:,} times, {each['seconds']:,} s")
        for gate, each in data["refusals"].items()
    ]
    hold = trips["mean_hold_seconds"]
    held = "" if hold is None else f", held {hold:,} s on average"
    rows.append(("round trips", f"{trips['count']:,}, {trips['wins']:,} won{held}"))
    rows += [
        (f"left by {reason}", f"{each['count']:,}, {each['wins']:,} won, net {_short(each['net'])}")
        for reason, each in trips["by_exit_reason"].items()
    ]
    for name, model in data["models"].items():
        role = {
            data["optimistic_model"]: " (optimistic)",
            data["pessimistic_model"]: " (pessimistic)",
        }
        rows.append((f"result, {name}{role.get(name, '')}", _money(model)))
    rows.append(("known bias", data["bias"]))
    return rows


def _money(model: dict[str, Any]) -> str:
    if not model["pnl"]:
        return "no round trip"
    parts = [
        f"net {_short(money['net'])} {currency} = spread {_short(money['spread_captured'])} "
        f"+ price move {_short(money['price_move'])} - fees {_short(money['fees'])}"
        for currency, money in model["pnl"].items()
    ]
    return f"{model['round_trips']['count']:,} round trips, " + "; ".join(parts)


def _short(amount: str) -> str:
    return f"{float(amount):,.4f}"
