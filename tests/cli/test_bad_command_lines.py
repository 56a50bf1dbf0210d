"""What the command line refuses, and how: one short line, in our words."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from command_line import call
from time_limits import HANGS

from robust_augcl.cli.evaluate_options import EvaluateOptions
from robust_augcl.cli.options import RunOptions
from robust_augcl.errors import MOST_IN_LINE, InputError
from robust_augcl.plan.suite import load_suite


def refusal(*arguments: object) -> str:
    """The one line in which a command line is refused."""
    answer = call(*arguments)
    assert answer.code == 2
    assert not answer.out
    (line,) = answer.err.splitlines()
    assert line.startswith("error: ")
    assert len(line) <= MOST_IN_LINE
    assert line.isprintable()
    return line.removeprefix("error: ")


# --- our words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["run", "quick", "--workers", "0"],
            "Expected --workers to be a whole number of at least 1, got '0'",
        ),
        (
            ["run", "quick", "--workers", "two"],
            "Expected --workers to be a whole number of at least 1, got 'two'",
        ),
        (
            ["run", "quick", "--device", "tpu"],
            "Expected --device to be 'auto', 'cpu' or 'cuda', got 'tpu'",
        ),
        (
            ["run", "quick", "--executor", ""],
            "Expected --executor to be 'local' or 'dask', got ''",
        ),
        (
            ["show", "DIR", "--format", "xml"],
            "Expected --format to be 'table', 'json', 'csv' or 'markdown', got 'xml'",
        ),
        (["run"], "Expected SUITE, got nothing"),
        (["replay"], "Expected DIR|FILE, got nothing"),
        (
            ["replya"],
            "Unknown command 'replya', did you mean 'replay'? (known: audit, baseline, "
            "claims, clean, evaluate, export, gate, list, replay, report, run, show, site, status, "
            "transfer)",
        ),
        (
            ["list", "--formt", "json"],
            "Unknown option '--formt', did you mean '--format'? (known: --check, --format, "
            "--help, --plugin)",
        ),
        (["--quiet"], "Unknown option '--quiet' (known: --help, --version)"),
        (
            ["show", "nowhere"],
            "Expected the folder of a run, with a file run.json, got 'nowhere': see `robust-augcl "
            "run --help`",
        ),
        (["show", ""], "Expected DIR to be a folder, got ''"),
    ],
)
def test_what_is_said(tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    assert refusal(*arguments) == line


def test_no_command_at_all_is_no_fault():
    answer = call()
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == call("--help").out
    assert "robust-augcl replay runs/quick" in answer.out


# --- numbers --------------------------------------------------------------------------------------

NO_NUMBERS = [
    "٣", "३", "²", "\uff11", "1_0", "+1", "-1", " 1", "1 ", "1.0", "1e3", "0x1", "0b1", "", "one",
    "1" * 19, "9" * 6_000, "1\n", "\x001", "nan", "inf",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_only_plain_digits_are_a_number(text):
    if "\x00" not in text:
        assert "--workers" in refusal("run", "quick", "--workers", text)
    ranges = (f"0-{text}", f"{text}-7", f"1-{text},9")
    for seeds in (text, f"0,{text}", f"{text},0", *ranges):
        with pytest.raises(InputError, match="whole numbers like 0,1,2 or ranges"):
            RunOptions("quick", seeds=seeds).chosen_seeds  # noqa: B018


def test_plain_digits_are_a_number():
    assert RunOptions("quick", seeds="0,12,007").chosen_seeds == [0, 12, 7]
    assert RunOptions("quick").chosen_seeds is None


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-29", list(range(30))),
        ("0-4,7", [0, 1, 2, 3, 4, 7]),
        ("9,3-5,0", [9, 3, 4, 5, 0]),
        ("3-3", [3]),
        ("007-8", [7, 8]),
        ("1000-1999", list(range(1000, 2000))),
    ],
)
def test_seeds_can_be_ranges(text, seeds):
    assert RunOptions("quick", seeds=text).chosen_seeds == seeds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5-3", "from the smaller seed to the larger, got 5-3 in '5-3'"),
        ("0,29-0", "from the smaller seed to the larger, got 29-0 in '0,29-0'"),
        ("1,1", "to name each seed once, got 1 twice in '1,1'"),
        ("0-4,3", "to name each seed once, got 3 twice in '0-4,3'"),
        ("0-4,4-6", "to name each seed once, got 4 twice in '0-4,4-6'"),
        ("0-1000", "to be at most 1,000 seeds, got 1,001 in '0-1000'"),
        ("0-999,2000", "to be at most 1,000 seeds, got 1,001 in '0-999,2000'"),
        (
            f"0-{10**18 - 1}",
            f"to be at most 1,000 seeds, got {10**18:,} in '0-{10**18 - 1}'",
        ),
        ("1-2-3", "or ranges like 0-29, got '1-2-3'"),
        ("0--2", "or ranges like 0-29, got '0--2'"),
        ("-", "or ranges like 0-29, got '-'"),
    ],
)
def test_ranges_of_seeds_that_are_none_are_refused(text, said):
    assert said in refusal("run", "quick", "--seeds", text)
    with pytest.raises(InputError) as caught:
        EvaluateOptions((), (), "MUTAG", (), ("1",), seeds=text).chosen_seeds  # noqa: B018
    assert said in str(caught.value)


def test_many_seeds_are_counted_before_they_are_listed():
    text = ",".join(map(str, range(2_000)))
    with pytest.raises(InputError, match="at most 1,000 seeds, got 2,000 in"):
        RunOptions("quick", seeds=text).chosen_seeds  # noqa: B018


def test_set_takes_an_array_of_seeds_and_no_range():
    assert load_suite("quick", ["seeds=[4, 7]"]).seeds == (4, 7)
    with pytest.raises(InputError, match="Expected `seeds` to be an array, got '0-29'"):
        load_suite("quick", ["seeds=0-29"])


# --- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\udcff", "x" * 1_000 + "\udcff"])
@pytest.mark.parametrize(
    "before",
    [
        ["run"],
        ["run", "quick", "--out"],
        ["run", "quick", "--set"],
        ["run", "quick", "--seeds"],
        ["run", "quick", "--archives"],
        ["run", "quick", "--plugin"],
        ["run", "quick", "--executor", "dask", "--scheduler"],
        ["show"],
        ["clean", "--dry-run"],
        ["transfer", "DIR", "--attack"],
        ["report", "DIR", "--out"],
        ["replay", "DIR", "--report"],
        [],
    ],
)
def test_what_is_no_text(before, text):
    assert "Expected arguments to be text in UTF-8, got '" in refusal(*before, text)


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "x/" * 2_500, "y/" + "x" * 256 + "/z"])
@pytest.mark.parametrize(
    ("before", "option"),
    [
        (["run", "quick", "--out"], "--out"),
        (["run", "quick", "--archives"], "--archives"),
        (["show"], "DIR"),
        (["replay"], "DIR|FILE"),
        (["report", "DIR", "--out"], "--out"),
    ],
)
def test_paths_that_no_folder_can_have(before, option, name):
    assert f"Expected {option} to be a path of at most 4,000 bytes" in refusal(*before, name)


def test_archives_of_the_environment_are_looked_at_too(monkeypatch):
    monkeypatch.setenv("ROBUST_AUGCL_ARCHIVES", "x" * 300)
    assert "Expected --archives to be a path" in refusal("run", "quick")


@pytest.mark.parametrize(
    "arguments",
    [
        ["x" * 100_000],
        ["run", "x" * 100_000],
        ["run", "quick", "x" * 100_000],
        ["run", "quick", "--" + "x" * 100_000],
        ["run", "quick", "--device", "x" * 100_000],
        ["run", "quick", "--seeds", "x" * 100_000],
        ["run", "quick", "--plugin", "x" * 100_000],
        ["run", "quick", "--plugin", "x" * 100_000 + ":Class"],
        ["run", "quick", "--scheduler", "x" * 100_000],
        ["run", "quick", "--set", "x" * 100_000],
        ["run", "quick", "--set", "x" * 100_000 + "=1"],
        ["run", "quick", "--set", "training.epochs='" + "x" * 100_000 + "'"],
        ["show", "x" * 100_000],
        ["show", "DIR", "--format", "x" * 100_000],
    ],
)
def test_nothing_long_is_echoed(arguments, monkeypatch):
    monkeypatch.setattr("robust_augcl.workers.processes.warm_up", lambda: None)
    assert "xxxx...xxxx" in refusal(*arguments)


def test_a_folder_that_may_not_be_looked_at(monkeypatch, tmp_path):
    """Whatever the system refuses is one line, whoever asked it."""

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/secret")

    monkeypatch.setattr("robust_augcl.store.run_folder.RunFolder.existing_manifest", refused)
    assert refusal("show", tmp_path) == "The system refuses: /secret: Permission denied"


@pytest.mark.parametrize("code", ["ascii", "utf-8"])
def test_a_refusal_can_be_shown_in_every_encoding(code):
    """In a process of its own, with an argument that is no UTF-8."""
    for argument in (os.fsencode("quíck٣\u202e"), b"\xff\xfe"):
        done = subprocess.run(
            [sys.executable, "-m", "robust_augcl", "run", "quick", "--device", argument],
            env={**os.environ, "PYTHONIOENCODING": code},
            capture_output=True,
            timeout=HANGS,
        )
        assert done.returncode == 2
        assert done.stderr.startswith(b"error: Expected ")
        assert done.stderr.count(b"\n") == 1
