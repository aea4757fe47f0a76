"""Server processes that a killed bot left behind, and how a server is brought to an end."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from quietmaker.errors import LedgerError


def clear_leftovers(data: Path) -> None:
    """Stop every server process that still works in a data directory; its owner is known to be gone.

    Raises:
        LedgerError: if one cannot be ended.
    """
    lines = pid_file(data) if data.exists() else []
    master = int(lines[0]) if lines and lines[0].isdigit() else 0
    for number, patience in stop_ladder(8.0):
        left = _servers_in(data)
        if not left:
            break
        first = [p for p in left if p.pid == master] or left
        for process in first:
            _signal(process, number)
        psutil.wait_procs(left, timeout=patience)
    if left := _servers_in(data):
        raise LedgerError(
            f"processes {[p.pid for p in left]} still use {data}; end them and start again"
        )
    if master and psutil.pid_exists(master):
        # The number now belongs to another program (they start again at 1 in a container), and PostgreSQL
        # would take that program for its former self and refuse to start.
        (data / "postmaster.pid").unlink(missing_ok=True)


def _servers_in(data: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if "postgres" in process.info["name"] and process.cwd() == str(data):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def stop_ladder(timeout: float) -> tuple[tuple[signal.Signals, float], ...]:
    """Fast shutdown, then immediate (recovers at the next start), then the end."""
    return ((signal.SIGINT, timeout), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0))


def pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
