"""Logits of target nodes with edits: by the oracle where it answers, else in full.

Letters: T targets, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.oracle.node_sets import NodeOracle
from robust_augcl.oracle.single_logits import agree, chunks, close_calls


def pieces_of(model: Classifier, graphs: PackedGraphs) -> list[Tensor]:
    """Split the graphs into runs that a model is asked about at once.

    Targets of one graph are one run where the model divides them itself.
    """
    if isinstance(graphs, NodeTargets) and model.parts is not None:
        return [torch.arange(graphs.num_graphs, device=graphs.device)]
    return chunks(graphs.sizes)


class NodeLogits:
    """A classifier that is asked about edited targets of one graph after the other.

    What questions about one graph share is prepared once, and kept until another graph comes.
    Predictions are those of a full evaluation: it decides where the two highest logits are closer
    than rounding may move them, and everywhere if the classifier is not made of known parts, or
    does not agree with the oracle about the clean nodes.

    Args:
        model: in evaluation mode.

    >>> from robust_augcl.encoders.gcn import GCN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> draws = torch.Generator().manual_seed(0)
    >>> encoder = GCN(in_features=1, width=4, layers=2, generator=draws)
    >>> model = GraphClassifier(encoder, num_classes=3, hidden=4, generator=draws).eval()
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graph = PackedGraphs(torch.ones(3, 1), path, torch.tensor([0, 3]), torch.tensor([0]))
    >>> ends = NodeTargets(graph, torch.tensor([0, 2]), torch.tensor([0, 0]))
    >>> with torch.no_grad():
    ...     NodeLogits(model)(ends).shape
    torch.Size([2, 3])
    """

    def __init__(self, model: Classifier) -> None:
        self._model = model
        self._of: tuple[Tensor, Tensor, int, int] | None = None
        self._oracle: NodeOracle | None = None

    def __call__(self, targets: PackedGraphs) -> Tensor:
        """Logits of targets with their edits: (T, C).

        Raises:
            TypeError: targets of several graphs.
        """
        if not isinstance(targets, NodeTargets):
            raise TypeError(f"Expected targets of one graph, got {type(targets).__name__}")
        oracle = self._prepared(targets.graph)
        if oracle is None:
            return self._in_full(targets)
        out = oracle.logits(targets)
        close = close_calls(out)
        if close.numel():
            out[close] = self._in_full(targets.select(close))
        return out

    def _in_full(self, targets: NodeTargets) -> Tensor:
        pieces = [self._model(targets.select(part)) for part in pieces_of(self._model, targets)]
        if not pieces:
            return targets.graph.x.new_zeros(0, self._model.num_classes)
        return torch.cat(pieces)

    def _prepared(self, graph: PackedGraphs) -> NodeOracle | None:
        """The oracle for a graph; None where it does not answer as the model does."""
        x, edges = graph.x, graph.edge_index
        # Who writes into the tensors of a graph raises their versions.
        now = x, edges, x._version, edges._version
        kept = self._of
        if (
            kept is None
            or any(a is not b for a, b in zip(kept[:2], now[:2], strict=True))
            or (kept[2:] != now[2:])
        ):
            self._of, self._oracle = now, self._made(graph)
        return self._oracle

    def _made(self, graph: PackedGraphs) -> NodeOracle | None:
        parts = self._model.parts
        if parts is None or self._model.training or graph.edge_attr is not None:
            return None
        every = torch.arange(graph.num_nodes, device=graph.device)
        oracle = NodeOracle(parts, graph)
        in_full = self._model(NodeTargets(graph, every, torch.zeros_like(every)))
        return oracle if agree(oracle.clean_logits(every), in_full) else None
