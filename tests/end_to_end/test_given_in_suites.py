"""Given models beside methods, on the graphs of a file, and on nodes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from given_models import SOURCE, graphs, worst_of
from torch import nn
from torch_geometric.nn import GIN

import robust_augcl as ra
from robust_augcl import foreign
from robust_augcl.errors import InputError
from robust_augcl.models import given

TOGETHER = """
name = "together"
title = "Methods beside given models"
seeds = [0]
[dataset]
source = "file"
path = "graphs.jsonl"
[split]
test = 0.2
validation = 0.2
[encoder]
name = "gin"
width = 8
layers = [2]
[training]
epochs = 3
[threat]
budget = 1
operations = ["add", "delete"]
[certificates]
pairs = 1000
[[methods]]
name = "none"
[[victims]]
label = "mine"
model = "models.py:make"
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "exhaustive"
"""
ONE = ra.ThreatModel(budget=1, operations=("add", "delete"))


pytestmark = pytest.mark.usefixtures("nothing_known")


@pytest.fixture
def suite(tmp_path) -> Path:
    """A suite beside a user's models and graphs."""
    path = tmp_path / "together.toml"
    path.write_text(TOGETHER)
    path.with_name("models.py").write_text(SOURCE)
    ra.write_graphs(path.with_name("graphs.jsonl"), graphs(30, nodes=5))
    return path


def test_methods_and_given_models_are_compared_on_the_same_graphs(suite, command, tmp_path):
    out = tmp_path / "run"
    run = command("run", suite, "--out", out, "--workers", "1")
    assert run.code == 0, run
    records = ra.open_run(out).records
    assert {(r.cell.method, r.cell.encoder, r.cell.layers, r.cell.attack) for r in records} == {
        (*victim, attack)
        for victim in (("none", "gin", 2), ("mine", "given", 0))
        for attack in ("rand_sampling", "exhaustive")
    }
    assert len({tuple(o.target for o in record.outcomes) for record in records}) == 1
    named = ["--model", f"{suite.parent / 'models.py'}:make", "--archives", suite.parent]
    replayed = command("replay", out, *named)
    assert replayed.code == 0, replayed
    assert "All 4 records and 2 certificates hold." in replayed.out
    audited = command("audit", out, *named[:2])
    assert "2 models were asked twice about some graphs, 12 in all" in " ".join(audited.out.split())
    assert command("report", out, *named[:2]).code == 0
    page = (out / "report-appendix.md").read_text()
    assert "| RandSampling |" in page
    assert "Encoder: gin, 2 layers" in page
    assert "how the models were trained is not known here" in page
    assert "**mine** (models.py:Net" in page
    assert "0 layers" not in page
    short = (out / "report.md").read_text()
    assert "what 2 trained graph classifiers still get right" in short
    for title in ("gin", "given models"):
        assert f"## graphs, {title}, strict protocol, budget 1" in page
    assert (
        page.count("| Attack | mine |") == page.count("| Attack | 2 layers: No pretraining‡ |") > 1
    )


@pytest.mark.parametrize(
    ("old", "new", "function", "told"),
    [
        ("return self.head(", "return -self.head(", "make", "the source of the module"),
        ("", "", "wide", "the module that --model names has other parts or settings"),
    ],
    ids=["source", "structure"],
)
def test_what_another_module_tells_takes_the_place_of_nothing(
    suite, command, tmp_path, old, new, function, told
):
    """It could be asked less, or it says something else: neither is of this run."""
    out, models = tmp_path / "run", suite.parent / "models.py"
    assert command("run", suite, "--out", out, "--workers", "1").code == 0
    names = ("audit.json", "transfer.json", "report.md")
    honest = {name: (out / name).read_bytes() for name in names}
    given.forget()
    other = tmp_path / "other" / "models.py"
    other.parent.mkdir()
    assert old in SOURCE
    other.write_text(SOURCE.replace(old, new))
    wrong = ["--model", f"mine={other}:{function}"]
    for asked, name in (("audit", "audit.json"), ("transfer", "transfer.json")):
        answer = command(asked, out, *wrong)
        (line,) = [each for each in answer.err.splitlines() if "not kept" in each]
        assert line.startswith(f"warning: not kept in {out}: {name} (of the given model 'mine', ")
        assert told in line
    reported = command("report", out, *wrong)
    assert "the audit and the transfers are those of the folder" in reported.err
    assert {name: (out / name).read_bytes() for name in names[:2]} == dict(list(honest.items())[:2])
    given.forget()
    right = ["--model", f"mine={models}:make"]
    assert "not kept" not in command("audit", out, *right).err
    assert command("report", out, *right).code == 0
    # The audit says how long it took.
    assert {name: (out / name).read_bytes() for name in names[1:]} == dict(list(honest.items())[1:])


@pytest.mark.thorough(but=["jsonl.gz"])
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_the_graphs_of_a_file_are_attacked_as_they_lie(tmp_path, command, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    Path("models.py").write_text(SOURCE)
    Path("elsewhere").mkdir()
    ra.write_graphs(f"mine.{ending}", graphs(6))
    asked = ["evaluate", "--model", "gin=models.py:make", "--budget", "1", "--workers", "1"]
    asked += ["--archives", "elsewhere", "--attack", "exhaustive", "--no-certificates"]
    asked += ["--operation", "add", "--operation", "delete"]
    answer = command(*asked, "--data", f"mine.{ending}", "--out", "run")
    assert answer.code == 0, answer
    (record,) = ra.open_run("run").records
    foreign.consent(["models.py:make"])
    module = foreign.load_function("models.py:make", "")().eval()
    assert [o.robust for o in record.outcomes] == worst_of(module, graphs(6))
    assert record.cell.dataset == "mine"
    given.forget()
    replayed = command("replay", "run", "--model", "models.py:make", "--archives", ".")
    assert replayed.code == 0, replayed
    assert "made again from their source" in replayed.out
    missing = command(*asked, "--data", f"yours.{ending}", "--out", "other")
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    assert f"yours.{ending}, there is none" in missing.err
    assert not Path("other").exists()


class NodeNet(nn.Module):
    """Classifies each node."""

    def __init__(self) -> None:
        super().__init__()
        self.gnn = GIN(3, 8, num_layers=2, out_channels=2)

    def forward(self, x, edge_index):
        return self.gnn(x, edge_index)


def node_net() -> NodeNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NodeNet().eval()


def test_models_of_nodes_are_attacked_at_their_target_nodes(tmp_path, command):
    data, targets = graphs(5, nodes=5), [0, 4, 2, 1, 3]
    for graph, node in zip(data, targets, strict=True):
        graph.target_node = torch.tensor([node])
    others = {"workers": 1, "device": "cpu", "out": tmp_path / "run"}
    result = ra.evaluate(node_net(), data, threat=ONE, attacks=["exhaustive"], **others)
    (record,) = result.records
    assert [o.target for o in record.outcomes] == list(enumerate(targets))
    assert [o.robust for o in record.outcomes] == [
        stays(node_net(), graph, node) for graph, node in zip(data, targets, strict=True)
    ]
    assert record.is_exact
    assert [row["node"] for row in result.rows()] == targets
    given.forget()
    ra.use_model(node_net())
    replayed = command("replay", tmp_path / "run", "--from-scratch", "--workers", "1")
    assert replayed.code == 0, replayed
    assert "All 1 record and 1 certificate hold." in replayed.out
    assert "4 of 4 stored results are the same from scratch" in replayed.out


def stays(module, graph, node) -> bool:
    """Whether a node is right before and after each single edit, by trying all in turn."""
    held = {tuple(pair) for pair in graph.edge_index.T.tolist()}
    tried = [held]
    for first, second in torch.combinations(torch.arange(len(graph.x))).tolist():
        tried.append(held ^ {(first, second), (second, first)})
    edges = [torch.tensor(sorted(each), dtype=torch.long).reshape(-1, 2).T for each in tried]
    return all(int(module(graph.x, each)[node].argmax()) == int(graph.y) for each in edges)


def test_labels_of_all_nodes_are_refused_with_what_to_do():
    data = graphs(2)
    for graph in data:
        graph.y = torch.zeros(graph.num_nodes, dtype=torch.long)
    with pytest.raises(InputError, match=r"them, one a node: .* as `target_node`"):
        ra.evaluate(node_net(), data, threat=ONE, attacks=["exhaustive"], workers=1)
