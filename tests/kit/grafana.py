"""What the dashboards ask for, with Grafana's variables filled in as Grafana would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from deploy.dashboards.boards import BOARDS
from deploy.dashboards.model import document

_VALUES: Final = {
    "$__rate_interval": "15s",
    "$job": "quietmaker",
    "$instance": ".+",
    "$symbol": ".+",
}
_FILTER: Final = re.compile(r"\$__timeFilter\((\w+)\)")


def questions(key: str) -> Iterator[tuple[str, str]]:
    """Yield the panel and the text of every target: ``expr`` for PromQL, ``rawSql`` for SQL."""
    for board in BOARDS:
        for panel in json.loads(document(board))["panels"]:
            for target in panel["targets"]:
                if key in target:
                    yield f"{board.name}: {panel['title']}", _filled(target[key])


def _filled(text: str) -> str:
    for name, value in _VALUES.items():
        text = text.replace(name, value)
    text = _FILTER.sub(r"\1 BETWEEN now() - interval '30 days' AND now()", text)
    assert "$" not in text, text
    return text
