"""A strategy file was read inside of the trading tick: one wrong character, and the tick raised.

Here reading happens beside trading. A file that cannot be read changes nothing, and trading does not notice;
the mended file is taken as if the bad one had never been. (The other fault of the same peer, a list of live
keys with a comma missing so that two of them never worked, is in `test_live_keys.py`.)
"""

from __future__ import annotations

from pathlib import Path

from quietmaker.core.units import Side
from quietmaker.errors import ConfigError
from quietmaker.settings import Settings, load
from supervisors.reloading.generations import Asked, Result, Trigger
from tests.supervisors.test_trading import SYMBOLS, Rig, running

ASKED = Asked(trigger=Trigger.FILE, by="paper.yaml")
KEPT = "defaults: {quote: {max_age_seconds: 86400}"


def read(path: Path, text: str) -> Settings | ConfigError:
    path.write_text(text)
    try:
        return load(path, env={})
    except ConfigError as error:
        return error


def quoted(rig: Rig) -> set[str]:
    views = [rig.trading.board.view(symbol) for symbol in SYMBOLS]
    return {v.symbol for v in views if v is not None and v.sides[Side.BUY].gate is None}


def test_a_malformed_file_is_refused_beside_trading_and_the_mended_one_is_taken(
    tmp_path: Path,
) -> None:
    path = tmp_path / "paper.yaml"
    with running() as rig:
        generations, lives = rig.trading.generations, dict(rig.trading.supervisor._lives)
        generations.offer(read(path, KEPT + "}"), ASKED)
        handled = {symbol: rig.trading.board.view(symbol) for symbol in SYMBOLS}

        outcome = generations.offer(read(path, KEPT), ASKED)  # the last brace is missing
        assert outcome.result is Result.REJECTED
        assert f"{path}:1" in outcome.problems[0]
        rig.until(
            lambda: (
                any(rig.trading.board.view(s) != handled[s] for s in SYMBOLS) and bool(quoted(rig))
            ),
            what="trading goes on",
        )
        assert rig.trading.supervisor._lives == lives

        mended = KEPT + ", gates: {min_spread_pct: 0.03}}"
        assert generations.offer(read(path, mended), ASKED).result is Result.APPLIED
        assert rig.trading.supervisor._lives == lives
