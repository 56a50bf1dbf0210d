"""GradArgmax (Dai et al. 2018, arXiv 1806.02371): follow the gradient with respect to the adjacency matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from robust_augcl.attack import Attack, FitGraphs, Proposer
from robust_augcl.graphs import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat import Perturbation, ThreatModel
from robust_augcl.victim import Access, VictimView


@dataclass(frozen=True)
class GradArgmax(Attack):
    """For every wrong class, flip the edge that lowers that class's cross-entropy the fastest, edit by edit, up to the budget.

    The answer is the clean graph if the victim gets it wrong already; else the first of the edited graphs, fewest edits first and
    then in the order of the wrong classes, that it gets wrong; else the clean graph. (So the published attack judges its own
    candidates; the guard judges the answer again.)

    Args:
        directions: "summed": an undirected edge's gradient is the sum of its two directions, since the edit is
            undirected; "apart": its better direction, as published.
    """

    access: ClassVar[Access] = Access.GRADIENT
    paper: ClassVar[dict[str, Any]] = {"directions": "apart"}

    directions: Literal["summed", "apart"] = "summed"

    def prepare(
        self, victim: VictimView, fit: FitGraphs, threat: ThreatModel, generator: torch.Generator, report: Report = silent
    ) -> Proposer:
        def propose(graphs: PackedGraphs) -> list[Perturbation]:
            answers = []
            for part in torch.arange(graphs.num_graphs).split(_GRAPHS_AT_ONCE):
                answers += self._attack(victim, graphs.select(part), threat)
                report(len(answers) / graphs.num_graphs, f"{len(answers)} of {graphs.num_graphs} graphs attacked")
            return answers

        return propose

    def _attack(self, victim: VictimView, graphs: PackedGraphs, threat: ThreatModel) -> list[Perturbation]:
        """Walk one path of edits a (graph, wrong class) pair, all at once."""
        wrong = torch.tensor([[c for c in range(victim.num_classes) if c != y] for y in graphs.y.tolist()], device=graphs.device)
        num_paths = victim.num_classes - 1
        owner = torch.arange(graphs.num_graphs, device=graphs.device).repeat_interleave(num_paths)
        clean = graphs.select(owner)
        candidates = threat.enumerate(clean)  # of the clean graphs: a pair is edited at most once
        budgets = torch.minimum(threat.budgets(clean), candidates.counts)
        chosen = torch.full((int(budgets.max()), clean.num_graphs), -1, dtype=torch.long, device=graphs.device)
        open_candidates = torch.ones(len(candidates), dtype=torch.bool, device=graphs.device)
        done = (victim.logits(graphs).argmax(1).to(graphs.device) != graphs.y)[owner]
        answer_path = torch.full((graphs.num_graphs,), -1, dtype=torch.long, device=graphs.device)
        answer_edits = torch.zeros_like(answer_path)

        current = clean
        for step in range(chosen.size(0) if len(candidates) else 0):
            gradient = victim.edge_gradients(current, candidates, wrong.flatten()).to(graphs.device)
            gradient = gradient.sum(1) if self.directions == "summed" else self._better(gradient, candidates.exists & candidates.deletes)
            # To first order the loss moves by the gradient where an edge is added, by its negative where one is removed.
            score = torch.where(candidates.exists & candidates.deletes, -gradient, gradient)
            best = candidates.best(torch.where(open_candidates, score, torch.inf))
            # Only edits that do not raise the loss; a path that has none ends.
            usable = (best >= 0) & ~done & (budgets > step)
            usable &= score[best.clamp(min=0)] <= 0
            usable &= open_candidates[best.clamp(min=0)]
            done |= ~usable
            if not bool(usable.any()):
                break
            edits = best[usable]
            open_candidates[edits] = False
            chosen[step, usable] = edits
            changes = ~candidates.exists[edits] | candidates.deletes
            current = current.flip(candidates.graph[edits[changes]], candidates.pairs[:, edits[changes]])
            broken = (victim.logits(current).argmax(1).to(graphs.device) != current.y) & usable
            first = broken.reshape(-1, num_paths).int().argmax(1)
            hit = broken.reshape(-1, num_paths).any(1)
            answer_path[hit] = (torch.arange(graphs.num_graphs, device=graphs.device) * num_paths + first)[hit]
            answer_edits[hit] = step + 1
            done |= hit[owner]

        answers = []
        for path, edits_made in zip(answer_path.tolist(), answer_edits.tolist(), strict=True):
            index = chosen[:edits_made, path] if path >= 0 else chosen[:0, 0]
            answers.append(candidates.perturbation(index))
        return answers

    @staticmethod
    def _better(gradient: Tensor, removed: Tensor) -> Tensor:
        """The better of the two directions: the lower gradient for an addition, the higher for a removal."""
        return torch.where(removed, gradient.max(1).values, gradient.min(1).values)


_GRAPHS_AT_ONCE = 50
