"""Who the exchange is: its account, what it lists, and whose tokens it takes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from quietmaker.core.product import Product
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.server.auth import Authenticator, Denied
from quietmaker.exchange.server.catalogue import Catalogue
from quietmaker.exchange.server.monitor import Monitor
from quietmaker.exchange.server.records import OrderRecord, Records
from quietmaker.exchange.venue import Venue

_NAMES: Final = uuid.UUID("0c3d7c86-90a1-5f58-8d0e-6c2e0a3d9b5e")


class House:
    """One account on one exchange.

    Attributes:
        catalogue: what is listed.
        user_id: of the account's user.
        portfolio_id: of its only portfolio.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        core: MatchingCore,
        records: Records,
        authenticator: Authenticator,
        monitor: Monitor,
    ) -> None:
        """Put it together."""
        self.catalogue = catalogue
        self.user_id = named("user")
        self.portfolio_id = named("portfolio")
        self._core = core
        self._records = records
        self._authenticator = authenticator
        self._monitor = monitor
        self._offline: set[str] = set()

    def canonical(self, symbol: str) -> str | None:
        """Return the product whose market a product shares, itself without an alias; None: unknown."""
        return self.catalogue.canonical(symbol)

    def product(self, symbol: str) -> Product:
        """Return a product that is listed."""
        return self.catalogue.products[symbol]

    def symbols(self) -> Iterable[str]:
        """Return all products that have a market of their own."""
        return (s for s in self.catalogue.products if self.catalogue.canonical(s) == s)

    def venue(self, symbol: str) -> Venue | None:
        """Return the market of a product; None when the source does not play it."""
        played = symbol in self.catalogue.played or symbol in self.catalogue.aliases
        return self._core.symbol(symbol) if played else None

    def row(self, symbol: str) -> Mapping[str, Any]:
        """Return a product as it is answered, without what the market says of it now."""
        row = self.catalogue.row(symbol)
        if row["status"] == "online" and self.canonical(symbol) in self._offline:
            return {**row, "status": "offline"}
        return row

    def play(self, symbol: str, *, on: bool) -> bool:
        """Take a product online or offline, as its market begins or ends; return whether that is news."""
        if (symbol not in self._offline) is on:
            return False
        (self._offline.discard if on else self._offline.add)(symbol)
        return True

    def status_row(self, symbol: str) -> Mapping[str, str]:
        """Return a product as the status channel tells it."""
        row = self.row(symbol)
        return {
            "product_type": row["product_type"],
            "id": symbol,
            "base_currency": row["base_currency_id"],
            "quote_currency": row["quote_currency_id"],
            "base_increment": row["base_increment"],
            "quote_increment": row["quote_increment"],
            "display_name": row["display_name"],
            "status": row["status"],
            "status_message": "",
            "min_market_funds": row["quote_min_size"],
        }

    def change_state(self, symbol: str, state: str) -> None:
        """Change the market state of a product and of all that share its market.

        Args:
            symbol: a product that is listed.
            state: empty for tradable, one of the catalogue's `FLAGS`, or a status such as ``offline``.
        """
        market = self.canonical(symbol)
        for each in self.catalogue.products:
            if self.canonical(each) == market:
                self._core.change_product(self.catalogue.change_state(each, state))

    def live_orders(self) -> Iterable[OrderRecord]:
        """Return the orders that may still execute, oldest first."""
        return self._records.live()

    async def verify(self, token: str) -> bool:
        """Return whether a token of a subscription is good now."""
        try:
            await self._authenticator.socket(token)
        except Denied as denial:
            self._monitor.log("token_denied", str(denial))
            return False
        return True


def named(what: str) -> str:
    """Return the UUID of a thing that every exchange has one of."""
    return str(uuid.uuid5(_NAMES, what))
