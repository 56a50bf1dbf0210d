"""A folder with more seeds than were planned, from the run to its report and the commands."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import call

from robust_augcl import Campaign, Machines
from robust_augcl.plan.suite import make_suite

STATED = {"pairs": [["graphcl", "none"]], "margin": 0.3}
TABLE: dict[str, Any] = {
    "name": "planned",
    "dataset": {"source": "components", "nodes": [15, 20], "graphs_per_class": 10},
    "split": {"test": 0.3, "validation": 0.3},
    "encoder": {"name": "structure2vec", "width": 4},
    "pretraining": {"warm_up_epochs": 1, "continued_epochs": 1, "batch_size": 16},
    "training": {"epochs": 2},
    "threat": {"within_component": True},
    "comparisons": STATED,
    "methods": [{"name": "none"}, {"name": "graphcl"}],
    "attacks": [{"name": "exhaustive"}],
}


def campaign(path: Path, seeds: list[int], **changes: Any) -> Campaign:
    suite = make_suite({**copy.deepcopy(TABLE), **changes, "seeds": seeds}, "here")
    return Campaign(suite, path, Machines(workers=1), tell=lambda text: None)


def verdicts(page: str) -> set[str]:
    """The words in the column of verdicts of all tables of differences."""
    lines = [line for line in page.splitlines() if line.startswith("| GraphCL less")]
    assert lines
    return {line.strip("|").split(" | ")[4].strip() for line in lines}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three seeds, not to be changed."""
    path = tmp_path_factory.mktemp("planned") / "run"
    assert campaign(path, [0, 1, 2]).run().missing == 0
    return path


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_as_many_seeds_as_were_planned_get_verdicts(finished: Path) -> None:
    page = (finished / "report.md").read_text()
    assert verdicts(page) <= {"better", "worse", "equivalent", "undecided"}
    assert "**Primary**, 1 comparison in the family" in page
    assert "Equivalent: within 30.0 points" in page
    assert "planned" not in page.split("### Differences between methods")[1].split("\n### ")[0]


def test_more_seeds_get_none_and_all_say_why(copied: Path) -> None:
    held = campaign(copied, [0, 1, 2, 3])
    (note,) = held.claim()
    assert note == (
        f"{copied} was planned with 3 seeds and holds 4 now: its tables show estimates and no "
        "verdicts. For verdicts name all seeds in the first run of another --out"
    )
    assert held.run().missing == 0
    why = "No verdict: 3 seeds were planned, and 4 are compared."
    page = (copied / "report.md").read_text()
    assert verdicts(page) == {"no verdict"}
    assert why in page
    (copied / "report.md").unlink()
    assert call("report", copied).code == 0
    assert (copied / "report.md").read_text() == page
    answer = call("replay", copied)
    assert (answer.code, answer.err) == (0, "")


def test_fewer_finished_seeds_get_none(copied: Path) -> None:
    last = json.loads((copied / "run.json").read_text())["records"][-1]
    (copied / "records" / f"{last}.jsonl").unlink()
    assert "1 of 6 records are missing" in call("report", copied).err
    page = (copied / "report.md").read_text()
    assert verdicts(page) == {"no verdict"}
    assert "No verdict: 3 seeds were planned, and 2 are compared." in page


def test_an_edited_number_is_noticed_and_changes_no_number(copied: Path) -> None:
    path = copied / "run.json"
    before = (copied / "report.md").read_text()
    path.write_text(json.dumps({**json.loads(path.read_text()), "planned_seeds": 7}))
    told = call("show", copied).err
    assert "report.md: not made from the settings of this folder" in told
    assert call("replay", copied).code == 1
    assert call("report", copied).code == 0
    after = (copied / "report.md").read_text()
    assert verdicts(after) == {"no verdict"}
    assert "7 seeds were planned, and 3 are compared" in after
    points = re.compile(r"[+-]\d+\.\d")
    assert points.findall(_rows(after)) == points.findall(_rows(before))


def test_a_folder_of_before_says_that_it_is_not_known(copied: Path) -> None:
    path = copied / "run.json"
    held = json.loads(path.read_text())
    del held["planned_seeds"]
    path.write_text(json.dumps(held))
    assert call("show", copied).code == 0
    assert call("report", copied).code == 0
    page = (copied / "report.md").read_text()
    assert "It is not known how many seeds were planned." in page
    assert verdicts(page) <= {"better", "worse", "equivalent", "undecided"}


def test_another_margin_computes_nothing_and_is_said(copied: Path) -> None:
    stated = {**STATED, "margin": 0.4}
    held = campaign(copied, [0, 1, 2], comparisons=stated)
    (note,) = held.claim()
    assert note.startswith(f"The suite states other comparisons than in the last run in {copied}")
    summary = held.run()
    assert (summary.computed, summary.missing) == (0, 0)
    assert "Equivalent: within 40.0 points" in (copied / "report.md").read_text()


def _rows(page: str) -> str:
    return "\n".join(line for line in page.splitlines() if line.startswith("| GraphCL less"))
