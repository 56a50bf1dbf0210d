"""Forms in which graphs are handed over: taken, or refused with advice that works as it stands."""

from __future__ import annotations

import re

import networkx as nx
import pytest
import torch
import torch_geometric
from torch.utils.data import IterableDataset, Subset, random_split
from torch_geometric.data import Batch, Data, HeteroData, InMemoryDataset, OnDiskDataset
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import ToDense, ToSparseTensor
from torch_geometric.utils import to_scipy_sparse_matrix

from robust_augcl.errors import InputError
from robust_augcl.graphs.entrance import admit


def path(nodes: int, y: int = 0) -> Data:
    """A path, whose features number its nodes."""
    edges = [(i, i + 1) for i in range(nodes - 1)]
    both = [pair for i, j in edges for pair in ((i, j), (j, i))]
    edge_index = torch.tensor(both, dtype=torch.long).reshape(-1, 2).T
    x = torch.arange(nodes, dtype=torch.float32).unsqueeze(1)
    return Data(x=x, edge_index=edge_index, y=torch.tensor([y]))


SIZES = [3, 1, 4, 2, 5]
GRAPHS = [path(nodes, y=k % 2) for k, nodes in enumerate(SIZES)]


class InMemory(InMemoryDataset):
    def __init__(self, graphs):
        super().__init__(None)
        self.data, self.slices = self.collate(graphs)


class OnDisk(OnDiskDataset):
    """Graphs in a data base on the disk."""


class Stream(IterableDataset):
    """Graphs that can only be gone through."""

    def __iter__(self):
        return iter(GRAPHS)


def on_disk(folder) -> OnDisk:
    made = OnDisk(str(folder))
    made.extend(GRAPHS)
    return made


FORMS = {
    "a list": lambda _: GRAPHS,
    "a tuple": lambda _: tuple(GRAPHS),
    "a generator": lambda _: (graph for graph in GRAPHS),
    "in memory": lambda _: InMemory(GRAPHS),
    "on disk": on_disk,
    "a slice": lambda _: InMemory([path(9), *GRAPHS])[1:],
    "by numbers": lambda _: InMemory([*GRAPHS, path(9)])[[0, 1, 2, 3, 4]],
    "a subset": lambda _: Subset(InMemory([path(9), *GRAPHS]), [1, 2, 3, 4, 5]),
    "a subset of a list": lambda _: Subset([path(9), *GRAPHS], [1, 2, 3, 4, 5]),
    "a batch": lambda _: Batch.from_data_list(GRAPHS),
    "batches": lambda _: [Batch.from_data_list(GRAPHS[:2]), Batch.from_data_list(GRAPHS[2:])],
    "a batch beside a graph": lambda _: [Batch.from_data_list(GRAPHS[:4]), GRAPHS[4]],
    "a loader": lambda _: DataLoader(GRAPHS, batch_size=2),
    "a loader that shuffles": lambda _: DataLoader(InMemory(GRAPHS), batch_size=2, shuffle=True),
    "a loader of a stream": lambda _: DataLoader(Stream(), batch_size=2),
    "batches of a loader": lambda _: list(DataLoader(GRAPHS, batch_size=3)),
}


def is_right(found) -> None:
    graphs = found.graphs
    assert graphs.sizes.tolist() == SIZES
    assert graphs.x.flatten().tolist() == [float(i) for nodes in SIZES for i in range(nodes)]
    assert graphs.y.tolist() == [0, 1, 0, 1, 0]
    for data, nodes in zip(graphs.to_data_list(), SIZES, strict=True):
        expected = {(i, j) for i in range(nodes) for j in range(nodes) if abs(i - j) == 1}
        assert set(map(tuple, data.edge_index.T.tolist())) == expected


@pytest.mark.parametrize("name", FORMS)
def test_all_forms_bring_the_same_graphs_in_their_own_order(name, tmp_path):
    found = admit(FORMS[name](tmp_path))
    is_right(found)
    is_loader = name in ("a loader", "a loader that shuffles")
    assert (
        "a loader: the graphs of its data set were taken, in the data set's order" in (found.notes)
    ) == is_loader


def test_a_random_part_keeps_its_own_order():
    one, other = random_split(GRAPHS, [2, 3], generator=torch.Generator().manual_seed(0))
    assert admit(one).graphs.sizes.tolist() == [SIZES[k] for k in one.indices]
    assert admit(other).graphs.sizes.tolist() == [SIZES[k] for k in other.indices]


# --- refused, with advice -------------------------------------------------------------------------


def hetero() -> HeteroData:
    made = HeteroData()
    made["atom"].x, made["bond"].x = torch.ones(2, 1), torch.ones(1, 1)
    made["atom", "to", "bond"].edge_index = torch.tensor([[0, 1], [0, 0]])
    return made


def refusal(graphs) -> str:
    with pytest.raises(InputError) as refused:
        admit(graphs)
    assert len(str(refused.value).splitlines()) == 1
    return str(refused.value)


def advised(text: str, start: str) -> str:
    """The code in the advice that begins so."""
    (code,) = (code for code in re.findall(r"`([^`]*)`", text) if code.startswith(start))
    return code


def names(**own) -> dict:
    return {"torch": torch, "torch_geometric": torch_geometric, "Data": Data, **own}


@pytest.mark.parametrize("given", [hetero(), [GRAPHS[0], hetero()]])
def test_kinds_of_nodes(given):
    text = refusal(given)
    assert "got HeteroData: " in text
    made = eval(advised(text, "data.to_homogeneous"), names(data=hetero()))
    assert made.num_nodes == 3


def test_a_graph_of_networkx():
    graph = nx.path_graph(3)
    assert "got Graph: " in refusal(graph)
    text = refusal([graph])
    made = eval(advised(text, "torch_geometric.utils.from_networkx"), names(graph=graph))
    assert admit([made]).graphs.num_undirected_edges.tolist() == [2]


@pytest.mark.parametrize("in_a_list", [False, True])
def test_dense_and_sparse_matrices(in_a_list):
    dense = torch.zeros(3, 3)
    dense[0, 1] = dense[1, 0] = dense[1, 2] = dense[2, 1] = 1.0
    of = names(x=torch.ones(3, 1), y=0)
    for given, name, start in (
        (dense, "adj", "Data(edge_index=torch_geometric.utils.dense_to_sparse"),
        (dense.to_sparse(), "adj", "adj.to_sparse_coo"),
        (dense.to_sparse_csr(), "adj", "adj.to_sparse_coo"),
        (to_scipy_sparse_matrix(GRAPHS[0].edge_index), "matrix", "Data(edge_index="),
    ):
        text = refusal([given] if in_a_list else given)
        made = eval(advised(text, start), {**of, name: given})
        graph = made if isinstance(made, Data) else Data(edge_index=made, x=of["x"], y=0)
        found = admit([graph]).graphs
        assert found.num_undirected_edges.tolist() == [2]


def test_transforms_that_take_the_edges_away():
    for number, (transform, start) in enumerate(
        [
            (ToSparseTensor(layout=torch.sparse_csr), "data.adj_t.t().to_sparse_coo"),
            (ToDense(), "data.edge_index = torch_geometric"),
        ]
    ):
        data = transform(path(3))
        text = refusal([path(3), data])
        assert "`edge_index` of graph 1" in text
        code = advised(text, start)
        expression = code.removeprefix("data.edge_index = ")
        data.edge_index = eval(expression, names(data=data))
        edges = {tuple(pair) for pair in data.edge_index.T.tolist()}
        assert edges == {(0, 1), (1, 0), (1, 2), (2, 1)}, number


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (path(3), r"one `Data`: hand over a list, \[data\]"),
        ("MUTAG", "a list of graphs, got str"),
        ({"train": GRAPHS}, "a list of graphs, got dict"),
        (5, "a list of graphs, got int"),
        (None, "a list of graphs, got NoneType"),
        ([], "at least one graph, got none"),
        ([GRAPHS], "graph 0 .*got list"),
        ([(GRAPHS[0].x, GRAPHS[0].edge_index)], "graph 0 .*got tuple"),
        (torch.nn.Linear(1, 1), "a list of graphs, got Linear"),
    ],
)
def test_what_is_no_list_of_graphs(given, message):
    assert re.search(message, refusal(given))


def test_several_graphs_in_one_data():
    data = path(4)
    data.batch = torch.tensor([0, 0, 1, 1])
    assert "graph 1 to be one graph, got several" in refusal([path(3), data])
    data.batch = torch.zeros(4, dtype=torch.long)
    assert admit([data]).graphs.num_graphs == 1


def test_a_batch_that_cannot_be_taken_apart():
    made = Batch(
        x=torch.ones(4, 1), edge_index=path(4).edge_index, batch=torch.tensor([0, 0, 1, 1])
    )
    assert "make it with `Batch.from_data_list`" in refusal(made)
    assert "make it with `Batch.from_data_list`" in refusal([made])
