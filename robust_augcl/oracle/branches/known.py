"""Which classifiers the compiled search knows, and what it takes of them.

It knows structure2vec of two rounds with a constant feature (as any encoder whose
`relu_rounds` are as plain) and a head of two linear layers with relu between them.

Light: numba is not imported.

Letters: H width, C classes, J hidden units, D degrees.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import LocalParts
from robust_augcl.models.products import Linear
from robust_augcl.models.relu_rounds import ReluRound
from robust_augcl.models.verdicts import nearness
from robust_augcl.oracle.branches.arrays import LANES, Network, Output, Real

MOST_EDITS = 10
"""Edits of a set, at the most, that is searched. What a cost takes rises with their fourth power:
all costs of a graph of 45 nodes take 0.1 s with 3 edits, 3 s with 10, and 40 s with 20.
"""


class Known(NamedTuple):
    """A classifier as arrays, for graphs of one feature.

    Args:
        network: the encoder and the first layer of the head.
        offset: what the second round adds to what a node hears (H,).
        last, last_bias: the second layer of the head (C, J), (C,).
    """

    network: Network
    offset: Real
    last: Real
    last_bias: Real

    def output(self, true: int, wrong: int) -> Output:
        """The true logit less that of a wrong class."""
        constant = float(self.last_bias[true] - self.last_bias[wrong])
        return Output(self.last[true] - self.last[wrong], constant)


def known(parts: LocalParts | None, graphs: PackedGraphs, most_edits: int) -> Known | None:
    """The classifier as arrays, None where the search does not know it.

    It is not known either where its rounds are not what it computes, by its clean logits.

    Args:
        parts: of the classifier, in evaluation mode.
        graphs: whose edits are searched.
        most_edits: of a set; the search takes `MOST_EDITS` of them at the most.
    """
    if parts is None or graphs.target_node is not None or not graphs.num_nodes:
        return None
    constant = bool((graphs.x == graphs.x[:1]).all())
    plain = [type(part) for part in parts.head] == [Linear, nn.ReLU, Linear]
    if parts.encoder.summed_rounds != (2,) or not constant or not plain:
        return None
    encoder, head = copy.deepcopy(parts.encoder).double(), copy.deepcopy(parts.head).double()
    x = graphs.x[:1].double()
    with torch.no_grad():
        rounds = encoder.relu_rounds(x)
        if rounds is None or not all(map(_is_plain, rounds)):
            return None
        degrees = int(graphs.degree.max()) + 2 * min(most_edits, MOST_EDITS) + 1
        messages = _messages(encoder.first_states(x), rounds, degrees)
        names = "0.weight", "0.bias", "2.weight", "2.bias"
        weight, bias, last, last_bias = map(head.get_parameter, names)
        if not _agrees(parts, head, graphs, messages, rounds[1].offset):
            return None
    rows = _padded(weight)
    columns = np.ascontiguousarray(rows.T)
    network = Network(_padded(messages), rows, columns, np.abs(columns), _numbers(bias))
    return Known(network, _padded(rounds[1].offset)[0], _numbers(last), _numbers(last_bias))


def _is_plain(one: ReluRound) -> bool:
    """Whether a round is a sum over the neighbours, an offset and relu."""
    return not one.self_loops and not one.inner and one.scaling is None


def _messages(first: Tensor, rounds: Sequence[ReluRound], degrees: int) -> Tensor:
    """What nodes of the degrees 0, 1, ... send in the second round (D, H).

    Shapes: first, the state of any node before the first round (1, H).
    """
    sent = first @ rounds[0].weight
    degree = torch.arange(degrees, device=sent.device).double().unsqueeze(1)
    # One row at a time, as the rows of a batch may be rounded otherwise.
    rows = (degree * sent + rounds[0].offset).relu().split(1)
    return torch.cat([row @ rounds[1].weight for row in rows])


def _agrees(
    parts: LocalParts, head: nn.Module, graphs: PackedGraphs, messages: Tensor, offset: Tensor
) -> bool:
    """Whether messages by degree give what the parts compute, by the clean logits.

    The head is in double precision.
    """
    source, target = graphs.edge_index
    before = offset.repeat(graphs.num_nodes, 1)
    states = before.index_add_(0, source, messages[graphs.degree[target]]).relu()
    sums = states.new_zeros(graphs.num_graphs, states.size(1)).index_add_(0, graphs.batch, states)
    logits = parts.head(parts.encoder.embed(graphs)).double()
    return bool(((head(sums) - logits).abs().amax(1) <= nearness(logits) + 1e-6).all())


def _numbers(values: Tensor) -> Real:
    return np.ascontiguousarray(values.detach().cpu().numpy())


def _padded(rows: Tensor) -> Real:
    """Rows (., H), filled up by zeros to a width that lanes divide."""
    missing = -rows.size(1) % LANES
    return _numbers(nn.functional.pad(rows, (0, missing)))
