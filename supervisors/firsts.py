"""How long the first quote and the first round trip took: what a newcomer waits for."""

from __future__ import annotations

from actors.board import Board


def note_firsts(first: dict[str, float], board: Board, seconds: float) -> None:
    """Note the age of the process under ``quote`` and ``round_trip`` when they have happened.

    Args:
        first: what happened already.
        board: what the traders show.
        seconds: age of the process.
    """
    if "quote" not in first and any(
        side.quotes for view in board.views().values() for side in view.sides.values()
    ):
        first["quote"] = seconds
    if "round_trip" not in first and board.results():
        first["round_trip"] = seconds
