"""The examples in docstrings run, and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import robust_augcl
import robust_augcl.attacks
import robust_augcl.reports

# Of an editable install these two lie outside the package's folder.
PACKAGES = (robust_augcl, robust_augcl.attacks, robust_augcl.reports)
MODULES = sorted(
    {
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith("__main__")
    }
)
PUBLIC = [
    "robust_augcl.campaign.campaign",
    "robust_augcl.adversary.attack_base",
    "robust_augcl.adversary.guard",
    "robust_augcl.adversary.victim",
    "robust_augcl.contrast.losses",
    "robust_augcl.graphs.packed",
    "robust_augcl.models.classifier",
    "robust_augcl.oracle.certificates",
    "robust_augcl.plan.suite",
    "robust_augcl.results.records",
    "robust_augcl.results.statistics",
    "robust_augcl.threat.model",
]
"""Modules of the names that people start from."""


def run_examples(name: str) -> doctest.TestResults:
    return doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)


def test_all_rooms_are_looked_through():
    rooms = {name.split(".")[1] for name in MODULES}
    assert {"attacks", "contrast", "graphs", "oracle", "reports", "results", "threat"} <= rooms


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    assert run_examples(name).failed == 0


@pytest.mark.parametrize("name", PUBLIC)
def test_people_find_an_example_where_they_start(name):
    assert run_examples(name).attempted > 0


def test_an_example_that_is_wrong_is_found(tmp_path, monkeypatch):
    (tmp_path / "wrong_example.py").write_text('"""\n>>> 1 + 1\n3\n"""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run_examples("wrong_example").failed == 1
