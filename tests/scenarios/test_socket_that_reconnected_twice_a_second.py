"""Incident W1.

For eleven weeks the socket of its own orders was made anew twice a second: a subscription was taken for
failed that had not, and the pause between attempts was forgotten whenever TCP connected. The container was
called unhealthy for it, and nobody was told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from quietmaker.coinbase.streams.backoff import Backoff
from quietmaker.core.units import Nanos
from quietmaker.ports import UserStreamReady
from tests.coinbase.peer import Peer
from tests.coinbase.rigs import UserRig, no_thread_is_left

ROOT: Final = Path(__file__).parents[2]


def test_pauses_grow_until_a_subscription_holds_whatever_connects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    pause, reset = Backoff.pause, Backoff.reset

    def paused(self: Backoff) -> Nanos:
        told.append("pause")
        return pause(self)

    def forgot(self: Backoff) -> None:
        told.append("reset")
        reset(self)

    monkeypatch.setattr(Backoff, "pause", paused)
    monkeypatch.setattr(Backoff, "reset", forgot)
    with Peer() as peer:
        rig = UserRig(peer)
        for _ in range(3):  # TCP, TLS and the handshake work each time; the subscription never does
            line = peer.take()
            line.requests("heartbeats", "user")
            line.cut()
        line = peer.take()
        assert told == ["pause", "pause", "pause"]
        line.requests("heartbeats", "user")
        line.message("user", {"type": "snapshot", "orders": []})
        line.acknowledge(heartbeats=["heartbeats"], user=["00000000"])
        line.beat()
        rig.heard.of(UserStreamReady)
        assert told == ["pause", "pause", "pause", "reset"]
    no_thread_is_left()


def test_somebody_is_told_of_a_socket_that_flaps() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules/process.yaml").read_text())
    alerts = {each["alert"]: each["expr"] for group in rules["groups"] for each in group["rules"]}
    assert "quietmaker_websocket_reconnects_total" in alerts["QuietmakerStreamFlapping"]
    assert "quietmaker_websocket_connected" in alerts["QuietmakerStreamDown"]


def test_a_socket_that_is_away_does_not_make_the_container_unhealthy() -> None:
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    for name in ("bot", "bot-demo", "bot-live"):
        assert compose["services"][name]["healthcheck"]["test"] == ["CMD", "quietmaker", "health"]
