"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.nn import GIN, global_add_pool

from robust_augcl import registry
from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.cli.main import cli
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models import given
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel

TREE = Path(__file__).parents[1]
README = (TREE / "README.md").read_text()


class Pooled(torch.nn.Module):
    """A GIN of PyTorch Geometric with pooling and head."""

    def __init__(self, draws):
        super().__init__()
        self.gnn, self.head = GIN(1, 4, 2), torch.nn.Linear(4, 2)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=draws))

    def forward(self, x, edge_index, batch):
        return self.head(global_add_pool(self.gnn(x, edge_index), batch))


def block_with(text: str) -> str:
    (found,) = [
        block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if text in block
    ]
    return found


def test_the_attack_of_the_readme_runs_under_guard():
    names: dict = {}
    exec(block_with("class FirstCandidate"), names)
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


def test_the_attack_of_the_readme_leaves_a_graph_without_candidates_alone(to_data):
    names: dict = {}
    exec(block_with("class FirstCandidate"), names)
    full, path = to_data(3, [(0, 1), (0, 2), (1, 2)]), to_data(3, [(0, 1), (1, 2)])
    graphs = PackedGraphs.from_data_list([full, path, full])
    fit, threat = FitGraphs(graphs, graphs), ThreatModel()
    propose = names["FirstCandidate"]().prepare(None, fit, threat, generator(0))
    found = propose(graphs)
    assert [p.added.T.tolist() for p in found] == [[], [[0, 2]], []]
    threat.check_all(graphs, found)


def test_every_path_and_suite_of_the_readme_is_there():
    paths = re.findall(r"\]\(([^)#]+)\)", README)
    suites = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert paths
    assert suites
    for path in paths:
        if not path.startswith("http"):
            assert (TREE / path).exists(), path
    assert set(suites) <= set(registry.suite_texts())


@pytest.mark.parametrize("name", sorted(registry.suite_texts()))
def test_a_suite_is_named_as_its_file(name):
    assert tomllib.loads(registry.suite_texts()[name])["name"] == name


PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in TREE.glob("docs/*.md"))]


def commands_of(page):
    """The calls of robust-augcl in the shell blocks of a page, word by word."""
    blocks = re.findall(r"```sh\n(.*?)```", (TREE / page).read_text(), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].split() for line in lines if line.startswith("robust-augcl")]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_and_options_of_a_page_are_there(page):
    for _, name, *rest in commands_of(page):
        known = {option for each in cli.commands[name].params for option in each.opts}
        assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known


def test_commands_of_pages_are_looked_at():
    assert len(commands_of("README.md")) > 8
    assert len(commands_of("docs/tutorial.md")) >= 4


def test_a_model_of_ones_own_goes_as_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draws = generator(1)
    packed = component_graphs(np.array([1, 2] * 4), (6, 8), 0.15, np.random.default_rng(0))
    names = {"model": Pooled(draws), "graphs": packed.to_data_list()}
    exec(block_with("ra.evaluate(model, graphs"), names)
    assert {record.cell.attack for record in names["result"].records} == set(names["attacks"])
    assert (tmp_path / "fig.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "runs" / "mine" / "report.md").exists()
    given.forget()
