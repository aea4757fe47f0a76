"""Symbols come and go while the bot trades, over real sockets: nothing is left without an owner."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

from quietmaker.core.events import Mode
from quietmaker.core.live import Live
from quietmaker.core.modes import Source
from quietmaker.core.orders import Fill, Purpose
from quietmaker.core.units import SECOND, Liquidity
from quietmaker.settings import load
from supervisors import tree
from supervisors.opening import _left_over
from tests.chaos.ending import ends_well
from tests.chaos.market import PRODUCTS, SYMBOLS
from tests.chaos.rig import Rig, running

GOES, STAYS = SYMBOLS


def lots(rig: Rig, symbol: str) -> int:
    core = rig.core(symbol)
    return 0 if core is None else int(core.state.position.lots)


def gone(rig: Rig, symbol: str) -> bool:
    return symbol not in rig.trading.roster.symbols()


def live(rig: Rig, symbol: str) -> list[str]:
    return [record.client_id for record in rig.live if record.symbol == symbol]


def life(rig: Rig, name: str) -> Any:
    return rig.trading.supervisor._lives[name].ref.actor_urn


def imposed(rig: Rig) -> dict[str | None, Mode]:
    return {e.scope: e.mode for e in rig.trading.modes.standing() if e.source is Source.ROSTER}


def series(rig: Rig) -> str:
    return rig.metrics.expose("")[0].decode()


def working(rig: Rig, symbol: str) -> list[Any]:
    core = rig.core(symbol)
    return [] if core is None else [o for o in core.state.orders.values() if not o.done]


def entries(rig: Rig, since: int, symbol: str) -> list[str]:
    """Return the entries of a symbol that reached the exchange after some point of the journal."""
    return [
        note.client_id
        for note in rig.journal.notes[since:]
        if (note.symbol, note.what) == (symbol, "submit")
        and rig.ledger.intents[note.client_id].purpose is Purpose.ENTRY
    ]


def held(rig: Rig) -> None:
    """Have a position, and let the market stand."""
    rig.waves.sell_into_bids()
    rig.until(lambda: lots(rig, GOES) > 0, "a position")


def test_a_drained_symbol_works_its_exit_and_is_removed_once_it_is_flat() -> None:
    with running() as rig:
        roster = rig.trading.roster
        held(rig)
        others = {n: life(rig, n) for n in (tree.trader(STAYS), tree.GATEWAY, tree.FEED)}
        roster.drain(GOES, "test")
        rig.until(lambda: imposed(rig) == {GOES: Mode.DRAIN}, "the roster's word")
        # The entries go, the exit stays, and so does the symbol as long as it holds something.
        rig.until(
            lambda: [o.intent.purpose for o in working(rig, GOES)] == [Purpose.EXIT],
            "only the exit is left",
        )
        seen = len(rig.journal.notes)
        after = rig.clock.monotonic() + 2 * SECOND
        rig.until(lambda: rig.clock.monotonic() > after, "nothing happens for a while")
        assert roster.leaving() == (GOES,)
        assert live(rig, GOES)
        rig.until(lambda: gone(rig, GOES), "its exit is filled, and it is removed", waves=True)
        assert entries(rig, seen, GOES) == []
        assert live(rig, GOES) == []
        assert imposed(rig) == {}
        assert {name: life(rig, name) for name in others} == others
        assert GOES not in series(rig)
        rig.until(lambda: bool(live(rig, STAYS)), "the other still quotes", waves=True)


def test_a_symbol_that_comes_again_is_subscribed_judged_and_quoted() -> None:
    with running() as rig:
        roster = rig.trading.roster
        market = rig.overheard.market_stream
        roster.drain(GOES, "test")
        rig.until(lambda: gone(rig, GOES), "it is removed", waves=True)
        rig.until(lambda: GOES not in rig.link.market.products, "it is unsubscribed", waves=True)  # type: ignore[attr-defined]
        assert GOES not in rig.trading.slots
        assert rig.trading.board.view(GOES) is None
        first = life(rig, tree.FEED)
        roster.add(GOES, PRODUCTS[GOES])
        rig.until(lambda: bool(live(rig, GOES)), "it quotes again", waves=True)
        assert life(rig, tree.FEED) == first
        assert market is rig.overheard.market_stream
        assert GOES in series(rig)
        # A later life never uses a client id of an earlier one.
        ids = [note.client_id for note in rig.journal.notes if note.what == "submit"]
        assert len(ids) == len(set(ids))


def test_one_that_is_added_while_it_is_drained_stays_and_quotes() -> None:
    with running() as rig:
        roster = rig.trading.roster
        held(rig)
        trader = life(rig, tree.trader(GOES))
        roster.drain(GOES, "test")
        rig.until(lambda: imposed(rig) != {}, "it is drained")
        roster.add(GOES, PRODUCTS[GOES])
        rig.until(lambda: imposed(rig) == {}, "it is not drained any more")
        assert roster.leaving() == ()
        rig.until(
            lambda: rig.trading.board.views()[GOES].mode == Mode.RUN.value, "its trader knows"
        )
        assert life(rig, tree.trader(GOES)) == trader


def test_what_is_executed_of_a_removed_symbol_brings_it_back_until_it_is_flat() -> None:
    with running() as rig:
        roster = rig.trading.roster
        roster.drain(GOES, "test")
        rig.until(lambda: gone(rig, GOES), "it is removed")
        intent = next(each for each in rig.ledger.intents.values() if each.symbol == GOES)
        late = Fill(
            trade_id="late-1",
            client_id=intent.client_id,
            symbol=GOES,
            side=intent.side,
            price=intent.price,
            size=intent.size,
            fee=Decimal("0.01"),
            liquidity=Liquidity.MAKER,
            at=rig.clock.now(),
        )
        assert rig.trading.news.filled(late)
        rig.until(lambda: not gone(rig, GOES), "it is back")
        rig.until(lambda: lots(rig, GOES) == intent.size, "its trader owns what was executed")
        assert imposed(rig) == {GOES: Mode.DRAIN}
        assert roster.leaving() == (GOES,)
        rig.until(lambda: rig.trading.board.views()[GOES].mode == Mode.DRAIN.value, "only to leave")


def test_symbols_that_come_and_go_at_random_lose_nothing() -> None:
    dice = Random(7)
    with running() as rig:
        end = rig.clock.monotonic() + 8 * SECOND
        while rig.clock.monotonic() < end:
            symbol = dice.choice(SYMBOLS)
            if dice.random() < 0.5:
                rig.trading.roster.drain(symbol, "the dice")
            else:
                rig.trading.roster.add(symbol, PRODUCTS[symbol])
            for _ in range(dice.randrange(1, 12)):
                rig.waves.step()
                rig.step()
        for symbol in SYMBOLS:
            rig.trading.roster.add(symbol, PRODUCTS[symbol])
        rig.until(rig.quoting, "both quote", waves=True)
        ends_well(rig, pulled=False)


def test_what_the_books_hold_and_the_configuration_does_not_name_is_worked_until_it_is_flat() -> (
    None
):
    notes: list[str] = []
    chosen: Any = SimpleNamespace(settings=load(None, env={}), tell=notes.append)
    books: Any = SimpleNamespace(
        ledger=SimpleNamespace(symbols_in_use=lambda: (GOES, STAYS, "AWAY-USD"))
    )
    products = Live({STAYS: PRODUCTS[STAYS]})
    left = _left_over(chosen, books, products, PRODUCTS)
    assert list(left) == [GOES]
    assert set(products) == {STAYS, GOES}
    assert [note.split()[1:3] for note in notes] == [[GOES, "is"], ["the", "books"]]


def test_at_a_start_whoever_is_left_over_is_drained_and_an_old_word_of_the_roster_is_taken_back() -> (
    None
):
    with running() as rig:
        roster, modes = rig.trading.roster, rig.trading.modes
        modes.impose(Source.ROSTER, STAYS, Mode.DRAIN, reason="of the last run", by="roster")
        roster.begin({GOES: "left over"})
        assert imposed(rig) == {GOES: Mode.DRAIN}
        rig.until(lambda: gone(rig, GOES), "it is removed", waves=True)
        rig.until(lambda: bool(live(rig, STAYS)), "the other quotes", waves=True)
