"""A small run with a file of every kind."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from shared import shared_folder
from small_suites import EVERYTHING
from tried_once import drawn_once

from robust_augcl.campaign.campaign import Campaign, Machines
from robust_augcl.plan.suite import make_suite


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a file of every kind, not to be changed."""
    path = tmp_path_factory.mktemp("run") / "everything"
    with_parts = EVERYTHING.replace("graphs_per_class = 20", "graphs_per_class = 10")
    with_parts = with_parts.replace("[certificates]", "budget = [1, 2]\n[certificates]\nparts = 2")
    with_parts += '[[attacks]]\nname = "beam"\n'
    suite = make_suite(tomllib.loads(with_parts), "here")
    with drawn_once(shared_folder(tmp_path_factory), sketched=True):
        summary = Campaign(suite, path, Machines(workers=1), tell=lambda text: None).run()
    assert summary.failed == []
    return path
