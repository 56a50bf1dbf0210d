"""A classifier made of any module, and the probes that say what it can do.

Letters: B graphs, N nodes, E directed edges, C classes.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Capabilities, Classifier

_PROBED = 8  # graphs that a module is probed with, at the most
_LOCAL = "only an encoder of this package can be computed again in part"


class ModuleClassifier(Classifier):
    """A classifier whose logits come from a module that a user brings.

    The module's `forward(x, edge_index, batch)`, perhaps with `edge_weight`, returns logits (B, C),
    or (N, C) where the targets are nodes. When the module enters, it is put in evaluation mode and
    probed. What it then cannot do stands in `capabilities`, with the reason.

    Args:
        module: answers for itself; its state must not change with what it is asked.
        graphs: some of those that it is made for, to probe it with.

    Raises:
        InputError: no graph; logits of another shape, of fewer than two classes, or not finite; a
            second answer that differs from the first; changed input.

    >>> from torch_geometric.data import Data
    >>> from torch_geometric.nn import global_add_pool
    >>> class Degrees(nn.Module):
    ...     def forward(self, x, edge_index, batch):
    ...         degrees = torch.bincount(edge_index[0], minlength=len(x)).float().unsqueeze(1)
    ...         return global_add_pool(torch.cat([degrees, -degrees], dim=1), batch)
    >>> edge = Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]))
    >>> graphs = PackedGraphs.from_data_list([edge, edge])
    >>> model = ModuleClassifier(Degrees(), graphs)
    >>> model(graphs).tolist()
    [[2.0, -2.0], [2.0, -2.0]]
    >>> model.capabilities.reasons["edge_weights"]
    '`forward` takes no `edge_weight`'
    """

    def __init__(self, module: nn.Module, graphs: PackedGraphs) -> None:
        super().__init__()
        if graphs.num_graphs == 0:
            raise InputError("Expected at least one graph to probe a module with, got none")
        self.module = module
        self.eval()
        parameters = inspect.signature(module.forward).parameters
        self._takes_weights = "edge_weight" in parameters
        self._names_batch = "batch" in parameters
        self._capabilities = Capabilities()
        probes = graphs.select(_spread(graphs.num_graphs)).to(self.device)
        self.num_classes = self._probe_answers(probes)
        # Weights are probed with what is known of batches by then.
        reasons = {"local": _LOCAL}
        for name in ("batches", "edge_weights"):
            probe = self._probe_batches if name == "batches" else self._probe_weights
            reason = probe(probes)
            if reason is not None:
                reasons[name] = reason
            self._capabilities = Capabilities(
                edge_weights="edge_weights" not in reasons,
                batches="batches" not in reasons,
                local=False,
                reasons=reasons,
            )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def forward(self, graphs: PackedGraphs) -> Tensor:
        """Return the logits (B, C) of packed graphs, or of their target nodes."""
        return self.with_edges(graphs, graphs.edge_index, None)

    def with_edges(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        if edge_weight is not None and not self._capabilities.edge_weights:
            raise NotImplementedError(self._capabilities.reasons["edge_weights"])
        if self._capabilities.batches:
            return self._answer(graphs, edge_index, edge_weight)
        return self._one_by_one(graphs, edge_index, edge_weight)

    def _one_by_one(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        owner = graphs.batch[edge_index[0]]
        pieces = []
        for number in torch.arange(graphs.num_graphs, device=graphs.device).split(1):
            own = owner == number
            weight = None if edge_weight is None else edge_weight[own]
            edges = edge_index[:, own] - graphs.ptr[number]
            pieces.append(self._answer(graphs.select(number), edges, weight))
        return torch.cat(pieces)

    def _answer(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor:
        """What the module says, its shape checked."""
        given = (graphs.x, edge_index) + (() if self._names_batch else (graphs.batch,))
        named = {"batch": graphs.batch} if self._names_batch else {}
        if edge_weight is not None:
            named["edge_weight"] = edge_weight
        out: Any = self.module(*given, **named)
        of_nodes = graphs.target_node is not None
        rows = graphs.num_nodes if of_nodes else graphs.num_graphs
        if not isinstance(out, Tensor) or out.dim() != 2 or len(out) != rows or out.size(1) < 2:
            got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            what = "nodes" if of_nodes else "graphs"
            raise InputError(
                f"Expected logits of shape ({rows}, classes) for {rows} {what}, with 2 classes at "
                f"least, got {got}"
            )
        return out[graphs.target_rows] if of_nodes else out

    # --- probes -----------------------------------------------------------------------------------

    @torch.no_grad()
    def _probe_answers(self, graphs: PackedGraphs) -> int:
        """The number of classes; raise `InputError` for answers that nothing can be built on."""
        for number in torch.arange(graphs.num_graphs, device=graphs.device).split(1):
            handed = graphs.select(number)
            self._answer(handed, handed.edge_index)
            if not handed.same_as(graphs.select(number)):
                raise InputError("Expected a module that leaves its input as it is, got changes")
        first = self._one_by_one(graphs, graphs.edge_index, None).clone()
        second = self._one_by_one(graphs, graphs.edge_index, None)
        if not bool(first.isfinite().all()):
            raise InputError("Expected finite logits, got NaN or infinity")
        if not _alike(first, second):
            raise InputError(
                "Expected the same logits for the same graphs, got others the second time; what "
                "is random, or remembers earlier questions, must be switched off by `eval()`"
            )
        return first.size(1)

    @torch.no_grad()
    def _probe_batches(self, graphs: PackedGraphs) -> str | None:
        """Why graphs cannot be asked about together, None if they can."""
        several = graphs if graphs.num_graphs > 1 else graphs.select(torch.tensor([0, 0]))
        try:
            together = self._answer(several, several.edge_index)
        except Exception as error:
            return f"it fails with several graphs at once ({_text(error)})"
        alone = self._one_by_one(several, several.edge_index, None)
        if not _alike(together, alone):
            return "the logits of a graph depend on the other graphs of its batch"
        return None

    def _probe_weights(self, graphs: PackedGraphs) -> str | None:
        """Why edges cannot be given weights, None if they can."""
        if not self._takes_weights:
            return "`forward` takes no `edge_weight`"
        if graphs.edge_index.size(1) == 0:
            return "no graph that it was probed with has an edge"
        try:
            with torch.no_grad():
                reason = self._probe_weighted_logits(graphs)
            return reason or self._probe_gradients(graphs)
        except Exception as error:
            return f"it fails with edge weights ({_text(error)})"

    def _probe_weighted_logits(self, graphs: PackedGraphs) -> str | None:
        edges = graphs.edge_index
        ones = graphs.x.new_ones(edges.size(1))
        plain = self._weighted(graphs, edges, None)
        if not _alike(self._weighted(graphs, edges, ones), plain):
            return "an edge of weight 1 is not the same as an edge without a weight"
        if torch.equal(self._weighted(graphs, edges, ones / 2), plain):
            return "`edge_weight` has no effect"
        kept = _every_second(edges)
        without = self._weighted(graphs, edges[:, kept], None)
        if not _alike(self._weighted(graphs, edges, kept.to(ones.dtype)), without):
            return "an edge of weight 0 is not the same as no edge"
        twice = self._weighted(graphs, edges.repeat(1, 2), ones.repeat(2) / 2)
        if not _alike(twice, plain):
            return "two edges of half the weight are not the same as one edge"
        return None

    def _probe_gradients(self, graphs: PackedGraphs) -> str | None:
        edges = graphs.edge_index
        weight = graphs.x.new_ones(edges.size(1), requires_grad=True)
        with torch.enable_grad():
            total = self._weighted(graphs, edges, weight).square().sum()
            if not total.requires_grad:
                return "no gradient flows to `edge_weight`"
            (gradient,) = torch.autograd.grad(total, weight, allow_unused=True)
        if gradient is None or not bool(gradient.any()):
            return "no gradient flows to `edge_weight`"
        return (
            None if bool(gradient.isfinite().all()) else "gradients of edge weights are not finite"
        )

    def _weighted(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        """As `with_edges`, before it is known whether weights may be asked about."""
        ask = self._answer if self._capabilities.batches else self._one_by_one
        return ask(graphs, edge_index, edge_weight)


def _spread(count: int) -> Tensor:
    """A few of 0 ... count - 1, spread evenly: data sets go by class, or by size."""
    return torch.linspace(0, count - 1, min(_PROBED, count)).round().long()


def _every_second(edges: Tensor) -> Tensor:
    """Whether an edge is kept (E,), the same for both of its directions; about half are."""
    low, high = edges.min(0).values, edges.max(0).values
    number = torch.stack([low, high]).unique(dim=1, return_inverse=True)[1]
    return number % 2 == 1


def _alike(logits: Tensor, others: Tensor) -> bool:
    """Whether logits are equal but for rounding."""
    scale = max(1.0, float(others.abs().max()))
    return torch.allclose(logits, others, rtol=1e-4, atol=1e-4 * scale)


def _text(error: Exception) -> str:
    """An error in one line, not too long."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
