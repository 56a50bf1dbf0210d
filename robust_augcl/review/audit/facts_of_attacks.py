"""Trials of attacks: each attack with its settings is tried once, whatever it was run on.

Attacks are tried before fixed models, under poisoning too: that is how they look for edits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from robust_augcl.adversary.attack_base import Attack, LearningAttack
from robust_augcl.plan.step import Step
from robust_augcl.results.records import Cell, Record
from robust_augcl.review.audit.evidence import (
    IterationFacts,
    LargeBudgetFacts,
    LearningFacts,
    PlantedFacts,
)
from robust_augcl.review.audit.files import Files, some_graphs, some_numbers
from robust_augcl.review.audit.more_learning import try_learning_on
from robust_augcl.review.audit.probes import (
    try_half_the_iterations,
    try_large_budget,
    try_on_planted_victims,
)
from robust_augcl.review.proofs import threat_of
from robust_augcl.steps.artifacts import fitted_of
from robust_augcl.steps.attacking import fit_graphs

_LARGE_BUDGET = 10


def try_planted(step: Step) -> PlantedFacts:
    """Try the attack of a step on victims that are built for it."""
    attack, threat = step.settings["attack"], step.settings["threat"].before_fixed_model
    assert step.cell is not None
    return try_on_planted_victims(attack, threat, _name(step.cell), ())


def takes_any_budget(attack: Attack, record: Record, searches: bool) -> bool:
    """Whether an attack that chooses its edits can be tried with a large budget as it is.

    Not one that searches, which would take long.
    """
    traits = record.traits
    return (
        traits.access != "none"
        and not (traits.learns or traits.combines or searches)
        and attack.max_budget is None
    )


def large_budget(budgets: Sequence[int | float]) -> int:
    """A budget that is large beside those that an attack was run with."""
    return max([_LARGE_BUDGET, *(2 * budget for budget in budgets if isinstance(budget, int))])


def try_large(files: Files, attack: Attack, record: Record, budget: int) -> LargeBudgetFacts | None:
    """Try an attack with a large budget on the victim of one of its records."""
    graphs, threat = some_graphs(files.dataset(record)), threat_of(record).before_fixed_model
    name = _name_on_victim(record)
    return try_large_budget(attack, files.victim(record), graphs, threat, budget=budget, name=name)


def takes_half_its_effort(attack: Attack, record: Record) -> bool:
    """Whether an attack has a hyper-parameter that says how long it runs, and learns nothing.

    Not under poisoning: what the attack broke was another model than the one that it asked.
    """
    traits = record.traits
    one_model = not (traits.learns or traits.combines or record.poisons)
    return one_model and attack.effort is not None


def try_halved(files: Files, attack: Attack, record: Record) -> IterationFacts | None:
    """Try an attack with half its effort on the victim of one of its records."""
    dataset = files.dataset(record)
    by_target = {outcome.target: outcome.broken for outcome in record.outcomes}
    targets = dataset.targets_at(some_numbers(dataset)).names()
    broken = torch.tensor([by_target[target] for target in targets])
    graphs, threat = some_graphs(dataset), threat_of(record)
    name = _name_on_victim(record)
    return try_half_the_iterations(
        attack, files.victim(record), graphs, threat, broken=broken, name=name
    )


def try_learned(files: Files, step: Step, record: Record) -> LearningFacts | None:
    """Let what an attack has learned on the victim of a record learn on."""
    attack = step.settings["attack"]
    if not isinstance(attack, LearningAttack) or record.attacker is None:
        return None
    dataset = files.dataset(record)
    fitted = fitted_of(files.load(record.attacker))
    graphs = dataset.part(torch.cat([dataset.validation, dataset.test]).unique())
    fit = fit_graphs(step.settings, dataset)
    name = f"{_name_on_victim(record)}, seed {record.cell.seed}"
    threat = threat_of(record).before_fixed_model
    return try_learning_on(attack, files.victim(record), fitted, graphs, threat, fit=fit, name=name)


def _name(cell: Cell) -> str:
    return cell.attack + (f" ({cell.protocol})" if cell.protocol != "strict" else "")


def _name_on_victim(record: Record) -> str:
    return f"{_name(record.cell)} on {record.cell.method}"
