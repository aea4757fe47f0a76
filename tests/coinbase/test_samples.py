"""Every sample of a market frame parses, or is refused for a reason that is stated here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quietmaker.coinbase.frames import Frame, IssueKind
from quietmaker.coinbase.products import products_from_answer
from quietmaker.coinbase.wire import MarketDecoder
from quietmaker.market.files import read_all
from tests.market.shared import PRODUCTS, SAMPLES, SHARED, shared

NOT_FRAMES = {
    "ws_requests_sent.recorded.jsonl": "what we send",
    "ws_user_order.recorded_2023_ccxt.json": "an order object without its frame",
}
STATED = {
    "ws_ticker_batch_empty.recorded_by_ccxt.json": IssueKind.EMPTY_TICKER,
}


def samples() -> list[str]:
    """Return the names of the sample files with frames."""
    folder = SHARED / SAMPLES
    return sorted(path.name for path in folder.glob("*ws_*")) if folder.exists() else []


def frames(path: Path) -> list[str]:
    """Return the texts of the frames of a sample file."""
    text = path.read_text()
    rows = (
        [text] if path.suffix == ".json" else [line for line in text.splitlines() if line.strip()]
    )
    bodies = [json.loads(row) for row in rows]
    return [json.dumps(body.get("msg", body)) for body in bodies]


def decode(name: str) -> list[Frame]:
    """Decode a sample file."""
    products = products_from_answer(read_all(shared(PRODUCTS))).products
    decoder = MarketDecoder(products)
    return [decoder.decode(text) for text in frames(shared(SAMPLES) / name)]


def test_the_samples_are_there() -> None:
    shared(SAMPLES)
    assert len(samples()) > 10


@pytest.mark.parametrize("name", [name for name in samples() if "sdk_" not in name])
def test_a_sample_parses_or_is_refused_for_its_stated_reason(name: str) -> None:
    decoded = decode(name)
    kinds = {issue.kind for frame in decoded for issue in frame.issues}
    if name in NOT_FRAMES:
        assert kinds == {IssueKind.NOT_A_FRAME}, NOT_FRAMES[name]
        return
    assert kinds == ({STATED[name]} if name in STATED else set())
    assert not any(frame.refused for frame in decoded)
    assert all(frame.events or frame.notices or frame.history or frame.issues for frame in decoded)
