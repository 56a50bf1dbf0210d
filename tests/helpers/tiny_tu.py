"""A TU archive of three graphs, as plain lists."""

from __future__ import annotations

import zipfile

from generators import seeded

from robust_augcl.data.tu import TUGraphs

# Graph 1: a triangle and a node alone; graph 2: an edge; graph 3: a path of three. Nodes count from
# 1 over all graphs.
EDGES = [
    (1, 2),
    (2, 1),
    (2, 3),
    (3, 2),
    (1, 3),
    (3, 1),
    (5, 6),
    (6, 5),
    (7, 8),
    (8, 7),
    (8, 9),
    (9, 8),
]
OF_GRAPH = [1, 1, 1, 1, 2, 2, 3, 3, 3]
NODE_LABELS = [0, 1, 2, 0, 1, 1, 2, 0, 2]
GRAPH_LABELS = [-1, 1, 1]


def lines(rows):
    return (
        "\n".join(", ".join(map(str, row)) if isinstance(row, tuple) else str(row) for row in rows)
        + "\n"
    )


def write(
    archives,
    name="TINY",
    edges=EDGES,
    of_graph=OF_GRAPH,
    graph_labels=GRAPH_LABELS,
    inside=None,
    **more,
):
    """Write an archive as the collection's are; `more` are further files by their ending."""
    inside = inside or name
    tables = {"A": edges, "graph_indicator": of_graph, "graph_labels": graph_labels, **more}
    folder = archives / "TUDataset"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for ending, rows in tables.items():
            file.writestr(f"{inside}/{inside}_{ending}.txt", lines(rows))
    return folder / f"{name}.zip"


def load(archives, **settings):
    return TUGraphs(**{"name": "TINY", **settings}).load(archives, seeded(0))


def edge_sets(graphs):
    return [
        sorted({tuple(sorted(edge)) for edge in data.edge_index.T.tolist()})
        for data in graphs.to_data_list()
    ]
