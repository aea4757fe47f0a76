"""Capital: what orders hold is claimed before they are sent, and given back with what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from actors.board import Board
from actors.capital import AccountCaps, Capital
from quietmaker.core.orders import Fill, Intent, Move, OrderState, Purpose, Working
from quietmaker.core.units import SECOND, ZERO, Lots, Nanos, Side
from quietmaker.ports import Balance
from tests.actors.fakes import HandClock
from tests.kit.makers import FEES, make_fill, make_intent, make_product

A, B = "A-USD", "B-USD"


@dataclass
class Rig:
    """A hundred dollars, two symbols; one order is for $25 and holds $25.10."""

    clock: HandClock = field(default_factory=HandClock)
    exposure: str = "1000"
    orders: int = 100

    def __post_init__(self) -> None:
        self.products = {s: make_product(symbol=s) for s in (A, B)}
        self.capital = Capital(
            self.products,
            Board(),
            turn=lambda: Nanos(60 * SECOND),
            caps=lambda _: AccountCaps(exposure=Decimal(self.exposure), orders=self.orders),
            now=self.clock.now,
        )
        self.capital.rates(FEES)
        self.answer("100")

    def answer(self, available: str, hold: str = "0") -> None:
        usd = Balance(currency="USD", available=Decimal(available), hold=Decimal(hold))
        self.capital.observe({"USD": usd}, self.capital.mark(["USD"]), {})
        self.clock.advance(10 * SECOND)

    def intent(self, name: str, symbol: str = A, lots: int = 250) -> Intent:
        return make_intent(name, Side.BUY, 10_000, lots, symbol=symbol)

    def send(self, name: str, symbol: str = A, lots: int = 250) -> str | None:
        return self.capital.admit(self.intent(name, symbol, lots))

    def fill(self, name: str, side: Side) -> Fill:
        at = self.clock.now()
        return make_fill("t1", side, 10_000, 250, client_id=name, symbol=A, fee="0.0625", at=at)

    def offered(self, symbol: str = B) -> Decimal | None:
        return self.capital.offered(symbol, "USD")


def test_what_one_symbol_claims_the_other_is_not_offered() -> None:
    rig = Rig()
    assert rig.send("c1") is None
    assert rig.offered(A) == Decimal(100)  # its own order included: the core subtracts it
    assert rig.offered(B) == Decimal("74.9")


def test_an_order_too_many_is_refused_with_what_it_needs_and_what_there_is() -> None:
    rig = Rig()
    for name in ("c1", "c2", "c3"):
        assert rig.send(name) is None
    assert rig.send("c4", B) == "needs 25.1 USD, 24.7 free for B-USD (capital)"


def test_an_order_that_ends_gives_back_what_it_held() -> None:
    for move in (Move.REJECTED, Move.CANCELLED, Move.EXPIRED, Move.FAILED):
        rig = Rig()
        rig.send("c1")
        rig.capital.moved("c1", move, None)
        rig.clock.advance(10 * SECOND)
        assert rig.offered() == Decimal(100)


def test_an_unknown_order_holds_until_somebody_knows() -> None:
    rig = Rig()
    rig.send("c1")
    rig.capital.moved("c1", Move.OUTCOME_UNKNOWN, None)
    assert rig.offered() == Decimal("74.9")
    rig.capital.moved("c1", Move.NOT_FOUND, None)
    rig.clock.advance(10 * SECOND)
    assert rig.offered() == Decimal(100)


def test_an_order_that_is_not_found_once_is_unknown_first() -> None:
    rig = Rig()
    rig.send("c1")
    rig.capital.moved("c1", Move.NOT_FOUND, None)
    assert rig.offered() == Decimal("74.9")
    rig.capital.moved("c1", Move.ACCEPTED, None)
    rig.capital.moved("c1", Move.NOT_FOUND, None)
    assert rig.offered() == Decimal("74.9")


def test_a_filled_order_holds_until_its_executions_are_told_and_then_is_spent() -> None:
    rig = Rig()
    rig.send("c1")
    rig.capital.moved("c1", Move.FILLED, None)
    assert rig.offered() == Decimal("74.9")
    rig.capital.executed(rig.fill("c1", Side.BUY))
    rig.clock.advance(10 * SECOND)
    assert rig.offered() == Decimal(75) - Decimal("0.0625")


def test_what_an_exit_brings_is_there_for_the_next_entry() -> None:
    rig = Rig()
    rig.capital.executed(rig.fill("x1", Side.SELL))
    assert rig.offered() == Decimal(125) - Decimal("0.0625")


def test_adopted_orders_hold_what_they_held_and_forgotten_ones_nothing() -> None:
    rig = Rig()
    rig.send("c1")
    resting = Working(
        intent=rig.intent("c0"), state=OrderState.OPEN, sent_at=rig.clock.now(), filled=50
    )
    rig.capital.recovered(A, [resting])
    rig.clock.advance(60 * SECOND)  # its turn is over
    assert rig.offered() == Decimal(100) - Decimal("25.1") * 4 / 5


def test_exits_claim_nothing_at_recovery() -> None:
    rig = Rig()
    leaving = make_intent("x1", Side.SELL, 10_000, 250, purpose=Purpose.EXIT, symbol=A)
    order = Working(intent=leaving, state=OrderState.OPEN, sent_at=rig.clock.now())
    rig.capital.recovered(A, [order])
    assert rig.offered() == Decimal(100)


def test_holds_of_adopted_orders_are_not_taken_for_somebody_elses() -> None:
    rig = Rig()
    order = Working(intent=rig.intent("c0"), state=OrderState.OPEN, sent_at=rig.clock.now())
    rig.capital.recovered(A, [order])
    rig.answer("74.9", "25.1")
    assert rig.offered(A) == Decimal(100)


def test_all_symbols_together_stay_below_the_exposure_even_when_they_ask_at_once() -> None:
    rig = Rig(exposure="60")
    assert rig.send("c1", A) is None
    assert rig.send("c2", B) is None
    assert rig.send("c3", A) == "exposure 75 > 60 (risk.max_exposure)"


def test_an_execution_counts_as_exposure_until_the_position_is_shown() -> None:
    rig = Rig(exposure="60")
    rig.send("c1", A)
    rig.capital.executed(rig.fill("c1", Side.BUY))
    assert rig.send("c2", B, lots=400) == "exposure 65 > 60 (risk.max_exposure)"


def test_entry_orders_of_all_symbols_are_counted() -> None:
    rig = Rig(orders=1)
    rig.send("c1", A)
    assert rig.send("c2", B) == "1 entry orders in all symbols (account.max_open_orders)"


def test_unknown_balances_offer_nothing_rather_than_zero() -> None:
    rig = Rig()
    rig.capital.observe(None, {}, {})
    assert rig.offered() is None
    assert rig.send("c1") == "the balance of USD is not known (capital)"


def test_an_ask_claims_inventory_beyond_the_positions() -> None:
    rig = Rig()
    held = Balance(currency="A", available=Decimal(60), hold=Decimal(10))
    rig.capital.observe({"A": held}, rig.capital.mark(["A"]), {"A": Decimal(40)})
    ask = make_intent("c1", Side.SELL, 10_000, 250, symbol=A)
    assert rig.capital.offered(A, "A") == Decimal(30)
    assert rig.capital.admit(ask) is None
    assert rig.capital.offered(A, "A") == Decimal(30)
    rig.capital.executed(rig.fill("c1", Side.SELL))
    assert rig.capital.offered(A, "A") == Decimal(5)


def test_nothing_is_held_for_a_lot_that_was_told_twice() -> None:
    rig = Rig()
    rig.send("c1")
    fill = rig.fill("c1", Side.BUY)
    rig.capital.executed(fill)
    rig.capital.moved("c1", Move.FILLED, Lots(250))
    assert rig.capital.offered(A, "USD") == Decimal(75) - Decimal("0.0625")
    assert rig.capital.waiting() == ZERO
