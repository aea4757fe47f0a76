"""Kill the bot again and again, and prove its books each time: `python -m tests.chaos.kill --kills 500`.

Progress goes to stderr. The table at the end and one JSON line go to stdout. The first difference ends
the run with code 1; the folder with both sides' state is then kept, and named.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.kill_driver import REST_EVERY, Driver, Tally
from tests.chaos.kill_judge import COVERED_WITHIN
from tests.chaos.kill_plan import plans
from tests.chaos.kill_world import world
from tests.kit.victim_ports import STEPS
from tests.kit.victim_sabotage import SABOTAGE

EMBEDDED_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one world is to do."""

    name: str
    kills: int
    seed: int
    served: bool


class Worlds:
    """All worlds at once, until each has done its share or one has failed."""

    def __init__(self, root: Path, sabotage: str) -> None:
        """Begin with nothing done."""
        self._root = root
        self._sabotage = sabotage
        self._began = time.monotonic()
        self._mutex = threading.Lock()
        self._stopping = threading.Event()
        self.tally = Tally()
        self.failures: list[str] = []

    def run(self, shares: list[Share]) -> None:
        """Do it."""
        with ThreadPoolExecutor(len(shares)) as pool:
            works = {pool.submit(self._work, share): share for share in shares}
        for work, share in works.items():
            if (error := work.exception()) is not None:
                self.failures.append(f"[{share.name}] {type(error).__name__}: {error}")

    def stop(self) -> None:
        """Let every world end after the life that is under way."""
        self._stopping.set()

    @property
    def seconds(self) -> float:
        """Return how long it has taken."""
        return time.monotonic() - self._began

    def _work(self, share: Share) -> None:
        done = False
        try:
            with world(self._root / share.name, seed=share.seed, served=share.served) as place:
                driver = Driver(
                    place,
                    seed=share.seed,
                    say=lambda line: self._say(share, driver.tally, line),
                    sabotage=self._sabotage,
                )
                try:
                    self._drive(driver, share)
                finally:
                    with self._mutex:
                        self.tally.add(driver.tally)
            done = True
        finally:
            if not done:
                self._stopping.set()  # the others need not go on

    def _drive(self, driver: Driver, share: Share) -> None:
        rests = 0
        for plan in plans(share.seed, embedded=not share.served):
            if driver.tally.killed >= share.kills or self._stopping.is_set():
                break
            driver.live(plan)
            if driver.tally.killed // REST_EVERY > rests:
                rests = driver.tally.killed // REST_EVERY
                driver.rest()
        if not self._stopping.is_set():
            driver.rest()

    def _say(self, share: Share, tally: Tally, line: str) -> None:
        sys.stderr.write(
            f"{self.seconds:6.0f} s  {share.name:<9} {tally.killed:4} of {share.kills}  {line}\n"
        )


def shares(kills: int, seed: int, worlds: str) -> list[Share]:
    """Return who does how many of the kills."""
    embedded = round(kills * EMBEDDED_SHARE) if "embedded" in worlds else 0
    served = [name for name in ("served-a", "served-b") if name[:8] in worlds]
    found = [
        Share(
            name=name,
            kills=(kills - embedded) * (place + 1) // len(served)
            - (kills - embedded) * place // len(served),
            seed=seed + place,
            served=True,
        )
        for place, name in enumerate(served)
    ]
    if embedded:
        found.append(Share(name="embedded", kills=embedded, seed=seed + 9, served=False))
    return found


def table(tally: Tally) -> str:
    """Return the kills by step, for people."""
    lines = [f"{'killed':<22}{'times':>6}  where"]
    known = {*STEPS}
    for step, meaning in STEPS.items():
        lines.append(f"{step:<22}{tally.kills[step]:>6}  {meaning}")
    for name in sorted(tally.kills.keys() - known):
        lines.append(f"{name:<22}{tally.kills[name]:>6}  by the driver")
    lines.append(f"{'all':<22}{tally.killed:>6}")
    return "\n".join(lines)


def figures(tally: Tally, seconds: float, failures: int) -> dict[str, object]:
    """Return what is printed as the JSON line."""
    return {
        "chaos": "kill",
        "kills": tally.killed,
        "by_step": dict(sorted(tally.kills.items())),
        "steps_that_did_not_come": dict(sorted(tally.missed.items())),
        "restarts": tally.restarts,
        "restarts_under_faults": tally.stormy,
        "with_the_power_cut": tally.power_cuts,
        "databases_killed": tally.databases,
        "compared_at_rest": tally.rests,
        "differences_healed": dict(sorted(tally.healed.items())),
        "orders": tally.orders,
        "fills": tally.fills,
        "slowest_ready_seconds": round(max(tally.ready, default=0.0), 2),
        "mean_ready_seconds": round(sum(tally.ready) / max(1, len(tally.ready)), 2),
        "covered_later_than_5_seconds": sum(each > COVERED_WITHIN for each in tally.covered),
        "slowest_cover_seconds": round(max(tally.covered, default=0.0), 2),
        "seconds": round(seconds, 1),
        "failures": failures,
    }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Kill the bot again and again.")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", default="served-a,served-b,embedded")
    parser.add_argument("--sabotage", default="", choices=["", *SABOTAGE])
    chosen = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="quietmaker-kill-"))
    worlds = Worlds(root, chosen.sabotage)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worlds.stop())
    worlds.run(shares(chosen.kills, chosen.seed, chosen.worlds))
    sys.stdout.write(table(worlds.tally) + "\n")
    sys.stdout.write(json.dumps(figures(worlds.tally, worlds.seconds, len(worlds.failures))) + "\n")
    for failure in worlds.failures:
        sys.stderr.write(f"{failure}\n")
    if worlds.failures:
        sys.stderr.write(f"everything is kept in {root}\n")
        return 1
    shutil.rmtree(root)
    return 0 if worlds.tally.killed >= chosen.kills else 1  # it was interrupted


if __name__ == "__main__":
    sys.exit(main())
