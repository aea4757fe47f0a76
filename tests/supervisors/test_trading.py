"""The composed actors on a paper exchange, with threads: crashes cost nothing that matters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from actors.protocol import MarketMoved, StopTrading
from actors.trader import TraderActor
from quietmaker.core.events import Mode
from quietmaker.core.filter_states import FilterState
from quietmaker.core.modes import Source
from quietmaker.core.orders import OrderState
from quietmaker.core.units import SECOND, Nanos, Side
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.paper import PaperExchange
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ledger.memory_risk import MemoryRiskBooks
from quietmaker.market.synthetic import SyntheticMarket
from quietmaker.ports import Override
from quietmaker.settings import load
from quietmaker.telemetry.metrics import Metrics
from supervisors import tree
from supervisors.clock import SystemClock
from supervisors.closing import cancel_all
from supervisors.composition import Outside, Trading, compose
from supervisors.policy import GiveUp

SYMBOLS = ("PROVE-USD", "KAIO-USD", "FORTH-USD")
PATIENCE = 30.0


class Rig:
    """A synthetic market at four times its speed, in-process, with the books in memory."""

    def __init__(self, *overrides: str) -> None:
        self.clock = SystemClock()
        settings = load(None, env={}, overrides=["quote.max_age_seconds=86400", *overrides])
        source = SyntheticMarket(seed=5, symbols=SYMBOLS)
        self.exchange = PaperExchange(
            source=source,
            clock=self.clock,
            fees=settings.paper_fees(),
            balances={"USD": Decimal(1_000)},
            model=FILL_MODELS["queue"],
            latency=Latency(
                entry=Nanos(SECOND // 1000),
                cancel=Nanos(SECOND // 1000),
                response=Nanos(0),
                jitter=Nanos(0),
            ),
            seed=1,
            speed=Decimal(4),
            warmup=Nanos(1_800 * SECOND),
            loop=False,
            session="test",
        )
        self.ledger = MemoryLedger()
        run = self.ledger.begin_run(
            mode="paper", config_sha="c0ffee", version="test", at=self.clock.now()
        )
        self.metrics = Metrics(version="t", revision="t", mode="paper", now=self.clock.now)
        self.filter_books = MemoryFilterBooks(self.ledger, source.info().products)
        outside = Outside(
            exchange=self.exchange,
            market_stream=self.exchange.market_stream,
            user_stream=self.exchange.user_stream,
            ledger=self.ledger,
            tie_out_books=self.ledger.tie_out_books(source.info().products),
            filter_books=self.filter_books,
            risk_books=MemoryRiskBooks(self.ledger, source.info().products),
            clock=self.clock,
            metrics=self.metrics,
            run=run,
            born=None,
            imposed=(),
        )
        self.trading: Trading = compose(
            settings, outside, source.info().products, process=dict, refresh=lambda: None
        )

    def until(self, wanted: Callable[[], bool], *, what: str) -> GiveUp | None:
        """Drive the supervisor until something is so."""
        deadline = self.clock.monotonic() + int(PATIENCE * SECOND)
        while not wanted():
            assert self.clock.monotonic() < deadline, f"never: {what}"
            gave_up = self.trading.supervisor.step(0.05)
            if gave_up is not None:
                return gave_up
        return None

    def resting(self, symbol: str) -> list[str]:
        return [
            report.client_id
            for report in self.exchange.open_orders()
            if report.symbol == symbol and report.state is OrderState.OPEN
        ]

    def recovered(self, symbol: str) -> bool:
        view = self.trading.board.view(symbol)
        return view is not None and view.recovered

    def quotes(self) -> bool:
        return any(self.resting(symbol) for symbol in SYMBOLS)

    def actor(self, name: str) -> Any:
        return self.trading.supervisor._lives[name].ref._actor_weakref()

    def close(self) -> None:
        self.trading.kill.set("the test is over")
        for trader in self.trading.traders.values():
            trader.tell(StopTrading())
        cancel_all(self.exchange)
        assert self.trading.supervisor.stop() == ()
        self.exchange.close()


@contextmanager
def running(*overrides: str) -> Iterator[Rig]:
    rig = Rig(*overrides)
    rig.trading.supervisor.start()
    try:
        rig.until(rig.quotes, what="a quote")
        yield rig
    finally:
        rig.close()


class Poison:
    """Breaks whoever handles it: no arm of a closed union takes it."""


def test_a_crashed_trader_comes_back_with_its_orders_and_the_others_never_notice() -> None:
    with running() as rig:
        symbol = next(symbol for symbol in SYMBOLS if rig.resting(symbol))
        name = tree.trader(symbol)
        others = [tree.trader(other) for other in SYMBOLS if other != symbol]
        lives = {other: rig.actor(other) for other in others}
        before, first = rig.actor(name), set(rig.resting(symbol))
        known = set(rig.ledger.intents)
        rig.trading.traders[symbol].tell(Poison())
        rig.until(
            lambda: rig.actor(name) is not before if name in alive(rig) else False,
            what="the trader is restarted",
        )
        reborn = rig.actor(name)
        assert isinstance(reborn, TraderActor)
        rig.until(lambda: reborn.core.state.recovered, what="it is recovered")
        # Every order that the exchange has of this symbol is one that the trader owns.
        rig.until(
            lambda: set(rig.resting(symbol)) <= set(reborn.core.state.orders), what="all adopted"
        )
        assert {other: rig.actor(other) for other in others} == lives
        assert first <= known
        twice = [c for c in rig.ledger.intents if c.startswith(f"qm1-{symbol}")]
        assert len(twice) == len(set(twice))
        rig.until(
            lambda: (
                any(c.startswith(f"qm1.2-{symbol}") for c in rig.ledger.intents)
                or bool(rig.resting(symbol))
            ),
            what="it quotes again",
        )


def alive(rig: Rig) -> set[str]:
    return set(rig.trading.supervisor._lives)


def test_a_crashed_gateway_takes_along_what_was_built_on_it_and_no_order_is_lost() -> None:
    with running() as rig:
        ledger_writer = rig.actor(tree.LEDGER)
        gateway = rig.actor(tree.GATEWAY)
        rig.trading.supervisor._addresses[tree.GATEWAY].tell(Poison())
        rig.until(
            lambda: tree.GATEWAY in alive(rig) and rig.actor(tree.GATEWAY) is not gateway,
            what="the gateway is restarted",
        )
        rig.until(
            lambda: all(
                tree.trader(s) in alive(rig) and rig.actor(tree.trader(s)).core.state.recovered
                for s in SYMBOLS
            ),
            what="all traders recovered",
        )
        assert rig.actor(tree.LEDGER) is ledger_writer
        rig.until(
            lambda: all(
                set(rig.resting(s)) <= set(rig.actor(tree.trader(s)).core.state.orders)
                for s in SYMBOLS
            ),
            what="every open order has its owner",
        )
        rig.until(rig.quotes, what="it quotes again")


def test_an_intent_precedes_every_order_of_the_exchange() -> None:
    with running() as rig:
        orders = {order.intent.client_id for order in rig.exchange._core.open_orders()}
        assert orders
        assert orders <= set(rig.ledger.intents)


def test_a_trader_that_crashes_for_ever_makes_the_tree_give_up() -> None:
    once = [f"supervision.{branch}.max_restarts=1" for branch in ("symbols", "trading", "root")]
    with running(*once) as rig:
        symbol = SYMBOLS[0]

        def poisoned() -> bool:
            rig.trading.traders[symbol].tell(Poison())
            return False

        verdict = rig.until(poisoned, what="the end")
        assert verdict is not None
        assert symbol in verdict.reason


def test_a_dead_trader_does_not_hold_up_the_market_of_the_others() -> None:
    with running() as rig:
        stuck, others = SYMBOLS[0], SYMBOLS[1:]
        entered, release = threading.Event(), threading.Event()
        actor = rig.actor(tree.trader(stuck))

        def hang(message: MarketMoved) -> None:
            entered.set()
            release.wait(PATIENCE)

        actor.receive = hang
        rig.until(entered.is_set, what="it hangs")
        ages = {o: rig.trading.board.view(o) for o in others}
        rig.until(
            lambda: all(rig.trading.board.view(o) != ages[o] for o in others),
            what="the others go on",
        )
        assert rig.trading.slots[stuck].standing() is not None
        del actor.receive
        release.set()


def test_the_operators_ban_pulls_entries_within_seconds_and_leaves_the_exit_alone() -> None:
    with running("exits.min_profit_pct=5", "exits.max_lifetime_seconds=86400") as rig:

        def held() -> str | None:
            views = rig.trading.board.views()
            return next((s for s, v in views.items() if v.position and v.exit), None)

        rig.until(lambda: held() is not None, what="a position with its exit")
        symbol = held()
        assert symbol is not None
        before = rig.trading.board.views()[symbol].exit
        assert before is not None
        rig.filter_books.store_override(
            Override(
                symbol=symbol,
                at=rig.clock.now(),
                include=False,
                reason="the coin is delisted",
                until=None,
                operator="ann",
            )
        )

        def gate() -> str | None:
            return rig.trading.board.views()[symbol].sides[Side.BUY].gate

        rig.until(lambda: gate() == "excluded", what="no entry any more")
        view = rig.trading.board.views()[symbol]
        assert "operator ann: the coin is delisted" in view.sides[Side.BUY].detail
        assert view.position
        assert view.exit is not None
        assert view.exit[3] == "break_even_plus"
        said = rig.trading.eligibility.said()
        assert said[symbol].standing.state is FilterState.DENIED
        assert all(said[other].rule is None for other in SYMBOLS if other != symbol)


def test_a_trader_that_is_killed_under_a_halt_comes_back_halted_and_its_quotes_are_gone() -> None:
    with running() as rig:
        symbol = next(symbol for symbol in SYMBOLS if rig.resting(symbol))
        name = tree.trader(symbol)
        before = rig.actor(name)
        rig.trading.traders[symbol].tell(Poison())
        assert before.actor_stopped.wait(PATIENCE)
        assert not rig.trading.traders[symbol].bound, "nobody has driven the supervisor since"
        rig.trading.modes.impose(Source.OPERATOR, None, Mode.HALT, reason="now", by="anna")
        rig.until(
            lambda: not any(c for s in SYMBOLS for c in rig.resting(s) if "-BE" in c),
            what="no entry rests, whoever is there",
        )
        rig.until(
            lambda: name in alive(rig) and rig.actor(name) is not before, what="it is restarted"
        )
        reborn = rig.actor(name)
        rig.until(lambda: reborn.core.state.recovered, what="it is recovered")
        assert reborn.core.state.mode is Mode.HALT
        rig.trading.modes.lift(Source.OPERATOR, None, by="anna", reason="over")
        rig.until(rig.quotes, what="a quote after the halt")
