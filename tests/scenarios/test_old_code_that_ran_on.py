"""Incidents C2, C5.

Twice the code was pulled and the container restarted, and the image still held the old code; a report came
from a stale container for weeks. Conclusions were drawn from runs of something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.deploy.test_scripts import Site

DEPLOY: Final = Path(__file__).parents[2] / "deploy"


def test_what_runs_after_an_update_is_asked_for_its_commit(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    assert site.update().returncode == 0
    old = site.setting()
    site.commit("a fix")
    new = f"quietmaker:{site.git('rev-parse', 'HEAD')[:12]}"
    # The engine starts a stale image under the new name: what runs says another commit than was built.
    state = site.read()
    stale = {**state["images"][old], "id": f"sha256:{new}"}
    site.write(images={**state["images"], new: stale})
    done = site.run("rollback.sh", new)
    assert done.returncode == 0  # its own label agrees with it ...
    done = site.update()
    assert done.returncode == 0, done.stderr  # ... and a build replaces it by what was built
    assert site.read()["images"][new]["revision"] == site.git("rev-parse", "HEAD")


def test_code_comes_into_an_image_by_its_commit_and_never_by_a_mount() -> None:
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    for code in ("quietmaker:/", "actors:/", "supervisors:/", "..:/", "../:/"):
        assert f"- {code}" not in compose
    for script in DEPLOY.glob("*.sh"):
        text = script.read_text(encoding="utf-8")
        assert "--no-recreate" not in text
        assert "git pull" not in text
        assert "reset --hard" not in text
