"""What may be asked for by POST on the management port: actions by path, for whoever holds the token."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from quietmaker.telemetry.guard import Captured

LONGEST: Final = 64 * 1024
"""Bytes of a request's body; what an operator says is shorter."""
_SCHEME: Final = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody with the token asks for.

    Attributes:
        path: as requested, without a query.
        document: the JSON object of the body, empty without a body.
    """

    path: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, as a JSON object."""

    status: HTTPStatus
    document: Mapping[str, object] = field(default_factory=dict)


Action: TypeAlias = Callable[[Request], Answer]


class Actions:
    """The actions by path, behind one token."""

    def __init__(self, actions: Mapping[str, Action], token: str) -> None:
        """Offer actions.

        Args:
            actions: by path; each runs in the thread of its request.
            token: that a request must bring; without one nothing is done for anybody.
        """
        self._actions = dict(actions)
        self._token = token

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths."""
        return tuple(self._actions)

    def offers(self, path: str) -> bool:
        """Return whether there is an action at a path."""
        return path in self._actions

    def perform(self, path: str, authorization: str, body: bytes) -> Answer:
        """Do what is asked for, if it may be.

        Args:
            path: of the action; `offers` it.
            authorization: the header of that name.
            body: of the request.
        """
        if not self._allows(authorization):
            return _refused(
                HTTPStatus.UNAUTHORIZED, "no valid token; it is in control.token of the home"
            )
        try:
            document = json.loads(body) if body.strip() else {}
        except (ValueError, RecursionError) as error:
            return _refused(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error}")
        if not isinstance(document, dict):
            return _refused(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
        with Captured() as capture:
            return self._actions[path](Request(path=path, document=document))
        return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, f"{path}: {capture}")

    def _allows(self, authorization: str) -> bool:
        given = authorization.removeprefix(_SCHEME)
        # Compared in constant time, and as bytes: the header may hold any character.
        same = hmac.compare_digest(given.strip().encode(), self._token.encode())
        return bool(self._token) and authorization.startswith(_SCHEME) and same


def _refused(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, {"error": why})
