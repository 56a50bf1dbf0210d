"""What a frozen classifier predicts where single precision is too coarse to tell.

Single precision rounds, and not in the same way in every batch or on every machine. So where the
two highest logits of a target are close, the target is predicted again: by itself, by the same
weights in double precision. Of equal logits the first class wins; equal are those too that differ
by no more than double precision rounds, or the machine would decide. This is the one place that
decides. `adversary.victim.Victim` answers every question through it, so whatever is told of
predictions agrees: the guard, exact search, certificates, attacks, transfers, replay.

A classifier that cannot be evaluated in double precision predicts such targets in its own
precision, also each by itself: no batch decides, but the machine may. Whether it can is found out
once, with one graph, before any attack runs: an attack could make it fail. One that fails later has
no answer, and the error says so.

Letters: B targets, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from robust_augcl.errors import InputError, RobustAugclError, message_of
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier_base import Classifier
from robust_augcl.models.margins import gaps

CLOSE = 1e-4
"""Logits are close that differ by no more than this share of the largest logit of the target."""
EQUAL = 1e-12
"""In double precision, logits are equal that differ by no more than this share of the largest."""
_AT_ONCE = 256  # close targets whose graphs are held at once


def nearness(logits: Tensor) -> Tensor:
    """How far apart the two highest logits are close (B,). Shapes: logits (B, C) -> (B,).

    The size of logits counts, not their spread: a number that is added to all of them is rounded
    too. It decides who is predicted again, and nothing that is believed.

    >>> (nearness(torch.tensor([[2.0, 0.0], [-1e4, 0.0]])) / CLOSE).tolist()
    [2.0, 10000.0]
    """
    return CLOSE * logits.abs().amax(1)


def in_order(precise: Tensor, dtype: torch.dtype) -> Tensor:
    """Round logits such that the class that wins does so alone: of those of one value the first.

    What lies beyond the type's range becomes its largest numbers. Shapes: precise (B, C) -> (B, C).

    >>> close = torch.tensor([[5.0, 5.0 + 1e-9], [2.0, 2.0 + 1e-15]], dtype=torch.double)
    >>> rounded = in_order(close, torch.float32)
    >>> rounded.argmax(1).tolist(), bool((rounded - close).abs().max() < 1e-6)
    ([1, 0], True)
    """
    share = EQUAL if precise.dtype == torch.double else 0.0
    equal = share * precise.abs().amax(1, keepdim=True)
    highest = precise.amax(1, keepdim=True)
    winner = (precise >= highest - equal).int().argmax(1, keepdim=True)
    largest = torch.tensor(torch.finfo(dtype).max, dtype=dtype, device=precise.device)
    # There is room above the others, or the winner would be infinite.
    most = torch.nextafter(largest, -largest).expand_as(precise).scatter(1, winner, largest.item())
    rounded = precise.to(dtype).clamp(-largest, most)
    best_other = rounded.scatter(1, winner, -torch.inf).amax(1, keepdim=True)
    above = torch.nextafter(best_other, torch.full_like(best_other, torch.inf))
    return rounded.scatter(1, winner, torch.maximum(rounded.gather(1, winner), above))


class Verdicts:
    """Decides what a frozen classifier predicts.

    >>> from torch_geometric.data import Data
    >>> from robust_augcl.encoders.gin import GIN
    >>> from robust_augcl.models.classifier import GraphClassifier
    >>> chance = torch.Generator().manual_seed(0)
    >>> gin = GIN(in_features=1, width=4, layers=2, generator=chance)
    >>> model = GraphClassifier(gin, num_classes=2, hidden=4, generator=chance)
    >>> last = model.eval().requires_grad_(False).head[2]
    >>> last.weight[1] = last.weight[0]  # so that both logits are the same,
    >>> last.bias[1] += 1e-9  # but for what single precision cannot tell
    >>> edge = torch.tensor([[0, 1], [1, 0]])
    >>> graphs = PackedGraphs.from_data_list([Data(x=torch.ones(2, 1), edge_index=edge)])
    >>> single = model(graphs)
    >>> Verdicts(model).decide(single, graphs.select).argmax(1)
    tensor([1])

    Args:
        model: in evaluation mode; its weights do not change any more.
    """

    def __init__(self, model: Classifier) -> None:
        self._model = model
        self._copy: Classifier | None = None
        self._is_tried = False

    def try_double(self, graphs: PackedGraphs) -> None:
        """Find out with the first of some graphs whether the model has double precision, once.

        Whoever asks first decides for good, so ask where no other code has changed anything.
        """
        if not self._is_tried and graphs.num_graphs:
            self._is_tried = True
            self._copy = self._tried(graphs.select(torch.zeros(1, dtype=torch.long)))

    def decide(self, logits: Tensor, graphs: Callable[[Tensor], PackedGraphs]) -> Tensor:
        """Return logits whose highest one is that of the class that is predicted, and alone.

        Shapes: logits (B, C) -> (B, C).

        Args:
            logits: what the model says in single precision.
            graphs: from numbers of targets (K,) to their graphs, packed.

        Raises:
            InputError: the model failed in double precision, though not on the first graph.
        """
        close = (gaps(logits) <= nearness(logits)).nonzero().squeeze(1)
        if close.numel() == 0:
            return logits
        decided = logits.clone()
        for some in close.split(_AT_ONCE):
            decided[some] = self._by_themselves(graphs(some), logits[some])
        return decided

    def precise(self, graphs: PackedGraphs) -> Tensor | None:
        """Logits in double precision (B, C), all at once; None where the model has none.

        They tell how much single precision rounds. They decide nothing: their own last digits
        depend on the batch.

        Raises:
            InputError: as `decide`.
        """
        double = self._double(graphs)
        return None if double is None else _asked(double, _in_double(graphs))

    def _by_themselves(self, graphs: PackedGraphs, logits: Tensor) -> Tensor:
        """Logits of each target by itself, in double precision where there is any (K, C).

        What is no finite number stays what the model said first (K, C).
        """
        double = self._double(graphs)
        # All at once: targets of one graph share its features, which may be many.
        packed = graphs if double is None else _in_double(graphs)
        numbers = torch.arange(graphs.num_graphs, device=graphs.device).split(1)
        each = (packed.select(number) for number in numbers)
        alone = torch.cat(
            [self._model(one) if double is None else _asked(double, one) for one in each]
        )
        finite = alone.isfinite().all(1, keepdim=True)
        return torch.where(finite, in_order(alone, logits.dtype), logits)

    def _double(self, graphs: PackedGraphs) -> Classifier | None:
        """The model in double precision; None where it cannot, as the first graph tells once."""
        self.try_double(graphs)
        return self._copy

    def _tried(self, graph: PackedGraphs) -> Classifier | None:
        if not self._model.in_double:
            return None
        try:
            double = copy.deepcopy(self._model).double()
            double(_in_double(graph))
        except Exception:  # other people's code, which insists on single precision
            return None
        return double


def _asked(double: Classifier, graphs: PackedGraphs) -> Tensor:
    """What a model says of graphs in double precision (B, C), which it had for its first graph."""
    try:
        logits: Tensor = double(graphs)
    except (RobustAugclError, MemoryError, torch.OutOfMemoryError):  # these say what to do
        raise
    except Exception as error:
        own = getattr(double, "module", getattr(double, "encoder", double))
        raise InputError(
            f"The model {type(own).__name__} answered for its first graph in double precision, "
            "which decides where the two highest logits are close, and failed for a later one "
            f"({message_of(error)}): let it keep the dtype of its input, such as by making tensors "
            "with `dtype=x.dtype`"
        ) from error
    return logits


def _in_double(graphs: PackedGraphs) -> PackedGraphs:
    if isinstance(graphs, NodeTargets):
        return graphs.in_double()
    return graphs.with_features(graphs.x.double())
