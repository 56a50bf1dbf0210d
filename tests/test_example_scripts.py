"""The scripts of examples/ run as a user would run them, and print and write what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from tree import TREE

import robust_augcl as ra
from robust_augcl import foreign
from robust_augcl.arithmetic import VARIABLES
from robust_augcl.models import given

EXAMPLES = TREE / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))


def called(folder, *command):
    """What a command prints, called in a folder where nothing of this project lies.

    Nor does it inherit the arithmetic of these tests: no user's shell has chosen one.
    """
    environment = {name: told for name, told in os.environ.items() if name not in VARIABLES}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


MODEL = f"own_model.py:for_{'molecules' if 'ROBUST_AUGCL_ARCHIVES' in os.environ else 'parts'}"
TUTORIAL = (TREE / "docs" / "tutorial.md").read_text()


def blocks(language):
    """The blocks of the tutorial in a language."""
    return re.findall(rf"```{language}\n(.*?)```", TUTORIAL, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A fresh folder with a copy of the examples."""
    found = tmp_path_factory.mktemp("examples")
    for path in EXAMPLES.glob("own_*.*"):
        shutil.copy(path, found)
    return found


@pytest.fixture(scope="module")
def printed(folder):
    """What each script prints, run once."""
    kept: dict[str, str] = {}

    def run(name):
        if name not in kept:
            kept[name] = called(folder, sys.executable, name)
        return kept[name]

    return run


def robust(records, attack):
    return {
        (r.cell.method, r.cell.seed): r.robust_accuracy for r in records if r.cell.attack == attack
    }


def test_scripts_are_short():
    assert SCRIPTS == ["own_data.py", "own_model.py", "own_weighting.py"]
    for name in SCRIPTS:
        assert len((EXAMPLES / name).read_text().splitlines()) <= 70, name


def test_a_model_of_ones_own(folder, printed):
    text = printed("own_model.py")
    assert "Exact worst case, budget 2, Net: " in text
    assert "Audit: " in text
    assert " FAIL" not in text
    records = ra.open_run(folder / "runs" / "mine").records
    assert {r.cell.attack for r in records} == {"grad_argmax", "prbcd", "beam", "exhaustive"}
    (worst,) = robust(records, "exhaustive").values()
    assert all(worst <= r.robust_accuracy <= r.clean_accuracy for r in records)
    assert (folder / "own_model.pdf").read_bytes().startswith(b"%PDF")


def test_a_colleague_proves_the_folder_again(folder, printed):
    printed("own_model.py")
    command = [sys.executable, "-m", "robust_augcl"]
    text = called(folder, *command, "replay", "runs/mine", "--model", MODEL)
    assert "All 4 records and 1 certificate hold." in text
    assert "proved  given model: made_by, structure" in text


def test_a_weighting_of_ones_own(folder, printed):
    text = printed("own_weighting.py")
    records = ra.open_run(folder / "runs" / "own_weighting").records
    worst = robust(records, "exhaustive")
    assert {method for method, _ in worst} == {"graphcl", "augcl", "near"}
    assert {seed for _, seed in worst} == {0, 1}
    assert all(r.is_exact for r in records if r.cell.attack == "exhaustive")
    assert text.count("Exact worst case, budget 1, ") == 3
    victims = {r.cell.method: r.victim.digest for r in records if r.cell.seed == 0}
    assert len(set(victims.values())) == 3  # the weighting does something


def test_data_of_ones_own(folder, printed):
    text = printed("own_data.py")
    lines = [json.loads(line) for line in (folder / "teams.jsonl").read_text().splitlines()]
    assert len(lines) == 200
    assert all(line["y"] == (sum(x[0] for x in line["x"]) > 4) for line in lines)
    assert "Exact worst case, budget 1, GraphCL" in text
    (record, _) = ra.open_run(folder / "runs" / "teams").records
    assert record.cell.dataset == "teams"
    assert (folder / "runs" / "teams" / "report.md").exists()


# --- the tutorial ---------------------------------------------------------------------------------


def test_the_tutorial_shows_lines_of_the_script():
    script = (EXAMPLES / "own_model.py").read_text()
    (shown,) = blocks("python")
    for line in shown.splitlines():
        assert line in script, line


def test_what_the_tutorial_links_to_is_there():
    for path in re.findall(r"\]\(([^)#]+)\)", TUTORIAL):
        assert (TREE / "docs" / path).exists(), path


@pytest.fixture
def _nothing_stays_known():
    yield
    foreign.withdraw()
    given.forget()


@pytest.mark.usefixtures("_nothing_stays_known")
def test_the_suite_of_the_tutorial_takes_the_model(folder, printed):
    printed("own_model.py")
    (suite,) = blocks("toml")
    assert "own_model.py:for_parts" in suite
    suite = suite.replace("own_model.py:for_parts", MODEL)
    (folder / "my-gin.toml").write_text(suite)
    loaded = ra.load_suite(str(folder / "my-gin.toml"))
    campaign = ra.Campaign(loaded, folder / "runs" / "my-gin")
    (model,) = campaign.suite.victims
    assert set(model.known.left_out) == {"rl_s2v"}
    assert {type(step.settings["attack"]).__name__ for step in campaign.plan.attacks} == {"Beam"}
