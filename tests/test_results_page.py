"""The page of published results is what its files give, and its commands are right."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import with_inputs
from robust_augcl.plan.suite import load_suite, make_suite
from robust_augcl.reports.published import PAGE
from robust_augcl.results.baseline import Baseline

TREE = Path(__file__).parents[1]
RESULTS = TREE / "docs" / "results"
FILES = sorted(RESULTS.glob("*.json"))


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    spec = importlib.util.spec_from_file_location("make_page", RESULTS / "make_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.files()


def test_the_page_is_what_the_script_makes(made):
    assert (RESULTS / PAGE).read_bytes() == made[PAGE]


def test_the_figures_are_those_of_the_files(made):
    """Pixels, not bytes: another version of a library may draw an edge of a letter otherwise."""
    figures = {path.name for path in RESULTS.glob("*.png")}
    assert figures == set(made) - {PAGE}
    for name in figures:
        own = matplotlib.image.imread(RESULTS / name)
        again = matplotlib.image.imread(io.BytesIO(made[name]))
        assert own.shape == again.shape
        assert float(np.abs(own - again).mean()) < 0.005


def test_files_are_small():
    """At most 10 MB in all."""
    assert 0 < sum(path.stat().st_size for path in FILES) < 10_000_000


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_a_file_can_be_computed_again_today(path):
    """The suite of the file asks for the results of the file, at the addresses that it names."""
    held = Baseline.load(path)
    assert held.table is not None
    seeds = sorted({data.seed for data in held.data})
    made = plan(make_suite({**held.table, "seeds": seeds}, path.name), held.fingerprint)
    keys = {step.key for step in with_inputs(made.steps)}
    for entries in (held.data, held.victims, held.attacked):
        assert {each.key for each in entries} <= keys


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_a_file_is_of_the_suite_that_it_names(path):
    """Its settings are those of the suite of the package, and its seeds are planned ones.

    It may be of all graphs where the suite takes a share, and of more seeds.
    """
    held = Baseline.load(path)
    suite = load_suite(held.suite)
    shipped = {name: value for name, value in suite.table.items() if name != "seeds"}
    if (scale := held.table.get("scale")) == 1:
        shipped["scale"] = scale
    assert held.table == json.loads(json.dumps(shipped))
    assert held.planned_seeds is not None
    assert {data.seed for data in held.data} <= set(held.planned_seeds)
    assert set(suite.seeds) <= set(held.planned_seeds)


def test_commands_on_the_page_name_files_that_are_there():
    named = re.findall(r"docs/results/([\w.-]+\.json)", (RESULTS / PAGE).read_text())
    assert named
    assert set(named) <= {path.name for path in FILES}


def test_the_readme_says_what_the_page_says():
    """Differences and intervals of the README's answer at full scale stand on the page."""
    readme = (TREE / "README.md").read_text()
    answer = readme.split("**The answer so far**")[1].split("At a tenth")[0]
    numbers = re.findall(r"[\u2212+]\d+\.\d", answer)  # a minus sign, as reports print it
    assert len(numbers) >= 2
    page = (RESULTS / PAGE).read_text()
    assert [number for number in numbers if number not in page] == []
