"""Kill actors at random for minutes, and hang each one: `python -m tests.chaos.actors --minutes 10`.

The table goes to stdout, with one JSON line at the end. Exit code 1 says that something was lost, that a
stranger restarted, or that the symbols which were not hit did not go on quoting.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from quietmaker.core.commands import AlertKind
from quietmaker.core.units import SECOND, Nanos
from supervisors.closing import cancel_all
from supervisors.policy import leaves
from tests.chaos.actor_driver import OVERRIDES, ActorChaos, Report
from tests.chaos.actor_kinds import hang
from tests.chaos.ending import ends_well
from tests.chaos.market import MANY
from tests.chaos.rig import Rig, running

OTHERS: Final = 0.99
"""The least share of the time in which a symbol had an order at the exchange, its own restarts left out."""
HANGS_AFTER: Final = Nanos(SECOND)
CALM: Final = 20.0
"""Seconds of trading before the first blow, by which to tell what is ordinary."""
GONE_WITHIN: Final = 5 * SECOND


def struck(*, seed: int, seconds: float, calm: float, symbols: Sequence[str] = MANY) -> Report:
    """Trade and kill for so long; then check that both sides agree to the last digit."""
    with running(*OVERRIDES, seed=seed, symbols=symbols) as rig:
        report = ActorChaos(rig, seed).run(seconds, calm=calm)
        if not report.wrong:
            rig.until(rig.quoting, "everybody quotes again", waves=True)
            ends_well(rig, alerts={AlertKind.EXIT_REFUSED}, pulled=False, crashes=True)
    return report


def hung(name: str, *, seed: int) -> tuple[str, list[str]]:
    """Hang an actor; return why the bot gave up, and the orders that were left when it had ended."""
    released = threading.Event()
    with running(seed=seed) as rig:
        _impatient(rig)
        hang(rig.actor(name), released)
        reason = ""
        end = rig.clock.monotonic() + 30 * SECOND
        while not reason and rig.clock.monotonic() < end:
            rig.waves.step()
            gave_up = rig.trading.supervisor.step(0.05)
            reason = "" if gave_up is None else gave_up.reason
        rig.trading.kill.shut(reason)
        cancel_all(rig.exchange)  # as the process does, without any actor
        pause, end = threading.Event(), rig.clock.monotonic() + GONE_WITHIN
        while rig.live and rig.clock.monotonic() < end:
            pause.wait(0.05)
        left = [record.client_id for record in rig.live]
        released.set()
    return reason, left


def _impatient(rig: Rig) -> None:
    children = rig.trading.supervisor._children
    for name, child in children.items():
        children[name] = replace(child, hang_after=HANGS_AFTER)


def _names() -> list[str]:
    with running() as rig:
        return list(leaves(rig.trading.supervisor._root))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _minutes(seed: int, minutes: int) -> Report:
    """Kill for a minute each time, of a bot of its own: the books in memory are slow once they are long."""
    reports = [struck(seed=seed + each, seconds=60.0, calm=CALM) for each in range(minutes)]
    first = reports[0]
    return Report(
        blows=[blow for each in reports for blow in each.blows],
        wrong=[text for each in reports for text in each.wrong],
        uptime={s: sum(each.uptime[s] for each in reports) / minutes for s in first.uptime},
        gap=max(each.gap for each in reports),
        others=sum(each.others for each in reports) / minutes,
    )


def _print(report: Report) -> None:
    _say(f"{'killed':<12} {'times':>6} {'recovered in, s':>16} {'at most':>8}")
    for role, times, mean, most in report.by_role():
        _say(f"{role:<12} {times:>6} {mean:>16.2f} {most:>8.2f}")
    _say(f"a gap of up to {report.gap:.2f} s between two orders is ordinary on this machine")
    for symbol, share in sorted(report.uptime.items()):
        _say(f"{symbol:<12} quoting {share:8.2%} of the whole time")
    _say(
        f"while what they stand on was not hit, all symbols quoted {report.others:.2%} of the time"
    )


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    report = _minutes(chosen.seed, max(1, round(chosen.minutes)))
    _print(report)
    wrong = list(report.wrong)
    if report.others < OTHERS:
        wrong.append(f"symbols that were not hit quoted {report.others:.2%} of the time")
    for name in _names():
        reason, left = hung(name, seed=chosen.seed)
        _say(f"{name} hung: {reason or 'nothing happened'}; orders left: {len(left)}")
        if left or f"{name} hangs" not in reason:
            wrong.append(f"{name} hung: {reason}, {left}")
    summary = {
        "kills": len(report.blows),
        "minutes": chosen.minutes,
        "seed": chosen.seed,
        "others": round(report.others, 4),
        "wrong": wrong,
    }
    _say(json.dumps(summary))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
