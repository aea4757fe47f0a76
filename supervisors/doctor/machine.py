"""The machine: configuration, home, lock, disk, files that hold secrets, port."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quietmaker.errors import NotRunning
from supervisors import credentials
from supervisors.commands.health import judge
from supervisors.doctor.rows import Patient, Row, fail, ok, skipped, warn
from supervisors.home import VARIABLE, Tenant
from supervisors.unsafe import unsafe

MIB: Final = 1024 * 1024
SPARE: Final = 1024 * MIB
"""Bytes below which the disk is to be looked after."""
LEAST: Final = 100 * MIB
"""Bytes below which the journal soon has no room, and entries stop."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def config(patient: Patient) -> Iterator[Row]:
    """Look at the configuration."""
    settings = patient.settings
    if settings is None:
        yield fail("config", patient.refusal, "")
        return
    yield ok(
        "config",
        f"{patient.config_file}, {settings.mode.upper()}, sha256 {settings.sha256[:12]}",
    )
    for notice in settings.notices:
        yield warn("config", notice, "")
    for danger in unsafe(settings):
        yield warn("config", danger, "include the fees, or know what you do")


def home(patient: Patient) -> Iterator[Row]:
    """Look at the folder that everything is kept in."""
    root = patient.home.root
    if not root.exists():
        there = _nearest(root)
        if os.access(there, os.W_OK | os.X_OK):
            yield ok("home", f"{root} does not exist yet; the first start makes it")
        else:
            yield fail("home", f"{root} cannot be made in {there}", f"set {VARIABLE}")
        return
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        yield fail("home", f"{root} cannot be written to by this user", f"set {VARIABLE}")
    elif root.stat().st_mode & _OTHERS:
        yield warn("home", f"others can look into {root}", f"chmod 700 {root}")
    else:
        yield ok("home", f"{root}, for its owner alone")


def lock(patient: Patient) -> Iterator[Row]:
    """Look at who holds the home."""
    tenant = patient.home.tenant()
    if tenant is Tenant.COMMAND:
        yield warn("lock", "a command uses the database at this moment", "let it end")
    elif tenant is Tenant.INSTANCE:
        try:
            found = patient.home.instance()
        except NotRunning as error:
            yield warn("lock", str(error), "wait for it")
        else:
            yield ok("lock", f"instance {found.pid} runs since {found.started_at}")
    elif patient.home.instance_file.exists():
        yield warn(
            "lock",
            f"{patient.home.instance_file} was left by an instance that was killed",
            "nothing: the lock is free, and the next start clears it",
        )
    else:
        yield ok("lock", "free: no instance runs")


def disk(patient: Patient) -> Iterator[Row]:
    """Look at the room that is left for the journal and the database."""
    there = _nearest(patient.home.root)
    free = shutil.disk_usage(there).free
    text = f"{free // MIB} MiB free at {there}"
    if free < LEAST:
        yield fail(
            "disk", text, "make room: without it orders cannot be recorded, and entries stop"
        )
    elif free < SPARE:
        yield warn("disk", text, "make room")
    else:
        yield ok("disk", text)


def secrets(patient: Patient) -> Iterator[Row]:
    """Look at who else can read the files that hold secrets."""
    env, where = patient.env, patient.home
    named = [
        Path(env[name]) for name in (credentials.FILE, credentials.SECRET_FILE) if env.get(name)
    ]
    kept = [where.control_token, *sorted((where.exchange / "keys").glob("*.json"))]
    files = [path for path in (*named, *kept) if path.exists()]
    loose = [path for path in files if path.stat().st_mode & _OTHERS]
    for path in loose:
        say = fail if patient.live else warn
        yield say("secrets", f"others can read {path}", f"chmod 600 {path}")
    if not loose:
        yield ok("secrets", f"{len(files)} files, readable by their owner alone")


def port(patient: Patient) -> Iterator[Row]:
    """Look at the management port: that it answers, or that it is free."""
    if patient.settings is None:
        yield skipped("port", "no configuration says which")
        return
    chosen = patient.settings.management
    if patient.runs:
        url = patient.home.instance().management_url
        verdict = judge(url, ready=False)
        if verdict.ok:
            yield ok("port", f"{url} answers: {verdict.detail}")
        else:
            yield fail("port", f"{url}: not healthy: {verdict.detail}", "see its log")
        return
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((chosen.host, chosen.port))
    except OSError as error:
        reason = error.strerror or str(error)
        yield fail(
            "port",
            f"{chosen.host}:{chosen.port} cannot be listened on ({reason})",
            "choose another management.port, or 0 for any free one",
        )
    else:
        yield ok("port", f"{chosen.host}:{chosen.port} is free" if chosen.port else "any free port")


def _nearest(path: Path) -> Path:
    """Return a folder, or the nearest above it that exists."""
    return next(each for each in (path, *path.parents) if each.exists())
