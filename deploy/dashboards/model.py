"""Dashboards as data, and the JSON that Grafana reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

PROMETHEUS: Final = {"type": "prometheus", "uid": "${datasource}"}
BOOKS: Final = {"type": "grafana-postgresql-datasource", "uid": "${books}"}
_WIDTH: Final = 24
_SELECTOR: Final = 'job="$job", instance=~"$instance"'
_GREEN, _YELLOW, _RED = "green", "yellow", "red"
Json = dict[str, Any]


def m(name: str, matchers: str = "") -> str:
    """Return a metric of ours, of the job and the instances that are chosen."""
    return f"{name}{{{', '.join(filter(None, (matchers, _SELECTOR)))}}}"


def rate(name: str, matchers: str = "") -> str:
    """Return its rate over an interval that fits the scrapes and the width of the panel."""
    return f"rate({m(name, matchers)}[$__rate_interval])"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression with the legend of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel: PromQL in `queries`, or SQL in `sql`.

    Attributes:
        kind: of Grafana's visualisations.
        unit: Grafana's name of a unit.
        steps: thresholds (from, colour), the first from None.
        words: texts for values.
        stacked: whether series add up.
        now: whether only the newest value matters.
    """

    title: str
    about: str
    kind: str = "timeseries"
    unit: str = "short"
    queries: tuple[Query, ...] = ()
    sql: str = ""
    width: int = 8
    height: int = 7
    steps: tuple[tuple[float | None, str], ...] = ()
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    stacked: bool = False
    now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One dashboard; its uid and file are named after it."""

    name: str
    title: str
    about: str
    panels: tuple[Panel, ...]
    books: bool = False
    symbols: bool = False
    annotations: tuple[tuple[str, str, str], ...] = ()
    """Name, expression and text of each."""
    since: str = "now-6h"

    @property
    def uid(self) -> str:
        """Return what links to it use."""
        return f"quietmaker-{self.name}"


def good_below(yellow: float, red: float) -> tuple[tuple[float | None, str], ...]:
    """Return thresholds of what should be small."""
    return (None, _GREEN), (yellow, _YELLOW), (red, _RED)


def good_above(yellow: float, green: float) -> tuple[tuple[float | None, str], ...]:
    """Return thresholds of what should be large."""
    return (None, _RED), (yellow, _YELLOW), (green, _GREEN)


def document(board: Dashboard) -> str:
    """Return the JSON of a dashboard."""
    return json.dumps(_dashboard(board), indent=1, ensure_ascii=False) + "\n"


def _dashboard(board: Dashboard) -> Json:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": ["quietmaker"],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "utc",
        "time": {"from": board.since, "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "title": "Quietmaker",
                "tags": ["quietmaker"],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": list(_variables(board))},
        "annotations": {"list": [_annotation(*each) for each in board.annotations]},
        "panels": list(_placed(board.panels)),
    }


def _variables(board: Dashboard) -> Iterator[Json]:
    if board.books:
        yield _source("books", "Books", BOOKS["type"])
        return
    yield _source("datasource", "Prometheus", "prometheus")
    yield _choice("job", "label_values(quietmaker_build_info, job)", many=False)
    yield _choice("instance", 'label_values(quietmaker_build_info{job="$job"}, instance)')
    if board.symbols:
        yield _choice("symbol", 'label_values(quietmaker_quote_reason{job="$job"}, symbol)')


def _source(name: str, label: str, kind: str) -> Json:
    return {"name": name, "label": label, "type": "datasource", "query": kind, "hide": 0}


def _choice(name: str, query: str, *, many: bool = True) -> Json:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": PROMETHEUS,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
        **({"allValue": ".+", "current": {"text": "All", "value": "$__all"}} if many else {}),
    }


def _annotation(name: str, expr: str, text: str) -> Json:
    return {
        "name": name,
        "datasource": PROMETHEUS,
        "enable": True,
        "expr": expr,
        "step": "60s",
        "titleFormat": name,
        "textFormat": text,
        "iconColor": "blue",
    }


def _placed(panels: Sequence[Panel]) -> Iterator[Json]:
    """Yield the panels from left to right, row by row; a row is as high as its highest."""
    x = y = height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > _WIDTH:
            x, y, height = 0, y + height, 0
        yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": panel.height})
        x, height = x + panel.width, max(height, panel.height)


def _panel(panel: Panel, number: int, place: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": BOOKS if panel.sql else PROMETHEUS,
        "gridPos": place,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
        "targets": list(_targets(panel)),
    }


def _targets(panel: Panel) -> Iterator[Json]:
    if panel.sql:
        shape = "time_series" if panel.kind == "timeseries" else "table"
        yield {
            "refId": "A",
            "datasource": BOOKS,
            "rawQuery": True,
            "editorMode": "code",
            "format": shape,
            "rawSql": panel.sql,
        }
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        yield {
            "refId": letter,
            "datasource": PROMETHEUS,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "instant": panel.now,
            "range": not panel.now,
            **({"format": "heatmap"} if panel.kind == "heatmap" else {}),
            **({"format": "table"} if panel.kind == "table" else {}),
        }


def _defaults(panel: Panel) -> Json:
    defaults: Json = {"unit": panel.unit}
    if panel.steps:
        steps = [{"value": value, "color": colour} for value, colour in panel.steps]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        defaults["color"] = {"mode": "thresholds"}
    if panel.words:
        options = {
            key: {"text": text, "color": colour} for key, (text, colour) in panel.words.items()
        }
        defaults["mappings"] = [{"type": "value", "options": options}]
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
        }
    return defaults


def _options(panel: Panel) -> Json:
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    match panel.kind:
        case "stat":
            return {"reduceOptions": reduce, "textMode": "value_and_name", "graphMode": "none"}
        case "bargauge":
            return {"reduceOptions": reduce, "orientation": "horizontal", "displayMode": "basic"}
        case "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case _:
            return {}
