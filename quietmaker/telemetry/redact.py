"""Keep secrets out of logs: by the name of a field, by the form of a text, and by known values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"
_LEAST: Final = 6
"""A shorter secret is not searched for: it would mask ordinary words, and protects nothing."""
_NAMES: Final = re.compile(
    r"secret|passw|token|api_?key|private_?key|authorization|credential|jwt|cookie", re.IGNORECASE
)
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|$)", re.DOTALL)
_JWT: Final = re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_URL: Final = re.compile(r"(://[^/\s:@]*):[^/\s]*@")
_PAIR: Final = re.compile(
    r"(?i)\b(password|passwd|secret|token|api_?key)(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)


class Redactor:
    """Masks what must not be seen."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Know some secrets by value; longer ones are searched for first."""
        known = {secret for secret in secrets if len(secret) >= _LEAST}
        self._known = sorted(known, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        for secret in self._known:
            text = text.replace(secret, MASK)
        if "-----BEGIN" in text:
            text = _PEM.sub(MASK, text)
        if "eyJ" in text:
            text = _JWT.sub(MASK, text)
        if "://" in text:
            text = _URL.sub(rf"\1:{MASK}@", text)
        text = _PAIR.sub(rf"\1\2{MASK}", text)
        return _BEARER.sub(rf"\1 {MASK}", text)

    def field(self, name: str, value: object) -> object:
        """Return a field's value without secrets; one whose name says that it is secret is masked."""
        if _NAMES.search(name):
            return MASK
        return self.text(value) if isinstance(value, str) else value
