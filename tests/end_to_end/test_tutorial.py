"""The tutorial, letter by letter: its commands run in a fresh folder, and print what it shows.

A command below which nothing is shown is run by `tests/test_example_scripts.py`. Numbers may differ
on another processor, and seconds do everywhere: words, lines and columns do not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from tree import TREE

from robust_augcl.arithmetic import VARIABLES

TUTORIAL = (TREE / "docs" / "tutorial.md").read_text()
INSTALLED = "## Your model\n"
"""Where the reader has installed all, and stands in a folder with the examples."""
_CHANGES = (
    (r"-[0-9a-f]{20}\b", "-KEY"),
    (r"(not )?computed again( \(took longer than 0.1 s\))?", "computed again or too slow"),
    (r"\d[\d,]*(\.\d+)?", "#"),
    (r"[─\s]+", " "),
)


def lines_of(text: str) -> list[str]:
    """The lines of a text that hold words, without what may differ elsewhere."""
    for pattern, instead in _CHANGES:
        text = "\n".join(re.sub(pattern, instead, line).strip() for line in text.splitlines())
    return [line for line in text.splitlines() if line]


def blocks() -> list[tuple[str, str]]:
    """The blocks after the installation: language and text."""
    text = TUTORIAL[TUTORIAL.index(INSTALLED) :]
    return re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("work")
    for path in (TREE / "examples").glob("own_*.*"):
        shutil.copy(path, found)
    return found


def called(folder, command):
    """What a command of the tutorial prints, as a user's shell runs it: without archives."""
    ours = {*VARIABLES, "ROBUST_AUGCL_ARCHIVES"}
    environment = {name: told for name, told in os.environ.items() if name not in ours}
    environment["OMP_NUM_THREADS"] = "1"
    command = command.partition("  # ")[0].replace("\\\n", " ")
    program, *words = command.split()
    ways = {"python": [sys.executable], "robust-augcl": [sys.executable, "-m", "robust_augcl"]}
    done = subprocess.run(
        [*ways[program], *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_each_command_prints_what_stands_below_it(folder):
    printed, command, shown = "", "", 0
    waiting = False
    for language, text in blocks():
        if language == "toml":
            (folder / "my-gin.toml").write_text(text)
        elif language == "sh":
            command, waiting = text.strip(), True
        elif language == "text":
            if waiting:
                printed, waiting = called(folder, command), False
            elif "but for predictions" in text:  # told in a sentence: the same without --model
                printed = called(folder, command.partition(" --model")[0])
            there = iter(lines_of(printed))
            for line in lines_of(text):
                assert line in there, f"{command}\n{line}\n\n{printed}"
            shown += 1
    assert shown == 7
    assert (folder / "own_model.pdf").read_bytes().startswith(b"%PDF")


def test_what_may_differ_elsewhere_is_left_out():
    assert lines_of(" a  1,234 ─── 5.0 %\n\nattack-0123456789abcdef0123.jsonl: 12 graphs") == [
        "a # # %",
        "attack-KEY.jsonl: # graphs",
    ]
    assert lines_of("not computed again (took longer than 0.1 s)") == lines_of("computed again")
