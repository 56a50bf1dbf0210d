"""A run that the audit finds no fault with; tests that spoil it get a copy of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from audited_runs import CHANGED
from finished_runs import finished_run
from small_suites import TINY


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two methods and five attacks. Not to be changed."""
    return finished_run(tmp_path_factory, "tiny", TINY, *CHANGED)


@pytest.fixture
def spoilt(learned: Path, tmp_path: Path) -> Path:
    """A copy of that run, to spoil."""
    return Path(shutil.copytree(learned, tmp_path / "spoilt"))
