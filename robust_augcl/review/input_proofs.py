"""What replay proves of the artifacts that results rest on: that they are those of their steps.

What can be held against the plan and against other files, is. That weights are those that the
training gives, only training again can tell (`recompute`, `from_scratch`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.models.training import Training
from robust_augcl.plan.step import Step
from robust_augcl.results.names import target_text
from robust_augcl.results.records import Record
from robust_augcl.results.rest import best_epoch, last_epoch
from robust_augcl.review.differences import as_said, same
from robust_augcl.review.proofs import Proof
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.steps.artifacts import (
    FITTED_ON,
    dataset_of,
    new_encoder,
    prefixed,
    unprefixed,
)
from robust_augcl.steps.attacking import handed_to_learn
from robust_augcl.steps.poisoning import notes_of
from robust_augcl.store.artifact import Artifact

NO_PRETRAINING = "its pretraining is missing"
"""How the words begin on a victim whose notes nothing can be held against."""
_NEAR = 2e-8
"""Weights of some tenths that differ by no more differ in their last bit or two."""


def prove_artifact(step: Step, run: StoredRun) -> Proof:
    """Prove nothing of an artifact but what is proved of all (`says_its_step`)."""
    return Proof("", [])


def prove_representation(step: Step, run: StoredRun) -> Proof:
    """Prove that a representation has a score of each fold, with a penalty of its suite's.

    Raises:
        ArtifactDamaged: it is missing, or not what was written.
    """
    info, settings = run.folder.store.load(step.key).info, step.settings["representations"]
    problems = [
        f"its number of folds in {name} is {len(info[name])}, not {settings.folds}"
        for name in ("accuracy", "c")
        if len(info[name]) != settings.folds
    ]
    if others := [
        c for c in info["c"] if not any(same(c, float(allowed)) for allowed in settings.c)
    ]:
        problems.append(f"its c holds {others[0]}, which its suite does not try")
    return Proof("", problems)


def says_its_step(step: Step, run: StoredRun) -> list[str]:
    """What is not so of an artifact's word on which step it is the result of.

    Raises:
        ArtifactDamaged: it is missing, or not what was written.
    """
    told = run.folder.store.load(step.key).about.get("title")
    return [] if told == step.title else [f"it says that it is of {told!r}, not of {step.title!r}"]


def prove_victim(step: Step, run: StoredRun) -> Proof:
    """Prove that a victim is of the method, encoder and data of its step, by what it says.

    Its weights must not be those of a victim that began with other weights.

    Raises:
        ArtifactDamaged: it, or its data set, is missing, or not what was written.
    """
    victim, settings = run.folder.store.load(step.key), step.settings
    dataset = run.folder.store.load(step.inputs["dataset"].key)
    x = dataset.tensors.get("x")
    expected = {
        "encoder": settings["encoder"],
        "width": settings["width"],
        "layers": settings["layers"],
        "in_features": x.shape[-1] if x is not None else None,
        "num_classes": dataset.info.get("num_classes"),
        "head_hidden": settings["training"].head_hidden,
    }
    if "pretraining" not in step.inputs:
        expected["notes"] = []
    elif (pretraining := loaded(run, step.inputs["pretraining"])) is not None:
        expected["notes"] = pretraining.info.get("notes")
    problems = [*others(victim.info, expected), *_of_its_losses(victim.info, settings["training"])]
    victims = _victims(run)
    own, alike = victims[step.key], ""
    for other, weights in victims.items():
        if other == step.key or weights.after != own.after:
            continue
        if weights.before is None or own.before is None:
            alike = f"; its weights are those of {other}, and nothing tells whether they should be"
        elif _are_far_apart(weights.before, own.before):
            problems.append(f"its weights are those of {other}, which began with other ones")
    missing = f"{NO_PRETRAINING}, so its notes and where its weights began are on trust"
    unproved = "" if "notes" in expected else missing
    return Proof("", problems, unproved=(unproved + alike).removeprefix("; "))


def _of_its_losses(info: Mapping[str, Any], training: Training) -> list[str]:
    """What a victim says of its training that does not follow from its losses."""
    losses, selected, problems = info["losses"], info["selected"], []
    epoch = best_epoch(losses)
    if not same([selected["epoch"], selected["loss"]], [epoch, losses[epoch - 1]]):
        problems.append("its selected is not the epoch of its lowest loss")
    ended = last_epoch(losses, training.epochs, training.patience, training.patience_share)
    if not len(losses) == len(info["train_losses"]) == ended:
        problems.append("its number of epochs is not that of its step")
    return problems


def prove_attacker(step: Step, run: StoredRun) -> Proof:
    """Prove that an attacker was handed the graphs that its protocol lets it learn on.

    Raises:
        ArtifactDamaged: it, or its data set, is missing, or not what was written.
    """
    attacker = run.folder.store.load(step.key)
    dataset = dataset_of(run.folder.store.load(step.inputs["dataset"].key))
    handed, told = handed_to_learn(step.settings, dataset), attacker.tensors.get(FITTED_ON)
    problems = []
    if told is None or told.dtype != handed.dtype or not torch.equal(told, handed):
        problems.append("the graphs that it learned on are not those of its step")
    return Proof("", problems)


def of_its_inputs(record: Record, run: StoredRun) -> list[str]:
    """What a record takes from its data set and victim that is not so there.

    Raises:
        ArtifactDamaged: one of them cannot be read.
    """
    dataset, victim = run.load(record.dataset), run.load(record.victim)
    notes = victim.info.get("notes")
    if record.retrained is not None:
        notes = notes_of(victim, run.load(record.retrained))
    expected = {"num_classes": dataset.info.get("num_classes"), "notes": notes}
    problems = others({name: getattr(record, name) for name in expected}, expected)
    targets = [outcome.target for outcome in record.outcomes]
    twice = sorted({target for target in targets if targets.count(target) > 1}, key=str)
    return problems + [f"{target_text(target)} stands twice" for target in twice[:1]]


def others(held: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What an artifact holds that is not what is expected, in words."""
    wrong = [
        name
        for name, value in expected.items()
        if not same(as_said(name, held.get(name)), as_said(name, value))
    ]
    return [f"its {' and '.join(wrong)} are not those of its step"] if wrong else []


def loaded(run: StoredRun, step: Step) -> Artifact | None:
    """The artifact of a step; None where it is missing, or not what was written."""
    try:
        return run.folder.store.load(step.key)
    except ArtifactDamaged:
        return None


class _Weights(NamedTuple):
    """The digest of a victim's weights after its training, and its encoder's before it (W,).

    `before` is None where that cannot be told.
    """

    after: str
    before: Tensor | None


@lru_cache(maxsize=1)
def _victims(run: StoredRun) -> dict[str, _Weights]:
    """The weights of each victim that can be read, by the keys of their steps."""
    found = {}
    for step in run.steps:
        victim = loaded(run, step) if "training" in step.settings else None
        if victim is not None:
            found[step.key] = _Weights(_digest(victim.tensors), _before(step, run, victim))
    return found


def _are_far_apart(left: Tensor, right: Tensor) -> bool:
    """Whether training cannot have led from these weights (W,), (W,) to the same ones.

    Weights that differ by hardly more than rounding may give equal victims: two methods whose
    pretraining comes to the same, for example.

    >>> start, other = torch.tensor([0.1]), torch.tensor([0.1001])
    >>> _are_far_apart(start, start + 1e-8), _are_far_apart(start, other)
    (False, True)
    """
    return left.shape != right.shape or not torch.allclose(left, right, rtol=0.0, atol=_NEAR)


def _before(step: Step, run: StoredRun, victim: Artifact) -> Tensor | None:
    """The encoder's weights before training (W,); None where that cannot be told."""
    if "pretraining" not in step.inputs:
        try:
            encoder = new_encoder(step.settings, victim.info["in_features"])
        except (KeyError, ValueError, TypeError, RuntimeError):
            return None
        return _flat(prefixed("encoder", encoder.state_dict()))
    pretraining = loaded(run, step.inputs["pretraining"])
    if pretraining is None:
        return None
    return _flat(prefixed("encoder", unprefixed("encoder", pretraining.tensors)))


def _flat(tensors: Mapping[str, Tensor]) -> Tensor:
    """All numbers of some tensors (W,), in the order of their names."""
    parts = [tensors[name].detach().float().flatten() for name in sorted(tensors)]
    return torch.cat([torch.zeros(0), *parts])


def _digest(tensors: Mapping[str, Tensor]) -> str:
    return Artifact(tensors).digest
