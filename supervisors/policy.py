"""The restart policy: pure, with the clock and the jitter handed in.

A branch may restart its children so many times in so many seconds. One more failure, and the branch
itself fails: it is a failed child of the branch above, and begins anew if that one may restart it.
When the root may not, the process gives up. Pauses double with each restart in the period.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeAlias

from quietmaker.core.units import SECOND, Nanos

FIRST_PAUSE: Final = Nanos(SECOND // 10)
LONGEST_PAUSE: Final = Nanos(5 * SECOND)


class Strategy(Enum):
    """Who is restarted when a child fails."""

    ONE_FOR_ONE = "one_for_one"
    """The child alone."""
    REST_FOR_ONE = "rest_for_one"
    """The child and those that started after it, because they were built on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensity:
    """At most `limit` restarts in any `period`."""

    limit: int
    period: Nanos


@dataclass(frozen=True, slots=True)
class Leaf:
    """One actor."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Children that are restarted under one policy, in the order in which they start."""

    name: str
    strategy: Strategy
    intensity: Intensity
    children: tuple[Leaf | Branch, ...]


Node: TypeAlias = Leaf | Branch


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """Stop these leaves in reverse, and start them in order after a pause.

    Attributes:
        branch: whose restart it counts as.
    """

    branch: str
    leaves: tuple[str, ...]
    pause: Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The root's patience is over."""

    reason: str


Verdict: TypeAlias = Restart | GiveUp


@dataclass(slots=True)
class History:
    """When each branch restarted something: the policy's only state."""

    restarts: dict[str, tuple[Nanos, ...]] = field(default_factory=dict)


def leaves(node: Node) -> Iterator[str]:
    """Yield the names of the actors below a node, in the order in which they start."""
    if isinstance(node, Leaf):
        yield node.name
        return
    for child in node.children:
        yield from leaves(child)


def with_leaf(root: Branch, branch: str, name: str) -> Branch:
    """Return the tree with one more actor, the last one of a branch.

    Raises:
        KeyError: if there is no such branch.
        ValueError: if the name is taken.
    """
    if branch not in {root.name, *(each for each, _ in _parents(root))}:
        raise KeyError(branch)

    def grown(node: Branch) -> Branch:
        children = tuple(grown(c) if isinstance(c, Branch) else c for c in node.children)
        if node.name == branch:
            children = (*children, Leaf(name))
        return replace(node, children=children)

    tree = grown(root)
    check(tree)
    return tree


def without_leaf(root: Branch, name: str) -> Branch:
    """Return the tree without an actor.

    Raises:
        KeyError: if there is no such actor.
    """
    if name not in leaves(root):
        raise KeyError(name)

    def shrunk(node: Branch) -> Branch:
        kept = [c for c in node.children if c != Leaf(name)]
        return replace(
            node, children=tuple(shrunk(c) if isinstance(c, Branch) else c for c in kept)
        )

    return shrunk(root)


def may_restart(intensity: Intensity, restarts: tuple[Nanos, ...], now: Nanos) -> bool:
    """Return whether one more restart stays within the intensity."""
    return sum(now - at < intensity.period for at in restarts) < intensity.limit


def affected(branch: Branch, failed: str) -> tuple[str, ...]:
    """Return the leaves that are restarted when a direct child of the branch fails."""
    names = [child.name for child in branch.children]
    first = names.index(failed)
    last = first + 1 if branch.strategy is Strategy.ONE_FOR_ONE else len(names)
    return tuple(name for child in branch.children[first:last] for name in leaves(child))


def pause(earlier: int, jitter: float) -> Nanos:
    """Return how long to wait before a restart.

    Args:
        earlier: restarts of the branch within its period before this one; the first does not wait.
        jitter: from 0 to 1; adds up to half, so that branches do not restart in step.
    """
    if not earlier:
        return Nanos(0)
    base = min(FIRST_PAUSE << min(earlier - 1, 20), LONGEST_PAUSE)
    return Nanos(base + int(base * jitter) // 2)


def on_failure(
    root: Branch, history: History, *, failed: str, now: Nanos, jitter: float
) -> Verdict:
    """Return what to do about the failure of a leaf, and take it down in the history.

    Raises:
        KeyError: if the tree has no such leaf.
    """
    parents = dict(_parents(root))
    node = failed
    while True:
        branch = parents[node]
        period = branch.intensity.period
        recent = tuple(at for at in history.restarts.get(branch.name, ()) if now - at < period)
        if may_restart(branch.intensity, recent, now):
            history.restarts[branch.name] = (*recent, now)
            return Restart(
                branch=branch.name,
                leaves=affected(branch, node),
                pause=pause(len(recent), jitter),
            )
        # The branch fails as a whole; if it comes back, it comes back with a clean record.
        history.restarts.pop(branch.name, None)
        if branch.name == root.name:
            limit, seconds = branch.intensity.limit, period // SECOND
            return GiveUp(
                reason=f"{failed} failed, and {root.name} was restarted {limit} times in {seconds} s"
            )
        node = branch.name


def _parents(branch: Branch) -> Iterator[tuple[str, Branch]]:
    for child in branch.children:
        yield child.name, branch
        if isinstance(child, Branch):
            yield from _parents(child)


def check(root: Branch) -> None:
    """Refuse a tree in which a name stands twice: a report could not be told whose it is.

    Raises:
        ValueError: naming it.
    """
    counts = Counter([root.name, *(name for name, _ in _parents(root))])
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ValueError(f"the tree names {', '.join(twice)} twice")
