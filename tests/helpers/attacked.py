"""Attacks as the guard runs them."""

from __future__ import annotations

from generators import seeded

from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import AttackResult, run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.model import ThreatModel


def attacked(
    attack: Attack, victim: Victim, graphs: PackedGraphs, threat: ThreatModel, seed: int = 0
) -> AttackResult:
    """What an attack does to graphs on which it also learns, if it learns."""
    fit = FitGraphs(graphs, graphs)
    return run_attack(attack, victim, graphs, threat, fit=fit, generator=seeded(seed))
