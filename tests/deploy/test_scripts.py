"""deploy/update.sh and rollback.sh: they look before they stop anything, and put back what fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from supervisors import build

ROOT: Final = Path(__file__).parents[2]
ENGINE: Final = ROOT / "tests" / "deploy" / "engine.py"
START: Final = "up 120 bot"
STOP: Final = "stop bot bot-live bot-demo"
NAME: Final = "deploy@example.org"


class Site:
    """A checkout with a deployment in it, on a stand-in for the engine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deploy = root / "deploy"
        self.deploy.mkdir(parents=True)
        for script in (ROOT / "deploy").glob("*.sh"):
            shutil.copy(script, self.deploy)
        shutil.copy(ROOT / "pyproject.toml", root)
        (root / "Dockerfile").write_text("FROM scratch\n")
        (root / "state.json").write_text("")
        (self.deploy / ".env").write_text("COMPOSE_PROFILES=paper\n")
        self.place = root / "state.json"
        self.write(images={}, next={}, books=5, running=None, calls=[], folders={})
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("first")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", "-c", f"user.email={NAME}", "-c", f"user.name={NAME}", *words],
            cwd=self.root,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        """Commit a change; return the image that a build of it is called."""
        (self.root / "program.txt").write_text(text)
        self.git("add", "program.txt", "pyproject.toml", "Dockerfile", "deploy")
        self.git("commit", "--quiet", "--allow-empty", "--message", text)
        return f"quietmaker:{self.git('rev-parse', 'HEAD')[:12]}"

    def read(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.place.read_text())
        return state

    def write(self, **values: Any) -> None:
        state = self.read() if self.place.stat().st_size else {}
        self.place.write_text(json.dumps({**state, "env": str(self.deploy / ".env"), **values}))

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a script; the calls that it makes are kept from here on."""
        self.write(calls=[])
        engine = f"{sys.executable} {ENGINE}"
        env = {**os.environ, "QUIETMAKER_ENGINE": engine, "ENGINE_STATE": str(self.place)}
        return subprocess.run(
            [self.deploy / script, *words],
            env={**env, "QUIETMAKER_PATIENCE": "0"},
            capture_output=True,
            text=True,
            check=False,
        )

    def update(self, *words: str, **image: Any) -> subprocess.CompletedProcess[str]:
        """Deploy what is committed; the image behaves as is said."""
        self.write(next=image)
        return self.run("update.sh", *words)

    def setting(self) -> str:
        return (self.deploy / ".env").read_text().partition("QUIETMAKER_IMAGE=")[2].strip()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


def stopped_nothing(site: Site) -> bool:
    """Return whether what runs was left alone."""
    return not {START, STOP, "stop bot"} & set(site.read()["calls"])


def test_a_commit_is_built_checked_started_and_verified_in_this_order(site: Site) -> None:
    done = site.update()
    assert done.returncode == 0, done.stderr
    image = f"quietmaker:{site.git('rev-parse', 'HEAD')[:12]}"
    assert (site.setting(), site.read()["running"]) == (image, image)
    kept = [call.removeprefix("run bot ") for call in site.read()["calls"]]
    watching = "up 120 prometheus grafana"
    order = [
        "config check",
        "up postgres",
        "db schema",
        START,
        "exec bot quietmaker health",
        watching,
    ]
    assert [call for call in kept if call in order] == order
    assert kept[-2].startswith("exec bot quietmaker verify")


def test_an_image_is_of_the_commit_and_not_of_the_working_tree(site: Site) -> None:
    (site.root / "secret.txt").write_text("not committed")
    (site.root / "program.txt").write_text("edited and not committed")
    assert site.update().returncode == 0
    (built,) = site.read()["images"].values()
    assert "secret.txt" not in built["files"]
    assert "program.txt" in built["files"]
    assert built["revision"] == site.git("rev-parse", "HEAD") == build.revision({}, site.root)


def test_a_backup_is_taken_by_what_runs_before_it_is_stopped(site: Site) -> None:
    site.update()
    site.commit("second")
    assert site.update().returncode == 0
    calls = site.read()["calls"]
    assert "up postgres" not in calls  # it serves what trades
    backup = next(i for i, call in enumerate(calls) if "db backup" in call)
    assert backup < calls.index(STOP) < calls.index(START)
    log = (site.deploy / "releases" / "log").read_text().splitlines()
    assert [line.split("\t")[0] for line in log] == ["1", "2"]
    assert log[1].split("\t")[6].startswith("/var/lib/quietmaker/backup-")


@pytest.mark.parametrize("fault", [{"valid": False}, {"schema": 4}])
def test_what_cannot_run_here_stops_nothing(site: Site, fault: dict[str, Any]) -> None:
    site.update()
    before = site.setting()
    site.commit("second")
    done = site.update(**fault)
    assert done.returncode != 0
    assert stopped_nothing(site)
    assert (site.setting(), site.read()["running"]) == (before, before)


def test_what_does_not_verify_is_replaced_by_what_ran(site: Site) -> None:
    site.update()
    before = site.setting()
    site.commit("second")
    done = site.update(verifies=False)
    assert done.returncode == 1
    assert f"{before} runs again" in done.stderr
    assert (site.setting(), site.read()["running"]) == (before, before)


def test_what_migrated_and_does_not_verify_is_stopped_and_the_way_back_is_named(site: Site) -> None:
    site.update()
    before = site.setting()
    site.commit("second")
    done = site.update(verifies=False, schema=6)
    assert done.returncode == 1
    assert site.read()["running"] is None
    remedy = done.stderr.partition("deploy/rollback.sh ")[2].strip()
    assert remedy.startswith("--restore /var/lib/quietmaker/backup-")
    assert site.run("rollback.sh", *remedy.split()).returncode == 0
    assert (site.read()["running"], site.read()["books"]) == (before, 5)


def test_what_does_not_verify_is_stopped_where_nothing_ran_before(site: Site) -> None:
    done = site.update(verifies=False)
    assert (done.returncode, site.read()["running"]) == (1, None)


def test_going_live_stops_what_traded_on_paper(site: Site) -> None:
    site.update()
    (site.deploy / ".env").write_text("COMPOSE_PROFILES=live\n")
    assert site.update().returncode == 0
    calls = site.read()["calls"]
    assert calls.index(STOP) < calls.index("up 120 bot-live")


def test_a_rollback_puts_back_the_image_before_and_verifies_it(site: Site) -> None:
    site.update()
    first = site.setting()
    site.commit("second")
    site.update()
    assert site.setting() != first
    done = site.run("rollback.sh")
    assert done.returncode == 0, done.stderr
    assert (site.setting(), site.read()["running"]) == (first, first)


def test_a_rollback_across_a_migration_is_refused_before_anything_stops(site: Site) -> None:
    site.update()
    site.commit("second")
    site.update(schema=6)
    second = site.setting()
    done = site.run("rollback.sh")
    assert done.returncode == 1
    assert "--restore BACKUP" in done.stderr
    assert stopped_nothing(site)
    assert site.read()["running"] == second


def test_a_backup_that_is_not_there_stops_nothing_and_a_damaged_one_is_undone(site: Site) -> None:
    site.update()
    site.commit("second")
    site.update(schema=6)
    second = site.setting()
    assert site.run("rollback.sh", "--restore", "none").returncode == 1
    assert stopped_nothing(site)
    done = site.run("rollback.sh", "--restore", "/damaged.zip")
    assert (done.returncode, "was not restored" in done.stderr) == (1, True)
    renames = [call for call in site.read()["calls"] if "RENAME" in call]
    assert [" TO quietmaker_paper_" in call for call in renames] == [True, False]
    assert (site.read()["running"], site.setting()) == (second, second)


def test_a_name_that_means_another_image_now_is_refused(site: Site) -> None:
    site.update()
    first = site.setting()
    site.commit("second")
    site.update()
    images = site.read()["images"]
    site.write(images={**images, first: {**images[first], "id": "sha256:other"}})
    done = site.run("rollback.sh")
    assert (done.returncode, "was sha256:" in done.stderr) == (1, True)


def test_a_tag_is_no_image_to_deploy_and_a_digest_is(site: Site) -> None:
    for name in ("registry/quietmaker:latest", "registry/quietmaker"):
        assert site.update("--image", name).returncode == 1
    pulled = "registry/quietmaker@sha256:abc"
    site.write(images={pulled: {"id": "sha256:abc", "revision": "r"}})
    assert site.update("--image", pulled).returncode == 0
    assert site.setting() == pulled


def test_only_one_deploys_at_a_time_and_without_a_profile_nobody(site: Site) -> None:
    lock = site.deploy / "releases" / ".lock"
    lock.mkdir(parents=True)
    assert "another update" in site.update().stderr
    lock.rmdir()
    assert site.update().returncode == 0
    assert not lock.exists()
    (site.deploy / ".env").write_text("")
    assert "run deploy/init.sh" in site.update().stderr
