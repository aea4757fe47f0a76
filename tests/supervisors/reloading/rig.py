"""A configuration file that is written anew, and participants that say what they were told."""

from __future__ import annotations

from pathlib import Path

from quietmaker.core.reloads import ConfigReloaded
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import ConfigError
from quietmaker.settings import Settings, load
from quietmaker.telemetry.metrics import Metrics
from supervisors.reloading.generations import Asked, Generations, Outcome, Trigger

START = Instant(1_760_000_000 * SECOND)
SIGNAL = Asked(trigger=Trigger.SIGNAL, by="SIGHUP")


class Part:
    """Takes part: remembers what it has in force, refuses or breaks on demand."""

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal
        self.prepared: list[str] = []
        self.switched: list[str] = []
        self.breaks_at = ""

    def prepare(self, old: Settings, new: Settings) -> str | None:
        self.prepared.append(f"{old.sha256} {new.sha256}")
        return self.refusal

    def switch(self, new: Settings) -> None:
        self.switched.append(new.sha256)
        if new.sha256 == self.breaks_at:
            raise RuntimeError("this must never happen")


class Desk:
    """Generations on a file in a folder."""

    def __init__(self, folder: Path, text: str = "mode: paper") -> None:
        self.path = folder / "paper.yaml"
        self.path.write_text(text)
        self.metrics = Metrics(version="t", revision="t", mode="paper", now=lambda: START)
        self.now = START
        self.recorded: list[ConfigReloaded] = []
        self.generations = Generations(
            self.load(),
            now=lambda: self.now,
            metrics=self.metrics.config,
            record=self.recorded.append,
        )
        self.parts = [Part(), Part()]
        for number, part in enumerate(self.parts):
            self.generations.join(f"part {number}", part)

    def load(self) -> Settings:
        return load(self.path, env={})

    def candidate(self, text: str | bytes) -> Settings | ConfigError:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            return self.load()
        except ConfigError as error:
            return error

    def offer(self, text: str | bytes, asked: Asked = SIGNAL) -> Outcome:
        self.now = Instant(self.now + SECOND)
        return self.generations.offer(self.candidate(text), asked)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"quietmaker_{name}", labels)
