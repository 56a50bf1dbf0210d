"""Tests that use the plugin wrongly fail, and are told what is wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from fresh_pytest import CONFTEST, EXAMPLE, Ran, run

from robust_augcl.results.baseline import Baseline

pytestmark = pytest.mark.end_to_end


MISTAKES = """
import dataclasses

import pytest
from model import EdgeCounter, graphs_to_attack

import robust_augcl as ra
from robust_augcl.results.baseline_parts import Found

def held(robustness):
    return robustness(EdgeCounter(), graphs_to_attack(), ra.ThreatModel(budget=1))

def test_nothing_is_asserted(robustness):
    robustness(EdgeCounter(), "nonsense", "no")

def test_one_of_two_is(robustness):
    held(robustness).at_least(0.5)
    held(robustness)

def test_fails_by_itself(robustness):
    held(robustness)
    raise RuntimeError("before anything was asserted")

def test_is_skipped(robustness):
    held(robustness)
    pytest.skip("not here")

@pytest.mark.parametrize("name", ["a/b", "a-b"])
def test_folders(robustness, name):
    held(robustness).at_least(0.5)

def test_writes(robustness):
    held(robustness).no_worse_than("same.json").no_worse_than("same.json")

def test_writes_too(robustness):
    held(robustness).no_worse_than("./same.json")

def test_failed_audit(robustness, monkeypatch):
    from robust_augcl.gate import fixture
    read = fixture.of_folder
    failed = [Found("a planted check", "FAIL", "planted", [0])]
    monkeypatch.setattr(
        fixture, "of_folder", lambda *of: dataclasses.replace(read(*of), audit=failed)
    )
    held(robustness).no_worse_than("failed.json")
"""


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory) -> tuple[Ran, Path]:
    """A run with `--robustness-update` of tests that are wrong themselves."""
    folder = tmp_path_factory.mktemp("mistaken")
    shutil.copy(EXAMPLE / "model.py", folder)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_model.py").write_text(MISTAKES)
    return run(folder, "--robustness-update", "--robustness-runs", "runs"), folder


def test_a_test_that_asserts_nothing_fails_at_its_teardown(mistaken):
    ran, _ = mistaken
    errors = {
        name: str(error.get("message"))
        for name, case in ran.cases.items()
        if (error := case.find("error")) is not None
    }
    assert set(errors) == {"test_nothing_is_asserted", "test_one_of_two_is"}
    assert "Nothing was asserted of what call 1 of" in errors["test_nothing_is_asserted"]
    assert "Nothing was asserted of what call 2 of" in errors["test_one_of_two_is"]
    assert "before anything was asserted" in ran.failure("test_fails_by_itself")


def test_parameters_that_read_alike_have_folders_of_their_own(mistaken):
    _, folder = mistaken
    found = [each.name for each in (folder / "runs").iterdir() if "test_folders" in each.name]
    assert len(found) == 2
    assert len({re.sub(r"-[0-9a-f]{8}$", "", name) for name in found}) == 1


def test_two_tests_that_write_one_baseline_are_refused(mistaken):
    ran, folder = mistaken
    failed = {name for name, case in ran.cases.items() if case.find("failure") is not None}
    assert failed == {"test_fails_by_itself", "test_writes_too"}
    message = ran.failure("test_writes_too")
    assert "Expected one result for the baseline same.json, got two" in message
    assert "test_model.py::test_writes, attacks beam" in message
    assert "test_model.py::test_writes_too, attacks beam" in message
    assert (folder / "same.json").exists()


def test_a_baseline_whose_audit_fails_is_written_with_a_warning(mistaken):
    ran, folder = mistaken
    assert Baseline.load(folder / "failed.json").audit[0].status == "FAIL"
    told = " ".join(ran.out.split())
    assert "failed.json: the audit of these results fails: a planted check" in told
    assert "same.json: " not in told.replace("baseline same.json", "")
