"""The `quietmaker` command. Data goes to stdout, everything else to stderr.

Exit codes: 0 ok, 1 error, 2 usage, 3 not running, 4 configuration invalid, 5 timeout, 6 refused by a
safety rule. A command's module is imported when the command is used, so that help is instant.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import click

from quietmaker import __version__
from quietmaker.errors import QuietmakerError

EXIT_ERROR: Final = 1
EXIT_TIMEOUT: Final = 5


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a command is defined: `module:attribute`, and its line in the help."""

    target: str
    about: str


VERBS: Final[Mapping[str, Verb]] = MappingProxyType(
    {
        "config": Verb("supervisors.commands.config:config", "Check and show the configuration."),
        "db": Verb("supervisors.commands.db:db", "Upgrade, back up and restore the books."),
        "doctor": Verb("supervisors.commands.doctor:doctor", "Say whether all is well for a run."),
        "drain": Verb("supervisors.commands.control:drain", "Stop entries and become flat."),
        "exchange": Verb(
            "supervisors.commands.exchange:exchange",
            "Run the paper exchange, for any Coinbase client.",
        ),
        "flatten": Verb("supervisors.commands.control:flatten", "Leave every position at once."),
        "halt": Verb("supervisors.commands.control:halt", "Stop everything, and stay so."),
        "health": Verb("supervisors.commands.health:health", "Say whether the instance is well."),
        "orders": Verb("supervisors.commands.orders:orders", "Show the open orders."),
        "pause": Verb("supervisors.commands.control:pause", "Stop entries; exits go on."),
        "pnl": Verb("supervisors.commands.pnl:pnl", "Sum profit and loss."),
        "positions": Verb("supervisors.commands.positions:positions", "Show what is held."),
        "record": Verb("supervisors.commands.record:record", "Write a market as Parquet."),
        "replay": Verb(
            "supervisors.commands.replay:replay",
            "Run a recorded or synthetic market, on a virtual clock.",
        ),
        "resume": Verb("supervisors.commands.control:resume", "Let entries be made again."),
        "run": Verb("supervisors.commands.run:run", "Run the market maker."),
        "status": Verb(
            "supervisors.commands.status:status", "Show what the running instance is doing."
        ),
        "symbols": Verb(
            "supervisors.commands.symbols:symbols", "Show and change which symbols may enter."
        ),
        "trades": Verb("supervisors.commands.trades:trades", "List and explain trades."),
        "verify": Verb("supervisors.commands.verify:verify", "Verify what was deployed."),
        "version": Verb("supervisors.commands.version:version", "Show the version and the commit."),
    }
)
"""Every command. To add one: define it in supervisors/commands and name it here."""


@dataclass(slots=True)
class CliState:
    """What the options before the command said."""

    debug: bool = False


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return None for an unknown name."""
        del ctx
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, attribute = verb.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{verb.target} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with the nearest name."""
        if args and args[0] not in VERBS:
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.about) for name, verb in VERBS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="quietmaker")
@click.pass_obj
def root(state: CliState, debug: bool) -> None:
    """Quietmaker: a passive market maker. State lives under QUIETMAKER_HOME (default ./var)."""
    state.debug = debug


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    state = CliState()
    try:
        result = root.main(
            args=None if args is None else list(args),
            prog_name="quietmaker",
            standalone_mode=False,
            obj=state,
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _fail("interrupted", EXIT_ERROR, state)
    except QuietmakerError as error:
        return _fail(str(error), error.exit_code, state)
    except TimeoutError as error:
        return _fail(f"timed out: {error}", EXIT_TIMEOUT, state)
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int, state: CliState) -> int:
    if state.debug:
        click.echo(traceback.format_exc(), err=True)
    click.echo(f"error: {message}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
