"""An audit that was edited is told, proved wrong and made again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from side_files import (
    all_pass,
    content,
    differing,
    warned,
)

from robust_augcl.results.findings import ATTACKERS_AT_REST, Audit, Finding
from robust_augcl.store.run_folder import RunFolder


@pytest.mark.parametrize("knows_the_format", [False, True])
def test_an_audit_set_to_all_pass_is_told_and_made_again(copied, command, knows_the_format):
    honest = content(copied, "audit.json", "report.md")
    all_pass(copied, knows_the_format)
    told = warned(command("show", copied).err)
    if knows_the_format:
        assert "not made from the audit of this folder" in told["report.md"]
    else:
        assert "the audit was altered" in told["audit.json"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert "audit.json" in differing(answer.out)
    if knows_the_format:
        assert "says PASS, made again it says FAIL" in differing(answer.out)["audit.json"]
        assert "audit.json differs from what the results give" in answer.err
    assert command("audit", copied).code == 1
    assert content(copied, "audit.json", "report.md") == honest


def test_a_report_is_not_written_from_an_audit_that_was_set(copied, command):
    honest = content(copied, "audit.json", "report.md")
    all_pass(copied, knows_the_format=True)
    assert command("report", copied).code == 0
    assert content(copied, "audit.json", "report.md") == honest
    assert command("replay", copied).code == 0


def test_a_run_does_not_write_a_report_from_an_audit_that_was_set(tiny, copied, command):
    honest = content(copied, "audit.json", "report.md")
    all_pass(copied, knows_the_format=True)
    answer = command("run", tiny, "--out", copied, "--workers", "1")
    assert answer.code == 0
    assert content(copied, "audit.json", "report.md") == honest


@pytest.mark.parametrize("name", ["audit.json", "transfer.json"])
def test_a_side_file_of_another_folder_is_told(copied, tmp_path, command, name):
    """The other one lacks a record of this one; its stamp and its checksum are right."""
    other = Path(shutil.copytree(copied, tmp_path / "other"))
    next((other / "records").glob("*")).unlink()
    assert command("audit", other).code == 1
    assert command("transfer", other).code == 0
    shutil.copy(other / name, copied / name)
    what = {"audit.json": "the audit of", "transfer.json": "the transfers between"}[name]
    assert f"not {what} these results" in warned(command("show", copied).err)[name]
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {name}
    assert "All 8 records hold." in answer.out


@pytest.mark.parametrize("name", ["audit.json", "transfer.json"])
def test_a_side_file_that_is_no_file_is_told_at_once(copied, command, name):
    """A pipe that nobody writes into."""
    (copied / name).unlink()
    os.mkfifo(copied / name)
    assert "it is a pipe, no regular file" in warned(command("show", copied).err)[name]
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {name}


def test_a_missing_audit_is_told(copied, command):
    (copied / "audit.json").unlink()
    assert "missing, so no record is marked" in warned(command("show", copied).err)["audit.json"]
    assert "missing" in warned(command("transfer", copied).err)["audit.json"]


def test_a_record_that_the_manifest_drops_is_told(copied, command):
    manifest = json.loads((copied / "run.json").read_text())
    manifest["records"] = manifest["records"][1:]
    (copied / "run.json").write_text(json.dumps(manifest))
    told = warned(command("show", copied).err)
    missing = "run.json does not list 1 of the 8 records that its suite and seeds ask for"
    assert told.keys() == {missing, "audit.json", "transfer.json", "report.md"}


@pytest.mark.parametrize(
    "change",
    [
        lambda f: replace(f, evidence=f"{f.evidence[:-1]}7"),
        lambda f: replace(f, cells=f.cells[1:]),
        lambda f: replace(f, check="another"),
    ],
    ids=["evidence", "cells", "check"],
)
def test_any_other_change_of_a_finding_is_proved_wrong(copied, command, change):
    path = copied / "audit.json"
    audit = Audit.loads(path.read_text(), path.name)
    findings = list(audit.findings)
    place = next(i for i, f in enumerate(findings) if f.status == "FAIL" and f.cells)
    findings[place] = change(findings[place])
    path.write_text(replace(audit, findings=tuple(findings)).dumps())
    answer = command("replay", copied)
    assert answer.code == 1
    assert "audit.json" in differing(answer.out)


def change_word_on_attackers(folder: Path, change: Callable[[Finding], Finding]) -> None:
    path = folder / "audit.json"
    audit = Audit.loads(path.read_text(), path.name)
    findings = [change(f) if f.check == ATTACKERS_AT_REST else f for f in audit.findings]
    assert findings != list(audit.findings)
    path.write_text(replace(audit, findings=tuple(findings)).dumps())


def test_attackers_learn_on_again_where_they_learned_quickly_else_it_is_on_trust(copied, command):
    change_word_on_attackers(copied, lambda f: replace(f, evidence=f"{f.evidence[:-1]}7"))
    slow = command("replay", copied, "--again", "0").out
    assert "audit.json" not in differing(slow)
    (line,) = [line for line in slow.splitlines() if line.startswith("same  audit.json")]
    assert "19 checks made again" in line
    assert f"{ATTACKERS_AT_REST!r} is on trust, since learning took longer than 0 s" in line
    assert "report.md" in differing(slow)  # it says what the honest audit said
    quick = command("replay", copied, "--again", "1000").out
    assert f"{ATTACKERS_AT_REST!r} says something else" in differing(quick)["audit.json"]


@pytest.mark.parametrize("attacks", [{"grad_argmax"}, {"rl_s2v", "exhaustive"}, set()])
def test_a_word_on_attackers_that_speaks_of_other_records_is_never_on_trust(
    copied, command, attacks
):
    folder = RunFolder(copied)
    records = folder.load_records(folder.existing_manifest().records).records
    cells = tuple(record.key for record in records if record.cell.attack in attacks)
    change_word_on_attackers(copied, lambda f: replace(f, status="WARN", cells=cells))
    answer = command("replay", copied, "--again", "0")
    assert ATTACKERS_AT_REST in differing(answer.out)["audit.json"]
