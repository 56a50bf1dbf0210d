"""Certificates and representations from the suite to the report."""

from __future__ import annotations

import shutil

import pytest
from finished_runs import finished_run
from small_suites import MEASURED

from robust_augcl.store.run_folder import RunFolder


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "beside.toml"
    path.write_text(MEASURED)
    return path


@pytest.fixture
def out(tmp_path_factory, tmp_path):
    """A copy of a finished run of it."""
    made = finished_run(tmp_path_factory, "beside", MEASURED)
    return shutil.copytree(made, tmp_path / "run")


def test_measurements_are_computed_shown_kept_and_not_computed_again(suite, out, command):
    folder = RunFolder(out)
    found = folder.load_measurements(folder.existing_manifest())
    kinds = [measurement.kind for measurement in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "certificate": 4,
        "representation": 2,
        "pretraining": 2,
        "victim": 2,
        "dataset": 1,
    }
    page = (out / "report-appendix.md").read_text()
    assert "### Proved and broken" in page
    assert "SVM, no labels" in page
    assert "What all methods share" in page.split("## Settings")[1]
    assert (out / "budgets.png").exists()
    assert "results: 10 of 10" in command("status", out).out
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*")}
    assert command("clean", out, "--all").code == 0
    assert command("run", suite, "--out", out, "--workers", "1").code == 0
    assert {
        path: path.stat().st_mtime_ns for path in before if path.exists()
    }.items() <= before.items()
    assert len(folder.load_measurements(folder.existing_manifest())) == len(found)
    assert command("replay", out).code == 0


def test_a_damaged_measurement_is_computed_again(suite, out, command):
    folder = RunFolder(out)
    before = folder.load_measurements(folder.existing_manifest())
    for name in ("certificate", "representation"):
        damaged = sorted(out.glob(f"artifacts/{name}-*"))[0]
        damaged.write_bytes(damaged.read_bytes()[:-7])
    assert "set aside" in command("run", suite, "--out", out, "--workers", "1").err
    after = folder.load_measurements(folder.existing_manifest())
    assert [(m.cell, m.values) for m in after] == [(m.cell, m.values) for m in before]


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("certificates.budgets=[3]", ["`budgets`", "[1, 2]", "[3]"]),
        ("certificates.pairs=0", ["`pairs`", "0"]),
        ("representations.folds=1", ["`folds`", "1"]),
        ("representations.fold=3", ["'fold'", "did you mean 'folds'"]),
        ("representations.folds=40", ["`folds` = 40", "30"]),
    ],
)
def test_bad_settings_are_named(suite, tmp_path, command, setting, parts):
    answer = command("run", suite, "--out", tmp_path / "run", "--workers", "1", "--set", setting)
    assert answer.code == 2
    for part in parts:
        assert part in answer.err
