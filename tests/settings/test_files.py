"""Files: YAML's traps, damaged files, chains of bases. Every fault is a ConfigError with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quietmaker.errors import ConfigError
from quietmaker.settings import InvalidSettings, Problem, load
from tests.settings.files import read, refusal, write


def test_a_missing_file_is_refused_with_the_name_of_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path, "{}", "paper.yaml")
    with pytest.raises(ConfigError, match=r"papr\.yaml: no such file; did you mean paper\.yaml\?"):
        load(tmp_path / "papr.yaml", env={})


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="cannot be read: Is a directory"):
        load(tmp_path, env={})


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "~", "null"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    assert "is empty" in refusal(tmp_path, text)


@pytest.mark.parametrize(("text", "what"), [("- a\n- b\n", "a list"), ("hello", "a single value")])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str, what: str) -> None:
    assert f"is {what}; expected a mapping" in refusal(tmp_path, text)


def test_an_empty_mapping_means_all_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "{}").sha256 == load(None, env={}).sha256


def test_a_section_without_keys_means_its_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "paper:\ndefaults:\n  quote:\n").sha256 == load(None, env={}).sha256


def test_a_byte_order_mark_is_harmless(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfmode: paper\n").mode == "paper"


def test_windows_line_ends_are_harmless(tmp_path: Path) -> None:
    assert read(tmp_path, "mode: paper\r\npaper:\r\n  seed: 3\r\n").paper.seed == 3


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"mode: paper\npaper: {seed: \xe9}\n", "test.yaml:2:15: byte 0xe9 is not UTF-8"),
        ("mode: paper\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"mode: paper\n\x00\n", "test.yaml:2:1: character"),
        (b"mode:\tpaper\n\tpaper: 1\n", "a tab; indent with spaces"),
        (b"mode: paper\nmode: [\n", "is not valid YAML"),
        (b"mode: paper\n---\nmode: live\n", "test.yaml:2:1: has a second document"),
        (b"universe: {symbols: [*]}\n", "begins with * in quotes"),
        (b"universe: {symbols: [*-USD]}\n", "begins with * in quotes"),
        (
            b"mode: !!python/object:os.system paper\n",
            "the tag tag:yaml.org,2002:python/object:os.system",
        ),
        (b"? [a, b]\n: c\n", "a key must be a word"),
        (b'mode: "\\UFFFFFFFF"\n', "is not valid YAML"),
        (b"mode: paper # " + b"x" * 300_000, "is larger than 256 KiB"),
        (b"a: " * 1 + b"[" * 100 + b"]" * 100, "nested deeper than"),
        (b"mode: paper\npaper: {seed: 1", "is not valid YAML"),
    ],
)
def test_a_damaged_or_trapped_file_is_refused_with_its_place(
    tmp_path: Path, raw: bytes, words: str
) -> None:
    assert words in refusal(tmp_path, raw)


@pytest.mark.parametrize("size", [0, 1, 5, 20, 60, 120, 180, 238])
def test_a_half_written_file_is_refused_or_complete_in_itself(tmp_path: Path, size: int) -> None:
    whole = (
        "mode: paper\nuniverse:\n  symbols: [BTC-USD, ETH-USD]\ndefaults:\n  gates:\n"
        "    min_spread_pct: 0.3\n  exits: {stop_loss_pct: 3, max_lifetime_seconds: 300}\n"
        "paper: {seed: 12, speed: 2.5}\n"
    )
    problems: tuple[Problem, ...] = ()
    try:
        read(tmp_path, whole[:size])
    except InvalidSettings as error:
        problems = error.problems
    assert all(problem.place.source.endswith("test.yaml") for problem in problems)


def test_a_deeply_nested_file_does_not_exhaust_the_stack(tmp_path: Path) -> None:
    assert "nested deeper than" in refusal(tmp_path, b"[" * 100_000)


def test_aliases_cannot_multiply_without_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "things: not a configuration" in refusal(tmp_path, "\n".join(lines))


def test_an_alias_inside_its_own_anchor_is_refused(tmp_path: Path) -> None:
    assert "no anchor &a before this alias" in refusal(tmp_path, "a: &a [*a]")


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    text = """
groups:
  one:
    match: ["A-*"]
    exits: &patient {stop_loss_pct: 3, max_lifetime_seconds: 900}
  two:
    match: ["B-*"]
    exits:
      <<: *patient
      stop_loss_pct: 4
"""
    settings = read(tmp_path, text)
    assert settings.symbol("A-USD").exits.stop_loss_pct == 3
    assert settings.symbol("B-USD").exits.stop_loss_pct == 4
    assert settings.symbol("B-USD").exits.max_lifetime_seconds == 900


def test_every_duplicate_key_is_refused_with_both_lines(tmp_path: Path) -> None:
    message = refusal(tmp_path, "mode: paper\npaper:\n  seed: 1\n  seed: 2\nmode: paper\n")
    assert "test.yaml:4:3: seed: duplicate key; it is already given at line 3" in message
    assert "test.yaml:5:1: mode: duplicate key; it is already given at line 1" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mangement: {port: 1}", "mangement: unknown key; did you mean management?"),
        ("management: {prot: 1}", "management.prot: unknown key; did you mean port?"),
        (
            "gates: {min_spread_pct: 1}",
            "gates: unknown key; write it under defaults, as defaults.gates",
        ),
        ("defaults: {min_spread_pct: 1}", "did you mean gates.min_spread_pct?"),
        ("min_spread_pct: 1", "did you mean defaults.gates.min_spread_pct?"),
        (
            "defaults: {quote: {zzz: 1}}",
            "defaults.quote.zzz: unknown key; known here: cooldown_seconds, improve_ticks",
        ),
        ("defaults: 3", "defaults: expected a mapping"),
        ("defaults: {quote: [1]}", "defaults.quote: expected a mapping"),
        ("symbols: {btc: {gates: {min_spread_pct: 1}}}", "symbols: 'btc' is not a symbol"),
        (
            "symbols: {BTC-USD: {gats: {}}}",
            "symbols.BTC-USD.gats: unknown key; did you mean gates?",
        ),
        ("groups: {Thin: {match: [A-USD]}}", "'Thin' is not a group's name"),
        ("groups: {thin: {gates: {}}}", "groups.thin: a group needs match"),
        ("products: {BTC-USD: {tick: 1}}", "products.BTC-USD.tick: unknown key"),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_meant(
    tmp_path: Path, text: str, words: str
) -> None:
    assert words in refusal(tmp_path, text)


def test_all_faults_of_all_layers_are_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path, "mode: papr\n", "base.yaml")
    path = write(tmp_path, "base: base.yaml\npaper: {seed: x}\nzzz: 1\n")
    with pytest.raises(InvalidSettings) as caught:
        load(path, env={"QUIETMAKER__PAPER__SPEED": "fast"}, overrides=["paper.sed=1"])
    sources = [str(problem) for problem in caught.value.problems]
    assert len(sources) == 5
    for part in (
        "base.yaml:1:7",
        "test.yaml:2:",
        "test.yaml:3:1",
        "environment QUIETMAKER__PAPER__SPEED",
        "--set",
    ):
        assert any(part in text for text in sources), part


def test_a_base_is_found_beside_the_file_and_gives_way_to_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, "paper: {seed: 1, speed: 2}\n", "base.yaml")
    path = write(tmp_path / "sub", "base: ../base.yaml\npaper: {seed: 9}\n")
    settings = load(path, env={})
    assert settings.paper.seed == 9
    assert settings.paper.speed == 2
    assert [file.name for file in settings.files] == ["base.yaml", "test.yaml"]


def test_a_wrong_value_in_a_base_is_refused_even_where_it_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, "paper: {seed: x}\n", "base.yaml")
    assert "base.yaml:1:15" in refusal(tmp_path, "base: base.yaml\npaper: {seed: 9}\n")


def test_a_chain_of_bases_that_leads_back_to_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "base: test.yaml\n", "base.yaml")
    assert "leads back to itself" in refusal(tmp_path, "base: base.yaml\n")


@pytest.mark.parametrize("base", ["[a]", "null", "''", '"\\0"', '"\\ud800"', "missing.yaml"])
def test_a_base_that_is_no_file_is_refused(tmp_path: Path, base: str) -> None:
    assert refusal(tmp_path, f"base: {base}\n")


def test_a_symbolic_link_to_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "loop.yaml"
    os.symlink(path, path)
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load(path, env={})


def test_a_message_stays_on_its_line_whatever_a_key_contains(tmp_path: Path) -> None:
    message = refusal(tmp_path, b'"a\\nb\\ud800\\e[31m": 1')
    assert len(message.splitlines()) == 2
    assert message.encode()


def test_a_chain_of_bases_has_an_end(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path, f"base: {number + 1}.yaml\n", f"{number}.yaml")
    with pytest.raises(InvalidSettings, match="goes on for 8 files"):
        load(tmp_path / "0.yaml", env={})
