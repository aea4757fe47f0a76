"""A bot that kills itself: `quietmaker run` as it is, with death at the n-th pass of a named step.

    python -m tests.kit.victim ARGUMENTS OF quietmaker

The real process with its real ports; decorators put around them where they are composed count the passes
of one step, and at the chosen one the process sends itself SIGKILL: no handler, no buffer, no goodbye.
What it is to do comes as JSON lines, the first one from the environment (`QUIETMAKER_VICTIM`), the others
from standard input (see `obey`), at whose end it ends too.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from tests.kit import victim_ports, victim_sabotage
from tests.kit.victim_disk import VictimDisk

VARIABLE: Final = "QUIETMAKER_VICTIM"


class Reaper:
    """Ends the process at the n-th pass of one step. Thread-safe."""

    def __init__(self) -> None:
        """Let it live."""
        self._mutex = threading.Lock()
        self._step = ""
        self._left = 0
        self._database: Path | None = None

    def arm(self, step: str, passes: int, database: str | None = None) -> None:
        """Die at the `passes`-th pass of a step from now on.

        Args:
            step: one of `victim_ports.STEPS`.
            passes: 1 for the next one.
            database: the data directory of an embedded database that dies with us.
        """
        if step not in victim_ports.STEPS:
            raise ValueError(f"no step is called {step!r}")
        with self._mutex:
            self._step, self._left = step, passes
            self._database = None if database is None else Path(database)

    def __call__(self, step: str) -> None:
        """Pass a step."""
        with self._mutex:
            if step != self._step:
                return
            self._left -= 1
            if self._left > 0:
                return
            if self._database is not None:
                kill_database(self._database)
            os.kill(os.getpid(), signal.SIGKILL)


def kill_database(data: Path) -> bool:
    """Kill the server of a data directory and all that work for it; return whether there was one."""
    try:
        master = psutil.Process(int((data / "postmaster.pid").read_text().splitlines()[0]))
        everyone = [master, *master.children(recursive=True)]
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return False
    for process in everyone:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return True


def obey(reaper: Reaper, disk: VictimDisk, line: str) -> None:
    """Do what a line says.

    ``{"step": ..., "passes": ...}`` arms the reaper, ``{"disk_full": true}`` fills the disk,
    ``{"power_cut": true}`` lets die with us what was not synced, ``{"sabotage": ...}`` breaks a safeguard.
    """
    said: dict[str, Any] = json.loads(line)
    if "step" in said:
        reaper.arm(said["step"], said["passes"], said.get("database"))
    if "disk_full" in said:
        (disk.full.set if said["disk_full"] else disk.full.clear)()
    if said.get("power_cut"):
        disk.cut.set()
    if "sabotage" in said:
        victim_sabotage.break_safeguard(said["sabotage"])


def _listen(reaper: Reaper, disk: VictimDisk) -> None:
    for line in sys.stdin:
        obey(reaper, disk, line)
    os.kill(os.getpid(), signal.SIGKILL)  # the driver is gone: nobody would end us


def main() -> int:
    """Run the command line with the decorators in place."""
    from supervisors import cli

    reaper = Reaper()
    disk = victim_ports.decorate(reaper)
    if first := os.environ.get(VARIABLE):
        obey(reaper, disk, first)
    threading.Thread(target=_listen, args=(reaper, disk), name="victim", daemon=True).start()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
