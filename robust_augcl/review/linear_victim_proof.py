"""What replay proves of a victim of linear evaluation by what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robust_augcl.plan.step import Step
from robust_augcl.review.differences import same
from robust_augcl.review.input_proofs import NO_PRETRAINING, loaded, others
from robust_augcl.review.proofs import Proof
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.steps.artifacts import dataset_of, new_encoder, unprefixed
from robust_augcl.steps.linear_victims import embeddings_of

_FEW = 0.005
"""Of the targets of a part, so many may be classified otherwise where rounding differs."""


def prove_linear_victim(step: Step, run: StoredRun) -> Proof:
    """Prove that a linear victim is of its step, and as accurate as it says.

    Encoder, sizes and penalties are held against plan and data set, the choice against what it says
    of the penalties, and its accuracy is counted again over all targets.

    Raises:
        ArtifactDamaged: it, or what it rests on, is missing, or not what was written.
    """
    victim, settings = run.folder.store.load(step.key), step.settings
    info = victim.info
    dataset = dataset_of(run.folder.store.load(step.inputs["dataset"].key))
    expected = {
        "encoder": settings["encoder"],
        "width": settings["width"],
        "layers": settings["layers"],
        "in_features": dataset.graphs.x.size(1),
        "num_classes": dataset.num_classes,
    }
    unproved = ""
    if "pretraining" not in step.inputs:
        expected["notes"] = []
    elif (pretraining := loaded(run, step.inputs["pretraining"])) is not None:
        expected["notes"] = pretraining.info.get("notes")
    else:
        unproved = f"{NO_PRETRAINING}, so its notes and where its weights began are on trust"
    problems = [*others(info, expected), *_of_its_choice(info, settings["linear"].c)]
    if problems:  # what follows may not even be computed
        return Proof("", problems, unproved=unproved)
    encoder = new_encoder(settings, dataset.graphs.x.size(1))
    encoder.load_state_dict(unprefixed("model.encoder", victim.tensors))
    head = unprefixed("model.head.0", victim.tensors)
    logits = embeddings_of(encoder, dataset, "cpu") @ head["weight"].T + head["bias"]
    right = logits.argmax(1) == dataset.y
    for name, told in info["accuracy"].items():
        found = float(right[getattr(dataset, name)].double().mean())
        if not abs(found - told) <= _FEW:
            problems.append(f"its accuracy for {name} is {found:.4f}, not {told:.4f}")
    return Proof("", problems, unproved=unproved)


def _of_its_choice(info: Mapping[str, Any], strengths: tuple[float, ...]) -> list[str]:
    """What a victim says of its penalties that does not follow from them."""
    tried, problems = info["tried"], []
    if not same([one["c"] for one in tried], sorted(strengths)):
        return ["the penalties that it tried are not those of its step"]
    best = min(range(len(tried)), key=lambda k: (-tried[k]["accuracy"], tried[k]["loss"], k))
    if info["chosen"] != best:
        problems.append("its chosen is not the penalty of the highest accuracy")
    return problems
