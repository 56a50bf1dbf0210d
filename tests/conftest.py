"""What the tests share: reference values, random graphs, and networkx pictures of packed graphs."""

from __future__ import annotations

# isort: off
# Before anything imports NumPy or PyTorch: shipped suites compute in portable arithmetic.
from robust_augcl import use_arithmetic

use_arithmetic("portable")
# isort: on

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from outer_shell import forget
from real_archives import put_away
from torch import Tensor
from torch_geometric.data import Data

from robust_augcl.graphs.packed import PackedGraphs

# A test run never depends on chance, nor on how fast examples are drawn;
# `--hypothesis-profile=explore` looks further.
settings.register_profile(
    "repeatable",
    deadline=None,
    max_examples=25,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile("repeatable")

# A shell that starts the tests in the background has Ctrl-C ignored, in their processes too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Python takes bytecode for that of a file by size and whole seconds alone. A test that writes a
# module anew within a second would run the old one, here or in a process that it starts.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

# Which of two tiers a test is of: see tests/helpers/tiers.py.
pytest_plugins = ["tiers"]
VECTORS = Path(__file__).parent / "vectors"


def pytest_sessionstart() -> None:
    """Let tests see nothing of what the shell says. Pytest has read it, and keeps its colours."""
    forget(os.environ)
    put_away(os.environ)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the long files of tests/workers begin first, and not last.

    Two processes take file by file. Whoever takes a long one last leaves the other one idle.
    """
    workers = Path(__file__).parent / "workers"
    items.sort(key=lambda item: workers not in item.path.parents)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Small graphs: several threads only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _fonts_are_known(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Matplotlib looks for fonts here, and what it finds is kept for all processes of the tests.

    Each process that draws would look for itself where no home can be written. It would say so on
    its error stream, and leave a temporary folder if it is killed.
    """
    from shared import made_once, shared_folder

    def look(folder: Path) -> None:
        from matplotlib import font_manager

        name = f"fontlist-v{font_manager.FontManager.__version__}.json"
        font_manager.json_dump(font_manager.fontManager, folder / name)

    found = made_once(shared_folder(tmp_path_factory) / "matplotlib", look)
    os.environ["MPLCONFIGDIR"] = str(found)


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], dict[str, Tensor]]:
    """Reference values computed by other code, by the name of their archive in tests/vectors."""

    def load(name: str) -> dict[str, Tensor]:
        with np.load(VECTORS / f"{name}.npz", allow_pickle=False) as archive:
            return {key: torch.from_numpy(archive[key]) for key in archive.files}

    return load


_NOBODY_LOOKS = {"campaign", "cli", "models", "plan", "plug_ins", "review", "test_examples.py"}
"""What makes runs and looks at no figure of them. See tests/end_to_end/conftest.py too."""


@pytest.fixture(autouse=True, scope="module")
def _figures_are_sketched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Figures take half of the time of a small run."""
    if _NOBODY_LOOKS.isdisjoint(request.path.relative_to(Path(__file__).parent).parts):
        yield
        return
    from shared import shared_folder
    from tried_once import drawn_once

    with drawn_once(shared_folder(tmp_path_factory), sketched=True):
        yield


# --- graphs ---------------------------------------------------------------------------------------


def _to_data(
    num_nodes: int, edges: Sequence[tuple[int, int]], first_id: int = 0, y: int = 0
) -> Data:
    """A graph of undirected edges (i, j), each once; node k carries the feature first_id + k, by
    which it can be traced.
    """
    both = [pair for i, j in edges for pair in ((i, j), (j, i))]
    edge_index = torch.tensor(both, dtype=torch.long).reshape(-1, 2).T
    x = torch.arange(first_id, first_id + num_nodes, dtype=torch.float32).unsqueeze(1)
    return Data(x=x, edge_index=edge_index, y=torch.tensor([y]))


def _to_networkx(data: Data) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(data.num_nodes))
    graph.add_edges_from(data.edge_index.T.tolist())
    return graph


@pytest.fixture(scope="session")
def to_data() -> Callable[..., Data]:
    return _to_data


@pytest.fixture(scope="session")
def to_networkx() -> Callable[[Data], nx.Graph]:
    """The networkx picture of one graph."""
    return _to_networkx


@st.composite
def _data_lists(draw, min_graphs: int = 1, max_graphs: int = 5, max_nodes: int = 8):
    graphs, first_id = [], 0
    for _ in range(draw(st.integers(min_graphs, max_graphs))):
        size = draw(st.integers(1, max_nodes))
        pairs = list(combinations(range(size), 2))
        edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
        graphs.append(_to_data(size, edges, first_id, y=draw(st.integers(0, 2))))
        first_id += size
    return graphs


@pytest.fixture(scope="session")
def data_lists() -> Callable[..., st.SearchStrategy[list[Data]]]:
    """Strategy of lists of small graphs, single nodes and edgeless graphs among them; features
    number all nodes of a list.
    """
    return _data_lists


@pytest.fixture(scope="session")
def random_graphs() -> Callable[..., PackedGraphs]:
    """Packed Erdos-Renyi graphs with normal features, from a seed."""

    def draw(
        seed: int,
        sizes: Sequence[int] = (9, 1, 14, 6),
        density: float = 0.3,
        features: int = 3,
        classes: int = 3,
    ) -> PackedGraphs:
        rng = np.random.default_rng(seed)
        graphs = []
        for number, size in enumerate(sizes):
            edges = [pair for pair in combinations(range(size), 2) if rng.random() < density]
            data = _to_data(size, edges, y=number % classes)
            data.x = torch.from_numpy(rng.normal(size=(size, features))).float()
            graphs.append(data)
        return PackedGraphs.from_data_list(graphs)

    return draw


# --- the trained component-graph classifier of the reference values -------------------------------


@pytest.fixture(scope="session")
def reference_graphs(vectors) -> PackedGraphs:
    """The component graphs of components.npz."""
    values = vectors("components")
    graphs = []
    for number, (size, label) in enumerate(
        zip(values["num_nodes"].tolist(), values["label"].tolist(), strict=True)
    ):
        edges = values["edges"][values["edges"][:, 0] == number][:, 1:]
        data = _to_data(size, edges.tolist(), y=label)
        data.x = torch.ones(size, 1)
        graphs.append(data)
    return PackedGraphs.from_data_list(graphs)


@pytest.fixture
def reference_model(vectors):
    """A classifier with the weights of components.npz."""
    from robust_augcl.encoders.structure2vec import Structure2Vec
    from robust_augcl.models.classifier import GraphClassifier

    values = vectors("components")
    generator = torch.Generator()
    encoder = Structure2Vec(
        in_features=1, width=64, layers=int(values["layers"]), generator=generator
    )
    model = GraphClassifier(encoder, num_classes=3, hidden=32, generator=generator)
    names = {
        "encoder.node_to_latent": "n2l",
        "encoder.conv": "conv",
        "head.0": "h1",
        "head.2": "out",
    }
    parts = [(ours, theirs, part) for ours, theirs in names.items() for part in ("weight", "bias")]
    model.load_state_dict(
        {f"{ours}.{part}": values[f"net_{theirs}_{part}"] for ours, theirs, part in parts}
    )
    return model
