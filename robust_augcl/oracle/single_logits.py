"""Logits of many edited graphs: by the oracle where the encoder allows it, else by evaluating every
edited graph in full.

Letters: G graphs, M edits, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.packed import PackedGraphs, runs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import LocalEncoder
from robust_augcl.oracle.single_oracle import Edits, Oracle

# what the two highest logits differ by, at the least, for the oracle to decide between them
_CLOSE = 1e-4
_EDITS_WORTH_IT = 4  # edits a graph below which the preparation costs more than it saves


def chunks(cost: Tensor, limit: int | None = None) -> list[Tensor]:
    """Split 0 ... K - 1 into runs whose cost (K,) adds up to about `limit` each, one item at the
    least.
    """
    return runs((cost, limits().nodes if limit is None else limit))


def full_logits(
    model: GraphClassifier, graphs: PackedGraphs, graph: Tensor, pairs: Tensor, changes: Tensor
) -> Tensor:
    """Logits (M, C) by evaluating a copy of the graph for each edit; shapes as in
    `candidate_logits`.
    """
    pieces = []
    for index in chunks(graphs.sizes[graph]):
        copies = graphs.select(graph[index])
        flipped = changes[index].nonzero().squeeze(1)
        pieces.append(model(copies.flip(flipped, pairs[:, index[flipped]])))
    return (
        torch.cat(pieces)
        if pieces
        else torch.zeros(0, model.num_classes, dtype=graphs.x.dtype, device=graphs.device)
    )


def candidate_logits(
    model: GraphClassifier, graphs: PackedGraphs, graph: Tensor, pairs: Tensor, changes: Tensor
) -> Tensor:
    """Logits (M, C) of the graphs after one edit each, any order.

    Predictions are those of a full evaluation: it decides where the oracle's two highest logits are
    closer than rounding may move them, and everywhere if the encoder is no `LocalEncoder`, is in
    training mode, or does not agree with its own parts.

    Args:
        model: in evaluation mode.
        graphs: the clean graphs.
        graph: the graph of each edit (M,).
        pairs: the two nodes that it flips, numbered within their graph (2, M).
        changes: whether it flips them at all (M,) bool.
    """
    encoder = model.encoder
    if (
        not isinstance(encoder, LocalEncoder)
        or model.training
        or graph.numel() < _EDITS_WORTH_IT * graphs.num_graphs
    ):
        return full_logits(model, graphs, graph, pairs, changes)
    out = torch.empty(graph.numel(), model.num_classes, dtype=graphs.x.dtype, device=graphs.device)
    order = torch.argsort(graph, stable=True)
    ptr = torch.searchsorted(
        graph[order], torch.arange(graphs.num_graphs + 1, device=graphs.device)
    )
    for index in chunks(graphs.sizes.square(), limits().distances):
        mine = order[ptr[index[0]] : ptr[index[-1] + 1]]
        if mine.numel():
            out[mine] = _by_oracle(
                model,
                encoder,
                graphs.select(index),
                graph[mine] - index[0],
                pairs[:, mine],
                changes[mine],
            )
    return out


def _by_oracle(
    model: GraphClassifier,
    encoder: LocalEncoder,
    graphs: PackedGraphs,
    graph: Tensor,
    pairs: Tensor,
    changes: Tensor,
) -> Tensor:
    """See `candidate_logits`; edits sorted by graph."""
    clean = model(graphs)
    oracle = Oracle(encoder, graphs)
    again = model.head(encoder.readout(oracle.clean_sums()))
    if not agree(again, clean):
        return full_logits(model, graphs, graph, pairs, changes)
    parts = [
        slice(start, start + limits().edits) for start in range(0, graph.numel(), limits().edits)
    ]
    return torch.cat(
        [
            _asked(model, encoder, oracle, clean, graphs, graph[p], pairs[:, p], changes[p])
            for p in parts
        ]
    )


def _asked(
    model: GraphClassifier,
    encoder: LocalEncoder,
    oracle: Oracle,
    clean: Tensor,
    graphs: PackedGraphs,
    graph: Tensor,
    pairs: Tensor,
    changes: Tensor,
) -> Tensor:
    """See `candidate_logits`; some of the edits that the oracle is ready for, `clean` the logits of
    the clean graphs (G, C).
    """
    out = clean[graph]
    flips = changes.nonzero().squeeze(1)
    i, j = pairs[:, flips] + graphs.ptr[graph[flips]]
    edits = Edits(graph[flips], i, j, ~graphs.has_edges(i, j))
    out[flips] = model.head(encoder.readout(oracle.sums(edits)))
    close = close_calls(out)
    out[close] = full_logits(model, graphs, graph[close], pairs[:, close], changes[close])
    return out


def agree(logits: Tensor, clean: Tensor) -> bool:
    """Whether an oracle's logits of the clean graphs are those of a full evaluation (G, C)."""
    return torch.allclose(logits, clean, rtol=1e-4, atol=_CLOSE)


def close_calls(logits: Tensor) -> Tensor:
    """Rows of logits (M, C) of which rounding may decide which is the highest (K,)."""
    columns = (
        logits.T.contiguous()
    )  # a loop over classes is several times as fast as sorting each row
    best, second = columns[0], torch.full_like(columns[0], -torch.inf)
    for column in columns[1:]:
        second = torch.maximum(second, torch.minimum(best, column))
        best = torch.maximum(best, column)
    return (best - second < _CLOSE * columns.abs().amax(0).clamp(min=1)).nonzero().squeeze(1)
