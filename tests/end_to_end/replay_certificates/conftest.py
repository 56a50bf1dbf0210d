"""A finished run of one victim, certified against one, two and three edits, and copies to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from finished_runs import finished_run
from small_suites import PROVED

from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step
from robust_augcl.plan.suite import load_suite


@pytest.fixture(scope="session")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one victim, certified against one, two and three edits. Not to be
    changed.
    """
    return finished_run(tmp_path_factory, "proofs", PROVED, sketched=True)


@pytest.fixture(scope="session")
def suite(proofs: Path) -> Path:
    """The suite's file."""
    return proofs.with_name("proofs.toml")


@pytest.fixture
def spoilt(proofs: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(proofs, tmp_path / "spoilt"))


@pytest.fixture(scope="session")
def certificates(suite: Path) -> dict[int, Step]:
    """The certificates' steps by their budgets."""
    return {
        int(cell.budget): step
        for cell, step in plan(load_suite(str(suite))).measurements
        if step.kind == "certificate"
    }
