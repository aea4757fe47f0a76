"""What the books cost, on one disk and in one run. Prints one JSON line.

Times are milliseconds, rates are per second. Run: ``python -m bench.ledger [COUNT]``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench import ledger_intents
from quietmaker.ledger.server.embedded import EmbeddedPostgres


def main() -> None:
    """Measure on a server of our own below ``var``: the disk that an instance would use."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    place = Path("var")
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-ledger-") as home:
        server = EmbeddedPostgres(Path(home))
        try:
            print(
                json.dumps(
                    {"bench": "ledger", **ledger_intents.measure(server.start(), Path(home), count)}
                )
            )
        finally:
            server.stop()


if __name__ == "__main__":
    main()
