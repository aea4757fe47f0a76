"""The effective plan: what the process will do with this configuration, in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from quietmaker.core.fees import FeeRates
from quietmaker.core.units import plain, ratio
from quietmaker.settings import Settings, effective_spread_formula, gate_params, percent_text
from quietmaker.settings.trading import SymbolSettings


def plan(settings: Settings, *, fees: FeeRates | None) -> list[tuple[str, str]]:
    """Return the plan as titles and lines; the mode comes first, in capitals.

    Args:
        settings: what was configured.
        fees: the account's rates; None where nobody knows them yet.
    """
    lines = [("mode", settings.mode.upper())]
    if settings.mode == "paper":
        paper = settings.paper
        pace = "" if paper.speed == 1 else f", {plain(paper.speed)} times as fast"
        seed = f", seed {paper.seed}" if paper.market == "synthetic" else ""
        lines.append(("market", f"{paper.market}{seed}{pace}"))
        lines.append(
            ("fill model", f"{paper.fill_model}, orders take {plain(paper.order_latency_ms)} ms")
        )
        lines.append(("balances", ", ".join(f"{plain(n)} {c}" for c, n in paper.starting_balances)))
    lines.append(("symbols", ", ".join(settings.universe.symbols)))
    lines.append(("never entered", ", ".join(settings.universe.permanent_exclusions) or "none"))
    lines += _filter(settings, fees)
    lines.append(("fees", _fees(fees)))
    for scope, chosen in settings.scopes():
        lines += [(f"{scope}: {title}", text) for title, text in _of_scope(chosen, fees)]
    return _only_differences(lines)


def _filter(settings: Settings, fees: FeeRates | None) -> Iterable[tuple[str, str]]:
    chosen = settings.filter
    if not chosen.enabled:
        yield "symbol filter", "OFF: no rule excludes a symbol; bans hold"
        return
    back = (
        "by what they earn in the shadow" if chosen.shadow else "BY AGEING (filter.shadow is off)"
    )
    yield (
        "symbol filter",
        f"over {chosen.lookback_days} days and at least {chosen.min_trades} trades: win rate below "
        f"{plain(chosen.min_win_rate_pct)} %, average below {plain(chosen.min_avg_pnl)}, total below "
        f"{plain(chosen.min_total_pnl)}; spread above {plain(chosen.max_spread_pct)} %; they return {back}",
    )
    size = max(size for _, each in settings.scopes() for size in each.quote.level_sizes)
    stop = max(each.exits.stop_loss_pct for _, each in settings.scopes())
    taker = Decimal(0) if fees is None else ratio(fees.taker) * 100
    worst = size * (stop + 2 * taker) / 100
    if chosen.min_avg_pnl_pct is None and worst < -chosen.min_avg_pnl:
        yield (
            "filter by size",
            f"NOTE: an average below {plain(chosen.min_avg_pnl)} cannot happen with orders of {plain(size)}, "
            f"which a stop leaves with about -{worst:.2f}; only filter.min_avg_pnl_pct (and "
            f"min_total_pnl_pct) judge by size, such as -0.5",
        )
    for name, least in (("avg", chosen.min_avg_pnl), ("total", chosen.min_total_pnl)):
        if least > 0:
            yield (
                f"filter.min_{name}_pnl",
                f"NOTE: {plain(least)} is a gain: a symbol that earns less is excluded, however surely it "
                f"earns; a loss that is tolerated is written with a minus",
            )


def _fees(fees: FeeRates | None) -> str:
    if fees is None:
        return "not known yet"
    return f"maker {percent_text(fees.maker)}, taker {percent_text(fees.taker)}"


def _of_scope(chosen: SymbolSettings, fees: FeeRates | None) -> Iterable[tuple[str, str]]:
    quote, exits, risk = chosen.quote, chosen.exits, chosen.risk
    yield "spread", effective_spread_formula(gate_params(chosen.gates), fees)
    sizes = " + ".join(map(plain, quote.level_sizes))
    yield (
        "quotes",
        f"{' and '.join(quote.sides)}, {sizes} a side, at most {plain(quote.max_position)} held",
    )
    yield (
        "exits",
        f"break-even + {plain(exits.min_profit_pct)} %; after {plain(exits.max_lifetime_seconds)} s at "
        f"break-even or, at a loss, {plain(exits.stale_patience_seconds)} s at the touch and then taken out; "
        f"stop at -{plain(exits.stop_loss_pct)} %",
    )
    yield (
        "limits",
        f"order {plain(risk.max_order_notional)}, all symbols {plain(risk.max_exposure)}, daily loss "
        f"{plain(risk.max_daily_loss)}, {risk.max_open_orders} open orders, "
        f"{risk.max_orders_per_minute} orders a minute",
    )


def _only_differences(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out what a group or symbol shares with the defaults."""
    usual = {text for title, text in lines if title.startswith("defaults: ")}
    kept = []
    for title, text in lines:
        own = title.removeprefix("defaults: ")
        if own != title or ": " not in title or text not in usual:
            kept.append((own, text))
    return kept
