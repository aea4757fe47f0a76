"""The restart policy: never more than it allows, and the right ones in the right order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.units import SECOND, Nanos
from quietmaker.settings import load
from supervisors import tree
from supervisors.policy import (
    LONGEST_PAUSE,
    Branch,
    GiveUp,
    History,
    Intensity,
    Leaf,
    Restart,
    Strategy,
    affected,
    check,
    leaves,
    may_restart,
    on_failure,
    pause,
    with_leaf,
    without_leaf,
)

SYMBOLS = ("A-USD", "B-USD")


def the_tree() -> Branch:
    return tree.build(load(None, env={}).supervision, SYMBOLS)


def fail(root: Branch, history: History, name: str, now: int) -> Restart | GiveUp:
    return on_failure(root, history, failed=name, now=Nanos(now), jitter=0.0)


def test_the_tree_starts_in_the_order_in_which_one_rests_on_another() -> None:
    assert list(leaves(the_tree())) == [
        "ledger",
        "clock",
        "gateway",
        "user_feed",
        "reconciler",
        "risk_guard",
        "trader:A-USD",
        "trader:B-USD",
        "feed",
        "tie_out",
        "filter",
        "shadow",
        "status",
    ]


def test_a_failed_trader_is_restarted_alone() -> None:
    verdict = fail(the_tree(), History(), "trader:A-USD", 0)
    assert verdict == Restart(branch="symbols", leaves=("trader:A-USD",), pause=Nanos(0))


@pytest.mark.parametrize(
    ("failed", "restarted"),
    [
        ("feed", ("feed",)),
        ("ledger", ("ledger",)),
        ("status", ("status",)),
        (
            "gateway",
            (
                "gateway",
                "user_feed",
                "reconciler",
                "risk_guard",
                "trader:A-USD",
                "trader:B-USD",
                "feed",
            ),
        ),
        ("reconciler", ("reconciler", "risk_guard", "trader:A-USD", "trader:B-USD", "feed")),
    ],
)
def test_what_was_built_on_a_failed_actor_is_restarted_with_it(
    failed: str, restarted: tuple[str, ...]
) -> None:
    verdict = fail(the_tree(), History(), failed, 0)
    assert isinstance(verdict, Restart)
    assert verdict.leaves == restarted


def test_a_branch_that_gives_up_is_a_failed_child_of_the_one_above() -> None:
    root, history = the_tree(), History()
    for number in range(5):
        verdict = fail(root, history, "trader:A-USD", number)
        assert isinstance(verdict, Restart)
        assert verdict.branch == "symbols"
    verdict = fail(root, history, "trader:B-USD", 6)
    assert isinstance(verdict, Restart)
    assert verdict.branch == "trading"
    assert verdict.leaves == ("trader:A-USD", "trader:B-USD", "feed")
    # It begins anew, with a clean record.
    verdict = fail(root, history, "trader:B-USD", 7)
    assert isinstance(verdict, Restart)
    assert verdict.branch == "symbols"


def test_a_tree_that_fails_too_often_gives_up_and_says_which_actor() -> None:
    root, history = the_tree(), History()
    for number in range(3):
        assert isinstance(fail(root, history, "ledger", number), Restart)
    verdict = fail(root, history, "ledger", 4)
    assert isinstance(verdict, GiveUp)
    assert "ledger" in verdict.reason


def test_time_heals() -> None:
    root, history = the_tree(), History()
    for number in range(40):
        verdict = fail(root, history, "ledger", number * 201 * SECOND)
        assert isinstance(verdict, Restart), number


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        fail(the_tree(), History(), "nobody", 0)


def test_a_name_may_stand_in_the_tree_only_once() -> None:
    twice = Branch(
        name="root",
        strategy=Strategy.ONE_FOR_ONE,
        intensity=Intensity(limit=1, period=SECOND),
        children=(Leaf("a"), Leaf("a")),
    )
    with pytest.raises(ValueError, match="a"):
        check(twice)


def test_a_symbol_comes_last_in_its_branch_and_before_what_starts_after_it() -> None:
    grown = with_leaf(the_tree(), tree.SYMBOLS, "trader:C-USD")
    names = list(leaves(grown))
    assert names[names.index("trader:B-USD") :][:3] == ["trader:B-USD", "trader:C-USD", "feed"]
    assert without_leaf(grown, "trader:C-USD") == the_tree()
    with pytest.raises(ValueError, match="trader:A-USD"):
        with_leaf(grown, tree.SYMBOLS, "trader:A-USD")
    with pytest.raises(KeyError):
        with_leaf(grown, "nowhere", "x")
    with pytest.raises(KeyError):
        without_leaf(grown, "nobody")


# --- properties ---------------------------------------------------------------------------------

INTENSITIES = st.builds(Intensity, limit=st.integers(0, 4), period=st.integers(1, 50).map(Nanos))


@st.composite
def branches(draw: st.DrawFn, depth: int = 2, prefix: str = "r") -> Branch:
    count = draw(st.integers(1, 4))
    children: list[Leaf | Branch] = []
    for number in range(count):
        name = f"{prefix}.{number}"
        if depth and draw(st.booleans()):
            children.append(draw(branches(depth - 1, name)))
        else:
            children.append(Leaf(name))
    return Branch(
        name=prefix,
        strategy=draw(st.sampled_from(list(Strategy))),
        intensity=draw(INTENSITIES),
        children=tuple(children),
    )


@given(data=st.data())
def test_no_branch_ever_restarts_more_often_than_it_may(data: st.DataObject) -> None:
    root: Branch = data.draw(branches())
    names = list(leaves(root))
    history, now = History(), 0
    restarts: dict[str, list[int]] = {}
    limits = {branch.name: branch.intensity for branch in all_branches(root)}
    for _ in range(data.draw(st.integers(1, 40))):
        now += data.draw(st.integers(0, 30))
        failed = data.draw(st.sampled_from(names))
        verdict = fail(root, history, failed, now)
        if isinstance(verdict, GiveUp):
            return
        assert failed in verdict.leaves
        assert [name for name in names if name in verdict.leaves] == list(verdict.leaves)
        restarts.setdefault(verdict.branch, []).append(now)
        restarted = next(b for b in all_branches(root) if b.name == verdict.branch)
        for inner in all_branches(restarted)[1:]:
            if failed in leaves(inner):
                restarts.pop(inner.name, None)  # it gave up, and began with a clean record
        intensity = limits[verdict.branch]
        recent = [at for at in restarts[verdict.branch] if now - at < intensity.period]
        assert len(recent) <= intensity.limit


def all_branches(branch: Branch) -> list[Branch]:
    found = [branch]
    for child in branch.children:
        if isinstance(child, Branch):
            found.extend(all_branches(child))
    return found


@given(data=st.data())
def test_the_root_gives_up_in_the_end_when_failures_do_not_stop(data: st.DataObject) -> None:
    root: Branch = data.draw(branches())
    names = list(leaves(root))
    history = History()
    bound = 1
    for branch in all_branches(root):
        bound *= branch.intensity.limit + 1
    for _ in range(bound * len(names) + 1):
        if isinstance(fail(root, history, data.draw(st.sampled_from(names[:1])), 0), GiveUp):
            return
    raise AssertionError("it never gave up")


@given(branch=branches(), data=st.data())
def test_the_rest_for_one_is_a_suffix_and_the_one_for_one_is_one_child(
    branch: Branch, data: st.DataObject
) -> None:
    child = data.draw(st.sampled_from(branch.children))
    hit = affected(branch, child.name)
    if branch.strategy is Strategy.ONE_FOR_ONE:
        assert hit == tuple(leaves(child))
    else:
        every = tuple(leaves(branch))
        assert hit == every[len(every) - len(hit) :]
        assert hit[: len(tuple(leaves(child)))] == tuple(leaves(child))


@given(
    intensity=INTENSITIES,
    restarts=st.lists(st.integers(0, 100).map(Nanos), max_size=8),
    now=st.integers(100, 200).map(Nanos),
)
def test_may_restart_counts_only_what_lies_within_the_period(
    intensity: Intensity, restarts: list[Nanos], now: Nanos
) -> None:
    inside = [at for at in restarts if at > now - intensity.period]
    assert may_restart(intensity, tuple(restarts), now) is (len(inside) < intensity.limit)


@given(earlier=st.integers(0, 200), jitter=st.floats(0, 1))
def test_pauses_grow_to_a_bound(earlier: int, jitter: float) -> None:
    assert 0 <= pause(earlier, jitter) <= LONGEST_PAUSE * 3 // 2
    assert pause(earlier, 0.0) <= pause(earlier + 1, 0.0)
    assert pause(0, jitter) == 0


@given(root=branches(), data=st.data())
def test_who_comes_and_goes_changes_nothing_for_the_others(
    root: Branch, data: st.DataObject
) -> None:
    branch = data.draw(st.sampled_from([each.name for each in all_branches(root)]))
    grown = with_leaf(root, branch, "new")
    assert without_leaf(grown, "new") == root
    others = [name for name in leaves(grown) if name != "new"]
    assert others == list(leaves(root))
    failed = data.draw(st.sampled_from(others))
    before = fail(root, History(), failed, 0)
    after = fail(grown, History(), failed, 0)
    if isinstance(before, Restart) and isinstance(after, Restart):
        assert tuple(name for name in after.leaves if name != "new") == before.leaves
        assert after.branch == before.branch
    else:
        assert isinstance(before, GiveUp)
        assert isinstance(after, GiveUp)


@given(root=branches(), data=st.data())
def test_a_failure_goes_up_only_as_far_as_branches_are_exhausted(
    root: Branch, data: st.DataObject
) -> None:
    history, now = History(), 0
    parents = {child.name: each.name for each in all_branches(root) for child in each.children}
    for _ in range(data.draw(st.integers(1, 30))):
        now += data.draw(st.integers(0, 30))
        failed = data.draw(st.sampled_from(list(leaves(root))))
        room = {
            each.name: may_restart(each.intensity, history.restarts.get(each.name, ()), Nanos(now))
            for each in all_branches(root)
        }
        verdict = fail(root, history, failed, now)
        above = parents[failed]
        while not room[above] and above in parents:
            assert above not in history.restarts  # it begins with a clean record
            above = parents[above]
        if isinstance(verdict, GiveUp):
            assert above == root.name
            assert not room[above]
            return
        assert verdict.branch == above
        assert room[above]
