"""What the operator's word on a symbol means now: one reading, for the filter and for whoever explains it."""

from __future__ import annotations

from quietmaker.core.filter_states import OPERATOR, PERMANENT, Ban, Standing
from quietmaker.core.units import Instant
from quietmaker.ports import Override


def ban_of(configured: str | None, said: Override | None, now: Instant) -> Ban | None:
    """Return what denies a symbol: the configuration first, then the operator; None when nothing does."""
    if configured is not None:
        return Ban(rule=PERMANENT, reason=configured)
    if said is None or said.include or (said.until is not None and now >= said.until):
        return None
    return Ban(rule=OPERATOR, reason=_words(said))


def included_by(said: Override | None, standing: Standing, now: Instant) -> str | None:
    """Return why the operator lets a symbol in against the rules, None when nobody does."""
    if said is None or not said.include:
        return None
    holds = standing.since < said.at if said.until is None else now < said.until
    return _words(said) if holds else None


def _words(said: Override) -> str:
    return f"{OPERATOR} {said.operator}: {said.reason}"
