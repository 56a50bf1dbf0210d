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
    lines = [line for line in page.splitlines() if line.startswith("| GraphCL \N{MINUS SIGN}")]
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
    page = (finished / "report-appendix.md").read_text()
    assert verdicts(page) <= {"better", "worse", "equivalent", "undecided"}
    assert "**Primary**: 1 comparison in the family" in page
    assert "Equivalent: the two are shown to differ by less than 30.0 points" in page
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
    page = (copied / "report-appendix.md").read_text()
    assert verdicts(page) == {"no verdict"}
    assert why in page
    (copied / "report-appendix.md").unlink()
    assert call("report", copied).code == 0
    assert (copied / "report-appendix.md").read_text() == page
    answer = call("replay", copied)
    assert (answer.code, answer.err) == (0, "")


def test_fewer_finished_seeds_get_none(copied: Path) -> None:
    last = json.loads((copied / "run.json").read_text())["records"][-1]
    (copied / "records" / f"{last}.jsonl").unlink()
    assert "1 of 6 records are missing" in call("report", copied).err
    page = (copied / "report-appendix.md").read_text()
    assert verdicts(page) == {"no verdict"}
    assert "No verdict: 3 seeds were planned, and 2 are compared." in page


def test_an_edited_number_is_noticed_and_changes_no_number(copied: Path) -> None:
    path = copied / "run.json"
    before = (copied / "report-appendix.md").read_text()
    more = {"planned_seeds": 7, "planned_names": list(range(7))}
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    told = call("show", copied).err
    assert "report.md: not made from the settings of this folder" in told
    assert call("replay", copied).code == 1
    assert call("report", copied).code == 0
    after = (copied / "report-appendix.md").read_text()
    assert verdicts(after) == {"no verdict"}
    assert "7 seeds were planned, and 3 are compared" in after
    points = re.compile(r"[+-]\d+\.\d")
    assert points.findall(_rows(after)) == points.findall(_rows(before))


def test_a_folder_of_before_says_that_it_is_not_known(copied: Path) -> None:
    path = copied / "run.json"
    held = json.loads(path.read_text())
    for name in ("planned_seeds", "planned_names", "planned_comparisons"):
        del held[name]
    path.write_text(json.dumps(held))
    assert call("show", copied).code == 0
    assert call("report", copied).code == 0
    page = (copied / "report-appendix.md").read_text()
    assert "It is not known how many seeds were planned." in page
    assert verdicts(page) <= {"better", "worse", "equivalent", "undecided"}


def restated(path: Path, **comparisons: Any) -> str:
    """The page after a run that states other comparisons and computes nothing; it is proved."""
    held = campaign(path, [0, 1, 2], comparisons={**STATED, **comparisons})
    (note,) = held.claim()
    assert note.startswith(f"The suite states other comparisons than in the last run in {path}")
    summary = held.run()
    assert (summary.computed, summary.missing) == (0, 0)
    page = (path / "report-appendix.md").read_text()
    assert call("replay", path).code == 0
    return page


@pytest.mark.thorough(but=["0.4"])
@pytest.mark.parametrize("margin", [0.4, 0.2])
def test_another_margin_than_was_planned_tests_no_equivalence(copied: Path, margin: float) -> None:
    """As wide as it takes, it would make equivalent whatever was seen."""
    page = restated(copied, margin=margin)
    said = (
        f"The suite states a margin of {100 * margin:.1f} points, and 30.0 points before the first "
        "results were seen: equivalence is not tested"
    )
    assert f"{said}." in page
    assert "Equivalent: " not in page
    assert verdicts(page) <= {"better", "worse", "undecided"}
    assert said in call("show", copied).err
    assert said in call("claims", copied).err
    # The margin that was planned is the one that counts again.
    back = campaign(copied, [0, 1, 2])
    assert back.run().computed == 0
    assert (
        "Equivalent: the two are shown to differ by less than 30.0 points"
        in (copied / "report-appendix.md").read_text()
    )


def test_other_pairs_than_were_planned_are_not_primary(copied: Path) -> None:
    page = restated(copied, pairs=[])
    said = "The suite names other pairs than before the first results were seen"
    assert said in page
    assert "**Primary**" not in page
    assert "Nothing is bold: the suite names other pairs than before results were seen." in page
    assert said in call("show", copied).err
    same = campaign(copied, [0, 1, 2], comparisons={**STATED, "pairs": [["none", "graphcl"]]})
    assert same.run().computed == 0
    page = (copied / "report-appendix.md").read_text()
    assert said not in page
    assert "**Primary**" in page


def test_a_margin_that_was_widened_by_hand_is_noticed(copied: Path) -> None:
    path = copied / "run.json"
    held = json.loads(path.read_text())
    held["table"]["comparisons"]["margin"] = 0.9
    path.write_text(json.dumps(held))
    assert "report.md: not made from the settings of this folder" in call("show", copied).err
    answer = call("replay", copied)
    assert answer.code == 1
    assert "report" in answer.err
    assert call("report", copied).code == 0
    assert "Equivalent: " not in (copied / "report-appendix.md").read_text()


def test_who_edits_what_was_planned_too_is_taken_at_his_word(copied: Path) -> None:
    """The report shows that it changed, and the list of what replay takes on trust has it."""
    path = copied / "run.json"
    held = json.loads(path.read_text())
    assert held["planned_comparisons"] == STATED
    held["table"]["comparisons"]["margin"] = held["planned_comparisons"]["margin"] = 0.9
    path.write_text(json.dumps(held))
    assert "report.md: not made from the settings of this folder" in call("show", copied).err
    assert call("replay", copied).code == 1
    assert call("report", copied).code == 0
    answer = call("replay", copied)
    assert answer.code == 0
    assert "on trust  run.json: planned_comparisons" in answer.out


def test_seeds_that_take_the_place_of_others_give_no_verdict(copied: Path) -> None:
    """As many are compared as were planned, but somebody chose which."""
    assert campaign(copied, [0, 1, 2, 3]).run().missing == 0
    for file in (copied / "records").iterdir():
        header = json.loads(file.read_text().splitlines()[0])
        if header["cell"]["seed"] == 1:
            file.unlink()
    assert call("report", copied).code == 0
    page = (copied / "report-appendix.md").read_text()
    assert verdicts(page) == {"no verdict"}
    assert "No verdict: 3 seeds were planned, and the run has 4, of which 3 are compared." in page


def _rows(page: str) -> str:
    return "\n".join(
        line for line in page.splitlines() if line.startswith("| GraphCL \N{MINUS SIGN}")
    )
