"""Those who take part in a reload and have no better home: logs, the churn budget, the universe."""

from __future__ import annotations

from collections.abc import Mapping

from actors.budget import ChurnBudget
from quietmaker.core.product import Product
from quietmaker.settings import InvalidSettings, Settings
from quietmaker.telemetry.logs import LogHandle
from supervisors.roster import Roster


class Logs:
    """How much is logged, and the hash in every line."""

    def __init__(self, handle: LogHandle) -> None:
        """Change what was configured at the start."""
        self._handle = handle

    def prepare(self, old: Settings, new: Settings) -> None:
        """Agree."""
        del old, new

    def switch(self, new: Settings) -> None:
        """Log as the settings say."""
        self._handle.change(
            level=new.logging.level, max_repeats_per_minute=new.logging.max_repeats_per_minute
        )
        self._handle.say(config_sha=new.sha256[:12])


class Budget:
    """How many entries may be sent in a minute."""

    def __init__(self, budget: ChurnBudget) -> None:
        """Change this budget."""
        self._budget = budget

    def prepare(self, old: Settings, new: Settings) -> None:
        """Agree."""
        del old, new

    def switch(self, new: Settings) -> None:
        """Allow as many; what was sent in the last minute counts as before."""
        self._budget.per_minute = new.exchange.requests.entries_per_minute


class Universe:
    """Which symbols are traded: those that are named come, those that are named no more are drained."""

    def __init__(self, roster: Roster, offered: Mapping[str, Product]) -> None:
        """Choose among the products that the market has."""
        self._roster = roster
        self._offered = offered

    def prepare(self, old: Settings, new: Settings) -> str | None:
        """Refuse a symbol that the market does not have, or that cannot be traded as it is configured."""
        del old
        try:
            for symbol in new.select(self._offered):
                new.params(symbol, self._offered[symbol])
        except InvalidSettings as error:
            return "; ".join(str(problem) for problem in error.problems)
        return None

    def switch(self, new: Settings) -> None:
        """Ask the roster for what is different; it is done step by step."""
        wanted = new.select(self._offered)
        traded = set(self._roster.symbols()) - set(self._roster.leaving())
        for symbol in wanted:
            if symbol not in traded:
                self._roster.add(symbol, self._offered[symbol])
        for symbol in sorted(traded - set(wanted)):
            self._roster.drain(symbol, "universe.symbols names it no more")
