"""Incident C7.

A second, broken compose file lay about; a deployment was made with it, from the wrong folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.deploy.test_scripts import Site, stopped_nothing

ROOT: Final = Path(__file__).parents[2]


def test_a_deployment_of_another_folder_is_left_alone(tmp_path: Path) -> None:
    site = Site(tmp_path / "copy")
    site.write(folders={"id1": "/opt/bot/deploy"}, running="quietmaker:theirs")
    for script in ("update.sh", "rollback.sh"):
        done = site.run(script)
        assert done.returncode == 1
        assert "deployed from /opt/bot/deploy" in done.stderr
    assert stopped_nothing(site)
    site.write(folders={"id1": str(site.deploy)}, running=None)
    assert site.update().returncode == 0


def test_there_is_one_compose_file_and_every_script_names_it() -> None:
    ignored = (".venv", "var", "build")
    found = [
        path
        for pattern in ("*compose*.y*ml", "docker-compose*")
        for path in ROOT.rglob(pattern)
        if not any(str(path.relative_to(ROOT)).startswith(each) for each in ignored)
    ]
    assert found == [ROOT / "deploy" / "compose.yaml"]
    assert '--file "$here/compose.yaml"' in (ROOT / "deploy" / "common.sh").read_text()
