"""GradArgmax (Dai et al. 2018, arXiv 1806.02371, section 3.3): follow the gradient with respect to
the adjacency matrix.

Letters: G graphs, P paths (one a graph and wrong class), M candidates, k edits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer, in_parts
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_not_negative, require_one_of


@dataclass(frozen=True)
class GradArgmax(Attack):
    """For every wrong class, flip the edge that lowers that class's cross-entropy the fastest, edit
    by edit, up to the budget.

    The answer is the clean graph if the victim gets it wrong already; else the first of the edited
    graphs, fewest edits first and then in the order of the wrong classes, that it gets wrong; else
    the clean graph. (So the published attack judges its own candidates; the guard judges the answer
    again.) The graphs of a budget are among those of a larger one, which never does less.

    Args:
        directions: "summed": an undirected edge's gradient is the sum of its two directions, since
            the edit is undirected; "apart": its better direction, as published.
        mode: "iterated": the gradient is taken anew after each edit; "one_shot": candidates are
            ranked once, by the clean graph's gradient. The same for one edit, the published case.
        verify: how many of the best candidates are tried by queries before each edit; the one that
            leaves the true class the smallest margin is taken, whatever its gradient's sign. 0 for
            none, as published: the best is taken, unless its gradient says that it raises the loss.

    Raises:
        ValueError: an unknown word, a `verify` that is negative.
    """

    access: ClassVar[Access] = Access.GRADIENT
    display_name: ClassVar[str] = "GradArgmax"
    paper: ClassVar[dict[str, Any]] = {"directions": "apart", "verify": 0}

    directions: Literal["summed", "apart"] = "summed"
    mode: Literal["iterated", "one_shot"] = "iterated"
    verify: int = 0

    def __post_init__(self) -> None:
        require_one_of(self, "directions", ("summed", "apart"))
        require_one_of(self, "mode", ("iterated", "one_shot"))
        require_not_negative(self, "verify")

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        return in_parts(lambda graphs: self._attack(victim, graphs, threat), report)

    def _attack(
        self, victim: VictimView, graphs: PackedGraphs, threat: ThreatModel
    ) -> list[Perturbation]:
        """Walk all paths at once."""
        wrong = torch.tensor(
            [[c for c in range(victim.num_classes) if c != y] for y in graphs.y.tolist()],
            device=graphs.device,
        )
        num_paths = victim.num_classes - 1
        owner = torch.arange(graphs.num_graphs, device=graphs.device).repeat_interleave(num_paths)
        clean = graphs.select(owner)
        listed = threat.enumerate(graphs)  # of the clean graphs: a pair is edited at most once
        copies = ranges(listed.ptr[owner], listed.counts[owner])
        path = torch.arange(len(owner), device=graphs.device).repeat_interleave(
            listed.counts[owner]
        )
        candidates = Candidates(
            path, listed.pairs[:, copies], listed.exists[copies], len(owner), listed.deletes
        )
        budgets = torch.minimum(threat.budgets(clean), candidates.counts)
        chosen = torch.full(
            (int(budgets.max()), clean.num_graphs), -1, dtype=torch.long, device=graphs.device
        )
        open_candidates = torch.ones(len(candidates), dtype=torch.bool, device=graphs.device)
        done = (victim.logits(graphs).argmax(1).to(graphs.device) != graphs.y)[owner]
        answer_path = torch.full((graphs.num_graphs,), -1, dtype=torch.long, device=graphs.device)
        answer_edits = torch.zeros_like(answer_path)

        current, score = clean, torch.zeros(0)
        for step in range(chosen.size(0) if len(candidates) else 0):
            if step == 0:  # all paths of a graph start from it
                gradient = victim.edge_gradients(graphs, listed, wrong).to(graphs.device)
                score = self._score(gradient[copies, :, path % num_paths], candidates)
            elif self.mode == "iterated":
                score = self._score(
                    victim.edge_gradients(current, candidates, wrong.flatten()).to(graphs.device),
                    candidates,
                )
            open_score = torch.where(open_candidates, score, torch.inf)
            going = ~done & (budgets > step)
            best = (
                self._verified(victim, current, candidates, open_score, going)
                if self.verify
                else candidates.best(open_score)
            )
            usable = going & (best >= 0)
            usable &= open_candidates[best.clamp(min=0)]
            if not self.verify:  # only edits that do not raise the loss; a path that has none ends
                usable &= score[best.clamp(min=0)] <= 0
            done |= ~usable
            if not bool(usable.any()):
                break
            edits = best[usable]
            open_candidates[edits] = False
            chosen[step, usable] = edits
            changes = candidates.changes[edits]
            current = current.flip(
                candidates.graph[edits[changes]], candidates.pairs[:, edits[changes]]
            )
            broken = (victim.logits(current).argmax(1).to(graphs.device) != current.y) & usable
            first = broken.reshape(-1, num_paths).int().argmax(1)
            hit = broken.reshape(-1, num_paths).any(1)
            answer_path[hit] = (
                torch.arange(graphs.num_graphs, device=graphs.device) * num_paths + first
            )[hit]
            answer_edits[hit] = step + 1
            done |= hit[owner]

        answers = []
        for walked, edits_made in zip(answer_path.tolist(), answer_edits.tolist(), strict=True):
            index = chosen[:edits_made, walked] if walked >= 0 else chosen[:0, 0]
            answers.append(candidates.perturbation(index))
        return answers

    def _score(self, gradient: Tensor, candidates: Candidates) -> Tensor:
        """How the loss moves with each candidate, to first order: by the gradient (M, 2) of an edge
        added, minus that of one removed.
        """
        removed = candidates.exists & candidates.deletes
        moves = torch.where(removed.unsqueeze(1), -gradient, gradient)
        return moves.sum(1) if self.directions == "summed" else moves.min(1).values

    def _verified(
        self,
        victim: VictimView,
        current: PackedGraphs,
        candidates: Candidates,
        score: Tensor,
        going: Tensor,
    ) -> Tensor:
        """Of the `verify` candidates of the lowest score (M,), the one that leaves the smallest
        margin; -1 for none: (P,).
        """
        order = torch.argsort(score, stable=True)
        order = order[
            torch.argsort(candidates.graph[order], stable=True)
        ]  # graph by graph, each by score
        rank = (
            torch.arange(len(candidates), device=score.device)
            - candidates.ptr[candidates.graph[order]]
        )
        tried = (
            order[(rank < self.verify) & going[candidates.graph[order]] & score[order].isfinite()]
            .sort()
            .values
        )
        some = candidates.take(tried)
        margin = margins(
            victim.candidate_logits(current, some), current.y[some.graph].to(victim.device)
        ).to(score.device)
        best = some.best(margin)
        return torch.where(best >= 0, tried[best.clamp(min=0)], best) if len(tried) else best
