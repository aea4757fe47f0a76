"""Addresses: of a database, whose password is a secret, and of an exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from quietmaker.settings.kinds import JsonSchema, Kind
from quietmaker.settings.nodes import Node

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class DatabaseUrl(Kind):
    """``embedded``, or the URL of a PostgreSQL server. Its password is a secret."""

    def parse(self, node: Node) -> str:
        """Return the URL."""
        text = self.scalar(node).text
        if text == "embedded":
            return text
        try:
            parts = urlsplit(text)
            usable = parts.scheme in {"postgresql", "postgres"} and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            # The text may hold a password: it is not repeated.
            raise self.refusal(node.place, "not a usable database URL")
        return text

    def expected(self) -> str:
        """Return the two forms."""
        return "embedded, or postgresql://user@host:port/database"

    def json_schema(self) -> JsonSchema:
        """Return the two forms."""
        return {"type": "string", "pattern": "^(embedded|postgres(ql)?://.*)$"}

    def mask(self, value: object) -> str:
        """Return the URL without its password."""
        parts = urlsplit(str(value))
        if parts.password is None and "password" not in parts.query.casefold():
            return str(value)
        where = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{where}", query=""))

    @classmethod
    def has_password(cls, url: str) -> bool:
        """Return whether a URL carries a password."""
        return cls().mask(url) != url


@dataclass(frozen=True)
class WebUrl(Kind):
    """The address of a server: a scheme, a host, perhaps a port and a path; no name and no password.

    Attributes:
        schemes: the allowed ones.
        loopback: whether only this machine may be meant.
    """

    schemes: tuple[str, ...]
    loopback: bool = False

    def parse(self, node: Node) -> str:
        """Return the URL, without a slash at its end."""
        text = self.scalar(node).text
        try:
            parts = urlsplit(text)
            usable = (
                parts.scheme in self.schemes
                and bool(parts.hostname)
                and parts.port != 0
                and not (parts.username or parts.password or parts.query or parts.fragment)
                and not any(character.isspace() for character in text)
            )
        except ValueError:
            usable = False
        if not usable:
            # The text may hold a password: it is not repeated.
            raise self.refusal(node.place, "not a usable address")
        if self.loopback and urlsplit(text).hostname not in LOOPBACK:
            raise self.refusal(node.place, "an address of another machine")
        return text.rstrip("/")

    def expected(self) -> str:
        """Return the form."""
        forms = " or ".join(f"{scheme}://host:port" for scheme in self.schemes)
        return f"{forms} with a host of this machine, such as 127.0.0.1" if self.loopback else forms

    def json_schema(self) -> JsonSchema:
        """Return a string with its scheme."""
        return {"type": "string", "pattern": f"^({'|'.join(self.schemes)})://.*$"}
