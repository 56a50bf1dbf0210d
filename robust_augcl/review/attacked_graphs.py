"""The graphs that an attack made, with its edits applied: for whoever wants to look at them."""

from __future__ import annotations

from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.results.records import Record
from robust_augcl.review.edited import perturbation_of
from robust_augcl.steps.artifacts import dataset_of
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.perturbations import apply_all


def attacked_graphs(folder: RunFolder, record: Record) -> PackedGraphs:
    """The attacked targets of a record, in its order, each a graph with the edits in it.

    Raises:
        InputError: the targets are nodes: each would be a copy of a whole graph.
        ArtifactDamaged: the data set that the record rests on is missing, damaged or another one.
    """
    if any(outcome.node is not None for outcome in record.outcomes):
        raise InputError("Expected targets that are graphs, got nodes in a graph")
    dataset = dataset_of(folder.load_artifact(record.dataset))
    numbers = dataset.numbers_of([outcome.target for outcome in record.outcomes])
    edits = [perturbation_of(outcome.added, outcome.removed) for outcome in record.outcomes]
    return apply_all(dataset.part(numbers), edits)
