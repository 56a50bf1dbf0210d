"""Gradients for the weights of edges of one graph that holds many target nodes.

Letters: T targets, n nodes, M candidates, P classes asked for, H width of a state.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.oracle.edge_gradients import by_weights, weighted_sums
from robust_augcl.threat.candidates import Candidates

_ROWS_AT_ONCE = 2_000  # pairs whose states are held at once: they fit into the cache


def node_gradients(
    model: Classifier, targets: NodeTargets, candidates: Candidates, towards: Tensor
) -> Tensor:
    """Gradients of each target's cross-entropy with respect to the weights of its candidates.

    Targets without edits are answered by one evaluation of the graph, others by one each. Where the
    weights of edges enter through weighted sums alone (`Classifier.plain_sums`), as they also do
    through the degrees of a GCN, no message is computed for any candidate.

    >>> from robust_augcl.encoders.gcn import GCN
    >>> from robust_augcl.graphs.packed import PackedGraphs
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> from robust_augcl.threat.model import ThreatModel
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GCN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graph = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> ends = NodeTargets(graph, torch.tensor([0, 2]), torch.tensor([0, 0]))
    >>> candidates = ThreatModel(1).enumerate(ends)
    >>> node_gradients(model, ends, candidates, torch.ones(2, 1).long()).shape
    torch.Size([2, 2, 1])

    Args:
        model: in evaluation mode.
        targets: the targets, with their edits.
        candidates: pairs of nodes (M,), sorted by target.
        towards: the classes whose cross-entropy is asked for (T, P).

    Returns:
        The gradients (M, 2, P): i to j, j to i.
    """
    out = targets.graph.x.new_zeros(len(candidates), 2, towards.size(1))
    edited = torch.zeros_like(targets.nodes, dtype=torch.bool)
    edited[targets.flips[0]] = True
    clean = (~edited).nonzero().squeeze(1)
    groups = [clean] if model.plain_sums and clean.numel() else list(clean.split(1))
    groups += edited.nonzero().squeeze(1).split(1)
    groups = [group for group in groups if group.numel()]
    ptr = candidates.ptr
    gradients = _through_sums if model.plain_sums else _through_weights
    for group in groups:
        own = [slice(int(ptr[k]), int(ptr[k + 1])) for k in group]
        found = gradients(
            model, targets.select(group), [candidates.pairs[:, k] for k in own], towards[group]
        )
        for place, gradient in zip(own, found, strict=True):
            out[place] = gradient
    return out


def _through_weights(
    model: Classifier, targets: NodeTargets, pairs: list[Tensor], towards: Tensor
) -> list[Tensor]:
    """The gradients of one target, by autograd through the weights of its candidates."""
    graph = torch.zeros_like(pairs[0][0])
    return [by_weights(model, targets.copies, graph, pairs[0], towards)]


def _through_sums(
    model: Classifier, targets: NodeTargets, pairs: list[Tensor], towards: Tensor
) -> list[Tensor]:
    """The gradients of targets of one graph, from what its nodes send and what others want."""
    graph = targets.together if targets.flips[0].numel() == 0 else targets.copies
    with torch.enable_grad(), weighted_sums(model) as sums:
        x = graph.x.detach().requires_grad_()
        logits = model.with_edges(graph.with_features(x), graph.edge_index, None)
        received = [received for _, received in sums]
        losses = [cross_entropy(logits, labels, reduction="none") for labels in towards.T]
        wanted = [
            [torch.autograd.grad(loss[k], received, retain_graph=True) for loss in losses]
            for k in range(targets.num_graphs)
        ]
    sent = torch.cat([states.detach() for states, _ in sums], dim=1)
    return [
        _between(sent, torch.stack([torch.cat(each, dim=1) for each in of_classes]), own)
        for own, of_classes in zip(pairs, wanted, strict=True)
    ]


def _between(sent: Tensor, wanted: Tensor, pairs: Tensor) -> Tensor:
    """What one node sends times what the other wants, for each pair and class.

    Only nodes near a target want anything, so most pairs are multiplied in one direction at most.

    Shapes: sent (n, H), wanted (P, n, H), pairs (2, M) -> (M, 2, P): i to j, j to i.
    """
    wants = (wanted != 0).any(2).any(0)
    out = sent.new_zeros(pairs.size(1), 2, len(wanted))
    for direction, (source, target) in enumerate((pairs, pairs.flip(0))):
        for rows in wants[target].nonzero().squeeze(1).split(_ROWS_AT_ONCE):
            states = sent[source[rows]]
            for label, of_class in enumerate(wanted):
                out[rows, direction, label] = (states * of_class[target[rows]]).sum(1)
    return out
