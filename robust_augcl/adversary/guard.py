"""The guard: it runs every attack, and no attack can override it.

It hands an attack graphs of its own and a victim that is limited to the declared access. Then it
checks every edit, applies it to its own graphs, and predicts again. The attack's own word on its
success is never used. A graph that an attack changed by hand is found out. Global state that it
changed is put back before the guard predicts (see global_state.py).

Example: a triangle and a path of three nodes, a victim with random weights, one edge added or
deleted.

>>> from torch_geometric.data import Data
>>> from robust_augcl import registry
>>> from robust_augcl.models.classifier import GraphClassifier
>>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
>>> triangle = torch.tensor([[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]])
>>> ones, y = torch.ones(3, 1), torch.tensor([0])
>>> graphs = PackedGraphs.from_data_list(
...     [Data(x=ones, edge_index=edges, y=y) for edges in (triangle, path)]
... )
>>> chance = torch.Generator().manual_seed(0)
>>> encoder = registry.load("encoder", "gin")(
...     in_features=1, width=4, layers=2, generator=chance
... )
>>> model = GraphClassifier(encoder, num_classes=2, hidden=4, generator=chance)
>>> result = run_attack(
...     registry.load("attack", "exhaustive")(),
...     Victim(model),
...     graphs,
...     ThreatModel(budget=1, operations=("add", "delete")),
...     fit=FitGraphs(graphs, graphs),
...     generator=chance,
... )
>>> bool((result.attacked_margin <= result.clean_margin).all())
True
>>> max(perturbation.num_edits for perturbation in result.perturbations)
1
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from robust_augcl.adversary.answers import copies, learned
from robust_augcl.adversary.attack_base import (
    Attack,
    CombiningAttack,
    FitGraphs,
    Fitted,
    LearningAttack,
    Proposer,
)
from robust_augcl.adversary.global_state import NUMERIC, clean, put_back
from robust_augcl.adversary.supported import (
    check_answers,
    check_supported,
    check_targets,
    check_threat,
)
from robust_augcl.adversary.victim import Victim, VictimView
from robust_augcl.errors import GuardViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all


@dataclass(frozen=True, eq=False)
class AttackResult:
    """What an attack did to G targets, as the guard saw it.

    Args:
        perturbations: the edits, checked (G).
        clean_prediction: the classes that the victim predicts before the edits (G,).
        attacked_prediction: those that it predicts after them (G,).
        clean_margin: the true class's logit less the best other one, before the edits (G,).
        attacked_margin: the same after them (G,).
        queries: what the attack asked of the victim, learning included.
        gradient_calls: the gradients that it asked for, learning included.
        fit_seconds: for learning.
        attack_seconds: for proposing.
    """

    perturbations: list[Perturbation]
    clean_prediction: Tensor
    attacked_prediction: Tensor
    clean_margin: Tensor
    attacked_margin: Tensor
    queries: int
    gradient_calls: int
    fit_seconds: float
    attack_seconds: float


class Proposed(NamedTuple):
    """What an attack proposed, and what it took.

    Args:
        perturbations: one for each target.
        queries: what it asked of the victim.
        gradient_calls: the gradients that it asked for.
        prepare_seconds: until it could propose.
        propose_seconds: for proposing.
    """

    perturbations: list[Perturbation]
    queries: int
    gradient_calls: int
    prepare_seconds: float
    propose_seconds: float


def make_ready(attack: Attack, victim: Victim, graphs: PackedGraphs) -> None:
    """Learn of the victim what the attack could change, where it can answer.

    Raises:
        ValueError: as `check_answers` and `check_targets`.
    """
    check_answers(attack, victim)
    check_targets(attack, graphs)
    with clean(victim.model):
        victim.get_ready(graphs)


def fit_attack(
    attack: LearningAttack,
    victim: Victim,
    threat: ThreatModel,
    *,
    fit: FitGraphs,
    generator: torch.Generator,
    report: Report = silent,
) -> Fitted:
    """Let an attack learn under guard, and return what it has learned.

    `run_attack` takes it from there, on this victim or another one.

    Raises:
        AccessViolation, GuardViolation, ValueError: as `run_attack`; `GuardViolation` also for a
            state that is no dictionary of plain tensors, or a curve that is none.
    """
    fitted = _learn(attack, victim, threat, fit=fit, generator=generator, report=report)
    assert fitted is not None  # whoever begins anew learns something
    return fitted


def learn_on(
    attack: LearningAttack,
    victim: Victim,
    threat: ThreatModel,
    state: Mapping[str, Tensor],
    *,
    fit: FitGraphs,
    generator: torch.Generator,
) -> Fitted | None:
    """Let an attack go on from what it has learned (`LearningAttack.go_on`), under guard.

    Returns:
        None where it cannot.

    Raises:
        AccessViolation, GuardViolation, ValueError: as `fit_attack`.
    """
    return _learn(attack, victim, threat, fit=fit, generator=generator, state=state)


def _learn(
    attack: LearningAttack,
    victim: Victim,
    threat: ThreatModel,
    *,
    fit: FitGraphs,
    generator: torch.Generator,
    report: Report = silent,
    state: Mapping[str, Tensor] | None = None,
) -> Fitted | None:
    """Let an attack learn, anew or on from a state; None where it cannot go on."""
    check_supported(attack, threat)
    make_ready(attack, victim, fit.train)
    queries, gradient_calls = victim.queries, victim.gradient_calls
    handed = FitGraphs(*(part.copy() for part in fit))
    start = time.perf_counter()
    view = victim.restricted(attack.access)
    with put_back(NUMERIC):
        if state is None:
            proposer = attack.prepare(view, handed, replace(threat), generator, report)
        else:
            known = {name: tensor.clone() for name, tensor in state.items()}
            more = attack.go_on(known, view, handed, replace(threat), generator, report)
            if more is None:
                return None
            proposer = more
        learned_state, curve = learned(attack, proposer)
    seconds = time.perf_counter() - start
    check_unchanged(attack, _fit_pairs(fit, handed))
    asked = victim.queries - queries, victim.gradient_calls - gradient_calls
    return Fitted(learned_state, curve, *asked, seconds)


def run_attack(
    attack: Attack,
    victim: Victim,
    graphs: PackedGraphs,
    threat: ThreatModel,
    *,
    fit: FitGraphs,
    generator: torch.Generator,
    fitted: Fitted | None = None,
    proposed: Proposed | None = None,
    report: Report = silent,
) -> AttackResult:
    """Run an attack under guard.

    Args:
        attack: what is run.
        victim: what is attacked; it counts the questions.
        graphs: the targets (G), with their true classes.
        threat: what is allowed.
        fit: the graphs that the attack may learn on.
        generator: the source of all chance.
        fitted: what the attack has learned before, or what it is to combine.
        proposed: what it has proposed already (`growing.search_together`): it is not asked again.
        report: told how far the attack is.

    Raises:
        ThreatViolation: an edit that the threat model does not allow.
        AccessViolation: a question beyond the declared access.
        GuardViolation: changed input graphs, or an answer that is no list of perturbations.
        ValueError: an attack that cannot make so many edits, or a victim that cannot answer.
    """
    check_supported(attack, threat)
    check_threat(threat, graphs)
    make_ready(attack, victim, graphs)
    with clean(victim.model):
        clean_logits = victim.logits(graphs)
    answer = proposed
    if answer is None:
        with put_back(NUMERIC):
            answer = _ask(
                attack, victim, graphs, threat, fitted, fit=fit, generator=generator, report=report
            )
    with clean(victim.model):
        # What is checked is what is applied: the attack may still hold its own tensors.
        perturbations = copies(answer.perturbations, threat.budgets(graphs))
        threat.check_all(graphs, perturbations)
        attacked_logits = victim.logits(apply_all(graphs, perturbations))
    y = graphs.y.to(victim.device)
    return AttackResult(
        perturbations=perturbations,
        clean_prediction=clean_logits.argmax(1).cpu(),
        attacked_prediction=attacked_logits.argmax(1).cpu(),
        clean_margin=margins(clean_logits, y).cpu(),
        attacked_margin=margins(attacked_logits, y).cpu(),
        queries=answer.queries + (fitted.queries if fitted else 0),
        gradient_calls=answer.gradient_calls + (fitted.gradient_calls if fitted else 0),
        fit_seconds=fitted.seconds if fitted else answer.prepare_seconds,
        attack_seconds=answer.propose_seconds,
    )


def _ask(
    attack: Attack,
    victim: Victim,
    graphs: PackedGraphs,
    threat: ThreatModel,
    fitted: Fitted | None,
    *,
    fit: FitGraphs,
    generator: torch.Generator,
    report: Report,
) -> Proposed:
    """Ask an attack for its edits, and check that it kept its hands off what it was given."""
    queries, gradient_calls = victim.queries, victim.gradient_calls
    handed, handed_fit = graphs.copy(), FitGraphs(*(part.copy() for part in fit))
    # The attack is judged by another threat model than the one that it can reach.
    view, told = victim.restricted(attack.access), replace(threat)

    start = time.perf_counter()
    if fitted is None:
        proposer = attack.prepare(view, handed_fit, told, generator, report)
    else:
        proposer = _proposer_of(attack, fitted, view, told)
    prepared = time.perf_counter()
    proposed = proposer(handed)
    finished = time.perf_counter()

    asked = victim.queries - queries, victim.gradient_calls - gradient_calls
    check_unchanged(attack, {"attacked": (graphs, handed), **_fit_pairs(fit, handed_fit)})
    if type(proposed) is not list:
        raise GuardViolation(
            f"Expected a list of perturbations from {type(attack).__name__}, "
            f"got {type(proposed).__name__}"
        )
    return Proposed(proposed, *asked, prepared - start, finished - prepared)


def _proposer_of(
    attack: Attack, fitted: Fitted, victim: VictimView, threat: ThreatModel
) -> Proposer:
    """The proposer of an attack that has learned before, or that combines what others found."""
    if isinstance(attack, LearningAttack):
        return attack.restore(fitted.state, victim, threat)
    if isinstance(attack, CombiningAttack):
        return attack.combine(fitted.state, victim, threat)
    raise TypeError(f"Expected an attack that learns or combines, got {type(attack).__name__}")


GraphPairs = Mapping[str, tuple[PackedGraphs, PackedGraphs]]
"""Graphs as they are, and as they came back from an attack, by what they are for."""


def _fit_pairs(own: FitGraphs, handed: FitGraphs) -> GraphPairs:
    return {
        "training": (own.train, handed.train),
        "validation": (own.validation, handed.validation),
    }


def check_unchanged(attack: Attack, pairs: GraphPairs) -> None:
    """Raise `GuardViolation` if graphs that were handed out are not as they were."""
    for name, (own, theirs) in pairs.items():
        if not own.same_as(theirs):
            raise GuardViolation(
                f"The attack {type(attack).__name__} changed the {name} graphs that it was given"
            )
