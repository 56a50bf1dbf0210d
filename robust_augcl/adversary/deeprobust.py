"""DeepRobust (Li et al. 2021, AAAI), an independent library, reached through this module alone.

DeepRobust 0.2.11 attacks nodes of one graph. It is an optional part: nothing of it is imported
before it is used, and all else works without it. What was found by trying it with NumPy 2, SciPy
1.17 and PyTorch 2.13, and is worked around here:

- Two of its packages import `torch_scatter` and `torch_sparse`, which nothing that is used here
  calls. Where they are not installed, stand-ins take their places while it is imported. PyTorch
  Geometric is imported before, since it looks for them too.
- It draws from the global states of NumPy, Python and PyTorch. They are seeded from the generator
  that is passed in, and put back.
- It prints, and draws bars of progress. Its modules are given a `print` and a `tqdm` that do not.
- It calls what later versions of PyTorch and SciPy warn of. While it works, no warning that comes
  from its own lines is shown: whoever runs a suite cannot mend them.
- Its own check of an answer fails where no edge is left. What it answers is judged by the guard.
- Its modules `rl.*_config` parse the arguments of the process, and are never imported.

Letters: N nodes, F features, C classes, L nodes of known class, K targets.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import random
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from robust_augcl.adversary.plain_graph import PlainGraph
from robust_augcl.errors import InputError
from robust_augcl.registry.optional import DEEPROBUST

VERSION = "0.2.11"
"""What was tried; another version may need other care."""

_STAND_INS = {
    "torch_scatter": ("scatter_add",),
    "torch_sparse": ("SparseTensor", "coalesce", "matmul", "set_diag"),
}


# --- the library ----------------------------------------------------------------------------------


@functools.cache
def library() -> SimpleNamespace:
    """What is used of DeepRobust, by the names that it has there.

    Raises:
        InputError: it is not installed, or in another version.
    """
    if DEEPROBUST.missing:
        raise InputError(f"DeepRobust cannot be used: {DEEPROBUST.problem}")
    if DEEPROBUST.version != VERSION:
        raise InputError(
            f"Expected DeepRobust {VERSION}, got {DEEPROBUST.version}: {DEEPROBUST.install[-1]}"
        )
    importlib.import_module("torch_geometric")
    with _stand_ins():
        parts = [
            importlib.import_module(f"deeprobust.graph.{name}")
            for name in ("utils", "defense", "targeted_attack", "global_attack")
        ]
    _quieten()
    found = SimpleNamespace(utils=parts[0])
    for part, names in zip(
        parts[1:],
        (
            ("GCN",),
            ("FGA", "IGAttack", "Nettack", "RND"),
            ("DICE", "Metattack", "PGDAttack", "Random"),
        ),
        strict=True,
    ):
        for name in names:
            setattr(found, name, getattr(part, name))
    return found


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """Stand-ins for the packages that are imported and not called, where they are not installed."""
    made = []
    for name, members in _STAND_INS.items():
        try:
            importlib.import_module(name)
        except ImportError:
            stand_in = ModuleType(name)
            for member in members:
                setattr(stand_in, member, None)
            sys.modules[name] = stand_in
            made.append(name)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def _quieten() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("deeprobust.graph."):
            vars(module)["print"] = lambda *_, **__: None
            if hasattr(module, "tqdm"):
                vars(module)["tqdm"] = lambda turns, **_: turns


@contextlib.contextmanager
def without_its_warnings() -> Iterator[None]:
    """Show no warnings that come from lines of DeepRobust for a while."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"deeprobust\.")
        yield


@contextlib.contextmanager
def chance(generator: torch.Generator) -> Iterator[None]:
    """The global random states, seeded from a generator for a while, without its warnings."""
    seed = int(torch.randint(2**31, (), generator=generator))
    own, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002 - DeepRobust draws from it
            torch.manual_seed(seed)
            with without_its_warnings():
                yield
    finally:
        random.setstate(own)
        np.random.set_state(of_numpy)  # noqa: NPY002


def answer(attack: Any, *args: Any, **settings: Any) -> Any:
    """Let an attack work, and return the adjacency matrix that it made."""
    attack.check_adj = attack.check_adj_tensor = lambda _: None
    with without_its_warnings():
        attack.attack(*args, **settings)
    return attack.modified_adj


# --- surrogates -----------------------------------------------------------------------------------


def trained_surrogate(
    graph: PlainGraph,
    validation: np.ndarray,
    num_classes: int,
    generator: torch.Generator,
    *,
    hidden: int = 16,
) -> nn.Module:
    """DeepRobust's linear GCN of two rounds, trained by it on the nodes of known class.

    Args:
        graph: what it is trained on.
        validation: nodes by which its epoch is chosen; none: the last epoch.
        num_classes: C.
        generator: the source of all chance.
        hidden: its width.
    """
    gcn = gcn_with(None, (graph.x.shape[1], hidden, num_classes), relu=False, bias=False)
    with chance(generator):
        gcn.fit(
            graph.sparse_x,
            graph.adjacency,
            graph.y,
            graph.known,
            validation if len(validation) else None,
            patience=30,
        )
    return gcn


def gcn_with(
    weights: Sequence[Tensor] | None,
    sizes: tuple[int, int, int],
    *,
    relu: bool = True,
    bias: bool = True,
) -> Any:
    """DeepRobust's GCN of two rounds, with copied weights.

    Args:
        weights: (F, H), (H,), (H, C), (C,); without the second and the fourth where there is no
            bias. None: drawn from the global state of PyTorch.
        sizes: F, H, C.
        relu: whether there is a relu between the rounds.
        bias: whether the rounds have biases.
    """
    features, hidden, classes = sizes
    with torch.random.fork_rng(devices=[]):
        gcn = library().GCN(
            nfeat=features,
            nhid=hidden,
            nclass=classes,
            dropout=0,
            with_relu=relu,
            with_bias=bias,
            device="cpu",
        )
    if weights is not None:
        with torch.no_grad():
            for own, given in zip(gcn.parameters(), weights, strict=True):
                own.copy_(given)
    return gcn.eval()


def outputs_of(gcn: Any, graph: PlainGraph) -> Tensor:
    """The log-probabilities (N, C) of DeepRobust's GCN for a graph, which it also remembers."""
    with torch.no_grad():
        gcn.output = gcn.predict(graph.sparse_x, graph.adjacency)
    output: Tensor = gcn.output
    return output
