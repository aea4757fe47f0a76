"""Brings candidates to the transaction: a thread reads, the driving thread switches.

A file is looked at by its content, whatever the way it came: an editor's rename, a symlink that points
elsewhere, a directory mounted from another machine. New content is read once it was seen twice in a row,
because half a file can be a whole configuration. Whoever asks by signal or HTTP is taken at his word.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from quietmaker.errors import ConfigError
from quietmaker.settings import InvalidSettings, Settings
from quietmaker.telemetry.guard import Captured
from supervisors.reloading.generations import Asked, Generations, Outcome, Trigger

LARGEST: Final = 1024 * 1024
"""More of a file is not looked at: it is refused by its size."""
TRIES: Final = 3
"""How often files are read again that changed while they were read."""


def fingerprint(files: Iterable[Path]) -> str:
    """Return a hash of what the files contain, or of why they cannot be read."""
    total = hashlib.sha256()
    for path in files:
        total.update(f"\0{path}\0".encode(errors="surrogateescape"))
        try:
            with path.open("rb") as file:
                total.update(file.read(LARGEST))
        except (OSError, ValueError) as error:
            total.update(repr(error).encode(errors="surrogateescape"))
    return total.hexdigest()


@dataclass(slots=True)
class Ticket:
    """A reload that was asked for."""

    asked: Asked
    outcome: Outcome | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    def end(self, outcome: Outcome | None) -> None:
        """Say what became of it; None when the process ends before it."""
        self.outcome = outcome
        self._over.set()

    @property
    def over(self) -> bool:
        """Return whether it was dealt with, or never will be."""
        return self._over.is_set()

    def wait(self, timeout: float | None) -> Outcome | None:
        """Return what became of it, None if nobody knows yet or the process ends."""
        self._over.wait(timeout)
        return self.outcome


@dataclass(frozen=True, slots=True)
class _Loaded:
    ticket: Ticket
    candidate: Settings | ConfigError


class Reloader:
    """Watches the files, reads them, and hands over what was read."""

    def __init__(
        self,
        generations: Generations,
        *,
        load: Callable[[], Settings],
        wake: Callable[[], None],
        seen: str,
    ) -> None:
        """Prepare; nothing is looked at before `start`.

        Args:
            generations: the transaction.
            load: reads and checks everything that the process was started with, as it is now.
            wake: lets the driving thread come to `step` soon.
            seen: the fingerprint of the files as they were at the start.
        """
        self._generations = generations
        self._load = load
        self._wake = wake
        self._files: tuple[Path, ...] = generations.current.files
        self._tried = seen
        self._pending = seen
        self._wanted: queue.Queue[Ticket | None] = queue.Queue()
        self._loaded: queue.Queue[_Loaded] = queue.Queue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="config", daemon=True)

    # --- from any thread ------------------------------------------------------------------------

    def request(self, asked: Asked) -> Ticket:
        """Ask for a reload."""
        ticket = Ticket(asked)
        self._wanted.put(ticket)
        if self._stopped.is_set():
            ticket.end(None)
        return ticket

    # --- from the driving thread ----------------------------------------------------------------

    def start(self) -> None:
        """Look at the files from now on."""
        self._thread.start()

    def step(self) -> bool:
        """Deal with what was read; return whether other settings are in force now."""
        before = self._generations.number
        while not self._loaded.empty():
            loaded = self._loaded.get()
            loaded.ticket.end(self._generations.offer(loaded.candidate, loaded.ticket.asked))
        return self._generations.number != before

    def stop(self) -> None:
        """Take nothing any more; whoever waits is told so."""
        self._stopped.set()
        self._wanted.put(None)
        for waiting in (self._loaded, self._wanted):
            while not waiting.empty():
                left = waiting.get()
                ticket = left.ticket if isinstance(left, _Loaded) else left
                if isinstance(ticket, Ticket):
                    ticket.end(None)
        self._wanted.put(None)

    def join(self, within: float) -> None:
        """Wait for the thread, after `stop`."""
        self._thread.join(within)

    # --- the thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                ticket = self._wanted.get(timeout=self._pause())
            except queue.Empty:
                ticket = self._look()
            if ticket is not None:
                self._hand_over(ticket, self._read(dry=ticket.asked.dry))

    def _pause(self) -> float | None:
        """Return the seconds to the next look at the files; None looks at them only when asked."""
        pause = self._generations.current.reload.poll_seconds
        return None if pause is None else float(pause)

    def _look(self) -> Ticket | None:
        """Return a reload to do if the files have other contents, and had the same when last looked at."""
        found = fingerprint(self._files)
        settled, self._pending = found == self._pending, found
        if found == self._tried or not settled:
            return None
        return Ticket(Asked(trigger=Trigger.FILE, by=str(self._files[-1])))

    def _read(self, *, dry: bool) -> Settings | ConfigError:
        """Read files that stand still meanwhile; what was read is not read again for its own sake."""
        before = self._files, self._tried, self._pending
        candidate: Settings | ConfigError = ConfigError("nothing was read")
        for _ in range(TRIES):
            files, found = self._files, fingerprint(self._files)
            candidate = self._candidate()
            if self._files == files and fingerprint(files) == found:
                self._tried = self._pending = found
                break
        else:
            self._tried = self._pending = ""  # still moving: look again soon
        if dry:
            self._files, self._tried, self._pending = before
        return candidate

    def _candidate(self) -> Settings | ConfigError:
        with Captured() as failed:
            try:
                candidate: Settings | ConfigError = self._load()
            except ConfigError as error:
                candidate = error
            if isinstance(candidate, Settings | InvalidSettings):
                self._files = candidate.files or self._files
            return candidate
        return ConfigError(f"a defect: it cannot be read: {failed}")

    def _hand_over(self, ticket: Ticket, candidate: Settings | ConfigError) -> None:
        """Wait until it was dealt with: one reload at a time, and the next look as the new settings say."""
        self._loaded.put(_Loaded(ticket, candidate))
        if self._stopped.is_set():
            ticket.end(None)
        self._wake()
        ticket.wait(None)
