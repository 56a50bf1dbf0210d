"""A classifier made of any module, and the probes that say what it can do.

Letters: B graphs, N nodes, E directed edges, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

import torch
from torch import Tensor, nn

from robust_augcl.errors import InputError, message_of
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.adapter import Adapter, Function
from robust_augcl.models.agreement import same
from robust_augcl.models.asking import Asked
from robust_augcl.models.classifier_base import Capabilities, Classifier
from robust_augcl.models.entrance_probes import probed
from robust_augcl.models.following import NotLayered, layered
from robust_augcl.models.found import Found
from robust_augcl.models.layered import Layered

_MANY = 32  # graphs in a batch, of which the first and the last are then also asked about alone


class ModuleClassifier(Classifier):
    """A classifier whose logits come from a module that a user brings.

    Its `forward` takes (x, edge_index, batch), perhaps with `edge_weight`, or (x, edge_index), or a
    `Batch` of PyTorch Geometric. It returns logits (B, C), or (N, C) where the targets are nodes;
    log-softmax is as good. One logit z for each, (B,) or (B, 1), stands for two classes of the
    logits 0 and z. Of a tuple or list the first part is taken. What its signature does not say, an
    `Adapter` says.

    When the module enters, it is put in evaluation mode and probed. What it then cannot do stands
    in `capabilities`, with the reason, and each probe in `found`. Where `forward` takes no edge
    weights, the messages of PyTorch Geometric's layers are weighted, if the layers allow it.

    Args:
        module: answers for itself; its state must not change with what it is asked.
        graphs: some of those that it is made for, to probe it with.
        adapter: how it is called, where the signature of `forward` guesses wrong.

    Raises:
        InputError: no graph; an answer that cannot be read, or is not finite; a second answer that
            differs from the first; changed input, or changed state. The sentence says what to do.

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
    >>> model.capabilities.reasons["edge_weights"].partition(",")[0]
    '`forward` takes no `edge_weight`'
    """

    def __init__(
        self, module: nn.Module, graphs: PackedGraphs, adapter: Adapter | None = None
    ) -> None:
        super().__init__()
        self._take(module, probed(module, graphs, adapter or Adapter()))

    @classmethod
    def of_found(
        cls, module: nn.Module, found: Mapping[str, Any], function: Function | None = None
    ) -> ModuleClassifier:
        """Return the same classifier without probing the module again.

        Args:
            module: that was probed, or one with the same weights.
            found: what `found` said of it. It may come from a file, so it is read strictly.
            function: the adapter's, if it has one. Nothing is imported.

        Raises:
            InputError: a field of `found` that it cannot have; or another function than it names.
        """
        made = cls.__new__(cls)
        Classifier.__init__(made)
        made._take(module.eval(), Found.of_table(found, function))
        return made

    def _take(self, module: nn.Module, found: Found) -> None:
        self.module, self._found = module, found
        self.num_classes = found.num_classes
        self._followed: Layered | None = None
        self._is_followed = False
        self.eval()

    @property
    def found(self) -> dict[str, Any]:
        """What is known of the module, as JSON can hold it.

        - "adapter": how it is called (`Adapter.settings`), everything stated,
        - "num_classes",
        - "capabilities": "edge_weights", "local", "batches", and "reasons" for what is false,
        - "weights": how edge weights reach it: "argument", "messages" or None,
        - "double": whether it can be evaluated in double precision,
        - "fails": the graphs that it cannot answer ("no edges", "one node") -> what it raised,
        - "probes": a list of {"name", "outcome", "words"}.
        """
        return self._found.table

    @property
    def capabilities(self) -> Capabilities:
        return self._found.capabilities

    def layered(self, graphs: PackedGraphs) -> Layered | None:
        known = self.capabilities.local and not self.training
        if not known or graphs.target_node is not None or graphs.edge_attr is not None:
            return None
        return self._layers

    @property
    def _layers(self) -> Layered | None:
        """The steps of the module; None if it is not the one that was probed."""
        if not self._is_followed:
            self._is_followed = True
            with suppress(NotLayered):
                self._followed = layered(self.module, self._found.adapter)
        return self._followed

    @property
    def in_double(self) -> bool:
        return self._found.double

    def double(self) -> Self:
        """Change the weights to double precision, if the module can be evaluated in it."""
        return super().double() if self._found.double else self

    def forward(self, graphs: PackedGraphs) -> Tensor:
        """Return the logits (B, C) of packed graphs, or of their target nodes."""
        logits = self.with_edges(graphs, graphs.edge_index, None)
        able = self.capabilities
        if able.local or not able.batches or graphs.num_graphs <= _MANY:
            return logits
        asked = Asked(self.module, self._found.adapter)
        with torch.no_grad():
            few = graphs.select(torch.tensor([0, graphs.num_graphs - 1]))
            alone = asked.one_by_one(few, few.edge_index)
        if same(logits.detach()[[0, -1]], alone, self.module):
            return logits
        # What no probe has seen, such as a threshold that one graph of the batch has reached.
        return asked.one_by_one(graphs, graphs.edge_index)

    def with_edges(
        self, graphs: PackedGraphs, edge_index: Tensor, edge_weight: Tensor | None
    ) -> Tensor:
        if edge_weight is not None and self._found.weights is None:
            raise NotImplementedError(self.capabilities.reasons["edge_weights"])
        asked = Asked(self.module, self._found.adapter, self._found.weights)
        ask = asked.together if self.capabilities.batches else asked.one_by_one
        try:
            logits = ask(graphs, edge_index, edge_weight)
        except InputError:
            raise
        except Exception as error:
            raise self._failure(graphs, edge_index, error) from error
        if logits.size(1) != self.num_classes:
            raise InputError(
                f"Expected logits of {self.num_classes} classes, as the module had before, got "
                f"{logits.size(1)}"
            )
        if not bool(logits.isfinite().all()):
            wrong = InputError("Expected finite logits, got NaN or infinity")
            raise self._failure(graphs, edge_index, wrong, "NaN or infinity")
        return logits

    def _failure(
        self, graphs: PackedGraphs, edge_index: Tensor, error: Exception, text: str = ""
    ) -> Exception:
        """What is raised where the module raised: in words where a probe has seen it before."""
        edges = torch.bincount(graphs.batch[edge_index[0]], minlength=graphs.num_graphs)
        seen = {
            "no edges": (edges == 0, "without edges"),
            "one node": (graphs.sizes == 1, "of one node"),
        }
        for kind, (there, words) in seen.items():
            if kind in self._found.fails and bool(there.any()):
                return InputError(
                    f"The module cannot answer for a graph {words} ({text or message_of(error)}): "
                    "mend it, or leave out such graphs and those that edits may make such"
                )
        return error
