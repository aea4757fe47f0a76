"""deploy/compose.yaml: of the specification's form, nothing exposed or privileged, all judged by health."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from quietmaker.settings import load
from supervisors.cli import VERBS

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
FILE: Final = DEPLOY / "compose.yaml"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {"bot": "paper", "bot-live": "live", "bot-demo": "demo", "exchange": "demo"}
BOTS: Final = {name: mode for name, mode in OURS.items() if name != "exchange"}


def valid(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """Return a folder in which init.sh has made the secrets of a live deployment."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    place = tmp_path / "deploy"
    place.mkdir()
    shutil.copy(DEPLOY / "init.sh", place)
    (place / "key.json").write_text('{"name": "n", "privateKey": "k"}')
    subprocess.run(["sh", "init.sh", "live", "key.json"], cwd=place, check=True)
    return place


def test_it_is_of_the_form_that_the_specification_asks_for(tmp_path: Path) -> None:
    assert valid(FILE).returncode == 0, valid(FILE).stdout
    broken = tmp_path / "compose.yaml"
    broken.write_text(FILE.read_text(encoding="utf-8").replace("read_only:", "readonly:"))
    assert valid(broken).returncode == 1


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened_limited_and_judged_by_its_health(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert service["healthcheck"]["test"][0] == "CMD"  # no shell is needed
    assert "privileged" not in service
    assert ":latest" not in service["image"]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published_beyond_this_machine(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)
    assert SERVICES[name].get("network_mode", "") != "host"


def test_the_books_are_on_a_network_that_leads_nowhere() -> None:
    assert COMPOSE["networks"]["books"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["books"]
    assert "ports" not in SERVICES["postgres"]


@pytest.mark.parametrize("name", SERVICES)
def test_who_depends_waits_for_health(name: str) -> None:
    for other in SERVICES[name].get("depends_on", {}).values():
        assert other == {"condition": "service_healthy"}


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_files_and_never_values(name: str) -> None:
    service = SERVICES[name]
    for key, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEY|URL", key) and "EXCHANGE" not in key:
            assert key.endswith("_FILE"), key
            assert value.removeprefix("/run/secrets/") in service["secrets"] or "exchange" in value
    for each in service.get("secrets", []):
        assert each in COMPOSE["secrets"]


@pytest.mark.parametrize("name", OURS)
def test_the_configuration_is_a_folder_that_cannot_be_written(name: str) -> None:
    # Of a mounted file an editor's replacement is never seen (the reload would be deaf).
    (mount,) = [each for each in SERVICES[name]["volumes"] if ":/etc/quietmaker:" in each]
    assert mount == "${QUIETMAKER_CONFIG_DIR:-./config}:/etc/quietmaker:ro"


@pytest.mark.parametrize("name", BOTS)
def test_the_environment_of_each_bot_is_a_valid_configuration(
    name: str, deployed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = SERVICES[name]
    env = {
        key: str(value).replace("/run/secrets", str(deployed / "secrets"))
        for key, value in service["environment"].items()
    }
    file = Path(env["QUIETMAKER_CONFIG"].replace("/etc/quietmaker", str(deployed / "config")))
    chosen = file.read_text(encoding="utf-8")
    assert "base: /app/config/base.yaml\n" in chosen  # of the image, so that it fits the program
    file.write_text(chosen.replace("/app", str(ROOT)))
    settings = load(file, env=env, overrides=())
    assert settings.mode == ("live" if BOTS[name] == "live" else "paper")
    assert ("--live" in service["command"]) == (settings.mode == "live")
    assert settings.ledger.url.endswith(f"@postgres:5432/quietmaker_{BOTS[name]}")
    assert settings.management.host == "0.0.0.0"
    assert settings.notices == ()


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_that_there_are(name: str) -> None:
    service = SERVICES[name]
    assert service["profiles"] == [OURS[name]]
    assert service["command"][0] in VERBS
    program, *words = service["healthcheck"]["test"][1:]
    assert program == "quietmaker"
    assert words in (["health"], ["exchange", "health"])
    assert service["init"] is True
    assert service["image"].startswith("${QUIETMAKER_IMAGE:?")  # no image, no start


def test_whoever_is_scraped_answers_under_that_name() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    targets = [
        target
        for job in scraped["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    ]
    assert "bot:9464" in targets
    answering = _names_on_front()
    assert answering["paper"] == answering["live"] == answering["demo"] == {"bot"}


def _names_on_front() -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for name, mode in OURS.items():
        networks = SERVICES[name].get("networks", [])
        if isinstance(networks, dict):
            names.setdefault(mode, set()).update(networks["front"]["aliases"])
        elif "front" in networks:
            names.setdefault(mode, set()).add(name)
    return names


def test_everything_that_is_mounted_is_there_or_made_by_init(deployed: Path) -> None:
    for secret in COMPOSE["secrets"].values():
        assert (deployed / secret["file"]).is_file()
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).is_dir(), source
            elif not source.startswith("$"):
                assert source in COMPOSE["volumes"]


def test_a_configuration_that_is_there_is_kept_and_can_be_read_in_the_container(
    deployed: Path,
) -> None:
    chosen = deployed / "config" / "paper.yaml"
    chosen.write_text("base: /app/config/base.yaml\nmode: paper\n# mine\n")
    subprocess.run(["sh", "init.sh", "paper"], cwd=deployed, check=True)
    assert chosen.read_text().endswith("# mine\n")
    assert stat.S_IMODE(chosen.stat().st_mode) == 0o644
    assert stat.S_IMODE(chosen.parent.stat().st_mode) == 0o755


def test_secrets_are_made_once_and_for_this_user_alone(deployed: Path) -> None:
    folder = deployed / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert len(set(before.values())) == len(before)
    done = subprocess.run(["sh", "init.sh", "paper"], cwd=deployed, check=True, capture_output=True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert (deployed / ".env").read_text().endswith("COMPOSE_PROFILES=paper\n")
    assert stat.S_IMODE((deployed / ".env").stat().st_mode) == 0o600
    for secret in before.values():
        assert secret.encode() not in done.stdout + done.stderr


def test_the_demo_bans_what_the_founding_document_bans_and_is_paper() -> None:
    settings = load(DEPLOY / "demo.yaml", env={}, overrides=())
    assert settings.mode == "paper"
    assert settings.universe.permanent_exclusions == ("TNSR-USD",)
    assert settings.symbol("BTC-USD").exits.min_profit_pct == Decimal("0.2")


def test_live_without_a_key_is_refused(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "init.sh", tmp_path)
    for profile in ("live", "production"):
        done = subprocess.run(["sh", "init.sh", profile], cwd=tmp_path, check=False)
        assert done.returncode == 2
