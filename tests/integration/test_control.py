"""An operator's commands to a real instance: obeyed at the exchange, and standing after a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from tests.integration.test_run import PATIENCE, Run, start

__all__ = ["start"]


def page(run: Run) -> dict[str, Any]:
    status, body = run.get("/-/status")
    return json.loads(body) if status == 200 else {}


def until(run: Run, wanted: Callable[[dict[str, Any]], bool], *, what: str) -> dict[str, Any]:
    """Return the first status document of which something is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = page(run)
        if found and wanted(found):
            return found
        time.sleep(0.1)  # the page is made anew once a second
    raise AssertionError(f"never: {what}")


def quotes(found: dict[str, Any]) -> int:
    return sum(len(side["quotes"]) for line in found["symbols"] for side in line["sides"].values())


def idle(found: dict[str, Any]) -> bool:
    return not any(line["working_orders"] or line["position"] != "0" for line in found["symbols"])


def test_a_halt_empties_the_book_and_the_position_and_stands_after_a_restart(start: Any) -> None:
    run = start()
    run.await_event("process_ready")
    until(run, lambda found: quotes(found) > 0, what="a quote")
    done = run.command("halt", "--yes", "--reason", "a test")
    assert done.returncode == 0, done.stderr
    found = until(run, idle, what="nothing open and nothing held")
    assert found["state"] == "halted"
    assert not found["checks"]["entries"]["ok"]
    assert {line["mode"] for line in found["symbols"]} == {"halt"}
    assert run.end()[0] == 0

    again = start()
    again.await_event("recovered")
    found = until(
        again,
        lambda each: all(line["recovered"] for line in each["symbols"]),
        what="every trader has its books",
    )
    assert (found["state"], quotes(found)) == ("halted", 0)
    assert found["symbols"][0]["sides"]["BUY"]["reason"] == "halted"
    assert "a test" in found["symbols"][0]["sides"]["BUY"]["detail"]

    done = again.command("resume", "--reason", "the test is over")
    assert done.returncode == 0, done.stderr
    until(again, lambda each: quotes(each) > 0, what="a quote after the resume")
    assert again.end()[0] == 0
