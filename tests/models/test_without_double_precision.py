"""A model that double precision is too much for decides in the highest precision that it has."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from close_calls import (
    ONE,
    STEPS,
    TWO,
    after_each,
    every_set_of_edits,
    one_graph,
    torn,
)
from generators import seeded
from given_modules import Given
from given_modules import given as given_module
from models import classifier
from torch import Tensor

from robust_augcl.adversary.attack_base import FitGraphs, GrowingAttack, LearningAttack
from robust_augcl.adversary.growing import search_together
from robust_augcl.adversary.guard import fit_attack, run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.encoders.gin import GIN
from robust_augcl.errors import InputError
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.threat.perturbations import Perturbation


class SinglePrecision(GIN):
    """An encoder of other people, which insists on single precision."""

    def first_states(self, x):
        if x.dtype != torch.float32:
            raise RuntimeError("expected Float, got Double")
        return super().first_states(x)


def test_an_encoder_without_double_precision_decides_target_by_target():
    copies = after_each(one_graph(), every_set_of_edits(one_graph(), TWO))
    for by in STEPS:
        model = torn(GIN, copies, seed=1, by=by)
        model.encoder.__class__ = SinglePrecision
        victim = Victim(model)
        assert victim.precise_logits(copies) is None
        numbers = torch.arange(copies.num_graphs)
        alone = torch.cat([model(copies.select(number)) for number in numbers.split(1)])
        assert torch.equal(victim.logits(copies).argmax(1), alone.argmax(1))


class Insists(Given):
    """A module that insists on single precision."""

    def forward(self, x, edge_index, batch):
        return super().forward(x, edge_index, batch) @ torch.eye(3, dtype=torch.float32)


def module_logits(module: Given, graphs: PackedGraphs, dtype: torch.dtype) -> Tensor:
    """What a module says of graphs, one by one, in a precision of its own."""
    module = copy.deepcopy(module).to(dtype)
    rows = []
    for data in graphs.to_data_list():
        batch = torch.zeros(data.num_nodes, dtype=torch.long)
        rows.append(module(data.x.to(dtype), data.edge_index, batch))
    return torch.cat(rows)


@pytest.mark.thorough(but=["Given-dtype0"])
@pytest.mark.parametrize(("made", "dtype"), [(Given, torch.double), (Insists, torch.float32)])
@torch.no_grad()
def test_a_given_module_decides_in_the_highest_precision_that_it_has(made, dtype, random_graphs):
    graphs = random_graphs(0, [9, 8, 7, 9], features=3)
    wrong = 0
    for step in range(-10, 11):
        module = given_module("GIN", seed=1)
        module.head[0].bias += 300
        module.head[2].bias -= module.head[2].weight.sum(1) * 300
        logits = module_logits(module, graphs, torch.double)[0]
        best, other, _ = logits.sort(descending=True).indices.tolist()
        module.head[2].bias[other] += float(logits[best] - logits[other]) + step * 3e-6
        precise = module_logits(module, graphs, torch.double).argmax(1)
        module.__class__ = made
        model = ModuleClassifier(module, graphs)
        assert model.in_double == (made is Given)
        victim, expected = Victim(model), module_logits(module, graphs, dtype).argmax(1)
        assert torch.equal(victim.logits(graphs).argmax(1), expected)
        assert (victim.precise_logits(graphs) is None) == (made is Insists)
        wrong += int((model(graphs).argmax(1) != precise).sum())
    assert wrong  # or this is about nothing


class FailsLater(GIN):
    """An encoder that makes a tensor of single precision, for graphs of more than six nodes."""

    def first_states(self, x):
        states = super().first_states(x)
        return states @ torch.eye(states.size(1)) if len(x) > 6 else states


class LaterInsists(Given):
    """A module that insists on single precision for graphs of more than nine nodes."""

    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits @ torch.eye(3, dtype=torch.float32) if len(x) > 9 else logits


def close_to(model: GraphClassifier) -> GraphClassifier:
    """The same classifier with a head by which all logits are equal."""
    for part in model.head[2].parameters():
        part.data.zero_()
    return model


def test_an_encoder_that_fails_in_double_precision_on_a_later_graph_is_named():
    model = close_to(classifier(GIN, "later", layers=2))
    model.encoder.__class__ = FailsLater
    victim = Victim(model)
    assert victim.logits(one_graph()).shape == (1, 3)
    says = r"The model FailsLater .*RuntimeError: .*with `dtype=x.dtype`"
    for ask in (victim.logits, victim.precise_logits):
        with pytest.raises(InputError, match=says):
            ask(one_graph(nodes=8))


def test_a_module_that_fails_in_double_precision_on_a_later_graph_is_named(random_graphs):
    module = given_module("GIN", seed=1)
    for part in module.head[2].parameters():
        part.data.zero_()
    module.__class__ = LaterInsists
    victim = Victim(ModuleClassifier(module, random_graphs(0, [9, 8], features=3)))
    later = random_graphs(1, [9, 10], features=3)
    with pytest.raises(InputError, match=r"The model LaterInsists .*with `dtype=x.dtype`"):
        victim.logits(later)


@dataclass(frozen=True)
class HidesDouble(LearningAttack):
    """Makes double precision fail while it runs, and asks about what is close."""

    access: ClassVar[Access] = Access.QUERY

    def prepare(self, victim, fit, threat, generator, report=None):  # type: ignore[no-untyped-def]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GraphClassifier, "double", None)
            victim.logits(fit.train)
        return MakesNoEdit()

    def restore(self, state, victim, threat):  # type: ignore[no-untyped-def]
        return MakesNoEdit()


class MakesNoEdit:
    curve = ()

    def __call__(self, graphs: PackedGraphs) -> list[Perturbation]:
        return [Perturbation()] * graphs.num_graphs

    def state(self) -> dict[str, Tensor]:
        return {}


@dataclass(frozen=True)
class HidesDoubleAsItGrows(GrowingAttack):
    access: ClassVar[Access] = Access.QUERY

    def grow(self, victim, threats, generator):  # type: ignore[no-untyped-def]
        def search(graphs: PackedGraphs) -> Iterator[list[Perturbation]]:
            HidesDouble().prepare(victim, FitGraphs(graphs, graphs), ONE, generator)
            yield from ([Perturbation()] * graphs.num_graphs for _ in threats)

        return search


@pytest.mark.parametrize("how", ["learns", "runs", "grows"])
def test_no_attack_decides_whether_there_is_double_precision(how):
    graphs = one_graph()
    victim, fit = Victim(close_to(classifier(GIN, "hidden", layers=2))), FitGraphs(graphs, graphs)
    if how == "learns":
        fit_attack(HidesDouble(), victim, ONE, fit=fit, generator=seeded(0))
    elif how == "runs":
        run_attack(HidesDouble(), victim, graphs, ONE, fit=fit, generator=seeded(0))
    else:
        search_together(HidesDoubleAsItGrows(), victim, graphs, [ONE], generator=seeded(0))
    assert victim.precise_logits(graphs) is not None
