"""The transaction: judge a candidate, have everybody prepare, then switch everybody, or nobody.

Everything here runs in the driving thread, between two steps of the supervisor: while a generation is
switched nothing is started, restarted or stopped, and no two reloads overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol

from quietmaker.core.reloads import ConfigReloaded
from quietmaker.core.units import Instant
from quietmaker.errors import ConfigError, LedgerError
from quietmaker.settings import Ceilings, InvalidSettings, Settings
from quietmaker.settings.changes import Change, changes, chosen_values, hold_back
from quietmaker.telemetry.configuration import ConfigMetrics
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.guard import Captured
from quietmaker.telemetry.logs import Log

FIRST: Final = 1
MOST_PROBLEMS: Final = 50
"""Problems of one reload that are kept in the books; the log has all."""


class Trigger(Enum):
    """What asked for a reload."""

    FILE = "file"
    SIGNAL = "signal"
    API = "api"
    CLI = "cli"


class Result(Enum):
    """How a reload ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    """Nothing is new, or nothing that can come into force without a restart."""
    REJECTED = "rejected"


class Participant(Protocol):
    """Whoever has settings in force."""

    def prepare(self, old: Settings, new: Settings) -> str | None:
        """Make ready for the new settings without changing anything; return why not, in words."""

    def switch(self, new: Settings) -> None:
        """Bring the settings into force, which were prepared, or which were in force before. Cannot fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What asked for a reload, and who.

    Attributes:
        dry: only say what would come of it.
    """

    trigger: Trigger
    by: str
    dry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a reload.

    Attributes:
        generation, sha256: in force after it.
        changes: what came into force, or would have.
        waiting: what needs a restart; it was not changed.
        problems: why nothing was changed, each with its place.
        unsafe: whether a safety rule said no, rather than a fault.
    """

    asked: Asked
    at: Instant
    result: Result
    generation: int
    sha256: str
    changes: tuple[Change, ...] = ()
    waiting: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    unsafe: bool = False

    def page(self) -> dict[str, object]:
        """Return it as JSON can hold it."""
        return {
            "trigger": self.asked.trigger.value,
            "by": self.asked.by,
            "at": self.at,
            "dry": self.asked.dry,
            "result": self.result.value,
            "generation": self.generation,
            "sha256": self.sha256,
            "changes": [each.page() for each in self.changes],
            "restart_required": [each.page() for each in self.waiting],
            "problems": list(self.problems),
            "unsafe": self.unsafe,
        }


@dataclass(slots=True)
class _Taking:
    """One who takes part, by a name for people."""

    name: str
    part: Participant


class Generations:
    """Holds the settings in force.

    Attributes:
        current: the settings in force.
        number: of their generation.
        waiting: what the last file that was taken would change at a restart.
        last: what became of the last reload; None before the first.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], Instant],
        metrics: ConfigMetrics,
        record: Callable[[ConfigReloaded], object],
    ) -> None:
        """Begin with the first generation.

        Args:
            settings: of the start.
            now: the time of day.
            metrics: told how reloads end.
            record: stores what became of a reload.
        """
        self.current = settings
        self.number = FIRST
        self.waiting: tuple[Change, ...] = ()
        self.last: Outcome | None = None
        self._now = now
        self._metrics = metrics
        self._record = record
        self._ceilings = Ceilings(settings)
        self._taking: list[_Taking] = []
        self._log = Log("config")
        metrics.loaded(settings.sha256, now(), generation=FIRST, waiting=False)

    def join(self, name: str, part: Participant) -> None:
        """Have somebody take part from now on; they are asked and switched in this order."""
        self._taking.append(_Taking(name, part))

    def page(self) -> dict[str, object]:
        """Return what is in force, and what became of the last reload, for the status."""
        last = self.last
        return {
            "generation": self.number,
            "sha256": self.current.sha256,
            "restart_required": [str(each) for each in self.waiting],
            "last_reload": None if last is None else last.page(),
        }

    # --- the transaction ------------------------------------------------------------------------

    def offer(self, candidate: Settings | ConfigError, asked: Asked) -> Outcome:
        """Bring a candidate into force, or nothing of it; say, count and store what became of it."""
        outcome, new = self._judge(candidate, asked)
        if asked.dry:
            return outcome
        if new is not None:
            outcome = self._switch(new, outcome)
        self._close(outcome)
        return outcome

    def _judge(
        self, candidate: Settings | ConfigError, asked: Asked
    ) -> tuple[Outcome, Settings | None]:
        """Return what would become of a candidate, and what is to be switched to. Nothing is changed."""
        outcome = Outcome(
            asked=asked,
            at=self._now(),
            result=Result.REJECTED,
            generation=self.number,
            sha256=self.current.sha256,
        )
        if isinstance(candidate, ConfigError):
            return replace(outcome, problems=_problems(candidate)), None
        if candidate.mode != self.current.mode:
            return replace(outcome, problems=(self._other_mode(candidate),), unsafe=True), None
        try:
            new, waiting = hold_back(self.current, candidate)
        except InvalidSettings as error:
            together = "(together with the keys that need a restart, which keep their values)"
            return replace(outcome, problems=(*_problems(error), together)), None
        outcome = replace(outcome, waiting=waiting, changes=changes(self.current, new))
        if new.sha256 == self.current.sha256:
            return replace(outcome, result=Result.UNCHANGED), None
        if above := self._ceilings.exceeded(new):
            return replace(outcome, problems=tuple(map(str, above)), unsafe=True), None
        if refusals := self._refusals(new):
            return replace(outcome, problems=refusals), None
        number = self.number + 1
        return replace(outcome, result=Result.APPLIED, generation=number, sha256=new.sha256), new

    def _refusals(self, new: Settings) -> tuple[str, ...]:
        return tuple(
            f"{each.name}: {refusal}"
            for each in self._taking
            if (refusal := each.part.prepare(self.current, new)) is not None
        )

    def _other_mode(self, candidate: Settings) -> str:
        return (
            f"mode: the process runs in {self.current.mode} mode and the file says {candidate.mode}; a "
            "reload never changes it, and takes nothing else from such a file. Stop, and start anew"
        )

    def _switch(self, new: Settings, outcome: Outcome) -> Outcome:
        """Switch everybody; if somebody fails all the same, switch everybody back."""
        old = self.current
        with Captured() as failed:
            self.current, self.number = new, outcome.generation
            for each in self._taking:
                each.part.switch(new)
        if failed.error is None:
            return outcome
        self.current, self.number = old, outcome.generation - 1
        for each in self._taking:
            with Captured() as stuck:
                each.part.switch(old)
            if stuck.error is not None:
                self._log.error(
                    Event.ALERT,
                    f"{each.name} may have settings of a reload that failed, restart: {stuck}",
                )
        return replace(
            outcome,
            result=Result.REJECTED,
            problems=(f"a defect: switching failed, and everything was switched back: {failed}",),
            generation=self.number,
            sha256=old.sha256,
        )

    # --- telling --------------------------------------------------------------------------------

    def _close(self, outcome: Outcome) -> None:
        self.last = outcome
        self._metrics.reloaded(outcome.asked.trigger.value, outcome.result.value)
        if outcome.result is Result.REJECTED:
            self._metrics.refused()
        else:
            self.waiting = outcome.waiting
            self._metrics.loaded(
                outcome.sha256,
                outcome.at,
                generation=self.number,
                waiting=bool(outcome.waiting),
            )
        self._say(outcome)
        try:
            self._record(self._fact(outcome))
        except LedgerError as error:
            self._log.error(
                Event.ALERT, f"the reload is done, and there is no record of it: {error}"
            )

    def _fact(self, outcome: Outcome) -> ConfigReloaded:
        new = outcome.result is Result.APPLIED
        return ConfigReloaded(
            at=outcome.at,
            trigger=outcome.asked.trigger.value,
            by=outcome.asked.by,
            result=outcome.result.value,
            generation=outcome.generation,
            config_sha=outcome.sha256,
            changes=_texts(outcome.changes if new else ()),
            waiting=_texts(outcome.waiting),
            problems=outcome.problems[:MOST_PROBLEMS],
            chosen=tuple(chosen_values(self.current).items()) if new else (),
        )

    def _say(self, outcome: Outcome) -> None:
        asked = outcome.asked
        by = f"{asked.trigger.value}, {asked.by}"
        match outcome.result:
            case Result.REJECTED:
                self._log.error(
                    Event.CONFIG_REJECTED,
                    f"reload ({by}) refused, nothing was changed: {'; '.join(outcome.problems)}",
                    trigger=asked.trigger,
                    problems=outcome.problems,
                )
            case Result.UNCHANGED:
                self._log.info(
                    Event.CONFIG_RELOADED, f"reload ({by}): nothing is new", trigger=asked.trigger
                )
            case Result.APPLIED:
                self._log.info(
                    Event.CONFIG_RELOADED,
                    f"reload ({by}): generation {outcome.generation}, {outcome.sha256[:12]}: "
                    f"{_listed(outcome.changes)}",
                    trigger=asked.trigger,
                    changes=[str(each) for each in outcome.changes],
                )
        if outcome.waiting:
            self._log.warning(
                Event.CONFIG_NOTICE,
                f"these keys need a restart and keep their values until then: "
                f"{_listed(outcome.waiting)}",
                changes=[str(each) for each in outcome.waiting],
            )


def _texts(found: Sequence[Change]) -> tuple[tuple[str, str, str], ...]:
    return tuple((each.key, each.before or "", each.after or "") for each in found)


def _problems(error: ConfigError) -> tuple[str, ...]:
    if isinstance(error, InvalidSettings):
        return tuple(str(problem) for problem in error.problems)
    return (str(error),)


def _listed(found: Sequence[Change], most: int = 8) -> str:
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(str(each) for each in found[:most]) + more
