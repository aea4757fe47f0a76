"""Incident W8.

It hung, and nobody could say where. The answer was a debugging variable that then stayed on in production for
good. Here every thread can be asked what it does, without a variable, while the rest hangs.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from supervisors.commands import run as command

ROOT: Final = Path(__file__).parents[2]
_DEBUG: Final = (
    "PYTHONASYNCIODEBUG",
    "PYTHONDEVMODE",
    "PYTHONINSPECT",
    "PYTHONVERBOSE",
    "PYTHONTRACEMALLOC",
)
STUCK: Final = f"""
import logging, signal, sys, threading
from {command.__name__} import _handle_signals
from supervisors.process import Process, Stop
logging.basicConfig(stream=sys.stdout, level=logging.CRITICAL)
process = object.__new__(Process)
process.stop = Stop()
_handle_signals(process)
def stuck_in_a_callback():
    threading.Event().wait()
threading.Thread(target=stuck_in_a_callback, name="trader:BTC-USD", daemon=True).start()
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_every_thread_says_where_it_is_while_it_hangs() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        said = ""
        while "stuck_in_a_callback" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        assert "trader:BTC-USD" in said
        assert process.poll() is None  # it was asked, not ended
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_nothing_that_is_deployed_turns_debugging_on() -> None:
    places = [ROOT / "Dockerfile", *(ROOT / "deploy").rglob("*.sh"), ROOT / "deploy/compose.yaml"]
    for place in places:
        text = place.read_text(encoding="utf-8")
        assert not [name for name in _DEBUG if name in text], place
        assert not re.search(r"LEVEL['\"]?[:=]\s*['\"]?debug", text), place
