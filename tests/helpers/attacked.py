"""Attacks as the guard runs them."""

from __future__ import annotations

from generators import seeded
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import AttackResult, run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


def attacked(
    attack: Attack, victim: Victim, graphs: PackedGraphs, threat: ThreatModel, seed: int = 0
) -> AttackResult:
    """What an attack does to graphs on which it also learns, if it learns."""
    fit = FitGraphs(graphs, graphs)
    return run_attack(attack, victim, graphs, threat, fit=fit, generator=seeded(seed))


def edits_of(perturbation: Perturbation) -> list[frozenset[int]]:
    """Undirected edges added, then removed."""
    return [
        frozenset(pair)
        for pairs in (perturbation.added, perturbation.removed)
        for pair in pairs.T.tolist()
    ]


def robust(result: AttackResult, y: Tensor) -> Tensor:
    """Which targets are right before and after (G,)."""
    return (result.clean_prediction == y) & (result.attacked_prediction == y)
