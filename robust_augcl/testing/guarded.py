"""How attacks are tried: under the guard, on small graphs, with what they learn or combine."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
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
from robust_augcl.testing.rules import require
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


def victim_for(attack: Attack, seed: int = 0) -> Victim:
    """A new victim: a GIN, or a GCN for attacks on nodes alone, which some of them are made for."""
    return bench.new_victim(seed, "gcn" if attack.nodes_only else "gin")


def predicted_for(attack: Attack, graphs: PackedGraphs) -> PackedGraphs:
    """Graphs as targets of an attack, or one node of each, with the classes that are predicted."""
    return _predicted(graphs, attack.nodes_only)


def _predicted(graphs: PackedGraphs, at_nodes: bool) -> PackedGraphs:
    if not at_nodes:
        return bench.as_predicted(graphs)
    return bench.as_predicted(replace(graphs, target_node=graphs.sizes // 2), name="gcn")


def graphs_to_attack(attack: Attack) -> PackedGraphs:
    """Five graphs that the victim classifies. The guard hands out copies."""
    return _drawn((7, 5, 8, 4, 6), 3, attack.nodes_only)


def fit_graphs(attack: Attack) -> FitGraphs:
    """Graphs to learn on, and to choose by; the guard hands out copies."""
    at_nodes = attack.nodes_only
    return FitGraphs(_drawn((6, 7, 5, 6), 4, at_nodes), _drawn((6, 5), 5, at_nodes))


@functools.cache
def _drawn(sizes: tuple[int, ...], seed: int, at_nodes: bool) -> PackedGraphs:
    return _predicted(bench.random_graphs(sizes, seed), at_nodes)


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


def some_threat(attack: Attack) -> ThreatModel:
    """A threat that the attack supports, the first of them."""
    supported = threats_of(attack)
    require(supported, f"it supports none of {len(THREATS)} threats, not even a single added edge")
    return supported[0]


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
    victim = victim or victim_for(attack)
    chance = seeded(0) if generator is None else generator
    if fitted is None and isinstance(attack, LearningAttack):
        fitted = fit_attack(attack, victim, threat, fit=fit_graphs(attack), generator=chance)
    if fitted is None and isinstance(attack, CombiningAttack):
        fitted = found_by_others(graphs, threat, victim)
    return run_attack(
        attack, victim, graphs, threat, fit=fit_graphs(attack), generator=chance, fitted=fitted
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
