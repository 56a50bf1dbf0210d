"""Whatever an attack answers, the guard judges it in a clean state, or refuses it itself."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from robust_augcl.adversary import guard
from robust_augcl.adversary.attack_base import Attack, FitGraphs, LearningAttack
from robust_augcl.adversary.guard import fit_attack, run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.errors import GuardViolation, ThreatViolation
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

THREAT = ThreatModel(within_component=True)


@pytest.fixture(scope="module")
def graphs():
    return component_graphs(np.repeat([1, 2, 3], 2), (15, 20), 0.15, np.random.default_rng(0))


@pytest.fixture
def victim():
    draws = generator("victim")
    encoder = Structure2Vec(in_features=1, width=8, layers=2, generator=draws)
    return Victim(GraphClassifier(encoder, num_classes=3, hidden=8, generator=draws))


@dataclass(frozen=True)
class Answers(Attack):
    access: ClassVar[Access] = Access.QUERY
    answer: object = None

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: self.answer(graphs, threat)


def first_edits(graphs, threat):
    candidates = threat.enumerate(graphs)
    return [candidates.perturbation(first.reshape(1)) for first in candidates.ptr[:-1]]


def attacked(victim, graphs, answer):
    fit = FitGraphs(graphs, graphs)
    return run_attack(Answers(answer), victim, graphs, THREAT, fit=fit, generator=generator(0))


# --- odd tensors ----------------------------------------------------------------------------------


class Sub(torch.Tensor):
    pass


def emptied():
    made = torch.zeros(2, 1, dtype=torch.long)
    made.untyped_storage().resize_(0)
    return made


def fake():
    with FakeTensorMode() as mode:
        return mode.from_tensor(torch.zeros(2, 1, dtype=torch.long))


def without_fields():
    return object.__new__(Perturbation)


ODD = {
    "sparse": lambda: torch.zeros(2, 1, dtype=torch.long).to_sparse(),
    "sparse rows": lambda: torch.zeros(2, 1, dtype=torch.long).to_sparse_csr(),
    "complex": lambda: torch.zeros(2, 1, dtype=torch.complex64),
    "with gradients": lambda: torch.zeros(2, 1, requires_grad=True),
    "without content": lambda: torch.zeros(2, 1, dtype=torch.long, device="meta"),
    "NaN": lambda: torch.full((2, 1), torch.nan),
    "short numbers": lambda: torch.zeros(2, 1, dtype=torch.int32),
    "huge": lambda: torch.zeros(2, 1, dtype=torch.long).expand(2, 2**40),
    "nested": lambda: torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)]),
    "nested whole numbers": lambda: torch.nested.nested_tensor(
        [torch.zeros(1), torch.zeros(2)], dtype=torch.long
    ),
    "of a subclass": lambda: torch.zeros(2, 1, dtype=torch.long).as_subclass(Sub),
    "a parameter": lambda: nn.Parameter(torch.zeros(2, 1)),
    "fake": fake,
    "emptied": emptied,
    "a number": lambda: 3,
    "an array": lambda: np.zeros((2, 1), dtype=np.int64),
    "of one dimension": lambda: torch.zeros(2, dtype=torch.long),
    "quantized": lambda: torch.quantize_per_tensor(torch.zeros(2, 1), 1.0, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("where", ["added", "removed"])
@pytest.mark.parametrize("name", ODD)
def test_odd_edits_are_refused_in_the_guards_own_words(graphs, victim, name, where):
    def answer(handed, threat):
        return [*first_edits(handed, threat)[:-1], Perturbation(**{where: ODD[name]()})]

    with pytest.raises(
        (GuardViolation, ThreatViolation), match=r"graph 5|beside the other|its numbers"
    ):
        attacked(victim, graphs, answer)


def test_a_perturbation_without_its_fields_is_refused(graphs, victim):
    with pytest.raises(GuardViolation, match=r"edits of graph 0 that can be read.*AttributeError"):
        attacked(victim, graphs, lambda *_: [without_fields() for _ in range(6)])


@dataclass(frozen=True)
class Learns(LearningAttack):
    access: ClassVar[Access] = Access.NONE
    made: object = None
    points: object = ()

    def prepare(self, victim, fit, threat, generator, report=None):
        outer = self

        class Proposer:
            curve = outer.points

            def state(self):
                return outer.made()

        return Proposer()

    def restore(self, state, victim, threat):
        raise NotImplementedError


def learned(victim, graphs, made, points=()):
    fit = FitGraphs(graphs, graphs)
    return fit_attack(Learns(made, points), victim, THREAT, fit=fit, generator=generator(0))


UNKEPT = ("sparse", "sparse rows", "complex", "without content", "nested", "of a subclass")
UNKEPT += ("fake", "emptied", "a number", "an array", "quantized")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", UNKEPT)
def test_an_odd_tensor_in_what_was_learned_is_refused(graphs, victim, name):
    with pytest.raises(GuardViolation, match=r"plain tensor|beside the other|its numbers"):
        learned(victim, graphs, lambda: {"weights": ODD[name]()})


@pytest.mark.parametrize(
    ("made", "points"),
    [
        (lambda: [torch.zeros(1)], ()),
        (lambda: {1: torch.zeros(1)}, ()),
        (lambda: None, ()),
        (dict, [(1, 2)]),
        (dict, 7),
        (dict, [("a", "b", "c")]),
    ],
)
def test_a_state_or_curve_that_is_none_is_refused(graphs, victim, made, points):
    with pytest.raises(GuardViolation, match=r"Expected (the|a) state"):
        learned(victim, graphs, made, points)


def test_a_plain_state_is_copied(graphs, victim):
    own = torch.arange(4.0)
    fitted = learned(victim, graphs, lambda: {"w": own, "p": nn.Parameter(own)}, [(1, 0.5, 1)])
    own.fill_(9)
    assert fitted.state["w"].tolist() == fitted.state["p"].tolist() == [0, 1, 2, 3]
    assert type(fitted.state["p"]) is torch.Tensor
    assert fitted.curve == [(1, 0.5, 1.0)]


# --- a clean state --------------------------------------------------------------------------------

_held = []


def enter(context):
    _held.append(context)
    context.__enter__()


def train_all():
    for found in gc.get_objects():
        if isinstance(found, GraphClassifier):
            found.train()


SPOILS = {
    "a hook": lambda: nn.modules.module.register_module_forward_hook(lambda m, g, out: -out),
    "a hook before": lambda: nn.modules.module.register_module_forward_pre_hook(
        lambda m, given: (given[0] * 0, *given[1:])
    ),
    "autocast": lambda: enter(torch.autocast("cpu", torch.bfloat16)),
    "the dtype": lambda: torch.set_default_dtype(torch.float64),
    "the device": lambda: torch.set_default_device("meta"),
    "training": train_all,
    "margins": lambda: setattr(guard, "margins", lambda logits, y: logits[:, 0] * 0 - 1),
    "predictions": lambda: setattr(Victim, "logits", lambda self, graphs: torch.zeros(6, 3)),
    "the check": lambda: setattr(ThreatModel, "check_all", lambda *_: None),
    "inference mode": lambda: enter(torch.inference_mode()),
}


@pytest.mark.parametrize("name", SPOILS)
def test_the_guard_judges_as_if_the_attack_had_left_all_alone(graphs, victim, name):
    expected = attacked(victim, graphs, first_edits)

    def answer(handed, threat):
        edits = first_edits(handed, threat)
        SPOILS[name]()
        return edits

    found = attacked(victim, graphs, answer)
    _held.clear()
    for part in ("clean_prediction", "attacked_prediction", "clean_margin", "attacked_margin"):
        assert torch.equal(getattr(found, part), getattr(expected, part)), part
    assert attacked(victim, graphs, first_edits).attacked_margin.tolist() == (
        expected.attacked_margin.tolist()
    )
