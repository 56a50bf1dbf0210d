"""How data sets are loaded or generated, and split."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import torch

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.graphs.data_source import PARTS, DataSource
from robust_augcl.graphs.dataset import Dataset, load_dataset, split_by_class, split_by_parts
from robust_augcl.plan.step import Step, plain
from robust_augcl.seeds import generator, spawn
from robust_augcl.steps.artifacts import NOTES, dataset_artifact, dataset_of
from robust_augcl.steps.context import Context
from robust_augcl.steps.inputs import Inputs
from robust_augcl.store.artifact import Artifact
from robust_augcl.threat.model import ThreatModel

_MOST_NODES, _MOST_EDGES = 80, 250  # of a graph that can still be read when it is drawn
_SHOWN_OF_CLASS, _MOST_SHOWN = 10, 60


def compute_dataset(step: Step, inputs: Inputs, context: Context) -> Artifact:
    """Load or generate a data set, and split it.

    Raises:
        InputError: graphs that cannot be let in, or files that are not those that were planned for.
    """
    source, split = step.settings["source"], step.settings["split"]
    if source.fingerprint(context.archives) != step.settings["fingerprint"]:
        raise InputError(
            f"Expected the files of {source.label} that this run was planned with, got others: "
            "they have changed, or --archives names another folder here"
        )
    dataset = _with_choice(step, load_dataset(source, split, context.archives, _draws(step)))
    made = dataset_artifact(dataset, _header(source))
    return replace(made, about={NOTES: list(dataset.notes)})


def described(artifact: Artifact, threat: ThreatModel, source: DataSource) -> dict[str, Any]:
    """What a report tells of a data set under a threat, as JSON.

    Returns:
        `features` of a node, whether they are `constant`, the `notes` of the entrance, how many
        `targets` the test has, of how many of them the threat allows no edit that changes anything
        (`untouched`), how many targets are for `training`, whether each seed `draws_graphs` of its
        own, and the nodes and edges of a few small test graphs that are `shown`.

    Raises:
        ArtifactDamaged: it holds no data set.
    """
    try:
        dataset = dataset_of(artifact)
        graph = dataset.targets_at(dataset.attacked).graph
        x, notes = dataset.graphs.x, artifact.about.get(NOTES, [])
        return {
            "features": x.size(1),
            "constant": bool((x == x[:1]).all()),
            "notes": [str(note) for note in notes],
            "targets": graph.numel(),
            "untouched": int((_candidates(dataset, threat) == 0).sum()),
            "training": dataset.train.numel(),
            "draws_graphs": source.draws_graphs,
            "shown": _shown(dataset),
        }
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise ArtifactDamaged(f"Expected a data set, got what is none ({error})") from error


def _candidates(dataset: Dataset, threat: ThreatModel) -> torch.Tensor:
    """How many edits that change anything the threat allows of each attacked target (T,)."""
    # An edge that is "added" though it is there changes nothing.
    wide = replace(threat, allow_existing=False)
    if dataset.targets is not None and dataset.graphs.num_graphs == 1:
        return wide.space(dataset.part(dataset.attacked)).counts
    graph = dataset.targets_at(dataset.attacked).graph
    graphs, of_target = graph.unique(return_inverse=True)
    return wide.space(dataset.graphs.select(graphs)).counts[of_target]


def _shown(dataset: Dataset) -> list[dict[str, Any]]:
    """The first test graphs of each class that are small enough to be drawn, with their edges."""
    targets = dataset.targets_at(dataset.test)
    if targets.node is not None:
        return []
    found: list[dict[str, Any]] = []
    taken: Counter[int] = Counter()
    classes = dataset.y[dataset.test].tolist()
    sizes, edges = dataset.graphs.sizes, dataset.graphs.num_undirected_edges
    for number, label in zip(targets.graph.tolist(), classes, strict=True):
        is_small = int(sizes[number]) <= _MOST_NODES and int(edges[number]) <= _MOST_EDGES
        if not is_small or taken[label] >= _SHOWN_OF_CLASS or len(found) >= _MOST_SHOWN:
            continue
        taken[label] += 1
        graph = dataset.graphs.select(torch.tensor([number]))
        source, target = graph.edge_index.tolist()
        pairs = [[i, j] for i, j in zip(source, target, strict=True) if i < j]
        found.append({"graph": number, "nodes": int(sizes[number]), "edges": pairs})
    return found


def split_again(step: Step, dataset: Dataset) -> Artifact:
    """Split the graphs of a stored data set as its step does; nothing else of it is looked at.

    Beyond the graphs there are their target nodes, and targets and parts where what was read states
    them: those are taken as they are stored.

    Raises:
        InputError: too few targets of a class for three parts, or a target that is not there.
    """
    source, graphs = step.settings["source"], dataset.with_target_nodes
    targets = dataset.targets if source.states_targets else source.targets(graphs)
    parts = _stored_parts(dataset) if source.states_parts else source.parts(graphs)
    if parts is None:
        draws = _draws(step)
        spawn(draws)  # which the graphs were drawn with
        made = split_by_class(graphs, step.settings["split"], spawn(draws), targets)
    else:
        made = split_by_parts(graphs, parts, targets)
    made = replace(made, num_classes=max(made.num_classes, source.classes))
    return dataset_artifact(_with_choice(step, made), _header(source))


def _with_choice(step: Step, dataset: Dataset) -> Dataset:
    """The data set with the targets that its step chooses to attack, where that is not all."""
    if "targets" not in step.settings:
        return dataset
    choice, source, seed = (step.settings[name] for name in ("targets", "source", "seed"))
    draws = generator("targets", plain(source), plain(choice), seed)
    return replace(dataset, chosen=choice.of(dataset, draws))


def _stored_parts(dataset: Dataset) -> torch.Tensor:
    """The part of each target (T,), -1 where a target is in none."""
    parts = torch.full((dataset.y.numel(),), -1)
    for place, name in enumerate(PARTS):
        parts[getattr(dataset, name)] = place
    return parts


def dataset_draws(source: DataSource, seed: int) -> torch.Generator:
    """The source of all chance of a data set."""
    return generator("dataset", plain(source), seed)


def _draws(step: Step) -> torch.Generator:
    return dataset_draws(step.settings["source"], step.settings["seed"])


def _header(source: DataSource) -> dict[str, Any]:
    return {"label": source.label, "label_rule": source.label_rule}
