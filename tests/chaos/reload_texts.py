"""What an operator, an editor or a broken disk may leave in a configuration file."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

Quote = tuple[Decimal, Decimal]


def good(rng: random.Random, quotes: Mapping[str, Quote]) -> str:
    """Return a configuration that means something, around the market as it stands."""
    size = rng.choice([5, 10, 15, 25])
    levels = [str(size)] * rng.randint(1, 3)
    # Mostly no price moves, so that nothing else takes quotes away that are outside of new bounds.
    calm = rng.random() < 0.7
    improve, refresh = (0, 5) if calm else (rng.randint(-2, 4), rng.randint(1, 5))
    lines = [
        "reload: {poll_seconds: null}",
        "exchange: {requests: {entries_per_minute: 6000}}",
        f"logging: {{level: {rng.choice(['debug', 'info', 'warning'])}}}",
        f"filter: {{min_win_rate_pct: {rng.randint(1, 40)}, shadow: {rng.choice(['true', 'false'])}}}",
        "defaults:",
        f"  quote: {{level_sizes: [{', '.join(levels)}], improve_ticks: {improve},"
        f" refresh_ticks: {refresh}, max_age_seconds: {rng.choice([30, 600])},"
        f" cooldown_seconds: {rng.choice([0, 2])}, level_spacing_pct: 0.{1 if calm else 3}}}",
        f"  gates: {{min_spread_pct: 0.0{rng.randint(1, 9)}, include_fees: {rng.choice(['true', 'false'])}}}",
        f"  exits: {{min_profit_pct: 0.{rng.randint(1, 3)}, max_lifetime_seconds: {rng.choice([5, 60])},"
        f" stale_patience_seconds: {rng.choice([1, 10])}}}",
        f"  risk: {{max_order_notional: {rng.choice([25, 50])}, max_exposure: {rng.choice([100, 250])},"
        " max_orders_per_minute: 600}",
    ]
    if rng.random() < 0.5 and quotes:
        lines.append("symbols:")
        for symbol, (bid, ask) in quotes.items():
            middle, width = (bid + ask) / 2, (ask - bid) * rng.randint(0, 8)
            lines.append(
                f"  {symbol}: {{quote: {{price_floor: {middle - width:.8f},"
                f" price_ceiling: {middle + width + (ask - bid):.8f}}}}}"
            )
    if rng.random() < 0.1 and len(quotes) > 1:
        kept = rng.sample(sorted(quotes), len(quotes) - 1)
        lines.append(f"universe: {{symbols: [{', '.join(kept)}]}}")
    if rng.random() < 0.2:
        lines.append(f"paper: {{seed: {rng.randint(2, 9)}}}")  # waits for a restart
    return "\n".join(lines) + "\n"


def half(rng: random.Random, text: str) -> bytes:
    """Return the beginning of a file: what a reader may see of one that is being written."""
    return text.encode()[: rng.randrange(len(text))]


BAD: Final[Mapping[str, Callable[[random.Random, str], bytes]]] = {
    "half written": half,
    "empty": lambda rng, text: b"",
    "10 MB": lambda rng, text: text.encode() + b"# " + b"x" * 10_000_000,
    "utf-16": lambda rng, text: text.encode("utf-16"),
    "latin-1": lambda rng, text: text.encode() + b"# \xe9\xff\n",
    "noise": lambda rng, text: rng.randbytes(2_000),
    "unknown key": lambda rng, text: text.encode() + b"nonsense: 1\n",
    "key twice": lambda rng, text: (text + text).encode(),
    "out of range": lambda rng, text: text.replace(
        "min_spread_pct: 0.0", "min_spread_pct: 90"
    ).encode(),
    "above a ceiling": lambda rng, text: text.replace("max_exposure: ", "max_exposure: 9").encode(),
    "live": lambda rng, text: b"mode: live\nuniverse: {symbols: [BTC-USD]}\n",
    "deep": lambda rng, text: b"[" * 5_000,
    "no mapping": lambda rng, text: b"- a\n- b\n",
    "unknown symbol": lambda rng, text: (
        text.encode() + b"groups: {}\nuniverse: {symbols: [NONE-USD]}\n"
    ),
}


def put(path: Path, content: bytes, rng: random.Random) -> None:
    """Bring content into a file in one of the ways of editors."""
    way = rng.randrange(3)
    if way == 0:
        path.write_bytes(content)
    elif way == 1:
        new = path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(path)
    else:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
