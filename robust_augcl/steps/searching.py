"""How an attack searches once for several budgets, and how its records take their answers.

The search is a part of the work of attack steps, as parts of a certificate are: a record is the
same without it, but for the seconds that it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import torch

from robust_augcl.adversary.growing import search_together
from robust_augcl.adversary.guard import Proposed
from robust_augcl.errors import ArtifactDamaged
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.step import Step
from robust_augcl.results.stored_search import SearchAnswer, SearchInfo, stored_search
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.drift import steady
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.threat.perturbations import Perturbation


def compute_search(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Let an attack propose for all budgets of its steps by one search.

    Raises:
        InputError: a given model that answers otherwise after the search than before it.
    """
    settings, artifacts = step.settings, inputs.artifacts
    dataset = dataset_of(artifacts["dataset"])
    victim, test = victim_of(artifacts["victim"], context.device), dataset.part(dataset.attacked)
    with steady(victim, test):
        found = search_together(
            settings["attack"],
            victim,
            test,
            [replace(settings["threat"], budget=budget) for budget in settings["budgets"]],
            generator=generator("attack", settings["label"], settings["seed"]),
            report=context.report,
        )
    answers = [
        SearchAnswer(
            budget,
            [[each.added.T.tolist(), each.removed.T.tolist()] for each in proposed.perturbations],
            proposed.queries,
            proposed.gradient_calls,
        )
        for budget, proposed in zip(settings["budgets"], found, strict=True)
    ]
    info = SearchInfo(artifacts["dataset"].digest, artifacts["victim"].digest, answers)
    seconds = [proposed.propose_seconds for proposed in found]
    return Artifact({}, asdict(info), {"answer_seconds": seconds})


def searched(step: Step, artifacts: Mapping[str, Artifact]) -> Proposed | None:
    """What the search among the inputs of an attack step answers; None where there is none.

    Raises:
        ArtifactDamaged: a search that is not about the data set, victim and budget of the step.
    """
    for role, needed in step.inputs.items():
        if KINDS[needed.kind].is_part:
            return _answer(artifacts[role], step, artifacts)
    return None


def _answer(search: Artifact, step: Step, artifacts: Mapping[str, Artifact]) -> Proposed:
    info = stored_search(search.info, f"the search for {step.title}")
    seconds, budget = search.about["answer_seconds"], step.settings["threat"].budget
    rests_on = artifacts["dataset"].digest, artifacts["victim"].digest
    budgets = [answer.budget for answer in info.answers]
    known = len(seconds) == len(budgets) and budget in budgets
    if (info.dataset, info.victim) != rests_on or not known:
        raise ArtifactDamaged(
            f"The search for {step.title} is of another data set, victim or budget: the next run "
            "computes it again"
        )
    place = budgets.index(budget)
    answer = info.answers[place]
    edits = [Perturbation(*map(_pairs, each)) for each in answer.edits]
    return Proposed(edits, answer.queries, answer.gradient_calls, 0.0, seconds[place])


def _pairs(edits: list[list[int]]) -> torch.Tensor:
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()
