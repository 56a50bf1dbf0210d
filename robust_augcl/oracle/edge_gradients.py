"""Gradients for the weights of edges, whether they exist or not.

Letters: G graphs, N nodes, M candidates, T classes asked for, H width of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.message_passing import WeightedSum


def by_weights(
    model: Classifier, graphs: PackedGraphs, graph: Tensor, pairs: Tensor, towards: Tensor
) -> Tensor:
    """The gradient of each graph's cross-entropy for each of T classes `towards` (G, T) with
    respect to the weights of pairs, by autograd.

    Shapes: graph (M,), pairs (2, M) of node numbers within their graph -> (M, 2, T): i to j, j to
    i.
    """
    ends = pairs + graphs.ptr[graph]
    # Candidates stand beside the graph's own edges with weight 0: for weighted sums, the gradient
    # with respect to the extra weight is that with respect to the edge's own weight, whether the
    # edge exists or not.
    extra = graphs.x.new_zeros(2 * graph.numel(), requires_grad=True)
    edges = torch.cat([graphs.edge_index, ends, ends.flip(0)], dim=1)
    weight = torch.cat([graphs.x.new_ones(graphs.edge_index.size(1)), extra])
    with torch.enable_grad():
        logits = model.with_edges(graphs, edges, weight)
        return torch.stack(
            [gradient.reshape(2, -1).T for (gradient,) in _of_losses(logits, towards, [extra])],
            dim=2,
        )


def by_states(
    model: Classifier, graphs: PackedGraphs, graph: Tensor, pairs: Tensor, towards: Tensor
) -> Tensor:
    """The same as `by_weights` where weights enter plain sums alone (`Encoder.plain_sums`), without
    a message for any candidate.

    If node t receives sum_s w_st h_s, the gradient for w_st is that for what t receives, times h_s;
    summed over the rounds.
    """
    with torch.enable_grad(), _sums(model) as sums:
        x = graphs.x.detach().requires_grad_()
        logits = model.with_edges(replace(graphs, x=x), graphs.edge_index, None)
        received = [received for _, received in sums]
        gradients = list(_of_losses(logits, towards, received))
    sent = torch.cat([states.detach() for states, _ in sums], dim=1)
    return torch.stack(
        [_between(sent, torch.cat(wanted, dim=1), graphs, graph, pairs) for wanted in gradients],
        dim=2,
    )


def _between(
    sent: Tensor, wanted: Tensor, graphs: PackedGraphs, graph: Tensor, pairs: Tensor
) -> Tensor:
    """The product of what one node sends and what the other wants, (N, H) each, for each pair: (M,
    2), i to j, j to i.
    """
    # A small matrix a graph, all ordered pairs of nodes at once: reading two rows a pair would move
    # far more memory.
    sizes = graphs.sizes
    table = torch.cat(
        [
            (a @ b.T).flatten()
            for a, b in zip(sent.split(sizes.tolist()), wanted.split(sizes.tolist()), strict=True)
        ]
    )
    first = (sizes * sizes).cumsum(0) - sizes * sizes
    return table[
        torch.stack(
            [first[graph] + pairs[k] * sizes[graph] + pairs[1 - k] for k in range(2)], dim=1
        )
    ]


_NEGLIGIBLE = 1e-6

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss of some graphs (B,) from their logits (B, C) and their numbers (B,)."""


def of_relaxed(
    model: Classifier,
    graphs: PackedGraphs,
    graph: Tensor,
    pairs: Tensor,
    change: Tensor,
    weights: Tensor,
    loss: Loss,
    numbers: Tensor,
) -> tuple[Tensor, Tensor]:
    """Each graph's loss (G,) with its pairs edited in part, and the gradient (M,) with respect to
    their weights.

    Args:
        model, graphs: what is asked about.
        graph, pairs: the pairs (M,), (2, M).
        change: what a whole edit adds to the weight of the pair's edge: 1, or -1 for its removal
            (M,).
        weights: how much of each edit is made (M,); with plain sums, what is below a millionth is
            left out.
        loss: of detached logits, so that it learns nothing of the model.
        numbers: of the graphs, for the loss (G,).
    """
    weights = weights.detach().to(graphs.x.dtype).requires_grad_()
    plain = model.plain_sums
    # In plain sums a weight of next to nothing needs no message: its gradient comes from the states
    # at its ends.
    made = (
        (weights > _NEGLIGIBLE).nonzero().squeeze(1)
        if plain
        else torch.arange(len(weights), device=weights.device)
    )
    ends = (pairs + graphs.ptr[graph])[:, made]
    edges = torch.cat([graphs.edge_index, ends, ends.flip(0)], dim=1)
    with torch.enable_grad(), _sums(model) as sums:
        x = graphs.x.detach().requires_grad_()
        extra = (weights * change)[made]
        of_edges = torch.cat([graphs.x.new_ones(graphs.edge_index.size(1)), extra, extra])
        logits = model.with_edges(
            replace(graphs, x=x), edges, of_edges.detach() if plain else of_edges
        )
        seen = logits.detach().requires_grad_()
        losses = loss(seen, numbers)
        (wanted,) = torch.autograd.grad(losses.sum(), seen)
        gradients = torch.autograd.grad(
            logits, [received for _, received in sums] if plain else [weights], wanted
        )
    if not plain:
        return losses.detach(), gradients[0]
    sent = torch.cat([states.detach() for states, _ in sums], dim=1)
    return losses.detach(), change * _between(
        sent, torch.cat(gradients, dim=1), graphs, graph, pairs
    ).sum(1)


def _of_losses(
    logits: Tensor, towards: Tensor, inputs: list[Tensor]
) -> Iterator[tuple[Tensor, ...]]:
    """The gradients of the cross-entropy for one class after the other."""
    for label in towards.unbind(1):
        yield torch.autograd.grad(
            cross_entropy(logits, label, reduction="sum"), inputs, retain_graph=True
        )


@contextmanager
def _sums(model: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collect what the model's weighted sums are given and what they return, (N, H) each, in the
    order in which they run.
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
