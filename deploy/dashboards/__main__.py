"""Write every dashboard below the folder that it is run in."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.dashboards.boards import BOARDS, FOLDER
from deploy.dashboards.model import document


def main() -> None:
    """Write them."""
    for board in BOARDS:
        place = Path(FOLDER) / f"{board.name}.json"
        place.write_text(document(board), encoding="utf-8")
        sys.stderr.write(f"{place}\n")


if __name__ == "__main__":
    main()
