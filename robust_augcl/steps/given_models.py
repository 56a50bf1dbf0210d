"""How given models are stored: the weights that a user handed over, and what was found of them."""

from __future__ import annotations

import torch

from robust_augcl.graphs import in_memory
from robust_augcl.graphs.entrance import Admitted
from robust_augcl.models.given import known_weights, remember_weights
from robust_augcl.plan.step import Step
from robust_augcl.steps.artifacts import NOTES, dataset_of, prefixed, unprefixed
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact


def compute_given_model(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Store the weights of a given model.

    Raises:
        InputError: this process was not handed the weights.
    """
    settings = step.settings
    info = {
        "label": settings["label"],
        "made_by": dict(settings["made_by"]),
        "structure": settings["structure"],
        "weights": settings["weights"],
        "found": settings["found"],
        "notes": [],
    }
    # It was not trained here: no table may show the time of storing it as that of a training.
    about = {"pretrain_seconds": 0.0, "seconds": 0.0}
    return Artifact(prefixed("model", known_weights(settings["weights"])), info, about)


def hand_over(step: Step, stored: Artifact) -> None:
    """Hand what a user once gave in memory to this process again, from a run's folder.

    Weights of given models and given graphs are known by their digests, so what was altered is not
    taken for them. The result of any other step is left alone.

    Raises:
        ArtifactDamaged: it holds no data set.
    """
    if "weights" in step.settings:
        remember_weights(unprefixed("model", stored.tensors))
    source = step.settings.get("source")
    if source is not None and source.content is not None:
        graphs = dataset_of(stored).with_target_nodes
        notes = tuple(map(str, stored.about.get(NOTES, ())))
        in_memory.remember(Admitted(graphs, notes, torch.arange(graphs.num_graphs)))
