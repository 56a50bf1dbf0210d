"""Branch and bound over the sets of edits of a victim's graphs.

Letters: G graphs.
"""

from __future__ import annotations

from torch import Tensor

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.oracle.answers import Answers
from robust_augcl.oracle.branches.branch_and_bound import Branches, Limits
from robust_augcl.oracle.branches.known import Known
from robust_augcl.oracle.searched import Searched
from robust_augcl.threat.candidates import Candidates

MOST_EVALUATIONS = 2_000_000
"""Evaluations in one graph, for each size of sets: two seconds or so of a core."""


def search_sets(
    victim: Answers,
    known: Known,
    graphs: PackedGraphs,
    candidates: Candidates,
    sizes: Tensor,
    asked: Tensor,
    *,
    most_evaluations: int = MOST_EVALUATIONS,
) -> Searched:
    """Search the allowed sets of edits of graphs, from single edits on.

    What rounding could decide is asked of the victim, one query each, and so is what is found.

    Args:
        victim: who predicts.
        known: its classifier.
        graphs: with their true classes.
        candidates: every allowed edit.
        sizes: edits of a set at the most (G,).
        asked: which graphs are searched (G,); they are predicted rightly.
        most_evaluations: made in a graph, for each size of sets, at the most.
    """
    most = int(sizes.max()) if sizes.numel() else 1
    branches = branches_of(victim, known, graphs, candidates, Limits(most_evaluations), most)
    return branches.search(sizes.cpu(), asked.cpu())


def branches_of(
    victim: Answers,
    known: Known,
    graphs: PackedGraphs,
    candidates: Candidates,
    limits: Limits,
    most: int,
) -> Branches:
    """The search of a victim's graphs, on the CPU (see `Branches`)."""

    def answer(one: PackedGraphs) -> tuple[bool, float]:
        logits = victim.logits(one)
        margin = float(margins(logits, one.y.to(logits.device)))
        return int(logits.argmax(1)) != int(one.y), margin

    return Branches(known, answer, graphs.to("cpu"), candidates.to("cpu"), limits, most)
