"""All dashboards, and where they are written."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.overview import OVERVIEW
from deploy.dashboards.results import RESULTS
from deploy.dashboards.symbols import SYMBOLS
from deploy.dashboards.system import SYSTEM
from deploy.dashboards.trading import TRADING

FOLDER: Final = "deploy/grafana/dashboards"
BOARDS: Final = (OVERVIEW, TRADING, SYMBOLS, SYSTEM, RESULTS)
