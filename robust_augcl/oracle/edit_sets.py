"""Sets of edits: graphs after several candidates at once, and the best set of each graph.

Letters: G graphs, M candidates, S sets of t candidates each, K sets with one candidate more,
C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.models.margins import margins
from robust_augcl.oracle.answers import Answers, Ask, AskPairs
from robust_augcl.threat.candidates import Candidates, first_lowest
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True, eq=False)
class SearchProblem:
    """What a search over sets of edits is given. It asks for logits of edited graphs only.

    Args:
        ask: for logits after one edit, of a graph or of a copy that has other edits.
        ask_pairs: for logits after two edits.
        graphs: the clean graphs with their true classes.
        candidates: every allowed edit.
        clean: logits of the clean graphs (G, C).
        budgets: edits allowed (G,).
    """

    ask: Ask
    ask_pairs: AskPairs
    graphs: PackedGraphs
    candidates: Candidates
    clean: Tensor
    budgets: Tensor

    @classmethod
    def of(cls, victim: Answers, graphs: PackedGraphs, threat: ThreatModel) -> SearchProblem:
        """Return the problem of breaking the victim on graphs, on the victim's device."""
        graphs = graphs.to(victim.device)
        return cls(
            ask=victim.candidate_logits,
            ask_pairs=victim.pair_logits,
            graphs=graphs,
            candidates=threat.enumerate(graphs, reach_of_search(victim.reach, graphs, threat)),
            clean=victim.logits(graphs),
            budgets=threat.budgets(graphs),
        )


@dataclass(frozen=True, eq=False)
class Found:
    """The best set of edits that a search has found for each graph.

    Args:
        edits: numbers of candidates, -1 where there are fewer (G, t).
        margin: of the graph after them; the clean one's where there are none (G,).
        broken: whether the prediction is then wrong, or was wrong before (G,).
        exhausted: whether no allowed set was left out, so that no set has a smaller margin (G,).
        evaluations: sets of more than one edit that were looked at (G,).
    """

    edits: Tensor
    margin: Tensor
    broken: Tensor
    exhausted: Tensor
    evaluations: Tensor

    def perturbations(self, candidates: Candidates) -> list[Perturbation]:
        """Return the edits, graph by graph."""
        return [candidates.perturbation(row[row >= 0]) for row in self.edits]


def reach_of_search(reach: int | None, graphs: PackedGraphs, threat: ThreatModel) -> int | None:
    """Up to how many hops from a target node the candidates of a search lie; None: anywhere.

    One edit matters only within the reach of the victim. Several may bring any node nearer, so they
    are looked for everywhere, but in graphs that are too large for that.
    """
    of_pairs = graphs.sizes.double() * (graphs.sizes - 1) / 2
    several = graphs.num_graphs > 0 and int(threat.budgets(graphs).max()) > 1
    if several and threat.at == "anywhere" and float(of_pairs.sum()) <= limits().listed_pairs:
        return None
    return reach


def is_all(reach: int | None, graphs: PackedGraphs, threat: ThreatModel) -> Tensor:
    """Whether the candidates up to this reach make up all sets of edits that matter (G,)."""
    everywhere = reach is None or threat.at != "anywhere" or not isinstance(graphs, NodeTargets)
    return torch.full_like(graphs.y, everywhere, dtype=torch.bool) | (threat.budgets(graphs) == 1)


def edited(
    graphs: PackedGraphs, candidates: Candidates, graph: Tensor, edits: Tensor
) -> PackedGraphs:
    """Return a copy of a graph for each set of its candidates, with the set applied.

    Shapes: graph (S,), edits (S, t) numbers of candidates, each at most once in a set, -1 for none.

    >>> import torch
    >>> from robust_augcl.threat.model import ThreatModel
    >>> nothing = torch.zeros(2, 0, dtype=torch.long)
    >>> graphs = PackedGraphs(torch.ones(3, 1), nothing, torch.tensor([0, 3]), torch.tensor([0]))
    >>> candidates = ThreatModel(2).enumerate(graphs)  # {0, 1}, {0, 2}, {1, 2}
    >>> edited(graphs, candidates, torch.tensor([0]), torch.tensor([[0, 2]]))[0].edge_index
    tensor([[0, 1, 1, 2],
            [1, 0, 2, 1]])
    """
    copy, place = ((edits >= 0) & candidates.changes[edits]).nonzero().T
    return graphs.select(graph).flip(copy, candidates.pairs[:, edits[copy, place]])


def extensions(candidates: Candidates, graph: Tensor, edits: Tensor) -> tuple[Candidates, Tensor]:
    """Every set of edits with one more candidate of its graph.

    Shapes: graph (S,), edits (S, t). Returned are the candidates that are added, as single edits of
    the copies that `edited` makes, and their numbers among all candidates (K,).
    """
    counts, first = candidates.counts[graph], candidates.ptr[graph]
    copy = torch.repeat_interleave(torch.arange(graph.numel(), device=graph.device), counts)
    number = ranges(first, counts)
    new = (edits[copy] != number.unsqueeze(1)).all(1)
    return of_copies(candidates, copy[new], number[new], graph.numel()), number[new]


def of_copies(candidates: Candidates, copy: Tensor, number: Tensor, num_copies: int) -> Candidates:
    """Candidates by number (K,) as edits of copies of their graphs, of which copy each (K,)."""
    return Candidates(
        copy, candidates.pairs[:, number], candidates.exists[number], num_copies, candidates.deletes
    )


class BestSets:
    """The best set of each graph so far, the empty one to begin with.

    Args:
        clean: logits of the clean graphs (G, C).
        y: their true classes (G,).
        size: edits of a set at the most.
    """

    def __init__(self, clean: Tensor, y: Tensor, size: int) -> None:
        self.y, self.margin, self.broken = y, margins(clean, y), _wrong(clean, y)
        self.edits = torch.full((y.numel(), size), -1, dtype=torch.long, device=y.device)
        self.evaluations = torch.zeros_like(y)

    def judge(self, logits: Tensor, graph: Tensor, sets: Tensor) -> Tensor:
        """Take note of sets (S, t) of graphs (S,) by their logits (S, C); return their margins."""
        margin, wrong = margins(logits, self.y[graph]), _wrong(logits, self.y[graph])
        breaking = wrong.nonzero().squeeze(1)
        self.broken[graph[breaking]] = True
        # Of two ties the one that breaks the graph is the lower, so that the best set of a broken
        # graph is one that breaks it.
        margin[breaking] = margin[breaking].clamp(max=-torch.finfo(margin.dtype).tiny)
        top = first_lowest(graph, margin, self.y.numel())
        top = top[top >= 0]
        top = top[margin[top] < self.margin[graph[top]]]
        self.margin[graph[top]] = margin[top]
        self.edits[graph[top], : sets.size(1)] = sets[top]
        if sets.size(1) > 1:
            self.evaluations += torch.bincount(graph, minlength=self.y.numel())
        return margin

    def found(self, exhausted: Tensor) -> Found:
        """Return the best sets so far; `exhausted` says where none was left out (G,)."""
        edits, margin, broken = self.edits.clone(), self.margin.clone(), self.broken.clone()
        return Found(edits, margin, broken, exhausted, self.evaluations.clone())


def _wrong(logits: Tensor, y: Tensor) -> Tensor:
    return logits.argmax(1) != y


def lowest(group: Tensor, score: Tensor, number: int) -> Tensor:
    """The rows of the `number` lowest scores of each group.

    Groups ascend, the best row of each comes first, and the first of equals before the others.

    >>> import torch
    >>> lowest(torch.tensor([1, 0, 1, 1]), torch.tensor([3.0, 9.0, 1.0, 3.0]), 2)
    tensor([1, 2, 0])
    """
    order = torch.argsort(score, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    _, counts = torch.unique_consecutive(group[order], return_counts=True)
    rank = torch.arange(order.numel(), device=order.device) - torch.repeat_interleave(
        counts.cumsum(0) - counts, counts
    )
    return order[rank < number]
