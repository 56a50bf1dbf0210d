"""Each rule of encoders is broken once, and the kit finds it; a sound encoder passes."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from generators import seeded
from torch import nn

from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.layers import linear
from robust_augcl.testing import ENCODER_RULES, ContractBroken, check_encoder


class Sums(Encoder):
    """relu(W (own state + the sum over neighbours)), and the sum over nodes."""

    def build(self, generator):
        sizes = [self.in_features] + [self.width] * self.layers
        pairs = pairwise(sizes)
        self.linears = nn.ModuleList(linear(one, other, generator) for one, other in pairs)

    @property
    def embedding_size(self):
        return self.width

    def first_states(self, x):
        return x

    def round(self, index, states, x, edge_index, edge_weight):
        source, target = edge_index
        sent = states[source]
        if edge_weight is not None:
            sent = sent * edge_weight.unsqueeze(1)
        return self.linears[index](states.index_add(0, target, sent)).tanh()

    def pool(self, states, batch, num_graphs):
        last = states[-1]
        return last, last.new_zeros(num_graphs, last.size(1)).index_add(0, batch, last)


class Wide(Sums):
    @property
    def embedding_size(self):
        return self.width + 1


class Global(Sums):
    def build(self, generator):
        self.linears = nn.ModuleList(
            nn.Linear(self.width if n else self.in_features, self.width) for n in range(self.layers)
        )


class Hidden(Sums):
    def build(self, generator):
        super().build(generator)
        self.bias = [torch.randn(1, generator=generator)]

    def round(self, *arguments):
        return super().round(*arguments) + self.bias[0].item()


class Ordered(Sums):
    def first_states(self, x):
        return x + torch.arange(len(x)).unsqueeze(1) * 1e-3


class Company(Sums):
    def pool(self, states, batch, num_graphs):
        nodes, whole = super().pool(states, batch, num_graphs)
        return nodes, whole - whole.mean(0) * (num_graphs > 1)


class Halves(Sums):
    def round(self, index, states, x, edge_index, edge_weight):
        half = None if edge_weight is None else edge_weight / 2
        return super().round(index, states, x, edge_index, half)


class Degrees(Sums):
    """An edge of weight 0 still counts in the degree."""

    def round(self, index, states, x, edge_index, edge_weight):
        degree = torch.bincount(edge_index[1], minlength=len(x)).unsqueeze(1)
        return super().round(index, states, x, edge_index, edge_weight) / (1 + degree)


class Unweighted(Sums):
    """Weights decide which edges there are, and nothing flows back to them."""

    def round(self, index, states, x, edge_index, edge_weight):
        kept = edge_index if edge_weight is None else edge_index[:, edge_weight > 0]
        return super().round(index, states, x, kept, None)


class Shortcut(Sums):
    def forward(self, x, edge_index, batch, num_graphs, edge_weight=None):
        nodes, whole = super().forward(x, edge_index, batch, num_graphs, edge_weight)
        return nodes * 2, whole * 2


class Fussy(Sums):
    def round(self, index, states, x, edge_index, edge_weight):
        found = super().round(index, states, x, edge_index, edge_weight)
        return found * 2 if type(edge_index) is not torch.Tensor else found


class Embeds(Sums):
    def embed(self, graphs):
        return super().embed(graphs) + 1


class Divides(Sums):
    def pool(self, states, batch, num_graphs):
        nodes, whole = super().pool(states, batch, num_graphs)
        size = torch.bincount(batch, minlength=num_graphs).unsqueeze(1) - 1
        return nodes, whole / size


class DividesInTraining(Sums):
    def pool(self, states, batch, num_graphs):
        nodes, whole = super().pool(states, batch, num_graphs)
        return nodes, whole / 0 if self.training and len(nodes) == 1 else whole


class Far(Sums):
    def round(self, index, states, x, edge_index, edge_weight):
        once = super().round(index, states, x, edge_index, edge_weight)
        source, target = edge_index
        weight = 1 if edge_weight is None else edge_weight.unsqueeze(1)
        return once + once.index_add(0, target, once[source] * weight)


class WrongMessages(GIN):
    def message(self, index, states, degree):
        return super().message(index, states, degree) * 2


class Understated(GCN):
    hops_before_first_round = 0


class Zero(Sums):
    revision = True


FAULTS = [
    ("base", nn.Linear, "it is no class of encoders"),
    ("base", Encoder, "it does not define build"),
    ("revision", Zero, "its `revision` is True"),
    ("shapes", Wide, "node states are"),
    ("chance", Global, "global random state of torch"),
    ("kept", Hidden, "states after loading the weights differ"),
    ("order", Ordered, "states in another order differ"),
    ("one by one", Company, "states in a batch and alone differ"),
    ("weight 1", Halves, "states with weights 1 differ"),
    ("weight 0", Degrees, "states with weights 0, and without edges, differ"),
    ("gradients", Unweighted, "have no gradient"),
    ("rounds", Shortcut, "states round by round differ"),
    ("sorted edges", Fussy, "states and gradients differ"),
    ("embed", Embeds, "`embed` and `forward` differ"),
    ("bare graphs", DividesInTraining, "no finite states"),
    ("reach", Far, "hops away"),
    ("reach", Understated, "hops away"),
    ("local", WrongMessages, "states of round 1 from messages differ"),
]


@pytest.mark.parametrize(("rule", "encoder", "words"), FAULTS, ids=[f[1].__name__ for f in FAULTS])
def test_a_planted_fault_is_found(rule, encoder, words):
    with pytest.raises(ContractBroken) as caught:
        check_encoder(encoder)
    message = str(caught.value)
    assert (caught.value.rule, words in caught.value.seen) == (rule, True), message


def test_every_rule_is_broken_once():
    assert {rule for rule, _, _ in FAULTS} == {rule.name for rule in ENCODER_RULES}


def test_a_sound_encoder_passes():
    check_encoder(Sums)
    assert Sums(in_features=2, width=3, layers=1, generator=seeded(0)).embedding_size == 3


def test_an_encoder_that_divides_by_nothing_is_found_at_its_first_graph_of_one_node():
    with pytest.raises(ContractBroken):
        check_encoder(Divides)
