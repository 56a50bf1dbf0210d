"""Files that are no suites: of other kinds, endless, deep, with numbers and texts beyond limits."""

from __future__ import annotations

import os
import socket
import tomllib
from pathlib import Path

import pytest
from small_suites import TINY
from time_limits import at_most

from robust_augcl.errors import MOST_IN_LINE, InputError, one_line
from robust_augcl.plan.suite import load_suite, make_suite
from robust_augcl.plan.toml_text import MOST_BYTES, parse_toml


def refusal(path: Path | str, *overrides: str) -> str:
    """The line in which a suite is refused, soon."""
    with at_most(10), pytest.raises(InputError) as caught:
        load_suite(str(path), overrides)
    assert len(str(caught.value)) < 1_000  # no input is echoed
    line = one_line(caught.value)
    assert len(line) <= MOST_IN_LINE
    return line


# --- what is no file of a suite -------------------------------------------------------------------


def test_what_is_no_regular_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket's
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "linked.toml").symlink_to("fifo.toml")
    (tmp_path / "round.toml").symlink_to("round.toml")
    (tmp_path / "nowhere.toml").symlink_to("nothing")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.toml")
        assert "it is a socket" in refusal(tmp_path / "s.toml")
    assert "it is a pipe" in refusal(tmp_path / "fifo.toml")
    assert "it is a pipe" in refusal(tmp_path / "linked.toml")
    assert "it is a folder" in refusal(tmp_path / "folder.toml")
    assert "it is a folder" in refusal(tmp_path)
    assert "symbolic links" in refusal(tmp_path / "round.toml")
    assert "No such file" in refusal(tmp_path / "nowhere.toml")
    for device in ("/dev/zero", "/dev/null", "/dev/tty"):
        assert "it is a device" in refusal(device)


def test_a_pipe_of_a_shell_is_refused_and_not_waited_for():
    """`run <(cat suite.toml)`; nobody writes to this one."""
    read, write = os.pipe()
    try:
        assert "it is a pipe" in refusal(f"/dev/fd/{read}")
    finally:
        os.close(read)
        os.close(write)


def test_files_that_are_too_large(tmp_path):
    path = tmp_path / "large.toml"
    with open(path, "wb") as file:
        file.truncate(2**30)  # sparse: 1 GB of NUL
    assert f"larger than {MOST_BYTES:,} bytes" in refusal(path)
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    assert "larger than" in refusal(path)
    path.write_text(TINY + "#" * (MOST_BYTES - len(TINY)))
    assert load_suite(str(path)).name == "tiny"
    # The system tells no size of these.
    assert "Cannot read the suite" in refusal("/proc/kallsyms") or not os.path.exists("/proc")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("x" * 300 + ".toml", "name too long"),
        ("x/" * 3_000 + "x.toml", "name too long"),
        ("x\x00.toml", "no file can have this name"),
        ("x\ud800.toml", "no file can have this name"),
        ("x\udcff.toml", "No such file"),
        ("x" * 100_000, "Unknown suite"),
        ("x\x00", "Unknown suite"),
        ("\ud800", "Unknown suite"),
        ("", "Unknown suite"),
    ],
)
def test_names_that_no_file_can_have(name, words):
    assert words.lower() in refusal(name).lower()


# --- what is no TOML, or too much of it -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a = " + b"[" * 100_000, "nested more than 20 deep"),
        (b"a = " + b"[" * 2_000 + b"]" * 2_000, "nested more than 20 deep"),
        (b"a = " + b"{a=" * 60_000, "nested more than 20 deep"),
        (b"a = " + b"[" * 30 + b"]" * 30, "nested at most 20 deep, got more in `a`"),
        (b".".join([b"a"] * 40) + b" = 1", "nested at most 20 deep"),
        (b"[" + b".".join([b"a"] * 40) + b"]", "nested at most 20 deep"),
        (b".".join([b"a"] * 100_000) + b" = 1", "more than 100 parts"),
        (b"a = " + b"9" * 6_000, "4,300 digits"),
        (b"a = -" + b"9" * 5_000, "4,300 digits"),
        (b"a = 0x" + b"f" * 6_000, "64 bits"),
        (b"a = 0b" + b"1" * 100_000, "64 bits"),
        (b"a = 9223372036854775808", "64 bits"),
        (b"k" * 5_000 + b" = 1", "keys of at most 200 characters"),
        (b'"a\\u0000" = 1', "keys of at most 200 characters"),
        (b'title = "' + b"x" * 5_000 + b'"', "text of at most 1,000 characters"),
        (b'title = "\\u001b[31m"', "none of them for control"),
        (b"title = 1979-05-27", "`title` to be text, a number"),
        (b"title = 25:00:00", "TOML"),
        (b"scale = nan", "`scale` to be a finite number, got nan"),
        (b"scale = -inf", "`scale` to be a finite number, got -inf"),
        (b"scale = 1e400", "`scale` to be a finite number, got inf"),
        (b"training.learning_rate = 1e400", "[training]: Expected `learning_rate` to be a finite"),
        (b'name = "\xff"', "no text in UTF-8"),
        (b'name = "\x00"', "Illegal character"),
        ('name = "x"'.encode("utf-16"), "no text in UTF-8"),
        (b"\x00" * 1_000, "TOML"),
    ],
)
def test_content_beyond_the_limits(tmp_path, content, words):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    line = refusal(path)
    assert words in line
    assert str(path) in line


@pytest.mark.parametrize(
    "line",
    [
        "# " + "." * 200,
        "description = '" + "A sentence. " * 60 + "'",
        "numbers = [" + ", ".join(["0.1"] * 150) + "]",
        "# " + "a b.c " * 200,
    ],
)
def test_dots_that_are_in_no_key_are_nothing_to_refuse(line):
    assert parse_toml(line + "\na = 1", "suite")["a"] == 1


def test_a_mark_of_the_byte_order_is_left_out():
    assert parse_toml("\ufeffa = 1", "suite") == {"a": 1}


@pytest.mark.parametrize("key", ["{}", "x = {{{} = 1}}", "[{}]", "'a'.{}"])
def test_keys_of_too_many_parts_are_refused_at_once(key):
    with pytest.raises(InputError, match="more than 100 parts"):
        parse_toml(key.format(" . ".join(["a"] * 20_000)), "suite")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("training.epochs=٣", "got '٣'"),
        ("training.epochs=1e400", "got inf"),
        ("training.epochs=nan", "got nan"),
        ("training.epochs=-0.0", "a whole number, got -0.0"),
        (f"training.epochs={2**70}", "64 bits"),
        (f"training.epochs=0x{2**70:x}", "64 bits"),
        ("training.epochs=" + "9" * 100_000, "4,300 digits"),
        ("training.epochs=" + "[" * 100_000, "nested more than 20 deep"),
        ("training.epochs=" + "a." * 50_000, "more than 100 parts"),
        ("title=" + "x" * 100_000, "at most 1,000 characters"),
        ("title=\x00", "none of them for control"),
        ("title=\udcff", "none of them for control"),
        ("\udcff=1", "keys of at most"),
        ("k" * 100_000 + "=1", "keys of at most"),
        ("a." * 50_000 + "=1", "dotted.key=value"),
        ("a." * 25 + "b=1", "dotted.key=value"),
        (" " * 100_000, "dotted.key=value"),
        ('"' + "\\" * 100_000, "dotted.key=value"),
        ("name.x=1", "`name` is 'tiny'"),
        ("attacks.0.width=3", "an entry is named by its label"),
        ("attacks.rand_sampling=3", "Expected --set attacks.rand_sampling to name a single value"),
        ("dataset.nodes.0=3", "set that as a whole"),
        (
            "dataset.nodes.0.a=3",
            "Expected --set dataset.nodes.0.a to name a single value, but it is in",
        ),
        ("attacks=1", "`attacks` to be one or more tables [[attacks]], got 1"),
        ('seeds=["a"]', "`seeds.0` to be a whole number, got 'a'"),
        ("seeds='a'", "`seeds` to be an array, got 'a'"),
        ("seeds=" + str(list(range(1_001))), "1000 at the most"),
        ("seeds=[-1]", "different numbers from 0"),
        ("threat.budget=['a']", "`budget.0` to be a number, got 'a'"),
        ("threat.budget={}", "`budget` to be a number or an array, got {}"),
        ("threat.budget=" + str(list(range(1, 200))), "100 at the most"),
        ("threat.budget=-0.0", "`budget` to be positive"),
        ("dataset.nodes=[15]", "`nodes` to be an array of more values, got [15]"),
        ("dataset.nodes=[15, 20, 25]", "`nodes` to be an array of fewer values"),
        ("encoder.layers=[1000000000]", "`layers` to be different numbers from 1 to 1000"),
        ("encoder.width=1000000000", "`width` to be from 1 to 65536"),
        ("name='" + "x" * 61 + "'", "`name` to be at most 60 letters"),
        ("attacks.rand_sampling.label='" + "x" * 61 + "'", "at most 60 characters"),
        ('attacks.rand_sampling.label="a\\nb"', "at most 60 characters"),
    ],
)
def test_values_beyond_the_limits(tmp_path, assignment, words):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    assert words in refusal(path, assignment)


def test_a_line_break_in_a_value_sets_no_other_key(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    made = load_suite(str(path), ["title='one'\nname = 'other'"])
    assert (made.name, made.title) == ("tiny", "'one'\nname = 'other'")


def test_as_many_seeds_as_nobody_can_count():
    with pytest.raises(InputError, match="1000 at the most"):
        load_suite("quick", seeds=range(10**9))


def test_more_cells_than_can_be_planned():
    table = tomllib.loads(TINY)
    table |= {"seeds": list(range(1_000)), "threat": {"within_component": True, "budget": 1}}
    table["attacks"] = [{"name": "rand_sampling", "label": f"r{n}"} for n in range(17)]
    with pytest.raises(InputError, match="at most 50,000 cells, got 3 methods x 17 attacks"):
        make_suite(table, "here")


def test_a_suite_of_a_folder_has_the_same_limits():
    """What `run.json` holds is no TOML, and can hold more."""
    table = tomllib.loads(TINY)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for value, words in ((deep, "nested"), (float("nan"), "finite"), (16**6_000, "64 bits")):
        with pytest.raises(InputError, match=words):
            make_suite({**table, "scale": value}, "here")
