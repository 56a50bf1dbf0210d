"""The plugin of pytest, in projects of their own, run by a fresh pytest."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fresh_pytest import CONFTEST, EXAMPLE, PLUGIN, Ran, run
from time_limits import HANGS
from tree import TREE

from robust_augcl.results.baseline import Baseline

pytestmark = pytest.mark.end_to_end

CASES = '''
import sys

import pytest
from model import EdgeCounter, graphs_to_attack

import robust_augcl as ra

ONE = ra.ThreatModel(budget=1)

def held(robustness, threshold=6.5, threat=ONE):
    return robustness(EdgeCounter(threshold), graphs_to_attack(), threat)

def test_nine_of_ten_are_proved(robustness):
    held(robustness).at_least(0.9).not_broken_below(0.9, attacks=["rand_sampling"])

def test_more_is_asked_than_there_is(robustness):
    held(robustness).at_least(0.95)

def test_attacks_leave_less(robustness):
    held(robustness).not_broken_below(0.95)

def test_five_edges_are_not_proved(robustness):
    """No bound is known of this model, and so many sets of five edges are not tried."""
    held(robustness, threat=ra.ThreatModel(budget=5)).at_least(0.7)

def test_a_percentage_is_no_share(robustness):
    with pytest.raises(ra.errors.InputError, match="share from 0 to 1"):
        held(robustness).at_least(60)

def test_baseline(robustness):
    held(robustness).no_worse_than("base.json")

def test_weaker_model(robustness):
    held(robustness, 11.5).no_worse_than("base.json")

def test_fast():
    assert True
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with the example's model and tests of every kind."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(EXAMPLE / "model.py", folder)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_model.py").write_text(CASES)
    return folder


@pytest.fixture(scope="module")
def first(project) -> Ran:
    """The first run: there is no baseline yet."""
    return run(project, "--robustness-runs", "runs")


def test_the_entry_point_is_named():
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"robust_augcl": PLUGIN}


CLAIMS = f"""
from pathlib import Path
from {PLUGIN} import Claims

def test_it_is_mine(request, tmp_path_factory, worker_id):
    claims = Claims.of(request.config, tmp_path_factory)
    assert claims.claim(Path("net.json"), worker_id) == worker_id
    assert claims.claim(Path(worker_id), worker_id) == worker_id
"""


def test_processes_that_test_at_once_write_a_baseline_of_one_test(tmp_path):
    (tmp_path / "test_claims.py").write_text(CLAIMS)
    ran = run(tmp_path, "-n", "2", "--dist", "each", "-p", "no:cacheprovider")
    assert ran.code == 1
    assert "1 failed, 1 passed" in ran.out
    assert re.search(r"AssertionError: assert 'gw\d' == 'gw\d'", ran.out)


def test_the_plugin_is_light():
    script = (
        f"import sys, {PLUGIN}\n"
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'pydantic', 'click', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=HANGS)


def test_what_holds_passes_and_what_does_not_fails(first):
    assert first.code == 1
    failed = {name for name, case in first.cases.items() if case.find("failure") is not None}
    assert failed == {
        "test_more_is_asked_than_there_is",
        "test_attacks_leave_less",
        "test_five_edges_are_not_proved",
        "test_baseline",
        "test_weaker_model",
    }
    assert "PytestUnknownMarkWarning" not in first.out
    assert "record_property" not in first.out


def test_a_failure_has_the_numbers_the_worst_edits_and_the_folder(first, project):
    message = first.failure("test_more_is_asked_than_there_is")
    assert "at least 95.0 % of targets proved to withstand at most 1 edge added" in message
    assert "clean 100.0 %, the worst case is 90.0 %, exactly (10 targets)" in message
    assert "EdgeCounter, graph 3: add " in message
    folder = Path(message.rpartition("Folder: ")[2].splitlines()[0])
    assert folder.parent == project / "runs"
    assert (folder / "run.json").exists()
    assert (folder / "report.md").exists()
    assert "attacks (beam) to leave at least 95.0 %" in first.failure("test_attacks_leave_less")


def test_a_failed_attack_proves_nothing(first):
    message = first.failure("test_five_edges_are_not_proved")
    assert "proved of 10.0 %, not broken 70.0 %" in message
    assert "not shown to be weaker, only not proved to be as strong" in message


def test_numbers_are_properties_in_junit(first):
    told = first.properties("test_nine_of_ten_are_proved")
    assert told["robustness_clean"] == "1.000000"
    assert told["robustness_proved"] == told["robustness_not_broken"] == "0.900000"
    assert told["robustness_targets"] == "10"
    assert told["robustness_not_broken_2"]  # of the second question, with other attacks
    assert first.properties("test_fast") == {}


def test_the_marker_leaves_them_out_and_nothing_heavy_is_imported(project, tmp_path):
    (tmp_path / "test_fast.py").write_text(
        "def test_fast(): pass\n\ndef test_slow(robustness): assert False\n"
    )
    (tmp_path / "conftest.py").write_text(CONFTEST)
    ran = run(tmp_path, "-m", "not robustness", "-s", "-p", "no:randomly")
    assert (ran.code, set(ran.cases)) == (0, {"test_fast"})
    assert "TORCH False" in ran.out


def test_a_baseline_is_written_on_request_and_compared_with(first, project):
    assert "pytest --robustness-update writes it" in first.failure("test_baseline")
    written = run(project, "-k", "test_baseline", "--robustness-update")
    assert written.code == 0
    assert written.properties("test_baseline")["robustness_gate"] == "updated"
    held = Baseline.load(project / "base.json")
    assert [victim.method for victim in held.victims] == ["EdgeCounter"]
    # The example's model gives what the example's committed baseline says.
    committed = Baseline.load(EXAMPLE / "tests" / "baseline.json")
    assert [data.digest for data in held.data] == [data.digest for data in committed.data]
    assert [attack.attacked for attack in held.attacked] == [
        attack.attacked for attack in committed.attacked
    ]
    for mine, its in zip(held.worst, committed.worst, strict=True):
        assert (mine.stands, mine.proved) == (its.stands, its.proved)
    before = (project / "base.json").read_bytes()

    compared = run(project, "-k", "test_baseline or test_weaker_model")
    assert compared.code == 1
    assert compared.cases["test_baseline"].find("failure") is None
    assert compared.properties("test_baseline")["robustness_gate"] == "holds"
    assert compared.properties("test_weaker_model")["robustness_gate"] == "regressed"
    message = compared.failure("test_weaker_model")
    assert "Expected the model to be no worse than base.json: regressed" in message
    assert "of these two models" in message
    assert (project / "base.json").read_bytes() == before
