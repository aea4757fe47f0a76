"""Reloads of all kinds, one after another, while three symbols trade: nothing may be lost by them.

python -m tests.chaos.reload_storm --reloads 1000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click

from actors.protocol import StopTrading
from quietmaker.core.orders import Intent, Purpose
from quietmaker.core.quoting import in_band
from quietmaker.core.units import Side
from quietmaker.settings import Settings, load
from supervisors.closing import cancel_all
from supervisors.reloading.generations import Asked, Result, Trigger
from supervisors.reloading.parts import Universe
from supervisors.reloading.reloader import Reloader, fingerprint
from tests.chaos.reload_texts import BAD, Quote, good, put
from tests.supervisors.test_trading import SYMBOLS, Rig

PATIENCE = 30.0
SETTLED = 2.0
"""Seconds until nothing rests any more that the new bounds forbid; no quote leaves so soon by itself."""
STEP = 0.002
ROOM = ("risk.max_orders_per_minute=600", "exchange.requests.entries_per_minute=6000")
"""Limits of the start, which are the ceilings: every reload that moves quotes costs orders."""
TRADED = 0.05
"""Seconds of trading after each reload, at four times the speed of the market."""


@dataclass
class Report:
    """What was seen.

    Attributes:
        results: how the reloads ended.
        refused: kinds of bad files that were refused.
        flaws: what must not be; empty when all is well.
    """

    results: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    fills: int = 0
    seconds: float = 0.0
    longest_ms: float = 0.0
    flaws: list[str] = field(default_factory=list)


class Storm:
    """A trading rig whose configuration file is written again and again."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.rig = Rig(*ROOM)
        self.began = self.rig.clock.now()
        self.report = Report()
        trading = self.rig.trading
        self.generations = trading.generations
        self.path = folder / "paper.yaml"
        self.path.write_text(good(self.rng, {}))
        self.generations.join("universe", Universe(trading.roster, trading.known))
        self.reloader = Reloader(
            self.generations,
            load=lambda: load(self.path, env={}),
            wake=trading.supervisor.wake,
            seen=fingerprint([self.path]),
        )
        first = self.generations.current
        self.settings: dict[str, Settings] = {first.sha256: first}

    # --- driving --------------------------------------------------------------------------------

    def run(self, reloads: int) -> Report:
        began = time.monotonic()
        self.rig.trading.supervisor.start()
        self.reloader.start()
        self.await_(self.rig.quotes, "the first quote")
        for number in range(reloads):
            self.reload(number)
            self.trade(TRADED)
        self.end()
        self.report.seconds = time.monotonic() - began
        return self.report

    def step(self) -> None:
        trading = self.rig.trading
        gave_up = trading.supervisor.step(STEP) or trading.roster.look()
        if gave_up is not None:
            raise AssertionError(f"the tree gave up: {gave_up.reason}")
        self.reloader.step()

    def trade(self, seconds: float) -> None:
        """Let the market go on for a moment."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()

    def await_(self, wanted: object, what: str, *, within: float = PATIENCE) -> None:
        assert callable(wanted)
        deadline = time.monotonic() + within
        while not wanted():
            if time.monotonic() > deadline:
                raise AssertionError(f"never: {what}")
            self.step()

    def reload(self, number: int) -> None:
        text = good(self.rng, self.quotes())
        kind = self.rng.choice(list(BAD)) if self.rng.random() < 0.5 else ""
        put(self.path, BAD[kind](self.rng, text) if kind else text.encode(), self.rng)
        before = self.generations.current
        asked_at = time.monotonic()
        ticket = self.reloader.request(Asked(trigger=Trigger.SIGNAL, by=f"{number} {kind}"))
        self.await_(lambda: ticket.over, f"reload {number} ({kind or 'good'}) is dealt with")
        self.report.longest_ms = max(self.report.longest_ms, (time.monotonic() - asked_at) * 1000)
        outcome = ticket.outcome
        assert outcome is not None
        self.report.results[outcome.result.value] += 1
        now = self.generations.current
        self.settings[now.sha256] = now
        if outcome.result is Result.REJECTED:
            self.report.refused[kind or "good"] += 1
            if now is not before:
                self.flaw(f"reload {number} was refused and changed something")
            if not kind:
                self.flaw(f"reload {number} was good: {outcome.problems}")
        elif outcome.result is Result.APPLIED:
            self.await_(
                lambda: not self.outside(now),
                f"quotes within generation {outcome.generation}",
                within=SETTLED,
            )

    def quotes(self) -> dict[str, Quote]:
        found = {}
        for symbol in SYMBOLS:
            view = self.rig.trading.board.view(symbol)
            if view is not None and view.bid is not None and view.ask is not None:
                found[symbol] = (view.bid, view.ask)
        return found

    # --- judging --------------------------------------------------------------------------------

    def flaw(self, text: str) -> None:
        self.report.flaws.append(text)

    def fits(self, intent: Intent, settings: Settings) -> str:
        """Return how an entry breaks the bounds of a configuration, or nothing."""
        product = self.rig.trading.known[intent.symbol]
        params = settings.params(intent.symbol, product)
        value = product.price(intent.price) * product.size(intent.size)
        if not in_band(params.quote, intent.price):
            return f"{intent.client_id} at {intent.price} is outside of the price band"
        if value > max(params.quote.level_sizes) or value > params.risk.max_order_notional:
            return f"{intent.client_id} of {value} is too large"
        if not (params.quote.bid if intent.side is Side.BUY else params.quote.ask):
            return f"{intent.client_id} is on a side that is off"
        return ""

    def outside(self, settings: Settings) -> list[str]:
        """Return the entries that rest and that these settings would not let rest."""
        resting = [self.rig.ledger.intents[c.client_id] for c in self.rig.exchange.open_orders()]
        entries = [each for each in resting if each.purpose is Purpose.ENTRY]
        return [found for each in entries if (found := self.fits(each, settings))]

    def end(self) -> None:
        """Stop, and compare what everybody knows."""
        rig = self.rig
        self.reloader.stop()
        rig.trading.kill.set("the storm is over")
        for trader in rig.trading.traders.values():
            trader.tell(StopTrading())
        self.await_(lambda: not list(rig.exchange.open_orders()), "every order is cancelled")
        restarts = self.samples("quietmaker_actor_restarts_total")
        failures = self.samples("quietmaker_actor_failures_total")
        if restarts or failures:
            self.flaw(f"{restarts:g} restarts, {failures:g} failures of actors")
        cancel_all(rig.exchange)
        if stuck := rig.trading.supervisor.stop():
            self.flaw(f"did not stop: {stuck}")
        rig.ledger.apply()
        self.judge_orders()
        rig.exchange.close()

    def judge_orders(self) -> None:
        """Every order is in the books, was within the bounds of its own hash, and every fill is known."""
        intents, fills = self.rig.ledger.intents, self.rig.ledger.fills
        self.report.orders, self.report.fills = len(intents), len(fills)
        for intent in intents.values():
            settings = self.settings.get(intent.config_sha)
            if settings is None:
                self.flaw(f"{intent.client_id} has a hash that was never in force")
            elif intent.purpose is Purpose.ENTRY and (found := self.fits(intent, settings)):
                self.flaw(found)
        told = {each.fill.trade_id for each in self.rig.exchange.fills(self.began)}
        if lost := told - set(fills):
            self.flaw(f"{len(lost)} executions are not in the books")

    def samples(self, name: str) -> float:
        families = self.rig.metrics.registry.collect()
        return sum(s.value for family in families for s in family.samples if s.name == name)


def storm(reloads: int, seed: int) -> Report:
    """Run a storm in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return Storm(Path(folder), seed).run(reloads)


def main() -> int:
    """Print the report as one JSON line; end with 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reloads", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    report = storm(chosen.reloads, chosen.seed)
    click.echo(json.dumps({"reloads": chosen.reloads, "seed": chosen.seed, **vars(report)}))
    return 1 if report.flaws else 0


if __name__ == "__main__":
    raise SystemExit(main())
