"""What `evaluate` was handed is what it judges: precision, edge attributes, its own results."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner
from evaluations import evaluated
from given_models import SOURCE, graphs, net
from safetensors.torch import save_file
from torch import nn
from torch_geometric.nn import GATConv, global_add_pool

import robust_augcl as ra
from robust_augcl.cli.main import cli
from robust_augcl.errors import InputError
from robust_augcl.graphs.entrance import admit
from robust_augcl.models import given
from robust_augcl.models.given_weights import read_weights, weights_of, with_weights

# --- precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize("module_type", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("weights_type", [torch.float16, torch.float32, torch.float64])
def test_a_copy_has_the_precision_of_its_weights(module_type, weights_type):
    weights = weights_of(net().to(weights_type), "net")
    made = with_weights(net(seed=1).to(module_type), weights, "net")
    for name, tensor in made.state_dict().items():
        assert tensor.dtype == weights_type
        assert torch.equal(tensor, weights[name])


def test_tied_weights_stay_tied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)
            self.second.weight = self.first.weight

    made = with_weights(Tied(), weights_of(Tied().double(), "tied"), "tied")
    assert made.second.weight is made.first.weight
    assert made.second.weight.dtype == torch.float64


def test_replay_proves_a_double_module_by_a_function_that_makes_a_single_one(tmp_path):
    file, folder = tmp_path / "mine.py", tmp_path / "run"
    file.write_text(SOURCE)
    weights = {name: value.double() + 1e-9 for name, value in net().state_dict().items()}
    save_file(weights, tmp_path / "double.safetensors")
    ra.write_graphs(tmp_path / "graphs.jsonl", graphs())
    model = f"{file}:make"
    files = ["--weights", str(tmp_path / "double.safetensors"), "--data"]
    asked = [*files, str(tmp_path / "graphs.jsonl"), "--budget", "1", "--attack", "exhaustive"]
    called = ["evaluate", "--model", model, *asked, "--out", str(folder), "--workers", "1"]
    found = CliRunner().invoke(cli, called)
    assert found.exit_code == 0, found.output
    double = net().double()
    double.load_state_dict(weights)
    for outcome, data in zip(ra.open_run(folder).records[0].outcomes, graphs(), strict=True):
        batch = torch.zeros(len(data.x), dtype=torch.long)
        logits = double(data.x.double(), data.edge_index, batch)[0].detach()
        margin = logits[int(data.y)] - logits[1 - int(data.y)]
        assert outcome.clean_margin == pytest.approx(float(margin), abs=1e-6)
    given.forget()
    held = CliRunner().invoke(cli, ["replay", str(folder), "--model", model])
    assert held.exit_code == 0, held.output
    assert "FAILED" not in held.output


def test_keys_that_are_no_names_are_refused(tmp_path):
    torch.save({1: torch.ones(1)}, tmp_path / "odd.pt")
    with pytest.raises(InputError, match="to have names as keys, got 1"):
        read_weights(tmp_path / "odd.pt")


# --- edge attributes ------------------------------------------------------------------------------


class OfBonds(nn.Module):
    """Attention over edges with attributes: its layer takes None for them without a word."""

    def __init__(self):
        super().__init__()
        self.conv = GATConv(3, 4, edge_dim=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x, edge_index, batch, edge_attr):
        return self.head(global_add_pool(self.conv(x, edge_index, edge_attr), batch))


def bonds():
    """Graphs whose edges carry how far apart the numbers of their ends are."""
    found = graphs()
    for data in found:
        data.edge_attr = (data.edge_index[0] - data.edge_index[1]).abs().float().unsqueeze(1)
    return found


def of_bonds():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return OfBonds().eval()


@pytest.mark.thorough(but=["added1"])
@pytest.mark.parametrize("added", ["zeros", (7.0,)])
def test_attributes_that_were_asked_for_are_used(added):
    module = of_bonds()
    packed = admit(bonds(), as_given=True, edge_attributes=True, added_edge=added).graphs
    result = evaluated(module, packed)
    assert "not used" not in str(result)
    carried = torch.zeros(1) if added == "zeros" else torch.tensor(added)
    for outcome, data in zip(result.records[0].outcomes, bonds(), strict=True):
        batch = torch.zeros(len(data.x), dtype=torch.long)
        label = int(data.y)

        def margin(edges, rows, data=data, batch=batch, label=label):
            logits = module(data.x, edges, batch, rows)[0].detach()
            return float(logits[label] - logits[1 - label])

        held = {(i, j) for i, j in data.edge_index.T.tolist()}
        assert outcome.clean_margin == pytest.approx(
            margin(data.edge_index, data.edge_attr), abs=1e-5
        )
        worst = margin(data.edge_index, data.edge_attr)
        for first, second in torch.combinations(torch.arange(len(data.x))).tolist():
            pair = {(first, second), (second, first)}
            edges = torch.tensor(sorted(held ^ pair), dtype=torch.long).reshape(-1, 2).T
            rows = (edges[0] - edges[1]).abs().float().unsqueeze(1)
            if (first, second) not in held:
                new = (edges.min(0).values == first) & (edges.max(0).values == second)
                rows[new] = carried
            worst = min(worst, margin(edges, rows))
        assert outcome.robust == (worst > 0)


class OfBatches(OfBonds):
    def forward(self, data):
        return super().forward(data.x, data.edge_index, data.batch, data.edge_attr)


class MayHaveBonds(OfBonds):
    def forward(self, x, edge_index, batch, edge_attr=None):
        return super().forward(x, edge_index, batch, edge_attr)


class NamesBonds(OfBonds):
    def forward(self, x, edge_index, batch, *, edge_attr):
        return super().forward(x, edge_index, batch, edge_attr)


class NamesBondsThatMayLack(OfBonds):
    def forward(self, x, edge_index, batch, *, edge_attr=None):
        return super().forward(x, edge_index, batch, edge_attr)


def in_class(cls):
    """The module of the other tests, with another signature."""
    module = cls()
    module.load_state_dict(of_bonds().state_dict())
    return module.eval()


def clean_margins(result):
    return [outcome.clean_margin for outcome in result.records[0].outcomes]


@pytest.fixture(scope="module")
def with_bonds():
    packed = admit(bonds(), as_given=True, edge_attributes=True).graphs
    return clean_margins(evaluated(of_bonds(), packed))


@pytest.mark.thorough(but=["OfBonds", "MayHaveBonds"])
@pytest.mark.parametrize(
    "cls", [OfBonds, OfBatches, MayHaveBonds, NamesBonds, NamesBondsThatMayLack]
)
def test_attributes_that_graphs_carry_are_passed_to_whoever_takes_them(cls, with_bonds):
    result = evaluated(in_class(cls), bonds())
    assert clean_margins(result) == with_bonds
    assert "not used" not in str(result)
    probes = result.report_input.settings["victims"][0]["resolved"]["copies"][0]["found"]["probes"]
    (said,) = [probe for probe in probes if probe["name"] == "edge attributes"]
    assert said["outcome"] == "passed"


def test_what_an_added_edge_carries_can_be_stated(with_bonds):
    seven = evaluated(of_bonds(), bonds(), added_edge=[7.0])
    packed = admit(bonds(), as_given=True, edge_attributes=True, added_edge=(7.0,)).graphs
    assert seven.rows() == evaluated(of_bonds(), packed).rows()


def test_graphs_to_learn_on_carry_what_those_carry_that_are_attacked(with_bonds):
    beside = bonds()
    for data in beside:
        data.edge_attr = data.edge_attr + 1  # so another row is the most common one there
    assert clean_margins(evaluated(of_bonds(), bonds(), fit=beside)) == with_bonds


def test_attributes_can_be_left_out_with_a_word():
    result = evaluated(in_class(MayHaveBonds), bonds(), edge_attributes=False)
    text = str(result)
    assert "edge attributes: its `edge_attr` is None: the graphs carry some" in text
    assert "not used: edge_attr" in text
    with pytest.raises(InputError, match="its `edge_attr` is None, as the edges carry no"):
        evaluated(in_class(NamesBonds), bonds(), edge_attributes=False)
    with pytest.raises(InputError, match="`edge_attributes` to be true where `added_edge` is st"):
        evaluated(of_bonds(), bonds(), edge_attributes=False, added_edge="zeros")


class TakesOneColumnOnly(OfBonds):
    def forward(self, x, edge_index, batch, edge_attr=None):
        if edge_attr is not None:
            edge_attr = edge_attr.reshape(edge_index.size(1), 1)
        return super().forward(x, edge_index, batch, edge_attr)


def test_attributes_that_a_module_fails_with_are_left_out_with_the_reason():
    wide = bonds()
    for data in wide:
        data.edge_attr = data.edge_attr.repeat(1, 2)
    text = str(evaluated(in_class(TakesOneColumnOnly), wide))
    assert "edge attributes: its `edge_attr` is left out, as it fails with those of the gr" in text


def test_dirty_attributes_say_how_to_leave_them_out():
    dirty = bonds()
    dirty[0].edge_attr[0] = float("nan")
    with pytest.raises(InputError, match="`edge_attributes=False` leaves them out"):
        evaluated(of_bonds(), dirty)


def test_none_may_be_asked_for():
    result = evaluated(of_bonds(), bonds(), adapter=ra.Adapter(attributes="none"))
    assert result.records[0].num_graphs == len(bonds())


# --- its own results ------------------------------------------------------------------------------


def test_a_second_run_into_the_folder_does_not_change_the_first_result(tmp_path):
    first = evaluated(net(seed=0).eval(), out=tmp_path / "run", certificates=False)
    text = str(first)
    margins = [outcome.clean_margin for outcome in first.records[0].outcomes]
    fresh = evaluated(net(seed=0).eval(), out=tmp_path / "run", certificates=False)
    second = evaluated(net(seed=3).eval(), out=tmp_path / "run", certificates=False)
    others = [outcome.clean_margin for outcome in second.records[0].outcomes]
    assert margins != others
    assert [row["clean_margin"] for row in fresh.rows()] == margins
    assert str(first) == text
    assert [row["clean_margin"] for row in second.rows()] == others


# --- arguments ------------------------------------------------------------------------------------


def test_no_graphs_are_said_to_be_none():
    with pytest.raises(InputError, match="Expected `graphs` to hold at least one graph, got none"):
        evaluated(net().eval(), [])
    with pytest.raises(InputError, match="Expected `fit` to hold at least one graph, got none"):
        evaluated(net().eval(), fit=[])


@pytest.mark.thorough(but=["fig.pdf"])
@pytest.mark.parametrize("path", [3, b"fig.pdf", ["fig.pdf"]])
def test_a_figures_file_of_another_kind_is_refused(path, tmp_path):
    result = evaluated(net().eval(), out=tmp_path / "run", certificates=False)
    with pytest.raises(InputError, match="Expected a figure's file to be a path, got"):
        result.figure(path)
