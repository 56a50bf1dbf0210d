"""The tutorial, letter by letter: its commands run in a fresh folder, and print what it shows.

`test_example_scripts.py` runs the scripts that stand at the end of the tutorial, from "Your data"
on. Numbers may differ on another processor, and seconds do everywhere: words, lines and columns do
not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from as_a_user import (
    EXAMPLES,
    INSTALLED,
    TUTORIAL,
    YOUR_DATA,
    assert_shown,
    blocks,
    called,
    folder_of_examples,
    lines_of,
)
from tree import TREE

import robust_augcl as ra
from robust_augcl import foreign
from robust_augcl.models import given


class Shown(NamedTuple):
    """A command of the tutorial, what it printed, and what stands below it."""

    command: str
    printed: str
    below: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return folder_of_examples(tmp_path_factory)


@pytest.fixture(scope="module")
def run(folder) -> list[Shown]:
    """The commands from "Your model" to "Your data", each called once, in their order."""
    text = TUTORIAL[TUTORIAL.index(INSTALLED) : TUTORIAL.index(YOUR_DATA)]
    found, command, printed = [], "", ""
    for language, block in blocks(text):
        if language == "toml":
            (folder / "my-gin.toml").write_text(block)
        elif language == "sh":
            command = block.strip()
            printed = called(folder, command)
        elif language == "text":
            if "but for predictions" in block:  # told in a sentence: the same without --model
                command = command.partition(" --model")[0]
                printed = called(folder, command)
            found.append(Shown(command, printed, block))
    return found


def printed_by(run: list[Shown], words: str) -> str:
    """What the first command printed that begins with these words."""
    return next(each.printed for each in run if each.command.startswith(words))


@pytest.mark.thorough
def test_each_command_prints_what_stands_below_it(run):
    for each in run:
        assert_shown(each.below, each.printed)
    assert len(run) == 6


@pytest.mark.thorough
def test_the_script_leaves_a_table_a_figure_and_a_folder(run, folder):
    text = printed_by(run, "python own_model.py")
    assert "Exact worst case, budget 2, Net: " in text
    assert "Audit: " in text
    assert " FAIL" not in text
    records = ra.open_run(folder / "runs" / "mine").records
    assert {r.cell.attack for r in records} == {"grad_argmax", "prbcd", "beam", "exhaustive"}
    (worst,) = [r.robust_accuracy for r in records if r.cell.attack == "exhaustive"]
    assert all(worst <= r.robust_accuracy <= r.clean_accuracy for r in records)
    assert (folder / "own_model.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.thorough
def test_a_colleague_proves_the_folder_again(run):
    text = printed_by(run, "robust-augcl replay")
    assert "All 4 records and 1 certificate hold." in text
    assert "proved  given model: made_by, structure" in text


@pytest.fixture
def _nothing_stays_known():
    yield
    foreign.withdraw()
    given.forget()


@pytest.mark.thorough
@pytest.mark.usefixtures("run", "_nothing_stays_known")
def test_its_suite_takes_the_model(folder):
    loaded = ra.load_suite(str(folder / "my-gin.toml"))
    campaign = ra.Campaign(loaded, folder / "runs" / "loaded")
    (model,) = campaign.suite.victims
    assert set(model.known.left_out) == {"rl_s2v"}
    assert {type(step.settings["attack"]).__name__ for step in campaign.plan.attacks} == {"Beam"}


def test_it_shows_lines_of_the_script():
    script = (EXAMPLES / "own_model.py").read_text()
    (shown,) = [text for language, text in blocks(TUTORIAL) if language == "python"]
    for line in shown.splitlines():
        assert line in script, line


def test_what_it_links_to_is_there():
    paths = re.findall(r"\]\(([^)#]+)\)", TUTORIAL)
    assert paths
    for path in paths:
        assert (TREE / "docs" / path).exists(), path


def test_what_may_differ_elsewhere_is_left_out():
    assert lines_of(" a  1,234 ─── 5.0 %\n\nattack-0123456789abcdef0123.jsonl: 12 graphs") == [
        "a # # %",
        "attack-KEY.jsonl: # graphs",
    ]
    assert lines_of("not computed again (took longer than 0.1 s)") == lines_of("computed again")
