"""Fifty symbols and money for four: nobody is refused for want of funds, and everybody has a turn."""

from __future__ import annotations

from decimal import Decimal

from actors.protocol import StopTrading
from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.paper import PaperExchange
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ledger.memory_risk import MemoryRiskBooks
from quietmaker.settings import load
from quietmaker.telemetry.metrics import Metrics
from supervisors.clock import SystemClock
from supervisors.closing import cancel_all
from supervisors.composition import Outside, Trading, compose
from tests.kit.crowd import Crowd

SYMBOLS = 50
LONG = Nanos(30 * SECOND)
MS = SECOND // 1000


class Rig:
    """The composed actors over a crowd of symbols, the books in memory."""

    def __init__(self, money: str, *overrides: str) -> None:
        self.clock = SystemClock()
        settings = load(
            None,
            env={},
            overrides=[
                "gates.min_candles=1",
                "quote.cooldown_seconds=0",
                "quote.max_age_seconds=1",
                "account.turn_seconds=1",
                "exits.max_lifetime_seconds=3",
                "exits.stale_patience_seconds=1",
                "risk.max_daily_loss=1000",
                "risk.max_consecutive_losses=null",
                "account.max_daily_loss=null",
                "account.max_consecutive_losses=null",
                "exchange.requests.entries_per_minute=6000",
                "exchange.refresh_seconds=1",
                *overrides,
            ],
        )
        source = Crowd(SYMBOLS, seed=1)
        products = source.info().products
        self.exchange = PaperExchange(
            source=source,
            clock=self.clock,
            fees=settings.paper_fees(),
            balances={"USD": Decimal(money)},
            model=FILL_MODELS["touch"],
            latency=Latency(
                entry=Nanos(20 * MS),
                cancel=Nanos(20 * MS),
                response=Nanos(10 * MS),
                jitter=Nanos(10 * MS),
            ),
            seed=1,
            speed=Decimal(2),
            warmup=Nanos(600 * SECOND),
            loop=False,
            session="test",
        )
        self.ledger = MemoryLedger()
        run = self.ledger.begin_run(
            mode="paper", config_sha="c0ffee", version="test", at=self.clock.now()
        )
        self.metrics = Metrics(version="t", revision="t", mode="paper", now=self.clock.now)
        outside = Outside(
            exchange=self.exchange,
            market_stream=self.exchange.market_stream,
            user_stream=self.exchange.user_stream,
            ledger=self.ledger,
            tie_out_books=self.ledger.tie_out_books(products),
            filter_books=MemoryFilterBooks(self.ledger, products),
            risk_books=MemoryRiskBooks(self.ledger, products),
            clock=self.clock,
            metrics=self.metrics,
            run=run,
            born=None,
            imposed=(),
        )
        self.trading: Trading = compose(
            settings, outside, products, process=dict, refresh=lambda: None
        )
        self.quoted: set[str] = set()

    def run(self, span: Nanos) -> None:
        """Trade for so long, and note who quotes."""
        deadline = self.clock.monotonic() + span
        while self.clock.monotonic() < deadline:
            assert self.trading.supervisor.step(0.1) is None
            resting = {report.symbol for report in self.exchange.open_orders()}
            self.quoted |= resting

    def close(self) -> None:
        self.trading.kill.set("the test is over")
        for trader in self.trading.traders.values():
            trader.tell(StopTrading())
        cancel_all(self.exchange)
        assert self.trading.supervisor.stop() == ()
        self.exchange.close()

    def refusals(self) -> dict[str, float]:
        """Return how many orders were refused, by reason."""
        text = self.metrics.expose("")[0].decode()
        found = {}
        for line in text.splitlines():
            if line.startswith("quietmaker_orders_rejected_total{"):
                found[line.partition('reason="')[2].partition('"')[0]] = float(line.split()[-1])
        return found


def test_no_order_is_refused_for_want_of_funds_and_every_symbol_has_its_turn() -> None:
    rig = Rig("110")
    rig.trading.supervisor.start()
    try:
        rig.run(LONG)
    finally:
        rig.close()
    refused = rig.refusals()
    sent = len(rig.ledger.intents)
    assert not [reason for reason in refused if "INSUFFICIENT" in reason], refused
    assert sent > 50
    assert len(rig.quoted) > SYMBOLS // 2, f"{len(rig.quoted)} symbols quoted with {sent} orders"
