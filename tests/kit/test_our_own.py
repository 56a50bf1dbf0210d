"""Our own plug-ins keep the contract that authors of others are held to, rule by rule."""

from __future__ import annotations

import pytest
import torch
from real_archives import archives_or_skip

from robust_augcl import registry
from robust_augcl.data._written_graphs import write_graphs
from robust_augcl.registry.optional import problem_of
from robust_augcl.testing import (
    ATTACK_RULES,
    DATA_SOURCE_RULES,
    ENCODER_RULES,
    METHOD_RULES,
    check_data_source,
)

QUICK = {"augcl": {"passes": 2, "hidden": 8}}
"""Settings with which methods learn quickly."""


@pytest.mark.thorough(
    only=[
        "*inputs-deeprobust_*",
        "nodes-deeprobust_*",
        "nothing to edit-deeprobust_*",
        "chance-deeprobust_*",
        "one by one-deeprobust_*",
        "nodes-pyg_*",
        "chance-pyg_*",
        "one by one-pyg_*",
        "access-pyg_*",
        "inputs-pyg_*",
        "runs-pyg_prbcd",
        "threat-pyg_prbcd",
        "runs-deeprobust_fga",
        "threat-prbcd",
    ]
)
@pytest.mark.parametrize("name", registry.names("attack"))
@pytest.mark.parametrize("rule", ATTACK_RULES, ids=str)
def test_attacks(rule, name):
    attack = registry.load("attack", name)()
    if problem := problem_of(attack.needs):
        pytest.skip(problem)
    rule(attack)


@pytest.mark.parametrize("name", registry.names("encoder"))
@pytest.mark.parametrize("rule", ENCODER_RULES, ids=str)
def test_encoders(rule, name):
    rule(registry.load("encoder", name))


@pytest.mark.parametrize("name", registry.names("method"))
@pytest.mark.parametrize("rule", METHOD_RULES, ids=str)
def test_methods(rule, name):
    rule(registry.load("method", name)(**QUICK.get(name, {})))


@pytest.mark.parametrize("rule", DATA_SOURCE_RULES, ids=str)
def test_components(rule):
    rule(registry.load("data source", "components")(nodes=(15, 20), graphs_per_class=6))


def test_files(tmp_path):
    source = registry.load("data source", "components")(nodes=(15, 20), graphs_per_class=6)
    graphs = source.load(None, torch.Generator().manual_seed(0))
    path = tmp_path / "mine.jsonl"
    write_graphs(path, graphs)
    check_data_source(registry.load("data source", "file")(path=str(path)))


def test_tu():
    check_data_source(registry.load("data source", "tu")(name="MUTAG"), archives_or_skip())
