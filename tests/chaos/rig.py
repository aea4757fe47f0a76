"""The composed bot on the exchange's own server: real adapter, real sockets, TLS, faults over `/admin`.

The exchange runs in a thread of its own and the bot in its actors', as in a process of their own. What
each did when is written down on both sides (`Journal`, `Overheard`), on one clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from actors.protocol import StopTrading
from quietmaker.core.live import Live
from quietmaker.core.market import BookSnapshot, FeedLost, MarketEvent
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant
from quietmaker.exchange.server.desk import Audience
from quietmaker.exchange.server.records import Draft, OrderRecord
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ledger.memory_risk import MemoryRiskBooks
from quietmaker.ports import (
    MarketStream,
    UserEvent,
    UserStream,
    UserStreamLost,
    UserStreamReady,
)
from quietmaker.settings import Settings, load
from quietmaker.telemetry.metrics import Metrics
from supervisors.closing import cancel_all
from supervisors.composition import Outside, Trading, compose
from supervisors.link import Connection, Link
from supervisors.paper_server import Endpoints
from tests.chaos.market import SYMBOLS, Waves, world
from tests.exchange.server.serving import Served, serve

PATIENCE: Final = 40.0
STEP: Final = 0.02
CONFIRM_WITHIN: Final = 2 * SECOND
OVERRIDES: Final = (
    "quote.cooldown_seconds=0",
    "quote.max_age_seconds=5",
    "exits.retry_delay_seconds=0.2",
    "exits.max_lifetime_seconds=3600",
    "risk.max_daily_loss=100000",
    "risk.max_orders_per_minute=600",
    "exchange.requests.entries_per_minute=6000",
    "exchange.refresh_seconds=2",
    "exchange.requests.read_timeout_seconds=1",
    "exchange.requests.private_per_second=1000",
    "exchange.requests.public_per_second=1000",
    "exchange.requests.per_hour=1000000",
    "exchange.streams.stale_seconds=2.5",
    "exchange.streams.reconnect_seconds=5",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something that the exchange did for an order: `what` is a request, or the state it came to."""

    at: int
    what: str
    client_id: str
    symbol: str


class Journal:
    """Writes down, on the exchange's side, what reached it and what became of it."""

    def __init__(self, served: Served) -> None:
        """Stand between the desk and those who hear of it."""
        self.notes: list[Noted] = []
        self._clock = served.clock
        desk = served.server.desk
        desk._audience = _Between(desk._audience, self)
        submit, cancel = desk.submit, desk.cancel

        async def submitted(draft: Draft) -> Any:
            self.note("submit", draft.intent.client_id, draft.product.symbol)
            return await submit(draft)

        async def cancelled(record: OrderRecord) -> str | None:
            self.note("cancel", record.client_id, record.symbol)
            return await cancel(record)

        setattr(desk, "submit", submitted)  # noqa: B010 - mypy refuses what the test needs
        setattr(desk, "cancel", cancelled)  # noqa: B010

    def note(self, what: str, client_id: str, symbol: str) -> None:
        """Write something down."""
        self.notes.append(
            Noted(at=self._clock.now(), what=what, client_id=client_id, symbol=symbol)
        )


class _Between:
    """Notes every change of an order, and passes everything on."""

    def __init__(self, audience: Audience, journal: Journal) -> None:
        self.market, self.candle = audience.market, audience.candle
        self._order = audience.order
        self._journal = journal

    def order(self, record: OrderRecord) -> None:
        self._journal.note(record.status.value, record.client_id, record.symbol)
        self._order(record)


class Overheard:
    """Passes on what the streams tell, and writes down when trust was lost and when it came back."""

    def __init__(self, market: MarketStream, user: UserStream, now: Callable[[], Instant]) -> None:
        """Stand between the streams and their actors."""
        self.losses: list[tuple[int, str, str]] = []
        """Time, symbol (all of them when empty), and why; no reason when trust came back."""
        self._now = now
        self.market_stream = _Tapped(market, self._on_market)
        self.user_stream = _Tapped(user, self._on_user)

    def _on_market(self, event: MarketEvent) -> None:
        match event:
            case FeedLost(symbol=symbol, reason=reason):
                self.losses.append((self._now(), symbol, reason.value))
            case BookSnapshot(symbol=symbol):
                self.losses.append((self._now(), symbol, ""))
            case _:
                pass

    def _on_user(self, event: UserEvent) -> None:
        match event:
            case UserStreamLost(reason=reason):
                self.losses.append((self._now(), "", reason))
            case UserStreamReady():
                self.losses.append((self._now(), "", ""))
            case _:
                pass

    def of(self, reason: str) -> list[tuple[int, str, str]]:
        """Return the losses whose reason contains a word."""
        return [loss for loss in self.losses if loss[2] and reason in loss[2]]


class _Tapped:
    """A stream that is overheard."""

    def __init__(self, stream: Any, hear: Callable[[Any], None]) -> None:
        self._stream = stream
        self._hear = hear

    def start(self, listener: Callable[[Any], None]) -> None:
        def both(event: Any) -> None:
            self._hear(event)
            listener(event)

        self._stream.start(both)

    @property
    def alive(self) -> bool:
        return bool(self._stream.alive)

    def resync(self, symbol: str) -> None:
        self._stream.resync(symbol)

    def add(self, product: Any) -> None:
        self._stream.add(product)

    def remove(self, symbol: str) -> None:
        self._stream.remove(symbol)

    def stop(self) -> None:
        self._stream.stop()


class Lines(logging.Handler):
    """Keeps what was logged at warning and above."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")


@dataclass
class Rig:
    """The exchange, the bot, and the market between them."""

    served: Served
    seed: int
    overrides: Sequence[str] = ()
    symbols: Sequence[str] = SYMBOLS
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    stopped: bool = False
    last_cores: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put the bot together; nothing trades yet."""
        self.clock = self.served.clock
        self.journal = Journal(self.served)
        self.waves = Waves(self.seed, self.served.market, self.symbols)
        settings = load(None, env={}, overrides=[*OVERRIDES, *self.overrides])
        self.metrics = Metrics(version="t", revision="t", mode="paper", now=self.clock.now)
        self.products: Live[Product] = Live({})
        self.link = self._connect(settings)
        self.exchange = self.link.exchange
        self.overheard = Overheard(self.link.market, self.link.user, self.clock.now)
        self.run = self.ledger.begin_run(
            mode="paper", config_sha="c0ffee", version="test", at=self.clock.now()
        )
        products = self.products
        self.trading: Trading = compose(
            settings,
            Outside(
                exchange=self.exchange,
                market_stream=self.overheard.market_stream,
                user_stream=self.overheard.user_stream,
                ledger=self.ledger,
                tie_out_books=self.ledger.tie_out_books(products),
                filter_books=MemoryFilterBooks(self.ledger, products),
                risk_books=MemoryRiskBooks(self.ledger, products),
                clock=self.clock,
                metrics=self.metrics,
                run=self.run,
                born=None,
                imposed=(),
            ),
            products,
            process=dict,
            refresh=lambda: None,
        )

    def _connect(self, settings: Settings) -> Link:
        """Return the connection as a run makes it, over TLS."""
        base = f"127.0.0.1:{self.served.tls_port}"
        endpoints = Endpoints(
            rest=f"https://{base}",
            market=f"wss://{base}/",
            user=f"wss://{base}/user",
            ca_file=self.served.authority,
        )
        connection = Connection(
            settings, endpoints, self.served.key, clock=self.clock, metrics=self.metrics
        )
        for symbol in self.symbols:
            self.products.put(symbol, connection.offered[symbol])
        return connection.serve(self.products)

    # --- driving --------------------------------------------------------------------------------

    def step(self) -> None:
        """Let the supervisor look; it must never have anything to say."""
        gave_up = self.trading.supervisor.step(STEP) or self.trading.roster.look()
        assert gave_up is None, f"the tree gave up: {gave_up.reason}"

    def until(self, wanted: Callable[[], bool], what: str, *, waves: bool = False) -> None:
        """Wait until something is so, with the market moving or still."""
        deadline = self.clock.monotonic() + int(PATIENCE * SECOND)
        while not wanted():
            assert self.clock.monotonic() < deadline, f"never: {what}\n{self.story()}"
            if waves:
                self.waves.step()
            self.step()

    def trade(self, fills: int) -> None:
        """Let the market move until the exchange has booked so many more executions."""
        before = self.fills
        self.until(lambda: self.fills >= before + fills, f"{fills} more executions", waves=True)

    def suffer(self, *rules: dict[str, Any], fired: int) -> None:
        """Trade under faults until they fired so often in all, then take them away."""
        self.install(*rules)
        self.until(lambda: self.fired >= fired, f"faults fire {fired} times", waves=True)
        self.heal()

    def install(self, *rules: dict[str, Any]) -> None:
        """Install rules."""
        status, body = self.served.ask("POST", "/admin/faults", list(rules))
        assert status == 200, body

    def heal(self) -> None:
        """Take all rules away."""
        assert self.served.ask("DELETE", "/admin/faults")[0] == 200

    @property
    def fired(self) -> int:
        """Return how often the rules in force fired."""
        status, body = self.served.ask("GET", "/admin/faults")
        assert status == 200, body
        return sum(rule["fired"] for rule in body["rules"])

    @property
    def fills(self) -> int:
        """Return how many executions the exchange booked."""
        return sum(record.fills for record in self.orders)

    @property
    def orders(self) -> list[OrderRecord]:
        """Return all orders of the exchange, newest first."""
        return self.served.orders

    @property
    def live(self) -> list[OrderRecord]:
        """Return the orders that may still execute."""
        return [record for record in self.orders if not record.ended]

    def core(self, symbol: str) -> Any:
        """Return a trader's core, or None while it is away."""
        actor = self.actor(f"trader:{symbol}")
        return None if actor is None else actor.core

    def actor(self, name: str) -> Any:
        """Return an actor as it lives now, or None while it is away."""
        life = self.trading.supervisor._lives.get(name)
        return None if life is None else life.ref._actor_weakref()

    def stale(self) -> list[str]:
        """Return the symbols whose data cannot be trusted now."""
        return [s for s in self.symbols if (core := self.core(s)) is None or core.state.stale]

    def quoting(self) -> bool:
        """Return whether every symbol has an entry or an exit at the exchange."""
        return {record.symbol for record in self.live} == set(self.symbols)

    def stop(self) -> None:
        """End as a run ends: cancel everything, wait for the confirmations, stop the actors."""
        self.trading.kill.set("the test is over")
        for trader in self.trading.traders.values():
            trader.tell(StopTrading())
        confirmed = self.clock.monotonic() + CONFIRM_WITHIN
        self.until(
            lambda: not self.live or self.clock.monotonic() > confirmed, "cancellations arrive"
        )
        # As the process does: a trader asks again only after seconds, and a stop cannot wait.
        cancel_all(self.exchange)
        self.until(lambda: not self.live, "every order has ended")
        self.until(
            lambda: all(not self.core(s).state.orders for s in self.symbols), "every trader knows"
        )
        self.until(lambda: not self.trading.ledger.standing().backlog, "every fact is stored")
        self.last_cores = {symbol: self.core(symbol) for symbol in self.symbols}
        self.close()

    def close(self) -> None:
        """Stop the actors and close the connections. Idempotent."""
        if not self.stopped:
            self.stopped = True
            stuck = self.trading.supervisor.stop()
            self.link.close()
            assert stuck == ()

    def counted(self, name: str) -> dict[str, float]:
        """Return what a counter of the bot says, by its labels; what it has not counted is left out."""
        return {
            "/".join(sample.labels.values()): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == f"quietmaker_{name}_total" and sample.value
        }

    def story(self) -> str:
        """Return what there is to know when something went wrong."""
        parts = [f"lost: {self.overheard.losses[-12:]}"]
        parts += [f"{name}: {self.counted(name)}" for name in ("wire_issues", "exchange_requests")]
        parts += [f"refused: {self.ledger.refused}", f"alerts: {self.ledger.alerts}"]
        for record in self.live:
            parts.append(f"live: {record.client_id} {record.status} {record.filled}/{record.size}")
        for symbol in self.symbols:
            core = self.core(symbol)
            if core is not None:
                state = core.state
                parts.append(
                    f"{symbol}: stale {state.stale} lots {state.position.lots} orders "
                    f"{[(o.intent.client_id, o.state.value, o.filled) for o in state.orders.values()]}"
                    f" holds {[h.detail for h in self.ledger.holds if h.symbol == symbol][-3:]}"
                )
        return "\n".join(parts)


@contextmanager
def running(
    *overrides: str,
    seed: int = 1,
    symbols: Sequence[str] = SYMBOLS,
    before: Sequence[dict[str, Any]] = (),
    quoting: bool = True,
) -> Iterator[Rig]:
    """Run the bot on an exchange, with rules in force from before its start if there are any."""
    lines = Lines()
    logging.getLogger().addHandler(lines)
    try:
        with serve(world=world(seed, symbols)) as served:
            rig = Rig(served, seed, overrides, symbols)
            rig.install(*before)
            rig.trading.supervisor.start()
            try:
                if quoting:
                    rig.until(rig.quoting, "quotes")
                yield rig
            except BaseException:
                print(*lines.lines[-60:], rig.story(), sep="\n")  # noqa: T201 - shown with the failure
                raise
            finally:
                rig.close()
    finally:
        logging.getLogger().removeHandler(lines)
