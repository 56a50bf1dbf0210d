"""Files of the report that were edited are told, proved wrong and written again."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from side_files import (
    EDITS,
    content,
    differing,
    edit_figure,
    stamp_again,
    warned,
)

from robust_augcl.reports import written


@pytest.mark.thorough(but=["report.md", "by_class.svg"])
@pytest.mark.parametrize("name", EDITS)
def test_an_edited_file_of_the_report_is_told_and_written_again(copied, command, name):
    honest = content(copied, name)
    EDITS[name](copied)
    told = warned(command("show", copied).err)
    assert told == {name: "not what `report` wrote; `robust-augcl report` writes it again"}
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {name}
    assert f"{name} differs from what the results give" in answer.err
    assert command("report", copied).code == 0
    assert content(copied, name) == honest
    assert "warning" not in command("show", copied).err


def test_files_of_a_report_edited_with_their_stamp_are_proved_wrong(copied, command):
    for edit in EDITS.values():
        edit(copied)
    stamp_again(copied)
    assert "warning" not in command("show", copied).err  # by stamps all is well
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == EDITS.keys()


@pytest.mark.thorough
def test_a_report_of_another_folder_is_told(copied, tmp_path, command):
    """All of it, with its stamp."""
    other = Path(shutil.copytree(copied, tmp_path / "other"))
    next((other / "records").glob("*")).unlink()
    assert command("report", other).code == 0
    for name in written.read_stamp(other).files:
        shutil.copy(other / name, copied / name)
    shutil.copy(other / written.STAMP, copied / written.STAMP)
    told = warned(command("show", copied).err)
    assert "not made from the records and audit and transfers of" in told["report.md"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert "report.md" in differing(answer.out)


@pytest.mark.thorough(but=["missing", "a name out of the folder"])
@pytest.mark.parametrize("how", ["missing", "no JSON", "a name out of the folder", "another type"])
def test_a_report_without_its_stamp_is_told(copied, command, how):
    path = copied / written.STAMP
    held = json.loads(path.read_text())
    if how == "missing":
        path.unlink()
    elif how == "no JSON":
        path.write_text("{" * 100_000)
    elif how == "a name out of the folder":
        held["files"]["../run.json"] = "0" * 64
        path.write_text(json.dumps(held))
    else:
        held["version"] = True
        path.write_text(json.dumps(held))
    (line,) = warned(command("show", copied).err).values()
    assert "stamp" in line
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {written.STAMP}


def test_a_figure_without_page_and_stamp_is_told(copied, command):
    for name in ("report.md", "report-stamp.json"):
        (copied / name).unlink()
    edit_figure(copied, "accuracy.png")
    assert "no stamp" in command("show", copied).err
    answer = command("replay", copied)
    assert answer.code == 1
    assert "DIFFERS" in answer.out


def test_a_figure_that_is_missing_or_no_file_or_a_stranger_is_told(copied, command):
    (copied / "accuracy.png").unlink()
    (copied / "by_class.png").unlink()
    os.mkfifo(copied / "by_class.png")  # which nobody writes into
    shutil.copy(copied / "accuracy.svg", copied / "budgets.svg")
    told = warned(command("show", copied).err)
    assert told.keys() == {"accuracy.png", "by_class.png", "budgets.svg"}
    assert "no part of the report" in told["budgets.svg"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert differing(answer.out).keys() == told.keys()


def test_figures_that_other_libraries_drew_are_taken_on_trust_and_the_page_is_not(copied, command):
    for name in ("report.md", "accuracy.png"):
        EDITS[name](copied)
    stamp_again(copied)
    path = copied / written.STAMP
    stamp = written.Stamp.loads(path.read_text())
    path.write_text(replace(stamp, made_by={**stamp.made_by, "matplotlib": "0.1"}).dumps())
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {"report.md"}
    (trusted,) = [line for line in answer.out.splitlines() if "taken on trust" in line]
    assert trusted.startswith("same  accuracy.png")
    assert "matplotlib 0.1" in trusted


def test_a_figure_that_a_report_has_no_more_is_removed(copied, command):
    stamp = written.read_stamp(copied)
    shutil.copy(copied / "accuracy.svg", copied / "budgets.svg")
    digest = stamp.files["accuracy.svg"]
    held = replace(stamp, files={**stamp.files, "budgets.svg": digest})
    (copied / written.STAMP).write_text(held.dumps())
    assert command("report", copied).code == 0
    assert not (copied / "budgets.svg").exists()


@pytest.mark.thorough
def test_a_report_written_elsewhere_is_proved_too(copied, tmp_path, command):
    out = tmp_path / "elsewhere"
    answer = command("report", copied, "--out", out)
    assert answer.code == 0
    assert str(out / written.STAMP) in answer.out
    assert command("replay", copied, "--report", out).code == 0
    EDITS["report.md"](out)
    answer = command("replay", copied, "--report", out)
    assert answer.code == 1
    assert set(differing(answer.out)) == {"report.md"}
    assert command("replay", copied).code == 0


def test_where_results_do_not_hold_side_files_are_told_by_their_stamps(copied, command):
    path = next((copied / "records").glob("*"))
    path.write_text(path.read_text()[:-9])
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {"audit.json", "transfer.json", "report.md"}
    assert "are not made again, since results do not hold" in answer.out
    assert "1 of 8 records do not hold" in answer.err
