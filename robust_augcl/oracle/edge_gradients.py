"""Gradients for the weights of edges, whether they exist or not.

Letters: G graphs, N nodes, M candidates, T classes asked for, H width of a state, C classes, B some
of the graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.message_passing import WeightedSum

NEGLIGIBLE = 1e-6  # a weight for which no message is computed, where its gradient needs none

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
    with torch.enable_grad(), weighted_sums(model) as sums:
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


class Messages(NamedTuple):
    """Weighted messages beside those of the edges: from `source` to `target`, (K,) each."""

    source: Tensor
    target: Tensor
    weight: Tensor


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
    if not model.plain_sums:
        return _by_messages(model, edits, loss, numbers)
    losses, exchanged = what_nodes_exchange(model, edits, loss, numbers)
    sent = torch.cat([states for states, _ in exchanged], dim=1)
    wanted = torch.cat([gradient for _, gradient in exchanged], dim=1)
    of_pairs = _between(sent, wanted, edits.graphs, edits.graph, edits.pairs)
    return losses, edits.change * of_pairs.sum(1)


def _by_messages(
    model: Classifier, edits: RelaxedEdits, loss: Loss, numbers: Tensor
) -> tuple[Tensor, Tensor]:
    """The same as `of_relaxed` for any model, with a message for each edit."""
    graphs = edits.graphs
    weights = edits.weights.detach().to(graphs.x.dtype).requires_grad_()
    ends = edits.pairs + graphs.ptr[edits.graph]
    edges = torch.cat([graphs.edge_index, ends, ends.flip(0)], dim=1)
    with torch.enable_grad():
        extra = weights * edits.change
        of_edges = torch.cat([graphs.x.new_ones(graphs.edge_index.size(1)), extra, extra])
        logits = model.with_edges(graphs, edges, of_edges)
        losses, wanted = _losses_and_slopes(logits, loss, numbers)
        (gradient,) = torch.autograd.grad(logits, weights, wanted)
    return losses, gradient


def what_nodes_exchange(
    model: Classifier, edits: RelaxedEdits, loss: Loss, numbers: Tensor
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Each graph's loss (G,), and round by round what nodes send and want, (N, H) each.

    What a node wants is the gradient of the loss in what it receives. An edit of a weight below a
    millionth is left out. The model must have plain sums.

    Args:
        model: in evaluation mode.
        edits: the graphs with their edits.
        loss: as in `of_relaxed`.
        numbers: of the graphs, for the loss (G,).
    """
    graphs = edits.graphs
    made = (edits.weights > NEGLIGIBLE).nonzero().squeeze(1)
    ends = edits.pairs[:, made] + graphs.ptr[edits.graph[made]]
    weight = edits.weights[made].detach().to(graphs.x.dtype) * edits.change[made]
    added = Messages(torch.cat([ends[0], ends[1]]), torch.cat([ends[1], ends[0]]), weight.repeat(2))
    with torch.enable_grad(), weighted_sums(model, added) as sums:
        # The graphs' own edges are sorted, so their sums are fast.
        logits = model.with_edges(graphs, graphs.edges, None)
        losses, wanted = _losses_and_slopes(logits, loss, numbers)
        gradients = torch.autograd.grad(logits, [received for _, received in sums], wanted)
    sent = [states.detach() for states, _ in sums]
    return losses, list(zip(sent, gradients, strict=True))


def _losses_and_slopes(logits: Tensor, loss: Loss, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Each graph's loss (G,), and its gradient in the logits (G, C)."""
    seen = logits.detach().requires_grad_()
    losses = loss(seen, numbers)
    (slopes,) = torch.autograd.grad(losses.sum(), seen)
    return losses.detach(), slopes


def _of_losses(
    logits: Tensor, towards: Tensor, inputs: list[Tensor]
) -> Iterator[tuple[Tensor, ...]]:
    """The gradients of the cross-entropy for one class after the other."""
    for label in towards.unbind(1):
        loss = cross_entropy(logits, label, reduction="sum")
        yield torch.autograd.grad(loss, inputs, retain_graph=True)


@contextmanager
def weighted_sums(
    model: nn.Module, added: Messages | None = None
) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collect what the model's weighted sums are given and what they return, (N, H) each.

    They are listed in the order in which they run. Messages `added` come on top of each sum. What
    lies before the first sum needs no gradient.
    """
    calls: list[tuple[Tensor, Tensor]] = []

    def note(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        if added is not None:
            sent = given[0].index_select(0, added.source) * added.weight.unsqueeze(1)
            out = out.index_add(0, added.target, sent)
        if not out.requires_grad:
            out = out.detach().requires_grad_()
        calls.append((given[0], out))
        return out

    modules = [module for module in model.modules() if isinstance(module, WeightedSum)]
    handles = [module.register_forward_hook(note) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
