"""How attacks are tried: under the guard, on small graphs, with what they learn or combine."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch

from robust_augcl import registry
from robust_augcl.adversary.attack_base import (
    Attack,
    CombiningAttack,
    FitGraphs,
    Fitted,
    LearningAttack,
)
from robust_augcl.adversary.guard import AttackResult, fit_attack, run_attack
from robust_augcl.adversary.supported import check_supported
from robust_augcl.adversary.victim import Victim
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.testing import bench
from robust_augcl.testing.settings import seeded
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, pack_edits

THREATS = (
    ThreatModel(1),
    ThreatModel(2, ("add", "delete")),
    ThreatModel(1, ("delete",)),
    ThreatModel(2, within_component=True),
    ThreatModel(0.2, ("add", "delete")),
)
"""Under what attacks are tried; those that an attack's `max_budget` excludes are left out."""


@functools.cache
def graphs_to_attack() -> PackedGraphs:
    """Five graphs that the victim classifies. The guard hands out copies."""
    return bench.as_predicted(bench.random_graphs([7, 5, 8, 4, 6], seed=3))


@functools.cache
def fit_graphs() -> FitGraphs:
    """Graphs to learn on, and to choose by; the guard hands out copies."""
    made = (bench.random_graphs(sizes, seed) for sizes, seed in (([6, 7, 5, 6], 4), ([6, 5], 5)))
    return FitGraphs(*map(bench.as_predicted, made))


def threats_of(attack: Attack, *, within: Sequence[ThreatModel] = THREATS) -> list[ThreatModel]:
    """Those of the threats that the attack supports."""
    found = []
    for threat in within:
        try:
            check_supported(attack, threat)
        except ValueError:
            continue
        found.append(threat)
    return found


def run(
    attack: Attack,
    graphs: PackedGraphs,
    threat: ThreatModel,
    *,
    victim: Victim | None = None,
    generator: torch.Generator | None = None,
    fitted: Fitted | None = None,
) -> AttackResult:
    """Run an attack under the guard; what it learns or combines is made before."""
    victim = victim or bench.new_victim()
    chance = seeded(0) if generator is None else generator
    if fitted is None and isinstance(attack, LearningAttack):
        fitted = fit_attack(attack, victim, threat, fit=fit_graphs(), generator=chance)
    if fitted is None and isinstance(attack, CombiningAttack):
        fitted = found_by_others(graphs, threat, victim)
    return run_attack(
        attack, victim, graphs, threat, fit=fit_graphs(), generator=chance, fitted=fitted
    )


def found_by_others(graphs: PackedGraphs, threat: ThreatModel, victim: Victim) -> Fitted:
    """What two attacks found, as a suite hands it over (`steps.attacking.what_they_found`)."""
    attacks = registry.load("attack", "rand_sampling")(), registry.load("attack", "beam")()
    results = [run(attack, graphs, threat, victim=victim) for attack in attacks]
    edits = [pack_edits(result.perturbations) for result in results]
    attack = torch.cat([torch.full_like(part[0], n) for n, part in enumerate(edits)])
    state = {
        "clean_margin": results[0].clean_margin,
        "attacked_margin": torch.stack([result.attacked_margin for result in results]),
        "broken": torch.stack([r.attacked_prediction != graphs.y for r in results]),
        "attack": attack,
        "graph": torch.cat([part[0] for part in edits]),
        "pairs": torch.cat([part[1] for part in edits], dim=1),
        "added": torch.cat([part[2] for part in edits]),
    }
    return Fitted(state, [], 0, 0, 0.0)


def edits_of(perturbations: Sequence[Perturbation]) -> list[tuple[list[Any], list[Any]]]:
    """Edits that can be compared."""
    return [(p.added.T.tolist(), p.removed.T.tolist()) for p in perturbations]
