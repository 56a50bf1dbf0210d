"""The example of a gate in continuous integration holds, and calls what there is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fresh_pytest import EXAMPLE, run

from robust_augcl.results.baseline import Baseline

pytestmark = pytest.mark.end_to_end


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
