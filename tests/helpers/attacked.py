"""Attacks as the guard runs them."""

from __future__ import annotations

import torch
from generators import seeded
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import AttackResult, run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

ONE = ThreatModel(within_component=True)
THREATS = [
    ONE,
    ThreatModel(3, within_component=True),
    ThreatModel(2, ("add", "delete"), within_component=True, allow_existing=True),
    ThreatModel(0.1, ("delete",)),
]
"""Threats of each kind: one edit, several, edits that may change nothing, a share of the edges."""


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


def pairs_of(result: AttackResult) -> list[list[tuple[int, int]]]:
    """The edited pairs of each target, sorted, whether added or removed."""
    return [
        sorted(map(tuple, torch.cat([p.added, p.removed], dim=1).T.tolist()))
        for p in result.perturbations
    ]


def broken(result: AttackResult, y: Tensor) -> Tensor:
    """Which targets are right before and wrong after (G,)."""
    return (result.clean_prediction == y) & (result.attacked_prediction != y)


def robust(result: AttackResult, y: Tensor) -> Tensor:
    """Which targets are right before and after (G,)."""
    return (result.clean_prediction == y) & (result.attacked_prediction == y)
