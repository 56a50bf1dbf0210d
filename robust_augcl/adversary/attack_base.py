"""The attack protocol, and the guard that runs every attack.

An attack is a small frozen dataclass of hyper-parameters. What it learns lives in the proposer that
`prepare` returns. It never judges itself: `run_attack`, a function that no attack can override,
limits its access, checks and applies its edits, and predicts again.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Access, Victim, VictimView
from robust_augcl.errors import GuardViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import Perturbation, ThreatModel, apply_all, check_form

Proposer = Callable[[PackedGraphs], list[Perturbation]]
"""Proposes one perturbation a graph, for many graphs at once; the true classes stand in
`graphs.y`.
"""


class FitGraphs(NamedTuple):
    """The graphs that an attack may learn on, and those that it may choose its final state by."""

    train: PackedGraphs
    validation: PackedGraphs


class Attack(ABC):
    """Base of attacks: a frozen dataclass of hyper-parameters that says what access it needs.

    Class attributes:
        access: the victim it is handed answers nothing beyond this.
        paper: hyper-parameters that the `paper` protocol sets, where a suite does not set them
            itself.
        max_budget: the most edits a graph that it can make, None without limit.
        learns: whether `prepare` learns something that takes time and is worth keeping. Then its
            proposer is a `LearnedProposer`, and `restore` makes it again.
        combines: whether it learns nothing, and `restore` makes its proposer from what other
            attacks of the suite, those labelled `of`, found on the same victim (`what_they_found`).
        exact: whether nothing within `max_budget` edits does more damage.
        encoders: the names of encoders that its own networks are made of: it is computed again when
            they are revised.
        revision: raised when its code changes what it learns or proposes (revisions.py).
    """

    access: ClassVar[Access]
    paper: ClassVar[Mapping[str, Any]] = {}
    max_budget: ClassVar[int | None] = None
    learns: ClassVar[bool] = False
    combines: ClassVar[bool] = False
    exact: ClassVar[bool] = False
    encoders: ClassVar[tuple[str, ...]] = ()
    revision: ClassVar[int] = 1

    def scaled(self, factor: float) -> Attack:
        """The attack for a suite at `factor` of its full scale: fewer learning steps, where there
        are any.
        """
        return self

    @abstractmethod
    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        """Learn what there is to learn and return the proposer.

        All chance comes from `generator`: the same state gives the same edits.
        """

    def restore(
        self, state: Mapping[str, Tensor], victim: VictimView, threat: ThreatModel
    ) -> Proposer:
        """Return the proposer whose `LearnedProposer.state` was `state`; it may be turned on
        another victim.
        """
        raise TypeError(f"Expected an attack that learns, got {type(self).__name__}")


class LearnedProposer(Protocol):
    """A proposer that an attack has learned, and that can be kept.

    Attributes:
        curve: of learning: step, loss, robust accuracy on the validation graphs.
    """

    curve: Sequence[tuple[int, float, float]]

    def __call__(self, graphs: PackedGraphs) -> list[Perturbation]:
        """Propose one perturbation a graph."""

    def state(self) -> dict[str, Tensor]:
        """Everything that it has learned."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What an attack has learned on a victim.

    Args:
        state: of its proposer.
        curve: of its learning: step, loss, robust accuracy on the validation graphs.
        queries, gradient_calls: what it asked of the victim.
        seconds: it took.
    """

    state: dict[str, Tensor]
    curve: list[tuple[int, float, float]]
    queries: int
    gradient_calls: int
    seconds: float


@dataclass(frozen=True, eq=False)
class AttackResult:
    """What an attack did to G graphs, as the guard saw it.

    Args:
        perturbations: the edits, checked (G).
        clean_prediction, attacked_prediction: classes (G,).
        clean_margin, attacked_margin: the true class's logit less the best other one (G,).
        queries, gradient_calls: what the attack asked of the victim, learning included.
        fit_seconds, attack_seconds: for learning, and for proposing.
    """

    perturbations: list[Perturbation]
    clean_prediction: Tensor
    attacked_prediction: Tensor
    clean_margin: Tensor
    attacked_margin: Tensor
    queries: int
    gradient_calls: int
    fit_seconds: float
    attack_seconds: float


def in_parts(attack: Proposer, report: Report) -> Proposer:
    """A proposer that attacks a few graphs at a time (`PackedGraphs.portions`): that bounds memory,
    and tells how far it is.
    """

    def propose(graphs: PackedGraphs) -> list[Perturbation]:
        answers: list[Perturbation] = []
        for part in graphs.portions():
            answers += attack(graphs.select(part))
            report(
                len(answers) / graphs.num_graphs,
                f"{len(answers)} of {graphs.num_graphs} graphs attacked",
            )
        return answers

    return propose


def check_supported(attack: Attack, threat: ThreatModel) -> None:
    """Raise `ValueError` if the attack cannot make as many edits as the threat model allows."""
    limit = attack.max_budget
    if limit is not None and (isinstance(threat.budget, float) or threat.budget > limit):
        raise ValueError(
            f"Expected `budget` to be at most {limit} for the attack {type(attack).__name__}, "
            f"got {threat.budget}"
        )


def fit_attack(
    attack: Attack,
    victim: Victim,
    threat: ThreatModel,
    *,
    fit: FitGraphs,
    generator: torch.Generator,
    report: Report = silent,
) -> Fitted:
    """Let an attack learn, under guard, and return what it has learned; `run_attack` takes it from
    there, on this or another victim.

    Raises:
        AccessViolation, GuardViolation, ValueError: as `run_attack`.
    """
    check_supported(attack, threat)
    queries, gradient_calls = victim.queries, victim.gradient_calls
    handed = FitGraphs(*(_copy(part) for part in fit))
    start = time.perf_counter()
    proposer = cast(
        LearnedProposer,
        attack.prepare(
            victim.restricted(attack.access), handed, replace(threat), generator, report
        ),
    )
    state = {name: tensor.detach().cpu().clone() for name, tensor in proposer.state().items()}
    seconds = time.perf_counter() - start
    _check_unchanged(
        attack,
        {"training": (fit.train, handed.train), "validation": (fit.validation, handed.validation)},
    )
    curve = [(int(step), float(loss), float(accuracy)) for step, loss, accuracy in proposer.curve]
    return Fitted(
        state, curve, victim.queries - queries, victim.gradient_calls - gradient_calls, seconds
    )


def run_attack(
    attack: Attack,
    victim: Victim,
    graphs: PackedGraphs,
    threat: ThreatModel,
    *,
    fit: FitGraphs,
    generator: torch.Generator,
    fitted: Fitted | None = None,
    report: Report = silent,
) -> AttackResult:
    """Run an attack under guard: hand it a victim limited to its access and graphs of its own, then
    check, apply and predict.

    The attack's own word on its success is never used; a graph that it changed by hand is found
    out. What it has learned before (`fitted`) is not learned again.

    Raises:
        ThreatViolation: an edit that the threat model does not allow.
        AccessViolation: a question beyond the declared access.
        GuardViolation: changed input graphs, or an answer that is no list of perturbations.
        ValueError: an attack that cannot make as many edits as the threat model allows.
    """
    check_supported(attack, threat)
    clean_logits = victim.logits(graphs)
    queries, gradient_calls = victim.queries, victim.gradient_calls
    handed, handed_fit = _copy(graphs), FitGraphs(*(_copy(part) for part in fit))
    view, told = (
        victim.restricted(attack.access),
        replace(threat),
    )  # it is judged by another object than it can reach

    start = time.perf_counter()
    proposer = (
        attack.prepare(view, handed_fit, told, generator, report)
        if fitted is None
        else attack.restore(fitted.state, view, told)
    )
    prepared = time.perf_counter()
    proposed = proposer(handed)
    finished = time.perf_counter()
    queries, gradient_calls = victim.queries - queries, victim.gradient_calls - gradient_calls

    pairs = {
        "attacked": (graphs, handed),
        "training": (fit.train, handed_fit.train),
        "validation": (fit.validation, handed_fit.validation),
    }
    _check_unchanged(attack, pairs)
    if type(proposed) is not list:
        raise GuardViolation(
            f"Expected a list of perturbations from {type(attack).__name__}, got "
            f"{type(proposed).__name__}"
        )
    for index, perturbation in enumerate(proposed):
        check_form(index, perturbation)
    perturbations = [
        Perturbation(p.added.cpu().clone(), p.removed.cpu().clone()) for p in proposed
    ]  # checked and applied are the same
    threat.check_all(graphs, perturbations)
    attacked_logits = victim.logits(apply_all(graphs, perturbations))
    return AttackResult(
        perturbations=perturbations,
        clean_prediction=clean_logits.argmax(1).cpu(),
        attacked_prediction=attacked_logits.argmax(1).cpu(),
        clean_margin=margins(clean_logits, graphs.y.to(victim.device)).cpu(),
        attacked_margin=margins(attacked_logits, graphs.y.to(victim.device)).cpu(),
        queries=queries + (fitted.queries if fitted else 0),
        gradient_calls=gradient_calls + (fitted.gradient_calls if fitted else 0),
        fit_seconds=fitted.seconds if fitted else prepared - start,
        attack_seconds=finished - prepared,
    )


def _check_unchanged(
    attack: Attack, pairs: Mapping[str, tuple[PackedGraphs, PackedGraphs]]
) -> None:
    """Raise `GuardViolation` if graphs that were handed out are not as they were."""
    for name, (own, theirs) in pairs.items():
        if not _same(own, theirs):
            raise GuardViolation(
                f"The attack {type(attack).__name__} changed the {name} graphs that it was given"
            )


def _copy(graphs: PackedGraphs) -> PackedGraphs:
    return PackedGraphs(
        graphs.x.clone(), graphs.edge_index.clone(), graphs.ptr.clone(), graphs.y.clone()
    )


def _same(left: PackedGraphs, right: PackedGraphs) -> bool:
    pairs = (
        (left.x, right.x),
        (left.edge_index, right.edge_index),
        (left.ptr, right.ptr),
        (left.y, right.y),
    )
    return all(torch.equal(a, b) for a, b in pairs)
