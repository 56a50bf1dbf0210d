"""What replay proves of given models: weights, module, what probes find, what is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.models import given, given_weights
from robust_augcl.models.adapter import Adapter
from robust_augcl.models.entrance_probes import CAME_IN_TRAINING, MODE
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.plan.given_models import GivenModel
from robust_augcl.plan.left_out import left_out
from robust_augcl.plan.step import Step
from robust_augcl.review.differences import same
from robust_augcl.review.input_proofs import others
from robust_augcl.review.proofs import Proof
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.steps.artifacts import dataset_of, unprefixed
from robust_augcl.store.artifact import Artifact

NO_MODULE = (
    "no --model names its module, so its source, its parts and what its probes found are on trust"
)
"""What is said of a given model whose module nobody has named."""
NO_DATA_SET = "its data set is missing, so what its probes found is on trust"
"""What is said of a given model that cannot be probed again."""


def prove_given_model(step: Step, run: StoredRun) -> Proof:
    """Prove that a given model is that of its step, and meets all attacks that it can meet.

    Its weights are known by their digest. Its module can be looked at, and be probed again, only
    where the user has named it.

    Raises:
        ArtifactDamaged: it is missing, or not what was written.
    """
    stored, settings = run.folder.store.load(step.key), step.settings
    problems = others(stored.info, {**settings, "notes": []})
    if given_weights.weights_digest(unprefixed("model", stored.tensors)) != settings["weights"]:
        problems.append("its weights are not those of its step: their digest is another")
    (victim,) = (each for each in run.suite.victims if each.label == settings["label"])
    datasets = _datasets(run)
    there = [dataset for dataset in datasets if dataset is not None]
    if there:
        problems += _left_out(victim, run, there[0])
    if not given.is_known(settings):
        return Proof("", problems, unproved=NO_MODULE)
    known = given.known_module(settings)
    problems += given.other_than(settings, known)
    if problems:
        return Proof("", problems)
    problems = _probed(known, stored, victim, there)
    if len(there) < len(datasets) and (problems or not there):
        return Proof("", [], unproved=NO_DATA_SET)
    return Proof("", problems)


def _datasets(run: StoredRun) -> list[Dataset | None]:
    """The data sets, in the order of their seeds; None for one that is damaged.

    Models were probed with the test graphs of the first seed that was asked for, and seeds may have
    come since.
    """
    found: list[Dataset | None] = []
    steps = [step for step in run.inputs if step.kind == "dataset"]
    for step in sorted(steps, key=lambda step: run.suite.seeds.index(step.settings["seed"])):
        try:
            found.append(dataset_of(run.folder.store.load(step.key)))
        except ArtifactDamaged:  # which its own verdict says
            found.append(None)
    return found


def _left_out(victim: GivenModel, run: StoredRun, dataset: Dataset) -> list[str]:
    """Attacks that are left out for another reason than what its probes found, or are not."""
    found = [each.found for each in victim.known.copies]
    due = left_out(run.suite, found, can_learn=dataset.train.numel() > 0)
    told = victim.known.left_out
    wrong = sorted(name for name in {**due, **told} if due.get(name) != told.get(name))
    if not wrong:
        return []
    return [f"what is left out is not what follows from its probes: {', '.join(wrong)}"]


def _probed(
    known: given.Known, stored: Artifact, victim: GivenModel, datasets: Sequence[Dataset]
) -> list[str]:
    """What probes find now that is not what they found when the model entered.

    The module is called as the model's entry in the suite states: what was found of that is not
    asked for its own proof.
    """
    problems: list[str] = []
    weights = unprefixed("model", stored.tensors)
    try:
        adapter = _stated(victim, known)
        for dataset in datasets:
            module = given_weights.with_weights(known.module, weights, victim.label).cpu().eval()
            found = ModuleClassifier(module, dataset.part(dataset.test), adapter).found
            other = _other(found, stored.info["found"])
            if not other:
                return []
            problems = problems or other
    except InputError as error:
        return [f"it cannot be probed again: {error}"]
    return problems


def _stated(victim: GivenModel, known: given.Known) -> Adapter:
    """The adapter that the model's entry states; the function is known by its source.

    Raises:
        InputError: a function is found that calls the model, and its entry states none; or the
            other way round.
    """
    stated = {
        name: value for name, value in victim.adapter.items() if name not in ("function", "source")
    }
    if (victim.adapter.get("function") is None) != (known.function is None):
        raise InputError("only one of its entry and its adapter names a function that calls it")
    return dataclasses.replace(Adapter.of_settings(stated), function=known.function)


def _other(found: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    """Which fields of what was found differ, but for words. Words may hold rounded numbers."""
    now, then = _without_words(found), _without_words(told)
    first = [(each["name"], each["words"]) for each in told["probes"][:1]]
    if first == [(MODE, CAME_IN_TRAINING)]:
        then["probes"][0] = (MODE, "passed")  # it is in evaluation mode here
    return [
        f"its probes find another `{name}` now than is stated"
        for name in {**now, **then}
        if not same(now.get(name), then.get(name))
    ]


def _without_words(found: Mapping[str, Any]) -> dict[str, Any]:
    """What was found, with names for what words are said of."""
    able = dict(found["capabilities"])
    reasons = sorted(able.pop("reasons"))
    probes = [(each["name"], each["outcome"]) for each in found["probes"]]
    fails = sorted(found["fails"])
    return {**found, "capabilities": reasons, **able, "fails": fails, "probes": probes}
