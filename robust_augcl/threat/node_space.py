"""The candidates of target nodes of one graph: at the target, at its neighbours, or anywhere.

Letters: T targets, n nodes of the graph, M candidates that an answer holds, K edits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from robust_augcl.graphs.limits import limits
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.ragged import ranges, take
from robust_augcl.threat.candidate_space import CandidateSpace
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.perturbations import Perturbation


@dataclass(frozen=True, eq=False)
class NodeCandidateSpace:
    """The candidates of target nodes, which can be asked about without listing them.

    A candidate lies at a place: one of the nodes at which edits are allowed is an end of it. The
    rules look at the clean graph, whatever edits the targets have.

    Args:
        targets: T target nodes of one graph.
        anywhere: the candidates of the graph, without regard to targets.
        at: where they lie, as in `ThreatModel`.

    >>> from robust_augcl.graphs.packed import PackedGraphs
    >>> from robust_augcl.threat.model import ThreatModel
    >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    >>> graph = PackedGraphs(torch.ones(4, 1), path, torch.tensor([0, 4]), torch.tensor([0]))
    >>> targets = NodeTargets(graph, torch.tensor([0, 3]), torch.tensor([0, 0]))
    >>> space = ThreatModel(1, ("add", "delete"), at="target").space(targets)
    >>> space.counts.tolist(), space.list().pairs[:, :3].T.tolist()
    ([3, 3], [[0, 1], [0, 2], [0, 3]])
    """

    targets: NodeTargets
    anywhere: CandidateSpace
    at: Literal["anywhere", "target", "neighbours"]

    @property
    def deletes(self) -> bool:
        """What an edge among the candidates means, as in `Candidates`."""
        return self.anywhere.deletes

    @cached_property
    def counts(self) -> Tensor:
        """Candidates of each target (T,), exactly."""
        if self.at == "anywhere":
            return self.anywhere.counts.expand(self.targets.num_graphs)
        return self.list().counts

    def draw(self, number: int | Tensor, generator: torch.Generator) -> Candidates:
        """Draw candidates of each target, uniformly and each at most once.

        Args:
            number: candidates a target, one number for all or one for each (T,). A target that has
                fewer gives all.
            generator: the source of all chance, on the CPU.
        """
        many = self.targets.num_graphs
        wanted = torch.as_tensor(number).cpu().expand(many)
        if self.at == "anywhere":
            drawn = [self.anywhere.draw(each, generator) for each in wanted]
            target = torch.arange(many).repeat_interleave(torch.tensor([len(d) for d in drawn]))
            pairs = torch.cat([d.pairs for d in drawn], dim=1)
            return self._candidates(target.to(pairs.device), pairs)
        found = self.list()
        keys = torch.rand(len(found), generator=generator, dtype=torch.float64)
        order = torch.argsort(found.graph + keys.to(found.graph.device))
        taken = torch.minimum(wanted.to(found.counts.device), found.counts)
        return found.take(order[ranges(found.ptr[:-1], taken)].sort().values)

    def draw_one(self, number: int, generator: torch.Generator) -> Perturbation:
        """Draw edits that all targets share, uniformly from those of the graph."""
        drawn = self.anywhere.draw(number, generator)
        return drawn.perturbation(torch.arange(len(drawn), device=drawn.graph.device))

    def list(self, reach: int | None = None) -> Candidates:
        """Every candidate, target by target; with an end within `reach` hops of it, if that is set.

        Of edits anywhere without a reach, these are all pairs of nodes: ask only in small graphs.
        """
        places = self._places(reach)
        target, place = places.nonzero(as_tuple=True)
        fit = max(1, limits().listed_pairs // max(1, self.targets.graph.num_nodes))
        pieces = [
            self._listed(places, *some)
            for some in zip(target.split(fit), place.split(fit), strict=True)
        ]
        target, pairs, exists = (torch.cat(part, dim=-1) for part in zip(*pieces, strict=True))
        return Candidates(target, pairs, exists, self.targets.num_graphs, self.deletes)

    def _listed(
        self, places: Tensor, target: Tensor, place: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The candidates at some places (P,) of targets (P,): target (M,), pairs (2, M), whether
        each is an edge (M,).
        """
        size = self.targets.graph.num_nodes
        row = torch.arange(target.numel(), device=target.device).repeat_interleave(size)
        end, other = take(place, row), torch.arange(size, device=target.device).repeat(len(target))
        target = take(target, row)
        # A pair whose ends are both places is listed once.
        twice = take(places.flatten(), target * size + other) & (other < end)
        keep = ~twice & (end != other) & self._not_at_target(target, other)
        target, pairs = target[keep], torch.stack([end[keep], other[keep]]).sort(0).values
        graph = self.targets.graph
        exists = graph.has_edges(*pairs)
        allowed = torch.ones_like(exists)
        if not self.anywhere.others:
            allowed = exists
        elif not self.anywhere.edges:
            allowed = ~exists
        if self.anywhere.within_component:
            allowed = allowed & (graph.components[pairs[0]] == graph.components[pairs[1]])
        return target[allowed], pairs[:, allowed], exists[allowed]

    def lie_there(self, target: Tensor, pairs: Tensor) -> Tensor:
        """Whether edits (2, K) of targets (K,) lie where they are allowed (K,)."""
        places = self._places(None)
        at_place = places[target, pairs[0]] | places[target, pairs[1]]
        return at_place & self._not_at_target(target, pairs[0], pairs[1])

    def _not_at_target(self, target: Tensor, *ends: Tensor) -> Tensor:
        """Whether ends (K,) of edits are no targets (K,), where edits at the target are others'."""
        out = torch.ones_like(target, dtype=torch.bool)
        if self.at == "neighbours":
            for end in ends:
                out &= end != self.targets.nodes[target]
        return out

    def _places(self, reach: int | None) -> Tensor:
        """The nodes at which edits of each target may lie (T, n) bool."""
        targets, graph = self.targets, self.targets.graph
        places = torch.zeros(
            targets.num_graphs, graph.num_nodes, dtype=torch.bool, device=graph.device
        )
        rows = torch.arange(targets.num_graphs, device=graph.device)
        if self.at == "anywhere" and reach is None:
            return ~places
        places[rows, targets.nodes] = True
        hops = {"anywhere": reach or 0, "target": 0, "neighbours": 1}[self.at]
        source, target = graph.edge_index
        for _ in range(hops):
            row, node = places[:, source].nonzero(as_tuple=True)
            places[row, target[node]] = True
        if self.at == "neighbours":
            places[rows, targets.nodes] = False
        return places

    def _candidates(self, target: Tensor, pairs: Tensor) -> Candidates:
        exists = self.targets.graph.has_edges(*pairs)
        return Candidates(target, pairs, exists, self.targets.num_graphs, self.deletes)
