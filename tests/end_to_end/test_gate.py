"""The gate on folders of runs, and on the files that are written of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest

from robust_augcl.results.baseline import Baseline
from robust_augcl.results.findings import Audit
from robust_augcl.results.published import report_of
from robust_augcl.store.run_folder import RunFolder


def test_a_run_holds_against_itself_as_folder_and_as_file(command, pair, tmp_path):
    file = tmp_path / "base.json"
    written = command("baseline", pair, "-o", file)
    assert written.code == 0, written.err
    assert f"{file}: 2 models, 8 records" in written.out
    for base in (file, pair):
        answer = command("gate", pair, "--baseline", base)
        assert answer.code == 0, answer.out
        assert "the same weights, target by target" in answer.out
        assert "note: time, new over baseline" in answer.out
    held = Baseline.load(file)
    run = RunFolder(pair)
    records = run.load_records(run.existing_manifest().records).records
    shares = {record.key: record.robust_accuracy for record in records}
    for each in held.attacked:
        clean = held.bits(each.victim, held.victims[each.victim].clean)
        right = held.bits(each.victim, each.attacked)
        robust = [a and b for a, b in zip(clean, right, strict=True)]
        assert sum(robust) / len(robust) == shares[each.key]
    again = tmp_path / "again.json"
    assert command("baseline", pair, "-o", again).code == 0
    assert again.read_bytes() == file.read_bytes()


def test_a_folder_that_is_not_finished_or_none_is_refused(command, pair, tmp_path):
    cut = Path(shutil.copytree(pair, tmp_path / "cut"))
    next((cut / "records").iterdir()).unlink()
    for arguments in (
        ("baseline", cut, "-o", tmp_path / "file.json"),
        ("gate", cut, "--baseline", pair),
        ("gate", pair, "--baseline", cut),
    ):
        answer = command(*arguments)
        assert (answer.code, "Expected a finished run" in answer.err) == (2, True), answer
    assert not (tmp_path / "file.json").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert command("baseline", empty, "-o", tmp_path / "file.json").code == 2


def test_seeds_have_files_of_their_own_that_make_the_whole_again(command, finished, tmp_path):
    """Reports of the files of all seeds, and of the file of the run, say the same."""
    whole = tmp_path / "whole.json"
    assert command("baseline", finished, "-o", whole).code == 0
    files = []
    for seed in (0, 1):
        files.append(tmp_path / f"{seed}.json")
        assert command("baseline", finished, "-o", files[-1], "--seeds", seed).code == 0
    held = [Baseline.load(path) for path in files]
    assert [{data.seed for data in each.data} for each in held] == [{0}, {1}]
    run, parts = report_of([Baseline.load(whole)]), report_of(held)
    key = attrgetter("key")
    assert sorted(run.records, key=key) == sorted(parts.records, key=key)
    assert (run.primary, run.not_at_rest) == (parts.primary, parts.not_at_rest)
    own = [each.seconds for each in held]
    for kind, seconds in Baseline.load(whole).seconds.items():
        assert sum(each[kind] for each in own) == pytest.approx(seconds, abs=0.01)
    other = command("baseline", finished, "-o", tmp_path / "none.json", "--seeds", "7")
    assert (other.code, "(0, 1), got 7" in other.err) == (2, True)
    assert command("baseline", finished, "-o", tmp_path / "none.json", "--seeds", "x").code == 2


def test_what_there_is_of_an_unfinished_run_is_written_on_request(command, pair, tmp_path):
    cut = Path(shutil.copytree(pair, tmp_path / "cut"))
    gone = next((cut / "records").iterdir())
    gone.unlink()
    file = tmp_path / "part.json"
    refused = command("baseline", cut, "-o", file)
    assert (refused.code, "--partly takes what there is" in refused.err) == (2, True)
    written = command("baseline", cut, "-o", file, "--partly")
    assert written.code == 0
    assert "1 planned record is not there" in written.err
    held = Baseline.load(file)
    assert held.missing == 1
    assert gone.stem not in {each.key for each in held.attacked}


def test_an_altered_record_is_no_result(command, pair, tmp_path):
    forged = Path(shutil.copytree(pair, tmp_path / "forged"))
    path = next((forged / "records").iterdir())
    path.write_text(path.read_text().replace('"attacked":', '"attacked": ', 1))
    answer = command("gate", forged, "--baseline", pair)
    assert (answer.code, "altered" in answer.err) == (2, True)


def test_without_its_audit_a_run_cannot_be_told_to_hold(command, pair, tmp_path):
    bare = Path(shutil.copytree(pair, tmp_path / "bare"))
    (bare / "audit.json").unlink()
    answer = command("gate", bare, "--baseline", pair)
    assert (answer.code, "not audited" in answer.out) == (4, True)
    assert command("gate", pair, "--baseline", bare).code in (0, 1)  # checks may fail by themselves


def test_a_baseline_of_results_whose_audit_fails_is_written_with_a_warning(command, pair, tmp_path):
    failing = Path(shutil.copytree(pair, tmp_path / "failing"))
    path, file = failing / "audit.json", tmp_path / "base.json"
    audit = Audit.loads(path.read_text(), "audit")
    first = replace(audit.findings[0], status="FAIL", cells=())
    path.write_text(replace(audit, findings=(first, *audit.findings[1:])).dumps())
    answer = command("baseline", failing, "-o", file)
    assert answer.code == 0
    assert f"warning: the audit of these results fails: {first.check}" in answer.err
    path.unlink()
    answer = command("baseline", failing, "-o", file)
    assert (answer.code, "warning: these results are not audited" in answer.err) == (0, True)


def test_what_a_suite_of_three_methods_keeps(command, finished, tmp_path):
    held = tmp_path / "base.json"
    assert command("baseline", finished, "-o", held).code == 0
    text = json.loads(held.read_text())
    assert {victim["method"] for victim in text["victims"]} == {"none", "graphcl", "augcl"}
    assert [each["seed"] for each in text["data"]] == [0, 1]
    assert all(each["draws_graphs"] for each in text["data"])
    answer = command("gate", finished, "--baseline", held, "--method", "augcl")
    assert answer.code == 0, answer.out
