"""Stands in for a container engine and compose: keeps what was done to it in a file, runs nothing.

What an image does is said beforehand, in the state: whether its configuration is valid, which schema it
knows, whether it verifies. So the scripts' decisions are tested without an engine; the engine itself is not.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

IMAGE: dict[str, Any] = {"valid": True, "schema": 5, "verifies": True}


class Engine:
    """One call of the engine."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.state: dict[str, Any] = json.loads(place.read_text())

    def save(self) -> None:
        self.place.write_text(json.dumps(self.state))

    def image(self, name: str) -> dict[str, Any]:
        """Return an image, or end as an engine does that has none."""
        if name not in self.state["images"]:
            sys.exit(1)
        return {**IMAGE, **self.state["images"][name]}

    def call(self, words: list[str]) -> int:
        """Do what the engine would."""
        if words[0] == "compose":
            return self.compose(words[words.index("--file") + 2 :])
        self.state["calls"].append(" ".join(words[:2]))
        if words[0] == "build":
            arguments = dict(word.split("=", 1) for word in words if "=" in word)
            tag, context = words[words.index("--tag") + 1], Path(words[-1])
            files = [str(p.relative_to(context)) for p in context.rglob("*") if p.is_file()]
            built = {"id": f"sha256:{tag}", "revision": arguments["REVISION"], "files": files}
            self.state["images"][tag] = {**self.state["next"], **built}
        elif words[:2] == ["image", "inspect"]:
            found = self.image(words[-1])
            print(found["id"] if words[3] == "{{.Id}}" else found["revision"])  # noqa: T201
        elif words[0] == "ps":
            print(" ".join(self.state["folders"]))  # noqa: T201
        elif words[0] == "inspect":
            print(self.state["folders"][words[-1]])  # noqa: T201
        return 0

    def compose(self, words: list[str]) -> int:
        """Do what compose would, which wants to know the image before anything else."""
        if not os.environ.get("QUIETMAKER_IMAGE"):
            return 1
        while words[0] == "--profile":
            words = words[2:]
        if "--name" in words:
            place = words.index("--name")
            words = [*words[:place], *words[place + 2 :]]
        self.state["calls"].append(" ".join(word for word in words if not word.startswith("-")))
        if words[0] == "up":
            return self.up(words)
        if words[0] == "run":
            service = next(place for place, word in enumerate(words) if word.startswith("bot"))
            return self.once(os.environ["QUIETMAKER_IMAGE"], words[service + 1 :])
        if words[0] == "ps":
            print("container" if self.state["running"] else "")  # noqa: T201
        if words[0] == "stop" and "bot" in words:
            self.state["running"] = None
        if words[0] == "exec" and "postgres" not in words:
            return self.inside(words[words.index("quietmaker") :])
        return 0

    def up(self, words: list[str]) -> int:
        if words[-1] not in {"bot", "bot-live"}:
            return 0
        name = os.environ["QUIETMAKER_IMAGE"]
        self.state["running"] = name
        self.state["books"] = max(self.state["books"], self.image(name)["schema"])
        return 0

    def once(self, name: str, words: list[str]) -> int:
        found = self.image(name)
        if words[:2] == ["config", "check"]:
            return 0 if found["valid"] else 4
        if "os.access" in words[1]:
            return 0 if words[-1].endswith(".zip") else 1
        if words[:2] == ["db", "restore"]:
            if words[2] == "/damaged.zip":
                return 1
            self.state["books"] = found["schema"]
        if words[:2] == ["db", "schema"]:
            print(f'{{\n  "books": "{self.state["books"]:04}",\n  "program": "x"\n}}')  # noqa: T201
            return 1 if self.state["books"] > found["schema"] else 0
        return 0

    def inside(self, words: list[str]) -> int:
        found = self.image(self.state["running"])
        if words[1] == "verify":
            expected = words[words.index("--expect") + 1]
            return 0 if found["verifies"] and found["revision"] == expected else 1
        return 0


if __name__ == "__main__":
    engine = Engine(Path(os.environ["ENGINE_STATE"]))
    try:
        sys.exit(engine.call(sys.argv[1:]))
    finally:
        engine.save()
