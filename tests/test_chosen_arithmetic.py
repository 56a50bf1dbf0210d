"""What is said where a process does not compute portably, and that nothing then counts as such."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from robust_augcl import arithmetic
from robust_augcl.cli import chosen_arithmetic
from robust_augcl.cli.main import cli
from robust_augcl.errors import InputError

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    arithmetic.machine_obstacle() is not None, reason="no portable arithmetic on this machine"
)


def in_a_fresh_process(code: str, folder: Path) -> str:
    """What Python code prints where nobody has chosen an arithmetic yet."""
    told = {name: value for name, value in os.environ.items() if name not in arithmetic.VARIABLES}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=told, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_this_process_computes_portably() -> None:
    assert arithmetic.arithmetic_in_force() == "portable"
    arithmetic.require("portable")


@pytest.mark.parametrize(
    ("part", "found", "why"),
    [
        ("_numpy_dispatch", {"X86_V3", "AVX2"}, "cannot be told not to use"),
        ("_mkl_mode", None, "does not say how it computes"),
    ],
)
def test_libraries_that_cannot_be_told_are_an_obstacle_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, part: str, found: object, why: str
) -> None:
    """NumPy before 2.4, or a PyTorch whose MKL lies elsewhere: no import is too early there."""
    monkeypatch.setattr(arithmetic, part, lambda: found)
    arithmetic._otherwise.cache_clear()
    try:
        assert why in (arithmetic.machine_obstacle() or "")
        assert arithmetic.possible("portable") == "fast"
        assert arithmetic.arithmetic_in_force() == "fast"
        with pytest.raises(InputError, match=why) as raised:
            arithmetic.require("portable")
        assert "imported" not in str(raised.value)
    finally:
        arithmetic._otherwise.cache_clear()


def test_libraries_that_were_loaded_before_are_named() -> None:
    code = (
        "import numpy, robust_augcl\n"
        "from robust_augcl import arithmetic\n"
        "for ask in (arithmetic.require, robust_augcl.use_arithmetic):\n"
        "    try:\n"
        "        ask('portable')\n"
        "    except robust_augcl.errors.InputError as error:\n"
        "        print(error)\n"
        "print(arithmetic.arithmetic_in_force())\n"
    )
    first, second, last = in_a_fresh_process(code, ROOT).splitlines()
    assert "told nothing of it when loaded: " in first
    assert "MKL" in first
    assert "docs/cluster.md" in first
    assert "to be chosen before" in second
    assert last == "fast"


def test_the_page_on_clusters_lists_each_variable() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    for name, value in arithmetic.VARIABLES.items():
        assert f"{name}={value}" in page or f'{name}="{value}"' in page


def test_a_suite_of_too_many_brackets_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "deep.toml"
    path.write_text("a = " + "[" * 100_000)
    assert chosen_arithmetic.of_suite(str(path)) == "portable"
    with pytest.raises(InputError):
        cli.main(["run", str(path), "--out", str(tmp_path / "run")], standalone_mode=False)


def test_a_user_who_enables_features_of_numpy_is_overruled(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy cannot be imported where both variables are set."""
    monkeypatch.setenv("NPY_ENABLE_CPU_FEATURES", "X86_V3")
    arithmetic.use_arithmetic("portable")
    assert "NPY_ENABLE_CPU_FEATURES" not in os.environ


def test_the_campaign_of_the_readme_may_compute(tmp_path: Path) -> None:
    """It chooses the arithmetic of its suite before anything has imported PyTorch."""
    readme = (ROOT / "README.md").read_text()
    (block,) = (part for part in readme.split("```python\n") if "campaign.run()" in part)
    code = block.split("campaign.run()")[0] + (
        "from robust_augcl import arithmetic\n"
        "arithmetic.require(campaign.suite.arithmetic)\n"
        "print(campaign.suite.arithmetic)\n"
    )
    assert in_a_fresh_process(code, tmp_path) == "portable\n"
