"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from robust_augcl import registry
from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel

TREE = Path(__file__).parents[1]
README = (TREE / "README.md").read_text()


def block_with(text: str) -> str:
    (found,) = [
        block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if text in block
    ]
    return found


def test_the_attack_of_the_readme_runs_under_guard():
    names: dict = {}
    header = (
        "from dataclasses import dataclass\nfrom typing import ClassVar\n"
        "from robust_augcl.adversary.attack_base import Attack\nfrom robust_augcl.progress "
        "import silent\nfrom robust_augcl.adversary.victim import Access\n"
    )
    exec(header + block_with("class FirstCandidate"), names)
    draws = generator(0)
    graphs = component_graphs(np.array([1, 2, 3]), (15, 20), 0.15, np.random.default_rng(0))
    encoder = Structure2Vec(in_features=1, width=4, layers=1, generator=draws)
    victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws))
    threat = ThreatModel(within_component=True)
    result = run_attack(
        names["FirstCandidate"](),
        victim,
        graphs,
        threat,
        fit=FitGraphs(graphs, graphs),
        generator=draws,
    )
    assert [p.num_edits for p in result.perturbations] == [1, 1, 1]


def test_every_path_and_suite_of_the_readme_is_there():
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        if not path.startswith("http"):
            assert (TREE / path).exists(), path
    for name in re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE):
        assert name in registry.suite_texts()


@pytest.mark.parametrize("name", sorted(registry.suite_texts()))
def test_a_suite_is_named_as_its_file(name):
    assert tomllib.loads(registry.suite_texts()[name])["name"] == name
