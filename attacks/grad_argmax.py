"""GradArgmax (Dai et al. 2018, arXiv 1806.02371): edits that the gradient of the loss points to.

Source: section 3.3 of the paper. The gradient is the one with respect to the adjacency matrix.

Letters: G graphs, C classes, P paths (one for each graph and wrong class), M candidates, k edits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs, Proposer, in_parts
from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.ragged import ranges
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.revisions import LATER
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation
from robust_augcl.validation import require_not_negative, require_one_of


@dataclass(frozen=True)
class GradArgmax(Attack):
    """For every wrong class, edit by edit, flip the edge that lowers its cross-entropy the fastest.

    A path is the sequence of edits for one wrong class; it ends at the budget. The answer is the
    clean graph if the victim gets it wrong already. Else it is the first of the edited graphs that
    the victim gets wrong, fewest edits first and then in the order of the wrong classes. Else it is
    the clean graph. So, as published, the attack judges its own candidates; the guard judges the
    answer again. The edited graphs of a budget are among those of a larger budget, which therefore
    never does less damage.

    Args:
        directions: "summed": the gradient of an undirected edge is the sum of its two directions,
            since the edit is undirected. "apart": its better direction, as published.
        mode: "iterated": the gradient is taken anew after each edit. "one_shot": candidates are
            ranked once, by the clean graph's gradient. For one edit, the published case, both are
            the same.
        verify: how many of the best candidates are tried by queries before each edit. The one that
            leaves the true class the smallest margin is taken, whatever the sign of its gradient.
            0, as published: the best candidate is taken, unless its gradient says that it raises
            the loss.
        aim: "wrong_classes": a path for each of them, as told above. "true_class": one path, each
            edit of which raises the cross-entropy of the true class the fastest, or lowers it the
            least. It goes on to the end of the budget, and is the answer whatever it breaks. With
            edits at a target node this is FGA (Chen et al. 2018, arXiv 1809.02797).

    Raises:
        ValueError: a word is unknown; or `verify` is negative.

    >>> GradArgmax(mode="one_shot").access.name
    'GRADIENT'
    >>> GradArgmax(directions="both")
    Traceback (most recent call last):
    ValueError: Expected `directions` to be 'summed' or 'apart', got 'both'
    """

    access: ClassVar[Access] = Access.GRADIENT
    display_name: ClassVar[str] = "GradArgmax"
    paper: ClassVar[dict[str, Any]] = {"directions": "apart", "verify": 0}

    directions: Literal["summed", "apart"] = "summed"
    mode: Literal["iterated", "one_shot"] = "iterated"
    verify: int = 0
    aim: Literal["wrong_classes", "true_class"] = field(default="wrong_classes", metadata=LATER)

    def __post_init__(self) -> None:
        require_one_of(self, "aim", ("wrong_classes", "true_class"))
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
        return in_parts(lambda graphs: _Paths(self, victim, graphs, threat).run(), report)


class _Paths:
    """The paths of some graphs, which are walked all at once."""

    def __init__(
        self, attack: GradArgmax, victim: VictimView, graphs: PackedGraphs, threat: ThreatModel
    ) -> None:
        self.attack, self.victim, self.graphs = attack, victim, graphs
        self.device = graphs.device
        self.away = attack.aim == "true_class"
        wrong = [
            [c for c in range(victim.num_classes) if (c == y) == self.away]
            for y in graphs.y.tolist()
        ]
        self.paths_a_graph = 1 if self.away else victim.num_classes - 1
        # The classes whose cross-entropy is followed: (G, paths of a graph).
        self.wrong = torch.tensor(wrong, dtype=torch.long, device=self.device).reshape(
            graphs.num_graphs, self.paths_a_graph
        )
        self.owner = torch.arange(graphs.num_graphs, device=self.device).repeat_interleave(
            self.paths_a_graph
        )
        self.current = graphs.select(self.owner)
        # Those of the clean graphs: a pair is edited at most once.
        self.listed = threat.enumerate(graphs, victim.reach)
        self.copies = ranges(self.listed.ptr[self.owner], self.listed.counts[self.owner])
        self.candidates = self._candidates_of_paths()
        self.budgets = torch.minimum(threat.budgets(self.current), self.candidates.counts)
        self.chosen = self.owner.new_full((int(self.budgets.max()), len(self.owner)), -1)
        self.open = torch.ones(len(self.candidates), dtype=torch.bool, device=self.device)
        self.done = (self._predicted(graphs) != graphs.y)[self.owner]
        self.answer_path = self.owner.new_full((graphs.num_graphs,), -1)
        self.answer_edits = torch.zeros_like(self.answer_path)

    def _candidates_of_paths(self) -> Candidates:
        """Return the candidates of each path: those of its graph."""
        counts = self.listed.counts[self.owner]
        path = torch.arange(len(self.owner), device=self.device).repeat_interleave(counts)
        return Candidates(
            path,
            self.listed.pairs[:, self.copies],
            self.listed.exists[self.copies],
            len(self.owner),
            self.listed.deletes,
        )

    def run(self) -> list[Perturbation]:
        """Walk the paths, and return the perturbation of each graph."""
        score = torch.zeros(0)
        for step in range(self.chosen.size(0) if len(self.candidates) else 0):
            if step == 0 or self.attack.mode == "iterated":
                score = self._score(self._gradient(step))
            best, usable = self._next_edits(score, step)
            self.done |= ~usable
            if not bool(usable.any()):
                break
            self._edit(best[usable], usable, step)
            self._judge(usable, step)
        return self._answers()

    def _gradient(self, step: int) -> Tensor:
        """Return the gradient of each path's loss in both directions of its candidates (M, 2)."""
        if step == 0:  # all paths of a graph start from it
            gradient = self.victim.edge_gradients(self.graphs, self.listed, self.wrong)
            wrong_class = self.candidates.graph % self.paths_a_graph
            return gradient.to(self.device)[self.copies, :, wrong_class]
        gradient = self.victim.edge_gradients(self.current, self.candidates, self.wrong.flatten())
        return gradient.to(self.device)

    def _score(self, gradient: Tensor) -> Tensor:
        """Return how the loss moves with each candidate, to first order: (M, 2) -> (M,).

        It moves by the gradient of an edge that is added, and against that of one that is removed.
        """
        removed = self.candidates.exists & self.candidates.deletes
        moves = torch.where(removed.unsqueeze(1) ^ self.away, -gradient, gradient)
        if self.attack.directions == "summed":
            return moves.sum(1)
        return moves.min(1).values

    def _next_edits(self, score: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return the next edit of each path (P,), and whether the path can make it (P,) bool."""
        open_score = torch.where(self.open, score, torch.inf)
        going = ~self.done & (self.budgets > step)
        if self.attack.verify:
            best = self._verified(open_score, going)
        else:
            best = self.candidates.best(open_score)
        usable = going & (best >= 0)
        usable &= self.open[best.clamp(min=0)]
        if not self.attack.verify and not self.away:
            # Only edits that do not raise the loss: a path that has none ends.
            usable &= score[best.clamp(min=0)] <= 0
        return best, usable

    def _verified(self, score: Tensor, going: Tensor) -> Tensor:
        """Return the candidate of the smallest margin among the `verify` of the lowest score.

        Shapes: score (M,), going (P,) -> (P,), -1 for none.
        """
        candidates = self.candidates
        # Path by path, each by score.
        order = torch.argsort(score, stable=True)
        order = order[torch.argsort(candidates.graph[order], stable=True)]
        path = candidates.graph[order]
        rank = torch.arange(len(candidates), device=score.device) - candidates.ptr[path]
        worth_trying = (rank < self.attack.verify) & going[path] & score[order].isfinite()
        tried = order[worth_trying].sort().values
        tried_candidates = candidates.take(tried)
        y = self.current.y[tried_candidates.graph].to(self.victim.device)
        logits = self.victim.candidate_logits(self.current, tried_candidates)
        best = tried_candidates.best(margins(logits, y).to(score.device))
        return torch.where(best >= 0, tried[best.clamp(min=0)], best) if len(tried) else best

    def _edit(self, edits: Tensor, usable: Tensor, step: int) -> None:
        """Make one edit on each path of `usable` (P,): candidates (number of usable paths,)."""
        self.open[edits] = False
        self.chosen[step, usable] = edits
        changing = edits[self.candidates.changes[edits]]
        self.current = self.current.flip(
            self.candidates.graph[changing], self.candidates.pairs[:, changing]
        )

    def _judge(self, usable: Tensor, step: int) -> None:
        """Note for each graph the first path whose last edit broke it; its paths are done.

        Away from the true class, the one path is the answer, and goes on.
        """
        if self.away:
            self.answer_path[usable] = usable.nonzero().flatten()
            self.answer_edits[usable] = step + 1
            return
        broken = (self._predicted(self.current) != self.current.y) & usable
        of_graph = broken.reshape(-1, self.paths_a_graph)
        first, hit = of_graph.int().argmax(1), of_graph.any(1)
        graph = torch.arange(self.graphs.num_graphs, device=self.device)
        self.answer_path[hit] = (graph * self.paths_a_graph + first)[hit]
        self.answer_edits[hit] = step + 1
        self.done |= hit[self.owner]

    def _answers(self) -> list[Perturbation]:
        """Return the edits of each graph's answer; none where no path broke it."""
        answers = []
        for path, edits_made in zip(
            self.answer_path.tolist(), self.answer_edits.tolist(), strict=True
        ):
            edits = self.chosen[:edits_made, path] if path >= 0 else self.chosen[:0, 0]
            answers.append(self.candidates.perturbation(edits))
        return answers

    def _predicted(self, graphs: PackedGraphs) -> Tensor:
        """Return the victim's class of each graph (number of graphs,)."""
        return self.victim.logits(graphs).argmax(1).to(self.device)
