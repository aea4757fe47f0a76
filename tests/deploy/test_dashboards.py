"""Dashboards: generated from one place, readable, and about metrics and columns that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from deploy.dashboards.boards import BOARDS, FOLDER
from deploy.dashboards.model import Dashboard, document
from deploy.dashboards.overview import OVERVIEW
from quietmaker.telemetry.docs import metrics_document
from tests.deploy import names
from tests.deploy.names import faults
from tests.kit.prometheus import ROOT, RULES

MOST_PANELS = 16
boards = pytest.mark.parametrize("board", BOARDS, ids=lambda each: str(each.name))


def panels(board: Dashboard) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(document(board))["panels"]
    return found


@boards
def test_the_file_is_up_to_date(board: Dashboard) -> None:
    place = ROOT / FOLDER / f"{board.name}.json"
    assert place.read_text(encoding="utf-8") == document(board), "run make docs"


def test_there_are_no_other_files() -> None:
    files = {path.stem for path in (ROOT / FOLDER).iterdir()}
    assert files == {board.name for board in BOARDS}


@boards
def test_every_panel_says_what_it_shows_in_which_unit(board: Dashboard) -> None:
    shown = panels(board)
    assert len(shown) <= MOST_PANELS
    assert len({panel["title"] for panel in shown}) == len(shown)
    for panel in shown:
        assert panel["title"]
        assert len(panel["description"]) > 5
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]


@boards
def test_panels_do_not_overlap_and_fit_the_screen(board: Dashboard) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(board):
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@boards
def test_every_expression_names_what_exists_and_a_source_that_can_be_chosen(
    board: Dashboard,
) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            assert target["datasource"]["uid"] in {"${datasource}", "${books}"}
            if "expr" not in target:
                continue
            expression = target["expr"]
            assert list(faults(expression)) == [], panel["title"]
            for _ in names.names(expression):
                assert 'job="$job"' in expression, panel["title"]
            for window in re.findall(r"rate\([^\[]*\[([^\]]*)\]", expression):
                assert window == "$__rate_interval", panel["title"]


@boards
def test_nobody_edits_it_in_grafana_and_links_to_it_last(board: Dashboard) -> None:
    made = json.loads(document(board))
    assert made["uid"] == f"quietmaker-{board.name}"
    assert made["editable"] is False
    assert made["timezone"] == "utc"
    for annotation in made["annotations"]["list"]:
        assert list(faults(annotation["expr"])) == []


def test_the_provisioned_sources_have_fixed_names_and_no_password() -> None:
    folder = ROOT / "deploy/grafana/provisioning"
    sources = yaml.safe_load((folder / "datasources/quietmaker.yaml").read_text())["datasources"]
    assert [each["uid"] for each in sources] == ["quietmaker-prometheus", "quietmaker-books"]
    kinds = {
        variable["query"]
        for board in BOARDS
        for variable in json.loads(document(board))["templating"]["list"]
        if variable["type"] == "datasource"
    }
    assert kinds == {each["type"] for each in sources}
    books = sources[1]
    assert books["user"] == "grafana_ro"
    assert books["secureJsonData"]["password"].startswith("$__file{")
    providers = yaml.safe_load((folder / "dashboards/quietmaker.yaml").read_text())["providers"]
    assert [each["allowUiUpdates"] for each in providers] == [False]


def test_the_founding_targets_have_panels() -> None:
    titles = {panel["title"] for board in BOARDS for panel in panels(board)}
    assert titles >= {
        "Losses by fees alone",
        "Mean time held",
        "Won",
        "By day",
        "Excluded and included again",
        "Keepalive time-outs",
        "By exit rule",
    }


def test_a_metric_that_is_renamed_is_missed_by_rules_dashboards_and_documents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renamed = {name: each for name, each in names.families().items() if "unprotected" not in name}
    assert len(renamed) == len(names.families()) - 1
    monkeypatch.setattr(names, "families", lambda: renamed)
    missed = "there is no metric quietmaker_position_unprotected"
    assert missed in [fault for path in RULES for fault in names.faults(path.read_text())]
    shown = [target.get("expr", "") for panel in panels(OVERVIEW) for target in panel["targets"]]
    assert missed in [fault for expression in shown for fault in names.faults(expression)]
    assert "`quietmaker_position_unprotected`" in metrics_document(), "and its row there changes"
