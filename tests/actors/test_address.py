"""Addresses outlive the actors behind them and never raise into the sender."""

from __future__ import annotations

import pykka
import pytest

from actors.address import Address, DeadLetters


class Ear(pykka.ThreadingActor):
    use_daemon_thread = True

    def on_receive(self, message: object) -> object:
        return message


def test_an_address_that_leads_nowhere_counts_and_says_so() -> None:
    heard: list[tuple[str, object]] = []
    dead = DeadLetters(lambda name, message: heard.append((name, message)))
    address: Address[str] = Address("trader:X", dead)
    assert address.tell("hello") is False
    assert dead.counts() == {"trader:X": 1}
    assert heard == [("trader:X", "hello")]
    assert not address.bound
    assert address.depth == 0


def test_an_address_follows_the_supervisor_to_the_next_actor() -> None:
    dead = DeadLetters()
    address: Address[str] = Address("a", dead)
    first, second = Ear.start(), Ear.start()
    address.bind(first)
    assert address.tell("one")
    first.stop(timeout=5)
    assert address.tell("lost") is False  # a raw ref would raise here, in the sender
    address.bind(second)
    assert address.tell("two")
    assert dead.counts() == {"a": 1}
    second.stop(timeout=5)


def test_a_raw_ref_would_have_raised() -> None:
    ref = Ear.start()
    ref.stop(timeout=5)
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("x")
