"""The error tree. Every error names the place and the remedy; driver errors are wrapped at the door.

QuietmakerError                 anything we raise on purpose (CLI exit code 1)
├── ConfigError                 configuration refused; nothing changed (4)
├── SourceError                 a recording or market source that cannot be read
├── WireError                   no answer of the exchange, or bytes that do not mean what they must
│   ├── ExchangeUnavailable     it cannot be asked now: no connection, no answer in time, 5xx, 429
│   └── ExchangeRefused         it refuses the request: key, permission, or what was asked
├── LedgerError                 the books
│   ├── LedgerUnavailable       it cannot be recorded, or read, now; the journal keeps what is written
│   ├── LedgerTooNew            the database was migrated by a newer version
│   ├── LedgerInUse         another instance writes the database (6)
│   └── WrongLedgerMode         a paper ledger opened live, or the reverse (6)
├── NotRunning                  no running instance under this QUIETMAKER_HOME (3)
└── SafetyRefusal               a safety rule forbids it (6)
"""

from __future__ import annotations


class QuietmakerError(Exception):
    """Base of the errors that a user can meet; `exit_code` is what the CLI ends with."""

    exit_code = 1


class ConfigError(QuietmakerError):
    """A configuration that is refused. The message names file, line, key, what was expected."""

    exit_code = 4


class SourceError(QuietmakerError):
    """A market source that cannot be read. The message names file, line or row, and the remedy."""


class WireError(QuietmakerError):
    """An answer of the exchange that cannot be read. The message names what was expected."""


class ExchangeUnavailable(WireError):  # noqa: N818 - a state, not only an error
    """The exchange cannot be asked now; asking again later may work."""


class ExchangeRefused(WireError):  # noqa: N818
    """The exchange answered that it will not; asking again will not help. `status` is that of HTTP."""

    def __init__(self, message: str, *, status: int) -> None:
        """Say what was refused, and why."""
        super().__init__(message)
        self.status = status


class LedgerError(QuietmakerError):
    """The books refused or could not be read."""


class LedgerUnavailable(LedgerError):  # noqa: N818 - a state, not only an error
    """The database cannot be reached, or the journal cannot be written, now; later it may work."""


class LedgerTooNew(LedgerError):  # noqa: N818
    """The database was migrated by a newer version of the program; nothing was touched."""


class LedgerInUse(LedgerError):  # noqa: N818
    """Another instance writes this database; two would undo what each other knows."""

    exit_code = 6


class WrongLedgerMode(LedgerError):  # noqa: N818
    """The database belongs to the other mode; paper and live never share one."""

    exit_code = 6


class NotRunning(QuietmakerError):  # noqa: N818
    """No instance runs under this home."""

    exit_code = 3


class SafetyRefusal(QuietmakerError):  # noqa: N818
    """A rule that protects money forbids what was asked."""

    exit_code = 6
