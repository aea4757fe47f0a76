"""The allocator: claims never exceed what the exchange has free, and everybody who waits is served."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from quietmaker.core.allocator import IDLE, Allocator, Claim
from quietmaker.core.units import SECOND, Instant, Nanos

T0 = Instant(1_700_000_000 * SECOND)
TURN = Nanos(60 * SECOND)
FEE = Decimal("1.004")


def bid(symbol: str, number: int, *, lots: int = 10, price: str = "1") -> Claim:
    """Return the claim of a bid for so many lots, at a price for each."""
    return Claim(
        client_id=f"{symbol} {number}",
        symbol=symbol,
        currency="USD",
        quote="USD",
        lots=lots,
        per_lot=Decimal(price) * FEE,
        notional=Decimal(price),
    )


def funded(amount: Decimal | int, *, hold: str | int = 0) -> Allocator:
    """Return an allocator that was told of so many dollars, a part of them held for others."""
    allocator = Allocator(turn=TURN)
    allocator.observe(
        "USD",
        total=Decimal(amount),
        hold=Decimal(hold),
        mark=allocator.mark("USD"),
        now=Instant(T0 - 60 * SECOND),
    )
    return allocator


def test_nothing_is_granted_before_the_account_has_answered() -> None:
    short = Allocator(turn=TURN).claim(bid("A", 1), T0)
    assert short is not None
    assert "not known" in short.detail


def test_two_symbols_cannot_claim_the_same_money() -> None:
    allocator = funded(15)
    assert allocator.claim(bid("A", 1), T0) is None
    short = allocator.claim(bid("B", 1), T0)
    assert short is not None
    assert short.detail == "needs 10.04 USD, 4.96 free for B"


def test_a_claim_is_given_back_when_its_order_ends() -> None:
    allocator = funded(15)
    allocator.claim(bid("A", 1), T0)
    allocator.ended("A 1", filled=None, now=T0)
    assert allocator.claim(bid("B", 1), Instant(T0 + IDLE)) is None


def test_an_order_that_ended_keeps_what_is_executed_and_not_told() -> None:
    allocator = funded(15)
    allocator.claim(bid("A", 1), T0)
    allocator.ended("A 1", filled=4, now=T0)
    assert allocator.used("A", "USD") == 4 * FEE
    allocator.executed("A 1", lots=4, spent=("USD", Decimal(4)), got=None, at=T0, now=T0)
    assert allocator.used("A", "USD") == 0
    assert allocator.unclaimed("USD") == Decimal(11)


def test_what_is_held_for_somebody_else_is_not_ours() -> None:
    assert funded(15, hold=12).free("A", "USD", T0) == 3


def test_an_answer_given_while_executions_are_told_is_not_taken() -> None:
    allocator = funded(15)
    allocator.claim(bid("A", 1), T0)
    mark = allocator.mark("USD")
    allocator.executed("A 1", lots=10, spent=("USD", Decimal(10)), got=None, at=T0, now=T0)
    taken = allocator.observe("USD", total=Decimal(15), hold=Decimal(10), mark=mark, now=T0)
    assert not taken
    assert allocator.unclaimed("USD") == 5


def test_proceeds_that_may_be_in_the_answer_are_not_counted_twice() -> None:
    allocator = funded(15)
    allocator.observe("USD", total=Decimal(25), hold=Decimal(0), mark=allocator.mark("USD"), now=T0)
    allocator.executed("A 9", lots=10, spent=None, got=("USD", Decimal(10)), at=T0, now=T0)
    assert allocator.unclaimed("USD") == 25
    later = Instant(T0 + 3 * SECOND)
    allocator.executed("A 9", lots=10, spent=None, got=("USD", Decimal(10)), at=later, now=later)
    assert allocator.unclaimed("USD") == 35


def test_a_symbol_keeps_its_place_while_its_quote_is_replaced() -> None:
    allocator = funded(15)
    allocator.claim(bid("A", 1), T0)
    allocator.wish("B", "USD", Decimal("10.04"), T0)
    allocator.ended("A 1", filled=None, now=T0)
    assert allocator.claim(bid("B", 1), T0) is not None
    assert allocator.claim(bid("A", 2), T0) is None


def test_after_its_turn_it_gives_way_to_who_waits() -> None:
    allocator = funded(15)
    allocator.claim(bid("A", 1), T0)
    now = Instant(T0 + TURN)
    allocator.wish("B", "USD", Decimal("10.04"), now)
    allocator.ended("A 1", filled=None, now=now)
    assert allocator.claim(bid("A", 2), now) is not None
    assert allocator.claim(bid("B", 1), now) is None


def test_after_its_turn_it_goes_on_when_nobody_waits() -> None:
    allocator = funded(15)
    allocator.claim(bid("A", 1), T0)
    now = Instant(T0 + TURN)
    allocator.ended("A 1", filled=None, now=now)
    assert allocator.claim(bid("A", 2), now) is None


def test_a_wish_beyond_everything_holds_nobody_up() -> None:
    allocator = funded(15)
    allocator.wish("A", "USD", Decimal(100), T0)
    assert allocator.claim(bid("B", 1), T0) is None


def test_who_stops_asking_leaves_the_line() -> None:
    allocator = funded(15)
    allocator.wish("A", "USD", Decimal(12), T0)
    assert allocator.claim(bid("B", 1), T0) is not None
    assert allocator.claim(bid("B", 1), Instant(T0 + IDLE)) is None


def test_unknown_balances_stop_new_claims_and_leave_the_old_ones() -> None:
    allocator = funded(15)
    allocator.claim(bid("A", 1), T0)
    allocator.forget()
    assert allocator.free("A", "USD", T0) is None
    assert allocator.used("A", "USD") == Decimal("10.04")


# --- against an exchange ------------------------------------------------------------------------


@dataclass
class Account:
    """The exchange's side: it holds what an order needs and refuses what it cannot hold."""

    total: Decimal
    orders: dict[str, tuple[Claim, int]] = field(default_factory=dict)

    @property
    def held(self) -> Decimal:
        """Return what is held for working orders."""
        return sum((c.per_lot * left for c, left in self.orders.values()), Decimal(0))

    def place(self, claim: Claim) -> None:
        """Hold for an order; this is where an exchange answers INSUFFICIENT_FUND."""
        assert self.held + claim.amount <= self.total, "insufficient funds"
        self.orders[claim.client_id] = (claim, claim.lots)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "fill", "end", "tell", "ask", "answer", "sell"]),
        st.integers(0, 5),
        st.integers(1, 12),
        st.integers(0, 3_000).map(lambda ms: ms * SECOND // 1000),
    ),
    max_size=120,
)


class World:
    """An account, what it has not told yet, and the allocator that hears of it late."""

    def __init__(self, funds: int) -> None:
        """Begin with so many dollars that the allocator knows of."""
        self.account = Account(Decimal(funds))
        self.allocator = funded(funds)
        self.now = T0
        self.number = 0
        self.news: list[tuple[str, str, int, Decimal, Instant]] = []
        self.question: tuple[tuple[int, int], Decimal, Decimal] | None = None

    def act(self, what: str, which: int, many: int) -> None:
        """Let one thing happen."""
        getattr(self, f"_{what}")(which, many)

    def _claim(self, which: int, many: int) -> None:
        self.number += 1
        claim = bid(f"S{which}", self.number, lots=many)
        if self.allocator.claim(claim, self.now) is None:
            self.account.place(claim)
        else:
            self.allocator.wish(claim.symbol, "USD", claim.amount, self.now)

    def _fill(self, which: int, many: int) -> None:
        if not self.account.orders:
            return
        name = sorted(self.account.orders)[which % len(self.account.orders)]
        claim, left = self.account.orders[name]
        lots = min(many, left)
        cost = claim.per_lot * lots
        self.account.total -= cost
        self.account.orders[name] = (claim, left - lots)
        self.news.append(("fill", name, lots, cost, self.now))
        if left == lots:
            del self.account.orders[name]
            self.news.append(("end", name, claim.lots, Decimal(0), self.now))

    def _end(self, which: int, many: int) -> None:
        del many
        if self.account.orders:
            name = sorted(self.account.orders)[which % len(self.account.orders)]
            claim, left = self.account.orders.pop(name)
            self.news.append(("end", name, claim.lots - left, Decimal(0), self.now))

    def _sell(self, which: int, many: int) -> None:
        self.account.total += many
        self.news.append(("sell", f"exit {which}", many, Decimal(many), self.now))

    def _tell(self, which: int, many: int) -> None:
        """Tell news, not always in their order: an end may overtake its executions."""
        del many
        if not self.news:
            return
        what, name, lots, amount, at = self.news.pop(which % len(self.news))
        if what == "end":
            self.allocator.ended(name, filled=lots, now=self.now)
            return
        spent, got = (("USD", amount), None) if what == "fill" else (None, ("USD", amount))
        self.allocator.executed(name, lots=lots, spent=spent, got=got, at=at, now=self.now)

    def _ask(self, which: int, many: int) -> None:
        """Have the exchange answer now; the answer arrives later."""
        del which, many
        mark = self.allocator.mark("USD")
        self.question = (mark, self.account.total, self.account.held)

    def _answer(self, which: int, many: int) -> None:
        del which, many
        if self.question is not None:
            mark, total, hold = self.question
            self.allocator.observe("USD", total=total, hold=hold, mark=mark, now=self.now)
            self.question = None


@settings(max_examples=400)
@given(st.integers(5, 60), ACTIONS)
def test_the_exchange_never_has_to_refuse_for_want_of_funds(
    funds: int, actions: list[tuple[str, int, int, int]]
) -> None:
    world = World(funds)
    for what, which, many, later in actions:
        world.now = Instant(world.now + later)
        world.act(what, which, many)


@settings(max_examples=8, deadline=None)
@given(
    st.integers(2, 12),
    st.integers(1, 4),
    st.integers(0, 2**32),
)
def test_whoever_waits_is_served_within_the_turns_of_those_before(
    symbols: int,
    places: int,
    seed: int,
) -> None:
    random = Random(seed)
    allocator = funded(Decimal("10.04") * places)
    names = [f"S{each}" for each in range(symbols)]
    resting: dict[str, tuple[str, int]] = {}
    served = dict.fromkeys(names, T0)
    longest, now, number = 0, int(T0), 0
    for _ in range(400 + 100 * symbols // places):
        now += SECOND
        random.shuffle(names)
        for name in names:
            if name in resting and now - resting[name][1] >= 20 * SECOND:
                allocator.ended(resting.pop(name)[0], filled=None, now=Instant(now))
            if name in resting:
                continue
            number += 1
            claim = bid(name, number)
            if allocator.claim(claim, Instant(now)) is None:
                resting[name] = (claim.client_id, now)
                longest = max(longest, now - served[name])
                served[name] = Instant(now)
            else:
                allocator.wish(name, "USD", claim.amount, Instant(now))
    longest = max(longest, *(now - each for each in served.values()))
    rounds = -(-symbols // places)
    assert longest <= rounds * (TURN + 25 * SECOND) + 30 * SECOND


@given(st.integers(5, 60), ACTIONS)
def test_the_exposure_is_what_the_claims_may_still_buy(
    funds: int, actions: list[tuple[str, int, int, int]]
) -> None:
    world = World(funds)
    for what, which, many, later in actions:
        world.now = Instant(world.now + later)
        world.act(what, which, many)
    for what, which in [("tell", 0)] * len(world.news):
        world.act(what, which, 0)
    world.now = Instant(world.now + 10 * SECOND)
    left = sum((c.notional * lots for c, lots in world.account.orders.values()), Decimal(0))
    assert world.allocator.exposure("USD", world.now) == left
    assert world.allocator.orders() == len(world.account.orders)
