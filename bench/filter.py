"""The symbol filter over simulated days of symbols whose quality is known: one JSON line.

Usage: ``python -m bench.filter [--seeds N,N,...] [--symbols N] [--days N] [--history-days N]``. The desk,
the rules and the policy are the product's own, with their defaults; only the trades are drawn. The usual
seeds were not looked at when the defaults were chosen (they are the founding document's). An excluded
symbol's trades are its shadow's, a probation's have the reduced size. `perfect` is a filter that knows the
quality at all times. The books begin with a history that was traded without a filter, as an import of
earlier records gives them; ``--history-days 0`` begins with empty books, where five trades are soon a
verdict and often a wrong one.
"""

from __future__ import annotations

import argparse
import json
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from statistics import mean
from typing import Final

from bench.filter_market import START, VALUE, Kind, Symbol, Trade, symbols
from quietmaker.core.filter_desk import FilterDesk
from quietmaker.core.filter_rules import NO_TRADES, Spread, Trades
from quietmaker.core.filter_states import DAY, HOUR, Evidence, FilterState, Transition
from quietmaker.core.outcomes import Outcome, outcome_of
from quietmaker.core.units import ZERO, Instant
from quietmaker.settings import load
from quietmaker.settings.filtering import FilterSettings

SEEDS: Final = tuple(range(9001, 9009))
EVALUATED: Final = HOUR


@dataclass(slots=True)
class Account:
    """Closed trades of one symbol of one kind, with running sums so that a window is two look-ups."""

    at: list[Instant] = field(default_factory=list)
    sums: list[Trades] = field(default_factory=lambda: [NO_TRADES])

    def add(self, trade: Trade, share: Decimal) -> None:
        """Close a trade at a share of its size."""
        net = trade.net * share
        won = outcome_of(net) is Outcome.WON
        one = Trades(trips=1, wins=int(won), net=net, notional=VALUE * share)
        self.at.append(trade.at)
        self.sums.append(self.sums[-1].plus(one))

    def since(self, at: Instant) -> Trades:
        """Return the sums of the trades from a moment on."""
        before, total = self.sums[bisect_left(self.at, at)], self.sums[-1]
        return Trades(
            trips=total.trips - before.trips,
            wins=total.wins - before.wins,
            net=total.net - before.net,
            notional=total.notional - before.notional,
        )

    @property
    def net(self) -> Decimal:
        """Return what all of them came to."""
        return self.sums[-1].net


class Simulation:
    """One seed, hour by hour."""

    def __init__(self, market: list[Symbol], chosen: FilterSettings, days: int) -> None:
        """Begin with every symbol eligible."""
        self.market = {each.name: each for each in market}
        self.policy = chosen.policy()
        self.desk = FilterDesk(self.market, self.policy, chosen.floor(), {})
        self.probation = chosen.readmission.probation_size_pct / 100
        self.real = {name: Account() for name in self.market}
        self.shadow = {name: Account() for name in self.market}
        self.moved: list[Transition] = []
        self.bad_hours = self.bad_hours_out = self.good_hours = self.good_hours_out = 0
        self._hours = [Instant(START + n * EVALUATED) for n in range(days * DAY // EVALUATED + 1)]
        self._next = dict.fromkeys(self.market, 0)
        for name, symbol in self.market.items():
            self._trade(name, symbol, START)

    def run(self) -> None:
        """Trade through every hour, then evaluate."""
        for begin, end in pairwise(self._hours):
            for name, symbol in self.market.items():
                self._trade(name, symbol, end)
                self._count(symbol, begin)
            self._evaluate(end)

    def _trade(self, name: str, symbol: Symbol, until: Instant) -> None:
        state = self.desk.standings[name].state
        place = self._next[name]
        while place < len(symbol.trades) and symbol.trades[place].at < until:
            trade = symbol.trades[place]
            if state is FilterState.EXCLUDED:
                self.shadow[name].add(trade, Decimal(1))
            else:
                trial = state is FilterState.PROBATION
                self.real[name].add(trade, self.probation if trial else Decimal(1))
            place += 1
        self._next[name] = place

    def _count(self, symbol: Symbol, at: Instant) -> None:
        out = not self.desk.standings[symbol.name].state.enters
        if symbol.bad_at(at):
            self.bad_hours, self.bad_hours_out = self.bad_hours + 1, self.bad_hours_out + out
        else:
            self.good_hours, self.good_hours_out = self.good_hours + 1, self.good_hours_out + out

    def _evaluate(self, now: Instant) -> None:
        evidence = {
            name: Evidence(
                real=self.real[name].since(window.real),
                shadow=self.shadow[name].since(window.shadow),
                spread=Spread(average=self.market[name].spread_at(now), watched=3_600),
                ban=None,
                included=None,
            )
            for name, window in self.desk.windows(now).items()
        }
        found = self.desk.evaluate(evidence, now)
        self.desk.take(found.transitions)
        self.moved += found.transitions

    def report(self) -> dict[str, float]:
        """Return the measures of this seed."""
        excluded = [each for each in self.moved if each.after is FilterState.EXCLUDED]
        right = [e for e in excluded if self.market[e.symbol].bad_at(Instant(e.at - 1))]
        once_bad = {n for n, s in self.market.items() if s.kind is not Kind.GOOD}
        caught = {each.symbol for each in right}
        back = [each for each in self.moved if each.after is FilterState.PROBATION]
        stayed = [each for each in self.moved if each.after is FilterState.ELIGIBLE]
        offered = [(s, t) for s in self.market.values() for t in s.trades if t.at >= START]
        everything = sum((t.net for _, t in offered), ZERO)
        perfect = sum((t.net for s, t in offered if not s.bad_at(t.at)), ZERO)
        return {
            "bad_symbols": len(once_bad),
            "excluded_symbols": len({each.symbol for each in excluded}),
            "exclusions": len(excluded),
            "readmitted_to_probation": len(back),
            "re_included_symbols": len({each.symbol for each in stayed}),
            "precision": len(right) / len(excluded) if excluded else 1.0,
            "recall": len(caught) / len(once_bad) if once_bad else 1.0,
            "bad_hours_out": self.bad_hours_out / max(self.bad_hours, 1),
            "good_hours_out": self.good_hours_out / max(self.good_hours, 1),
            "net_without": float(everything),
            "net_with": float(sum((each.since(START).net for each in self.real.values()), ZERO)),
            "net_perfect": float(perfect),
        }


def simulate(
    seed: int, chosen: FilterSettings, *, count: int, days: int, history_days: int
) -> tuple[dict[str, float], Simulation]:
    """Run one seed."""
    market = symbols(count, days=days, history_days=history_days, seed=seed)
    made = Simulation(market, chosen, days)
    made.run()
    return made.report(), made


def main() -> None:
    """Run every seed and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--symbols", type=int, default=120)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--history-days", type=int, default=30)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    chosen = load(None, env={}, overrides=options.set).filter
    seeds = [int(each) for each in options.seeds.split(",")]
    begun = time.perf_counter()
    reports = [
        simulate(
            seed,
            chosen,
            count=options.symbols,
            days=options.days,
            history_days=options.history_days,
        )[0]
        for seed in seeds
    ]
    result = {
        "bench": "filter",
        "symbols": options.symbols,
        "days": options.days,
        "history_days": options.history_days,
        "seeds": seeds,
        "mean": {name: round(mean(each[name] for each in reports), 3) for name in reports[0]},
        "least": {name: round(min(each[name] for each in reports), 3) for name in reports[0]},
        "most": {name: round(max(each[name] for each in reports), 3) for name in reports[0]},
        "pays_on_seeds": sum(each["net_with"] > each["net_without"] for each in reports),
        "manual_edits": 0,
        "seconds": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
