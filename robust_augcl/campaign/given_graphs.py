"""Graphs that a user hands over in Python, as tables of a suite; this process keeps the graphs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch_geometric.data import Data

from robust_augcl.campaign.carried import Attributes
from robust_augcl.errors import InputError, shown
from robust_augcl.graphs import in_memory
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.entrance import Admitted, admit
from robust_augcl.graphs.packed import PackedGraphs

Graphs = str | PackedGraphs | Iterable[Data]
_VALIDATION = 0.2  # of a share to learn on


@dataclass(frozen=True)
class DataTables:
    """The tables of a suite that say which graphs are attacked.

    Args:
        label: what tables call the graphs.
        table: `dataset` and `split`.
    """

    label: str
    table: dict[str, Any]


def data_tables(
    graphs: Graphs, fit: Graphs | float | None, data_name: str, carry: Attributes
) -> DataTables:
    """Which graphs are attacked, and on which attacks may learn."""
    if isinstance(graphs, str):
        return DataTables(
            graphs, {"dataset": {"source": "tu", "name": graphs}, "split": _shares(fit)}
        )
    if isinstance(fit, float | str):
        raise InputError(
            f"Expected `fit` to be graphs, as `graphs` are, got {shown(fit)}: a share is for a "
            "data set by name"
        )
    found = _admitted(graphs, "graphs", carry)
    count = 0
    if fit is not None:
        beside = _admitted(fit, "fit", carry.as_of(found.graphs))
        count, found = beside.graphs.num_graphs, _together(found, beside)
    dataset = {
        "source": "given",
        "digest": in_memory.remember(found),
        "name": data_name,
        "classes": 2,
        "fit": count,
    }
    return DataTables(data_name, {"dataset": dataset})


def _shares(fit: Graphs | float | None) -> dict[str, float]:
    """The shares of a data set by name."""
    if fit is None:
        return {"test": 1.0, "validation": 0.0}
    if not isinstance(fit, float) or not 0 < fit < 1:
        raise InputError(
            "Expected `fit` to be a share of the data set between 0 and 1, since the graphs are a "
            f"data set by name, got {shown(fit)}"
        )
    return {"test": 1 - fit, "validation": _VALIDATION * fit}


def _admitted(graphs: PackedGraphs | Iterable[Data], what: str, carry: Attributes) -> Admitted:
    """Graphs that come in; their labels are the classes of the models.

    Edge attributes are used where packed graphs carry them, as whoever packed them asked for that,
    and where the models take them, unless the user says otherwise.
    """
    if not isinstance(graphs, PackedGraphs):
        graphs = [graphs] if isinstance(graphs, Data) else list(graphs)
        if not graphs:
            raise InputError(f"Expected `{what}` to hold at least one graph, got none")
        if all(getattr(graph, "y", None) is None for graph in graphs):
            raise InputError(
                f"Expected `{what}` to be graphs with labels `y`, got {len(graphs)} without: what "
                "is right, labels tell"
            )
        there = any(getattr(graph, "edge_attr", None) is not None for graph in graphs)
        used, stated = carry.are_used(there), carry.added
    else:
        there = graphs.edge_attr is not None
        used = there if carry.wanted is None else carry.wanted
        before = graphs.added_edge
        stated = carry.added if before is None or carry.added else tuple(before.tolist())
    if not used:
        return admit(graphs, as_given=True)
    try:
        return admit(
            graphs, as_given=True, edge_attributes=True, added_edge=stated or "most_common"
        )
    except InputError as error:
        if carry.wanted:
            raise
        raise InputError(f"{error}; `edge_attributes=False` leaves them out") from error


def _together(graphs: Admitted, fit: Admitted) -> Admitted:
    """The graphs that are attacked, and behind them those to learn on."""
    if graphs.graphs.x.size(1) != fit.graphs.x.size(1):
        raise InputError(
            f"Expected `fit` to have features like `graphs`, {graphs.graphs.x.size(1)} a node, got "
            f"{fit.graphs.x.size(1)}"
        )
    notes = (*graphs.notes, *(f"graphs to learn on: {note}" for note in fit.notes))
    together = concatenate([graphs.graphs, fit.graphs])
    return graphs._replace(graphs=together, notes=notes, kept=torch.arange(together.num_graphs))
