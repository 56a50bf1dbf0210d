"""Gradients for the weights of edges, whether they exist or not.

Letters: G graphs, N nodes, M candidates, T classes asked for, H width of a state, C classes, B some
of the graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.message_passing import WeightedSum

_NEGLIGIBLE = 1e-6  # a weight for which no message is computed, where its gradient needs none

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss of some graphs (B,) from their logits (B, C) and their numbers (B,)."""


def by_weights(
    model: Classifier, graphs: PackedGraphs, graph: Tensor, pairs: Tensor, towards: Tensor
) -> Tensor:
    """Gradients of each graph's cross-entropy with respect to the weights of pairs, by autograd.

    The cross-entropy is that for each of T classes `towards` (G, T).

    Shapes: graph (M,), pairs (2, M) of node numbers within their graph -> (M, 2, T): i to j, j to
    i.
    """
    ends = pairs + graphs.ptr[graph]
    # Candidates stand beside the graph's own edges with weight 0. For weighted sums, the gradient
    # with respect to this extra weight is that with respect to the edge's own weight, whether the
    # edge exists or not.
    extra = graphs.x.new_zeros(2 * graph.numel(), requires_grad=True)
    edges = torch.cat([graphs.edge_index, ends, ends.flip(0)], dim=1)
    weight = torch.cat([graphs.x.new_ones(graphs.edge_index.size(1)), extra])
    with torch.enable_grad():
        logits = model.with_edges(graphs, edges, weight)
        gradients = [
            gradient.reshape(2, -1).T for (gradient,) in _of_losses(logits, towards, [extra])
        ]
        return torch.stack(gradients, dim=2)


def by_states(
    model: Classifier, graphs: PackedGraphs, graph: Tensor, pairs: Tensor, towards: Tensor
) -> Tensor:
    """The same as `by_weights`, without a message for any candidate.

    The encoder's weights must enter plain sums alone (`Encoder.plain_sums`). If node t receives
    sum_s w_st h_s, the gradient for w_st is that for what t receives, times h_s. This is summed
    over the rounds.

    >>> import torch
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GIN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graphs = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> graph, pairs, towards = torch.zeros(3).long(), torch.tensor([[0, 0, 1], [1, 2, 2]]), [[1]]
    >>> asked = model, graphs, graph, pairs, torch.tensor(towards)
    >>> torch.allclose(by_states(*asked), by_weights(*asked), atol=1e-6)
    True
    """
    with torch.enable_grad(), _sums(model) as sums:
        x = graphs.x.detach().requires_grad_()
        logits = model.with_edges(replace(graphs, x=x), graphs.edge_index, None)
        received = [received for _, received in sums]
        gradients = list(_of_losses(logits, towards, received))
    sent = torch.cat([states.detach() for states, _ in sums], dim=1)
    of_pairs = [
        _between(sent, torch.cat(wanted, dim=1), graphs, graph, pairs) for wanted in gradients
    ]
    return torch.stack(of_pairs, dim=2)


def _between(
    sent: Tensor, wanted: Tensor, graphs: PackedGraphs, graph: Tensor, pairs: Tensor
) -> Tensor:
    """The product of what one node sends and what the other wants, for each pair.

    Shapes: sent (N, H), wanted (N, H) -> (M, 2): i to j, j to i.
    """
    # A small matrix a graph, all ordered pairs of nodes at once: reading two rows a pair would move
    # far more memory.
    sizes = graphs.sizes
    nodes = zip(sent.split(sizes.tolist()), wanted.split(sizes.tolist()), strict=True)
    table = torch.cat([(sends @ wants.T).flatten() for sends, wants in nodes])
    first = (sizes * sizes).cumsum(0) - sizes * sizes
    i_to_j, j_to_i = (first[graph] + pairs[k] * sizes[graph] + pairs[1 - k] for k in range(2))
    return table[torch.stack([i_to_j, j_to_i], dim=1)]


@dataclass(frozen=True, eq=False)
class RelaxedEdits:
    """Graphs whose pairs are edited in part.

    Args:
        graphs: the clean graphs.
        graph: the graph of each pair (M,).
        pairs: their nodes, numbered within their graph (2, M).
        change: what a whole edit adds to the weight of the pair's edge: 1, or -1 for its removal
            (M,).
        weights: how much of each edit is made (M,).
    """

    graphs: PackedGraphs
    graph: Tensor
    pairs: Tensor
    change: Tensor
    weights: Tensor


def of_relaxed(
    model: Classifier, edits: RelaxedEdits, loss: Loss, numbers: Tensor
) -> tuple[Tensor, Tensor]:
    """Each graph's loss (G,), and its gradient with respect to the weights of the edits (M,).

    With plain sums, an edit of a weight below a millionth is left out. Its gradient is still
    returned: it comes from the states at the ends.

    Args:
        model: in evaluation mode.
        edits: the graphs with their edits.
        loss: of detached logits, so that it learns nothing of the model.
        numbers: of the graphs, for the loss (G,).
    """
    graphs, plain = edits.graphs, model.plain_sums
    weights = edits.weights.detach().to(graphs.x.dtype).requires_grad_()
    made = torch.arange(len(weights), device=weights.device)
    if plain:
        made = (weights > _NEGLIGIBLE).nonzero().squeeze(1)
    ends = (edits.pairs + graphs.ptr[edits.graph])[:, made]
    edges = torch.cat([graphs.edge_index, ends, ends.flip(0)], dim=1)
    with torch.enable_grad(), _sums(model) as sums:
        x = graphs.x.detach().requires_grad_()
        extra = (weights * edits.change)[made]
        of_edges = torch.cat([graphs.x.new_ones(graphs.edge_index.size(1)), extra, extra])
        of_edges = of_edges.detach() if plain else of_edges
        logits = model.with_edges(replace(graphs, x=x), edges, of_edges)
        seen = logits.detach().requires_grad_()
        losses = loss(seen, numbers)
        (wanted,) = torch.autograd.grad(losses.sum(), seen)
        inputs = [received for _, received in sums] if plain else [weights]
        gradients = torch.autograd.grad(logits, inputs, wanted)
    if not plain:
        return losses.detach(), gradients[0]
    sent = torch.cat([states.detach() for states, _ in sums], dim=1)
    of_pairs = _between(sent, torch.cat(gradients, dim=1), graphs, edits.graph, edits.pairs)
    return losses.detach(), edits.change * of_pairs.sum(1)


def _of_losses(
    logits: Tensor, towards: Tensor, inputs: list[Tensor]
) -> Iterator[tuple[Tensor, ...]]:
    """The gradients of the cross-entropy for one class after the other."""
    for label in towards.unbind(1):
        loss = cross_entropy(logits, label, reduction="sum")
        yield torch.autograd.grad(loss, inputs, retain_graph=True)


@contextmanager
def _sums(model: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collect what the model's weighted sums are given and what they return, (N, H) each.

    They are listed in the order in which they run.
    """
    calls: list[tuple[Tensor, Tensor]] = []
    modules = [module for module in model.modules() if isinstance(module, WeightedSum)]
    handles = [
        module.register_forward_hook(lambda _, given, out: calls.append((given[0], out)))
        for module in modules
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
