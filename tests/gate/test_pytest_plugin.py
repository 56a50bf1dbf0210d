"""The plugin of pytest, in projects of their own, run by a fresh pytest."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from tree import TREE

from robust_augcl.arithmetic import VARIABLES
from robust_augcl.results.baseline import Baseline

pytestmark = pytest.mark.end_to_end
EXAMPLE = TREE / "examples" / "gate_in_ci"
PLUGIN = "robust_augcl.gate.pytest_plugin"

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
CONFTEST = """
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

@pytest.fixture(autouse=True)
def _figures_are_not_drawn(request, monkeypatch):
    # They take half of the time, and nobody looks at them.
    if "robustness" in request.fixturenames:
        from robust_augcl.reports._figures import Gallery, figures
        from robust_augcl.reports.written import ENDINGS

        def draw(self, report, but=()):
            return {f"{name}.{end}": b"" for name in figures(report) for end in ENDINGS}

        monkeypatch.setattr(Gallery, "draw", draw)

def pytest_unconfigure():
    print("TORCH", "torch" in sys.modules)
"""


class Ran(NamedTuple):
    """What a run of pytest left."""

    code: int
    out: str
    cases: dict[str, ElementTree.Element]

    def properties(self, name: str) -> dict[str, str]:
        found = self.cases[name].findall("properties/property")
        assert len({each.get("name") for each in found}) == len(found)
        return {str(each.get("name")): str(each.get("value")) for each in found}

    def failure(self, name: str) -> str:
        found = self.cases[name].find("failure")
        assert found is not None
        return f"{found.get('message')}\n{found.text}"


def run(folder: Path, *arguments: str) -> Ran:
    """Run a fresh pytest in a folder, as its user does: in the arithmetic of nobody's choice."""
    environment = {name: told for name, told in os.environ.items() if name not in VARIABLES}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    installed = any(each.value == PLUGIN for each in entry_points(group="pytest11"))
    by_hand = [] if installed else ["-p", PLUGIN]  # an editable install of before it was there
    command = [sys.executable, "-m", "pytest", *by_hand, "-q", "--junit-xml", "junit.xml"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    cases = ElementTree.parse(folder / "junit.xml").getroot().iter("testcase")
    return Ran(done.returncode, done.stdout + done.stderr, {str(c.get("name")): c for c in cases})


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
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


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


# --- what is wrong in the tests themselves --------------------------------------------------------


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


# --- the example ----------------------------------------------------------------------------------


@pytest.mark.thorough
def test_the_example_holds_against_its_committed_baseline(tmp_path):
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "example"))
    ran = run(folder, "-p", "no:cacheprovider")
    assert ran.code == 0, ran.out
    assert len(ran.cases) == 3
    told = ran.properties("test_it_is_no_worse_than_what_is_on_main")
    assert told["robustness_gate"] == "holds"


@pytest.mark.parametrize("name", [".github/workflows/robustness.yml", ".gitlab-ci.yml"])
def test_workflows_call_what_there_is(name):
    text = (EXAMPLE / name).read_text()
    for words in (
        "pytest --junit-xml robustness.xml --robustness-runs runs/tests",
        "robust-augcl run suite.toml --out runs/new",
        "robust-augcl gate runs/new --baseline baseline-suite.json",
    ):
        assert words in text
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(text)


def test_the_example_s_baseline_is_small():
    path = EXAMPLE / "tests" / "baseline.json"
    assert path.stat().st_size < 10_000
    assert Baseline.load(path).victims


# --- docs/gate.md ---------------------------------------------------------------------------------


@pytest.mark.thorough
def test_the_benchmark_in_units_of_a_reference_fails_where_it_is_slower(tmp_path):
    page = (TREE / "docs" / "gate.md").read_text()
    (source,) = (
        block
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "pytest.mark.benchmark" in block
    )
    (commands,) = (b for b in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "main.json" in b)
    first, second = (line.split("#")[0].split()[1:] for line in commands.splitlines())
    slower = source.replace("lambda: 19_999", "lambda: sum(range(2_000)) * 0 + 19_999")
    assert slower != source

    # Beside pytest-xdist pytest-benchmark measures nothing; a process started here inherits that.
    alone = {name: value for name, value in os.environ.items() if "XDIST" not in name}

    def call(text: str, arguments: list[str]) -> int:
        (tmp_path / "test_speed.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=alone
        )
        assert "benchmark" in done.stdout, done.stderr
        return done.returncode

    assert call(source, first) == 0
    stored = json.loads((tmp_path / "main.json").read_text())["benchmarks"][0]["stats"]
    assert stored["min"] < 0.1  # of the reference's time, not seconds: it multiplies three numbers
    assert call(slower, second) != 0
