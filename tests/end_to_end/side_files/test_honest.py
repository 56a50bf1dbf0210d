"""An honest run: nothing is told of its side files, and a copy keeps its marks."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from side_files import (
    differing,
    marks,
    warned,
)

from robust_augcl.reports import _figures, markdown, written
from robust_augcl.reports._figures import Gallery
from robust_augcl.store.run_folder import RunFolder

FIGURES = ("accuracy.png", "by_class.svg")


def test_an_honest_run_says_nothing_and_its_side_files_hold(finished, command, monkeypatch):
    for module in (_figures, markdown):
        monkeypatch.setattr(module, "Gallery", Gallery)  # here figures are drawn again
    assert "warning" not in command("show", finished).err
    answer = command("replay", finished)
    assert answer.code == 0
    assert differing(answer.out) == {}
    same = {line.split()[1] for line in answer.out.splitlines() if line.startswith("same  ")}
    assert same == {
        "audit.json:",
        "transfer.json:",
        *(f"{name}:" for name in written.TEXTS),
        *(f"{name}.{end}:" for name in ("accuracy", "by_class", "mechanism", "training")
          for end in ("png", "svg")),
    }  # fmt: skip
    assert "taken on trust" not in answer.out


def test_every_figure_is_one_that_is_looked_for(finished):
    assert set(_figures.ENDINGS) == {"png", "svg"}
    stamp = written.read_stamp(finished)
    assert stamp.files.keys() - set(written.TEXTS) == {
        path.name for ending in _figures.ENDINGS for path in finished.glob(f"*.{ending}")
    }


def test_a_copied_folder_keeps_its_marks(finished, tmp_path, command):
    """Other times of modification, as `cp -r`, an archive or another file system leave them."""
    copy = Path(shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copyfile))
    for number, path in enumerate(sorted(copy.rglob("*"))):
        os.utime(path, (10**9 + number, 10**9 + number))
    before = marks(command, finished)
    assert any(before)
    assert marks(command, copy) == before
    assert "warning" not in command("show", copy).err
    assert command("replay", copy).code == 0


def test_a_copied_folder_is_not_audited_again(tiny, finished, tmp_path, command):
    copy = Path(shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copyfile))
    names = ("audit.json", "transfer.json", "report.md", "report-stamp.json", *FIGURES)
    before = {name: (copy / name).stat().st_mtime_ns for name in names}
    answer = command("run", tiny, "--out", copy, "--workers", "1")
    assert answer.code == 0
    assert "Auditing" not in answer.err
    assert {name: (copy / name).stat().st_mtime_ns for name in names} == before


def test_a_touched_artifact_changes_nothing(copied, command):
    before = marks(command, copied)
    for path in (copied / "artifacts").iterdir():
        path.touch()
    answer = command("show", copied)
    assert "warning" not in answer.err
    assert marks(command, copied) == before


def test_an_artifact_that_was_written_again_changes_nothing(copied, command):
    """It took other seconds; its content is the same."""
    store = RunFolder(copied).store
    key = next((copied / "artifacts").glob("victim-*")).stem
    found = store.load(key)
    store.save(key, replace(found, about={**found.about, "seconds": 99.0}))
    assert "warning" not in command("show", copied).err


@pytest.mark.parametrize("kind", ["victim", "dataset", "attacker"])
def test_an_altered_artifact_is_noticed(copied, command, kind):
    """One bit, the size and the times as before."""
    path = next((copied / "artifacts").glob(f"{kind}-*"))
    state, held = path.stat(), bytearray(path.read_bytes())
    held[-3] ^= 1
    path.write_bytes(held)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    told = warned(command("show", copied).err)
    assert told.keys() - {"report.md"} == {"audit.json", "transfer.json"}
    assert "not the audit of these results" in told["audit.json"]
