"""The graphs that an attack made, as files for whoever wants to look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robust_augcl.data._attacked_files import (
    OF_ALL,
    AttackedGraphs,
    archive_of,
    edge_list_of,
)
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.results.records import Record
from robust_augcl.steps.artifacts import dataset_of
from robust_augcl.store.files import write_atomically
from robust_augcl.store.run_folder import RunFolder

_NO_EDITS = np.zeros((0, 3), dtype=np.int64)


def attacked_graphs(folder: RunFolder, record: Record) -> AttackedGraphs:
    """The attacked targets of a record, in its order, with their clean graphs.

    A graph with many targets is held once, and so are edits that they share.

    Raises:
        ArtifactDamaged: the data set that the record rests on is missing, damaged or another one.
    """
    dataset = dataset_of(folder.load_artifact(record.dataset))
    outcomes = record.outcomes
    numbers = sorted({outcome.graph for outcome in outcomes})
    place = {number: index for index, number in enumerate(numbers)}
    column = {
        name: np.array([getattr(outcome, name) for outcome in outcomes], dtype=np.int64)
        for name in ("clean", "attacked")
    }
    return AttackedGraphs(
        about=_about(record),
        **_clean(dataset, numbers),
        graph=np.array([place[outcome.graph] for outcome in outcomes], dtype=np.int64),
        number=np.array([outcome.graph for outcome in outcomes], dtype=np.int64),
        node=np.array([-1 if o.node is None else o.node for o in outcomes], dtype=np.int64),
        y=np.array([outcome.label for outcome in outcomes], dtype=np.int64),
        **_edits(record),
        **column,
    )


def write_attacked(folder: RunFolder, record: Record, path: Path) -> list[Path]:
    """Write the attacked graphs of a record: an archive, and beside it a list of edges.

    Args:
        folder: the run's.
        record: one of its records.
        path: the files without their endings.

    Returns:
        The files.

    Raises:
        ArtifactDamaged: as `attacked_graphs`.
    """
    graphs = attacked_graphs(folder, record)
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = {".npz": archive_of(graphs), ".edges.txt": edge_list_of(graphs)}
    files = [path.with_name(path.name + ending) for ending in contents]
    for file, content in zip(files, contents.values(), strict=True):
        write_atomically(file, content)
    return files


def _about(record: Record) -> dict[str, Any]:
    """What the graphs are, for a reader who has nothing else."""
    cell = record.cell
    return {
        "suite": cell.suite,
        "data set": cell.dataset,
        "encoder": cell.encoder,
        "layers": cell.layers,
        "method": cell.method,
        "protocol": cell.protocol,
        "attack": cell.attack,
        "budget": cell.budget,
        "seed": cell.seed,
        "threat": record.threat,
        "record": record.key,
    }


def _clean(dataset: Dataset, numbers: Sequence[int]) -> dict[str, np.ndarray]:
    """The clean graphs of these numbers: `ptr`, `x` and `edges`."""
    graphs = dataset.graphs.select(torch.tensor(numbers, dtype=torch.long))
    once = graphs.edge_index[0] < graphs.edge_index[1]
    source, target = graphs.edge_index[:, once].cpu()
    graph = graphs.batch.cpu()[source]
    first = graphs.ptr.cpu()[graph]
    edges = torch.stack([graph, source - first, target - first], dim=1)
    return {
        "ptr": graphs.ptr.cpu().numpy(),
        "x": graphs.x.cpu().float().numpy(),
        "edges": edges.numpy(),
    }


def _edits(record: Record) -> dict[str, np.ndarray]:
    """What was `added` and `removed` before each target, or before all of them."""
    if (shared := record.shared_edits) is not None:
        each = {OF_ALL: (shared.added, shared.removed)}
    else:
        each = {k: (outcome.added, outcome.removed) for k, outcome in enumerate(record.outcomes)}
    added, removed = (
        _triples({target: both[which] for target, both in each.items()}) for which in (0, 1)
    )
    return {"added": added, "removed": removed}


def _triples(edits: Mapping[int, Sequence[Sequence[int]]]) -> np.ndarray:
    """Edits of targets as triples: target, i, j, with i < j."""
    rows = [(target, *sorted(pair)) for target, pairs in edits.items() for pair in pairs]
    return np.array(sorted(rows), dtype=np.int64) if rows else _NO_EDITS
