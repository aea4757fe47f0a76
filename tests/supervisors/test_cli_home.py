"""The home: one instance, private files, found again by commands; and the build that runs."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from quietmaker.errors import NotRunning, QuietmakerError, SafetyRefusal
from supervisors import build
from supervisors.home import Home, Instance

INSTANCE = Instance(
    pid=123,
    mode="paper",
    version="1",
    revision="abc",
    config_sha="def",
    started_at="2026-01-01T00:00:00Z",
    management_url="http://127.0.0.1:9464",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "state" / "bot")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_home_is_var_unless_the_environment_names_another(tmp_path: Path) -> None:
    assert Home.from_env({}).root == Path.cwd() / "var"
    assert Home.from_env({"QUIETMAKER_HOME": ""}).root == Path.cwd() / "var"
    assert Home.from_env({"QUIETMAKER_HOME": str(tmp_path)}).root == tmp_path


def test_the_home_is_for_its_owner_alone_even_if_it_was_open(home: Home) -> None:
    home.root.mkdir(parents=True, mode=0o755)
    home.create()
    assert mode_of(home.root) == 0o700


def test_a_home_that_cannot_be_made_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(QuietmakerError, match="QUIETMAKER_HOME"):
        Home(tmp_path / "file" / "home").create()


def test_everything_lies_within_the_home(home: Home) -> None:
    for path in (home.database, home.journal, home.logs, home.lock, home.instance_file):
        assert path.is_relative_to(home.root)


def test_a_running_instance_is_found_and_gone_when_it_ends(home: Home) -> None:
    with pytest.raises(NotRunning, match="no instance runs under"):
        home.instance()
    with home.claim():
        with pytest.raises(NotRunning, match="has not come up yet"):
            home.instance()
        home.publish(INSTANCE)
        assert home.instance() == INSTANCE
        assert mode_of(home.instance_file) == 0o600
    with pytest.raises(NotRunning):
        home.instance()


def test_a_second_instance_is_refused_and_the_first_unharmed(home: Home) -> None:
    with home.claim():
        home.publish(INSTANCE)
        with pytest.raises(SafetyRefusal, match="already runs"), home.claim():
            pass
        assert home.instance() == INSTANCE
    with home.claim():
        pass


def test_two_homes_do_not_meet(tmp_path: Path) -> None:
    with Home(tmp_path / "a").claim(), Home(tmp_path / "b").claim():
        pass


def test_an_instance_that_was_killed_leaves_nothing_in_the_way(home: Home) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom supervisors.home import Home, Instance\n"
        "home = Home(Path(sys.argv[1]))\n"
        f"with home.claim():\n    home.publish({INSTANCE!r})\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home.root)], check=False, timeout=60)
    assert done.returncode == -9
    assert home.instance_file.exists()
    with pytest.raises(NotRunning, match="no instance runs under"):
        home.instance()
    with home.claim(), pytest.raises(NotRunning, match="has not come up yet"):
        home.instance()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1}', '{"unknown": 1}'])
def test_a_description_that_cannot_be_read_is_no_instance(home: Home, text: str) -> None:
    with home.claim():
        home.instance_file.write_text(text)
        with pytest.raises(NotRunning, match="has not come up yet"):
            home.instance()


# --- the build ---


def repository(root: Path, head: str) -> Path:
    (root / ".git" / "refs" / "heads").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text(head)
    return root


def test_the_revision_of_an_image_is_in_the_environment(tmp_path: Path) -> None:
    assert build.revision({"QUIETMAKER_REVISION": "abc"}, tmp_path) == "abc"


def test_the_revision_of_a_checkout_is_its_commit(tmp_path: Path) -> None:
    root = repository(tmp_path, "ref: refs/heads/main\n")
    (root / ".git" / "packed-refs").write_text(
        "# pack-refs\nfff refs/heads/main\neee refs/heads/x\n"
    )
    assert build.revision({}, root) == "fff"
    (root / ".git" / "refs" / "heads" / "main").write_text("abc\n")
    assert build.revision({}, root) == "abc"


def test_a_detached_checkout_has_its_commit_in_head(tmp_path: Path) -> None:
    assert build.revision({}, repository(tmp_path, "0123abc\n")) == "0123abc"


def test_a_worktree_has_the_commit_of_its_branch(tmp_path: Path) -> None:
    main, root = repository(tmp_path / "main", "ref: refs/heads/main\n"), tmp_path / "other"
    inside = main / ".git" / "worktrees" / "other"
    inside.mkdir(parents=True)
    root.mkdir()
    (root / ".git").write_text(f"gitdir: {inside}\n")
    (inside / "HEAD").write_text("ref: refs/heads/other\n")
    (inside / "commondir").write_text("../..\n")
    (main / ".git" / "refs" / "heads" / "other").write_text("def\n")
    assert build.revision({}, root) == "def"


def test_without_a_repository_the_revision_is_unknown(tmp_path: Path) -> None:
    assert build.revision({}, tmp_path) == "unknown"
    assert build.revision({}, repository(tmp_path, "ref: refs/heads/main\n")) == "unknown"
