"""Each rule of methods and of data sources is broken once, and the kit finds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.objective import InfoNCE
from robust_augcl.contrast.weighting import HardnessWeighter, Weights
from robust_augcl.graphs.data_source import DataSource
from robust_augcl.testing import (
    DATA_SOURCE_RULES,
    METHOD_RULES,
    ContractBroken,
    check_data_source,
    check_method,
)

# --- methods --------------------------------------------------------------------------------------


class Weigher(HardnessWeighter):
    """Weighs by similarity, and learns a scale."""

    def __init__(self, generator: torch.Generator, diagonal: float = 1.0) -> None:
        self.scale, self.diagonal = float(torch.rand((), generator=generator)), diagonal

    def fit(self, views, generator, report=lambda done, text: None):
        for number, _ in enumerate(views()):
            report((number + 1) / 2, "fitting")

    def weigh(self, z1, z2, similarity):
        weight = 1 + self.scale * similarity.abs()
        weight.fill_diagonal_(self.diagonal)
        none = torch.zeros(len(weight), dtype=torch.bool)
        return Weights(weight, none, none)


@dataclass(frozen=True)
class Sound(Method):
    """Weigh negatives by their similarity."""

    display_name = "Sound"
    strength: float = 1.0

    def weighter(self, embedding_size, generator, device):
        return Weigher(generator)


@dataclass(frozen=True)
class Other(Sound):
    """A base for faults in objectives."""

    def weighter(self, embedding_size, generator, device):
        return None

    def objective(self, embedding_size, settings, generator, device):
        return self.kind(settings, self.weighter(embedding_size, generator, device))


class _Log(InfoNCE):
    def loss(self, z1, z2, numbers):
        return super().loss(z1, z2, numbers) + z1.norm().log()


class _Told(InfoNCE):
    @property
    def info(self):
        return {"share": float("nan")}


@dataclass(frozen=True)
class Infinite(Other):
    kind = _Log


@dataclass(frozen=True)
class Tells(Other):
    kind = _Told


@dataclass(frozen=True)
class Diagonal(Sound):
    def weighter(self, embedding_size, generator, device):
        return Weigher(generator, diagonal=0.5)


@dataclass(frozen=True)
class Lucky(Sound):
    def weighter(self, embedding_size, generator, device):
        return Weigher(torch.default_generator)


class _Backwards(Weigher):
    def fit(self, views, generator, report=lambda done, text: None):
        report(0.9, "")
        report(0.1, "")


@dataclass(frozen=True)
class Backwards(Sound):
    def weighter(self, embedding_size, generator, device):
        return _Backwards(generator)


@dataclass(frozen=True)
class Contradicts(Sound):
    plain = True
    pretrains = False


@dataclass(frozen=True)
class Typo(Sound):
    rivals = "augcl"


@dataclass(frozen=True)
class NoRevision(Sound):
    revision = "2"


@dataclass(frozen=True)
class Twisted(Sound):
    def __reduce__(self):
        return Twisted, (self.strength + 1,)


@dataclass(frozen=True)
class Untyped(Sound):
    pairs: Any = frozenset({1})


@dataclass
class Thawed(Method):
    strength: float = 1.0


METHODS = [
    ("base", 7, "no instance of Method"),
    ("settings", Thawed, "not frozen"),
    ("suite", Untyped(), "written in a suite"),
    ("pickle", Twisted(), "comes back from a pickle"),
    ("revision", NoRevision(), "its `revision` is '2'"),
    ("declared", Contradicts(), "does not pretrain"),
    ("declared", Typo(), "its `rivals` are 'augcl'"),
    ("finite", Infinite(), "embeddings of 0"),
    ("weights", Diagonal(), "the diagonal is not 1"),
    ("chance", Lucky(), "global random state of torch"),
    ("stored", Tells(), "what is no JSON"),
    ("progress", Backwards(), "which fall"),
]


@pytest.mark.parametrize(("rule", "method", "words"), METHODS, ids=[f[2] for f in METHODS])
def test_a_planted_fault_of_a_method_is_found(rule, method, words):
    with pytest.raises(ContractBroken) as caught:
        check_method(method)
    assert (caught.value.rule, words in caught.value.seen) == (rule, True), str(caught.value)


# --- data sources ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paths(DataSource):
    """Paths and cycles."""

    graphs: int = 20

    @property
    def label(self):
        return "paths"

    def load(self, archives, generator):
        sizes = torch.randint(3, 8, (self.graphs,), generator=generator).tolist()
        return [self.one(size, number % 2) for number, size in enumerate(sizes)]

    def one(self, size: int, cyclic: int) -> Data:
        nodes = torch.arange(size)
        edges = torch.stack([nodes, (nodes + 1) % size])[:, : size if cyclic else size - 1]
        both = torch.cat([edges, edges.flip(0)], dim=1)
        return Data(x=torch.ones(size, 1), edge_index=both, y=torch.tensor([cyclic]))

    def scaled(self, factor):
        return replace(self, graphs=max(1, int(self.graphs * factor)))


@dataclass(frozen=True)
class Nameless(Paths):
    @property
    def label(self):
        return ""


@dataclass(frozen=True)
class Grows(Paths):
    def scaled(self, factor):
        return replace(self, graphs=2 * self.graphs)


@dataclass(frozen=True)
class OneWay(Paths):
    def one(self, size, cyclic):
        data = super().one(size, cyclic)
        data.edge_index = data.edge_index[:, : data.edge_index.size(1) // 2]
        return data


@dataclass(frozen=True)
class OneClass(Paths):
    def one(self, size, cyclic):
        return super().one(size, 0)


@dataclass(frozen=True)
class Miscounts(Paths):
    label_rule = "components"

    def admitted(self, archives, generator):
        return Paths(self.graphs).admitted(archives, generator)


@dataclass(frozen=True)
class ByNumpy(Paths):
    def load(self, archives, generator):
        return super().load(archives, generator)[: 10 + np.random.randint(10)]  # noqa: NPY002


_COUNT = count()


@dataclass(frozen=True)
class Restless(Paths):
    def fingerprint(self, archives):
        return str(next(_COUNT))


@dataclass(frozen=True)
class Scarce(Paths):
    graphs: int = 2


@dataclass(frozen=True)
class SourceTwisted(Paths):
    def __reduce__(self):
        return SourceTwisted, (self.graphs + 1,)


@dataclass(frozen=True)
class SourceUntyped(Paths):
    pairs: Any = frozenset({1})


@dataclass
class SourceThawed(DataSource):
    label = "thawed"
    load = Paths.load
    scaled = Paths.scaled


@dataclass(frozen=True)
class SourceRevision(Paths):
    revision = 0


SOURCES = [
    ("base", 7, "no instance of DataSource"),
    ("settings", SourceThawed, "not frozen"),
    ("suite", SourceUntyped(), "written in a suite"),
    ("pickle", SourceTwisted(), "comes back from a pickle"),
    ("revision", SourceRevision(), "its `revision` is 0"),
    ("declared", Nameless(), "its `label` is empty"),
    ("scale", Grows(), "at half the scale it has 40 graphs"),
    ("scale", OneWay(), "InputError"),
    ("entrance", OneClass(), "there is no class but"),
    ("labels", Miscounts(), "graphs are of another class"),
    ("chance", ByNumpy(), "global random state of numpy"),
    ("fingerprint", Restless(), "then"),
    ("split", Scarce(), "InputError"),
]


@pytest.mark.parametrize(
    ("rule", "source", "words"), SOURCES, ids=[f"{f[0]}, {f[2]}" for f in SOURCES]
)
def test_a_planted_fault_of_a_data_source_is_found(rule, source, words):
    with pytest.raises(ContractBroken) as caught:
        check_data_source(source)
    assert (caught.value.rule, words in caught.value.seen) == (rule, True), str(caught.value)


def test_every_rule_is_broken_once():
    assert {rule for rule, _, _ in METHODS} == {rule.name for rule in METHOD_RULES}
    assert {rule for rule, _, _ in SOURCES} == {rule.name for rule in DATA_SOURCE_RULES}


def test_sound_ones_pass():
    check_method(Sound)
    check_method(Sound(strength=2.0))
    check_data_source(Paths)
    check_data_source(Paths(12), skip=["split"])
