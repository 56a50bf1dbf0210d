"""A kind of step that the package does not have: it counts the graphs of a data set."""

from __future__ import annotations

from robust_augcl.plan.kinds import StepKind
from robust_augcl.steps.artifacts import dataset_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact

CENSUS = StepKind(
    title="census",
    revision=1,
    priority=1,
    compute="census:compute_census",
    holds="how many graphs there are",
    wanted=True,
)


def compute_census(step, inputs: Inputs, context: Context) -> Artifact:
    graphs = dataset_of(inputs.artifacts["dataset"]).graphs
    return Artifact({}, {"graphs": graphs.num_graphs, "settings": dict(step.settings)})
