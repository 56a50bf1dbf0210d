"""How data sets are loaded or generated, and split."""

from __future__ import annotations

from robust_augcl.graphs.dataset import load_dataset
from robust_augcl.plan.step import Step, plain
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_artifact
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact


def compute_dataset(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Load or generate a data set, and split it."""
    source, split = step.settings["source"], step.settings["split"]
    draws = generator("dataset", plain(source), step.settings["seed"])
    dataset = load_dataset(source, split, context.archives, draws)
    return dataset_artifact(dataset, {"label": source.label, "label_rule": source.label_rule})
