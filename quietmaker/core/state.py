"""What one trader knows: facts only. The desks decide on it, the trader applies events to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from quietmaker.core.candles import Candles
from quietmaker.core.commands import Gate
from quietmaker.core.events import Mode
from quietmaker.core.fees import FeeRates
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import Working
from quietmaker.core.params import TraderParams
from quietmaker.core.positions import Position
from quietmaker.core.product import Product
from quietmaker.core.units import NEVER, PPB, Instant, Lots, Rate, Side

_BUY: Final = Side.BUY


class Limits:
    """Amounts of quote currency as whole tick-lots (one tick on one lot), rounded down.

    Rounding a limit down by less than one tick-lot keeps every comparison in integers. `least_edge` is
    the edge of which one tick is `max_tick_share`, as `gates.tick_is_fine` counts it, rounded up.
    """

    __slots__ = (
        "exposure",
        "least_edge",
        "least_level",
        "level_sizes",
        "order",
        "position",
    )

    def __init__(self, product: Product, params: TraderParams, size_share: Rate) -> None:
        """Convert the amounts of the configuration for this product; entries have a share of their size."""
        sizes = params.quote.level_sizes
        self.level_sizes = tuple(tick_lots(product, size) * size_share // PPB for size in sizes)
        self.least_level = min(self.level_sizes)
        self.position = tick_lots(product, params.quote.max_position)
        self.order = tick_lots(product, params.risk.max_order_notional)
        self.exposure = tick_lots(product, params.risk.max_exposure)
        share = params.gates.max_tick_share
        self.least_edge = -(-2 * PPB * PPB // share) if share else NEVER


def tick_lots(product: Product, amount: Decimal) -> int:
    """Convert an amount of quote currency to whole tick-lots, rounded down."""
    return int(amount // product.tick_value)


class State:
    """The facts of one symbol. Prices are ticks, sizes lots, amounts tick-lots unless Decimal.

    Attributes:
        now: time of the latest event.
        fees: the account's rates; None while they are unknown, which stops entries.
        exit_fees: the last rates that were known, for exits.
        seen: whether a touch was ever told.
        stale: why the touch may not be quoted from; None when it may.
        verdict_known: whether the symbol filter has spoken; until then there are no entries.
        excluded: the rule that excludes the symbol, None when eligible.
        size_share: the share of its size that an entry has.
        ledger: why entries cannot be recorded, empty when they can.
        funds: what entries may spend in tick-lots, moved by our own fills; None is unknown.
        inventory: lots that entries may sell, likewise.
        others: what other symbols use of the account's exposure, in tick-lots.
        orders: our orders that have not ended, by client id.
        last_fill: time of the latest entry fill.
        lost_today: net loss of the UTC day's round trips, positive, in quote; `day` is its number.
        decisions: how many decisions were made.
        off: the gates that are switched off.
        next_sequence: number of the next client id.
    """

    __slots__ = (
        "ask",
        "bid",
        "candles",
        "day",
        "decisions",
        "excluded",
        "exit_fees",
        "fees",
        "funds",
        "id_prefix",
        "inventory",
        "last_fill",
        "ledger",
        "limits",
        "lost_today",
        "mode",
        "mode_reason",
        "next_sequence",
        "now",
        "off",
        "orders",
        "others",
        "params",
        "position",
        "product",
        "recovered",
        "seen",
        "size_share",
        "stale",
        "verdict_known",
    )

    def __init__(self, product: Product, params: TraderParams, *, id_prefix: str) -> None:
        """Know the product and the configuration, and nothing else."""
        self.product = product
        self.params = params
        self.id_prefix = id_prefix
        self.size_share = Rate(PPB)
        self.limits = Limits(product, params, self.size_share)
        self.off = _switched_off(params)
        self.now = Instant(0)
        self.bid = self.ask = 0
        self.seen = False
        self.stale: StaleReason | None = None
        self.candles = Candles()
        self.fees: FeeRates | None = None
        self.exit_fees: FeeRates | None = None
        self.mode = Mode.RUN
        self.mode_reason = ""
        self.verdict_known = False
        self.excluded: str | None = None
        self.ledger = ""
        self.funds: int | None = None
        self.inventory: Lots | None = None
        self.others = 0
        self.position = Position()
        self.orders: dict[str, Working] = {}
        self.last_fill: Instant | None = None
        self.lost_today = Decimal(0)
        self.day = 0
        self.next_sequence = 1
        self.decisions = 0
        self.recovered = False

    def configure(self, product: Product, params: TraderParams) -> None:
        """Take new rules or a new configuration."""
        self.product = product
        self.params = params
        self.limits = Limits(product, params, self.size_share)
        self.off = _switched_off(params)

    def resize(self, size_share: Rate) -> None:
        """Let entries have a share of their usual size from now on."""
        if size_share != self.size_share:
            self.size_share = size_share
            self.limits = Limits(self.product, self.params, size_share)

    def client_id(self, side: Side, letter: str) -> str:
        """Return the next client id: run, symbol, side, purpose and number, unique for ever."""
        number = self.next_sequence
        self.next_sequence = number + 1
        return (
            f"{self.id_prefix}-{self.product.symbol}-{'B' if side is _BUY else 'S'}{letter}{number}"
        )

    def exit_price_now(self, entry: Side) -> int:
        """Return the touch that a position could be sold to (or bought back from) right now."""
        return self.bid if entry is _BUY else self.ask


def _switched_off(params: TraderParams) -> frozenset[Gate]:
    return frozenset(gate for gate in Gate if gate.value in params.without)
