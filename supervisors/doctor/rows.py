"""What the doctor looks at, and how a finding is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from quietmaker.ports import Clock
from quietmaker.settings import Settings
from supervisors.home import Home, Tenant


class Finding(Enum):
    """How bad it is. SKIPPED: it cannot be looked at now, which is no fault."""

    OK = "ok"
    SKIPPED = "skipped"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One finding.

    Attributes:
        remedy: what to do about it; empty where nothing is to be done, or the detail says it.
    """

    check: str
    finding: Finding
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is examined.

    Attributes:
        settings: None when the configuration is refused; `refusal` says why.
    """

    settings: Settings | None
    refusal: str
    config_file: Path
    home: Home
    env: Mapping[str, str]
    clock: Clock

    @property
    def runs(self) -> bool:
        """Return whether an instance runs under the home."""
        return self.home.tenant() is Tenant.INSTANCE

    @property
    def live(self) -> bool:
        """Return whether real money is traded; yes when nobody can tell."""
        return self.settings is None or self.settings.mode == "live"


def ok(check: str, detail: str) -> Row:
    """Return a row of something that is well."""
    return Row(check=check, finding=Finding.OK, detail=detail)


def skipped(check: str, why: str) -> Row:
    """Return a row of something that cannot be looked at now."""
    return Row(check=check, finding=Finding.SKIPPED, detail=why)


def warn(check: str, detail: str, remedy: str) -> Row:
    """Return a row of something to look after."""
    return Row(check=check, finding=Finding.WARN, detail=detail, remedy=remedy)


def fail(check: str, detail: str, remedy: str) -> Row:
    """Return a row of something that keeps the bot from trading, or makes it dangerous."""
    return Row(check=check, finding=Finding.FAIL, detail=detail, remedy=remedy)
