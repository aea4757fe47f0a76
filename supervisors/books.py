"""Opening the ledger: the embedded server or a given one, and what it says of the paper account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.filter_states import DAY
from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, ZERO, Nanos
from quietmaker.ledger.filter_books import PostgresFilterBooks
from quietmaker.ledger.journal.folder import JournalPlace
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.reading.reports import Reports
from quietmaker.ledger.retention import Keep
from quietmaker.ledger.risk_books import PostgresRiskBooks
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from quietmaker.ledger.tie_out import PostgresTieOutBooks
from quietmaker.ports import Clock
from quietmaker.settings import Settings
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from supervisors.home import Home

EMBEDDED = "embedded"


@dataclass(slots=True)
class Books:
    """The open ledger and the server that it may have brought along."""

    ledger: JournaledLedger
    reports: Reports
    tie_out: PostgresTieOutBooks
    filter: PostgresFilterBooks
    risk: PostgresRiskBooks
    url: Callable[[], str]
    server: EmbeddedPostgres | None

    def close(self) -> None:
        """Close the connections and stop the server. Idempotent."""
        self.tie_out.close()
        self.reports.close()
        self.filter.close()
        self.risk.close()
        self.ledger.close()
        if self.server is not None:
            self.server.stop()


def open_books(
    settings: Settings, home: Home, products: Mapping[str, Product], *, clock: Clock
) -> Books:
    """Open the ledger, migrated to this version, with everything in it that an earlier run wrote.

    Raises:
        LedgerError: if it cannot be opened; says why.
    """
    server = None
    url: Callable[[], str]
    if settings.ledger.url == EMBEDDED:
        server = EmbeddedPostgres(home.database)
        url = server.start
    else:
        given = settings.ledger.url

        def url() -> str:
            return given

    try:
        place = JournalPlace(folder=home.journal, now=clock.now)
        ledger = _open_ledger(url, place, products, _keep(settings))
    except BaseException:
        if server is not None:
            server.stop()
        raise
    return Books(
        ledger=ledger,
        reports=Reports(url),
        tie_out=PostgresTieOutBooks(url),
        filter=PostgresFilterBooks(url),
        risk=PostgresRiskBooks(url),
        url=url,
        server=server,
    )


def _open_ledger(
    url: Callable[[], str], place: JournalPlace, products: Mapping[str, Product], keep: Keep
) -> JournaledLedger:
    log = Log("ledger")
    database = PostgresLedger(url, keep=keep)
    try:
        return JournaledLedger(
            database, place, products=products, tell=lambda note: log.warning(Event.ALERT, note)
        )
    except BaseException:
        database.close()
        raise


def _keep(settings: Settings) -> Keep:
    return Keep(
        unfilled=Nanos(settings.ledger.keep_unfilled_days * DAY),
        history=Nanos(settings.ledger.keep_history_days * DAY),
    )


def paper_balances(settings: Settings, products: Mapping[str, Product]) -> dict[str, Decimal]:
    """Return what the paper account held at its first start.

    A quote currency that the configuration does not fund is given as much as it gives of USD.
    """
    balances = dict(settings.paper.starting_balances)
    for product in products.values():
        balances.setdefault(product.quote, balances.get("USD", ZERO))
    return balances


def carried_on(
    starting: Mapping[str, Decimal],
    *,
    held: Mapping[str, Decimal],
    cash: Mapping[str, Decimal],
    moved: Mapping[str, Decimal],
) -> tuple[dict[str, Decimal], list[str]]:
    """Return what a paper account holds after everything that the ledger knows of, and what does not fit.

    A paper exchange lives as long as its process, the ledger longer: a new one is opened with the
    balances that the old one must have had, so that recovered positions exist there.

    Args:
        starting: balances at the first start.
        held: net base units bought, by symbol.
        cash: net quote received, fees included, by symbol.
        moved: what came or went since without an execution of ours, by currency.
    """
    balances = dict(starting)
    for symbol, size in held.items():
        base = symbol.partition("-")[0]
        balances[base] = EXACT.add(balances.get(base, ZERO), size)
    for symbol, amount in cash.items():
        quote = symbol.partition("-")[2]
        balances[quote] = EXACT.add(balances.get(quote, ZERO), amount)
    for currency, amount in moved.items():
        balances[currency] = EXACT.add(balances.get(currency, ZERO), amount)
    short = [f"{amount:f} {currency}" for currency, amount in balances.items() if amount < 0]
    return {currency: max(amount, ZERO) for currency, amount in balances.items()}, short
