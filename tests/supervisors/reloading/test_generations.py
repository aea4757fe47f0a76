"""A reload is in force everywhere or nowhere, and says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from quietmaker.errors import LedgerError
from supervisors.reloading.generations import Asked, Result, Trigger
from tests.supervisors.reloading.rig import START, Desk, Part

LIVE = "defaults: {gates: {min_spread_pct: 0.4}}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def untouched(desk: Desk) -> bool:
    """Return whether nobody was switched and the first generation is in force."""
    return not any(part.switched for part in desk.parts) and desk.generations.number == 1


def test_a_good_file_is_in_force_at_every_part(desk: Desk) -> None:
    before = desk.generations.current.sha256
    outcome = desk.offer(LIVE)
    now = desk.generations.current.sha256
    assert (outcome.result, outcome.generation, outcome.sha256) == (Result.APPLIED, 2, now)
    assert [str(each) for each in outcome.changes] == [
        "defaults.gates.min_spread_pct: 0.025 -> 0.4"
    ]
    assert now != before
    for part in desk.parts:
        assert part.prepared == [f"{before} {now}"]
        assert part.switched == [now]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"defaults: {gates: {min_spread_pct: -1}}",
        b"defaults: {gates: {min_spread_pct:",
        b"defaults: {gates: {min_spread_pct: 0.4}}\ndefaults: {}",
        b"\xff\xfed\x00e\x00",
        b"defaults: {gates: {min_spread_pct: \xe9}}",
        b"nonsense: 1",
        b"# " + b"x" * 10_000_000,
    ],
    ids=["empty", "range", "half", "twice", "utf-16", "latin-1", "unknown", "10 MB"],
)
def test_a_bad_file_changes_nothing_and_says_where_it_is_wrong(desk: Desk, text: bytes) -> None:
    outcome = desk.offer(text)
    assert outcome.result is Result.REJECTED
    assert not outcome.unsafe
    assert all("paper.yaml" in problem for problem in outcome.problems)
    assert untouched(desk)
    assert not any(part.prepared for part in desk.parts)


def test_one_refusal_and_nobody_switches(desk: Desk) -> None:
    desk.parts[1].refusal = "it would be too much"
    outcome = desk.offer(LIVE)
    assert outcome.result is Result.REJECTED
    assert outcome.problems == ("part 1: it would be too much",)
    assert desk.parts[0].prepared
    assert untouched(desk)


def test_every_refusal_is_told_at_once(desk: Desk) -> None:
    for part in desk.parts:
        part.refusal = "no"
    assert desk.offer(LIVE).problems == ("part 0: no", "part 1: no")


def test_a_part_that_breaks_takes_everybody_back(desk: Desk) -> None:
    first = desk.generations.current.sha256
    candidate = desk.candidate(LIVE)
    assert not isinstance(candidate, Exception)
    desk.parts[1].breaks_at = candidate.sha256
    outcome = desk.offer(LIVE)
    assert outcome.result is Result.REJECTED
    assert "switched back" in outcome.problems[0]
    assert [part.switched[-1] for part in desk.parts] == [first, first]
    assert (desk.generations.number, desk.generations.current.sha256) == (1, first)


def test_paper_never_becomes_live(desk: Desk) -> None:
    outcome = desk.offer("mode: live\nuniverse: {symbols: [BTC-USD]}\n" + LIVE)
    assert outcome.result is Result.REJECTED
    assert outcome.unsafe
    assert "mode" in outcome.problems[0]
    assert untouched(desk)


def test_a_limit_above_its_ceiling_is_refused_with_everything_that_came_with_it(desk: Desk) -> None:
    outcome = desk.offer("defaults: {risk: {max_daily_loss: 500}, gates: {min_spread_pct: 0.4}}")
    assert outcome.result is Result.REJECTED
    assert outcome.unsafe
    assert "the ceiling that was fixed at the start" in outcome.problems[0]
    assert untouched(desk)


def test_a_ceiling_cannot_be_raised_together_with_its_limit(desk: Desk) -> None:
    outcome = desk.offer(
        "ceilings: {quote: {max_position: 90}}\ndefaults: {quote: {max_position: 90}}"
    )
    assert outcome.result is Result.REJECTED
    assert outcome.unsafe


def test_a_limit_that_was_lowered_can_be_raised_to_where_it_began(desk: Desk) -> None:
    assert desk.offer("defaults: {risk: {max_exposure: 60}}").result is Result.APPLIED
    assert desk.offer("defaults: {risk: {max_exposure: 250}}").result is Result.APPLIED


def test_the_same_again_is_no_generation(desk: Desk) -> None:
    outcome = desk.offer("# only a comment\nmode: paper")
    assert (outcome.result, outcome.generation) == (Result.UNCHANGED, 1)
    assert untouched(desk)


def test_what_needs_a_restart_waits_and_the_rest_is_applied(desk: Desk) -> None:
    outcome = desk.offer("paper: {seed: 9}\n" + LIVE)
    assert outcome.result is Result.APPLIED
    assert [each.key for each in outcome.waiting] == ["paper.seed"]
    assert [each.key for each in outcome.changes] == ["defaults.gates.min_spread_pct"]
    assert desk.generations.current.paper.seed == 1
    assert desk.sample("config_restart_required") == 1
    desk.offer(LIVE)
    assert desk.sample("config_restart_required") == 0


def test_a_restart_key_alone_is_reported_and_not_ignored(desk: Desk) -> None:
    outcome = desk.offer("paper: {seed: 9}")
    assert outcome.result is Result.UNCHANGED
    assert [str(each) for each in outcome.waiting] == ["paper.seed: 1 -> 9"]
    assert desk.sample("config_restart_required") == 1


def test_a_dry_run_says_all_and_changes_and_counts_nothing(desk: Desk) -> None:
    asked = Asked(trigger=Trigger.CLI, by="anna", dry=True)
    outcome = desk.offer(LIVE, asked)
    assert outcome.result is Result.APPLIED
    assert untouched(desk)
    assert desk.generations.last is None
    assert desk.sample("config_reloads_total", trigger="cli", result="applied") == 0


def test_the_gauges_behave_as_those_of_prometheus(desk: Desk) -> None:
    began = START / 1e9
    assert desk.sample("config_last_reload_successful") == 1
    assert desk.sample("config_last_reload_success_timestamp_seconds") == began
    desk.offer("nonsense: 1")
    assert desk.sample("config_last_reload_successful") == 0
    assert desk.sample("config_last_reload_success_timestamp_seconds") == began
    desk.offer("mode: paper")  # back to what is in force: that is a success
    assert desk.sample("config_last_reload_successful") == 1
    assert desk.sample("config_last_reload_success_timestamp_seconds") == began + 2
    desk.offer(LIVE)
    assert desk.sample("config_info", sha256=desk.generations.current.sha256) == 1
    assert desk.sample("config_generation") == 2
    assert desk.sample("config_reloads_total", trigger="signal", result="applied") == 1
    assert desk.sample("config_reloads_total", trigger="signal", result="rejected") == 1
    assert desk.sample("config_reloads_total", trigger="signal", result="unchanged") == 1


def test_the_page_says_what_is_in_force_and_what_became_of_the_last_reload(desk: Desk) -> None:
    desk.offer("paper: {seed: 9}\n" + LIVE)
    page = desk.generations.page()
    assert page["generation"] == 2
    assert page["restart_required"] == ["paper.seed: 1 -> 9"]
    last = page["last_reload"]
    assert isinstance(last, dict)
    assert (last["trigger"], last["by"], last["result"]) == ("signal", "SIGHUP", "applied")


def test_every_reload_is_recorded_with_what_was_new_and_a_dry_run_is_not(desk: Desk) -> None:
    desk.offer(LIVE, Asked(trigger=Trigger.CLI, by="anna", dry=True))
    desk.offer(LIVE)
    desk.offer("nonsense: 1")
    applied, refused = desk.recorded
    assert (applied.result, applied.generation) == ("applied", 2)
    assert applied.config_sha == desk.generations.current.sha256
    assert applied.changes == (("defaults.gates.min_spread_pct", "0.025", "0.4"),)
    assert dict(applied.chosen)["defaults.gates.min_spread_pct"] == "0.4"
    assert (refused.result, refused.generation, refused.chosen) == ("rejected", 2, ())
    assert "nonsense" in refused.problems[0]


def test_books_that_cannot_be_written_undo_no_reload(desk: Desk) -> None:
    def away(fact: object) -> None:
        raise LedgerError("the disk is full")

    desk.generations._record = away
    assert desk.offer(LIVE).result is Result.APPLIED
    assert desk.generations.number == 2


def test_who_joins_later_takes_part_in_the_next(desk: Desk) -> None:
    desk.offer(LIVE)
    late = Part()
    desk.generations.join("late", late)
    desk.offer("mode: paper")
    assert late.switched == [desk.generations.current.sha256]
