"""The bases of attacks.

An attack is a small frozen dataclass of hyper-parameters. What it learns lives in the proposer that
it prepares. It never judges itself: the guard (`adversary.guard`) limits its access, checks and
applies its edits, and predicts again.

There are four bases: `Attack`; `LearningAttack`, which learns something that is kept;
`CombiningAttack`, which chooses among what other attacks found; and `GrowingAttack`, whose search
for few edits is the beginning of that for more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, NoReturn, Protocol, TypeVar

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Access, VictimView
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.progress import Report, silent
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

AnyAttack = TypeVar("AnyAttack", bound="Attack")

Proposer = Callable[[PackedGraphs], list[Perturbation]]
"""Proposes one perturbation for each of many graphs; the true classes stand in `graphs.y`."""

GrowingProposer = Callable[[PackedGraphs], Iterator[list[Perturbation]]]
"""Proposes for many graphs, threat by threat: one perturbation for each graph each time."""


class FitGraphs(NamedTuple):
    """The graphs that an attack may learn on, and those that it may choose its final state by."""

    train: PackedGraphs
    validation: PackedGraphs


class Attack(ABC):
    """Base of attacks: a frozen dataclass of hyper-parameters.

    What an attack is, it declares in class attributes. Records carry them as traits, and nobody
    guesses them from a name.

    Class attributes:
        access: the victim answers nothing beyond this.
        display_name: what readers call the attack; empty for its label.
        paper: hyper-parameters that the `paper` protocol sets, unless the suite sets them.
        max_budget: the most edits of a graph that it can make; None for no limit.
        exact: whether it claims that no edits within the budget do more damage. The claim is
            proved for each target before anybody sees it.
        most_tried: the name of the hyper-parameter that limits how many pairs of edits of a target
            it tries. An attack that names one declares that it tries every allowed edit, and every
            pair where there are no more; replay holds it to that. None: it declares nothing.
        effort: the name of the hyper-parameter that says how long it runs; None for none. The
            audit asks whether more of it would do more damage.
        encoders: names of encoders that its own networks are made of. When they are revised, the
            attack is computed again.
        nodes_only: whether its targets must be nodes in graphs.
        shares_edits: whether it can attack all targets of a graph by the same edits.
        not_on_planted: why it cannot break the small victims that the audit builds, which any edit
            breaks. The audit then says that it was not tried on them. None: it is tried.
        needs: the optional part without which it cannot run (`registry.optional`); None for none.
        revision: raised when its code changes what it learns or proposes (see revisions.py).

    Example:
        >>> from robust_augcl import registry
        >>> registry.load("attack", "beam")(width=3).access.name
        'QUERY'
    """

    access: ClassVar[Access]
    display_name: ClassVar[str] = ""
    paper: ClassVar[Mapping[str, Any]] = {}
    max_budget: ClassVar[int | None] = None
    exact: ClassVar[bool] = False
    most_tried: ClassVar[str | None] = None
    effort: ClassVar[str | None] = None
    encoders: ClassVar[tuple[str, ...]] = ()
    nodes_only: ClassVar[bool] = False
    shares_edits: ClassVar[bool] = False
    not_on_planted: ClassVar[str | None] = None
    needs: ClassVar[str | None] = None
    revision: ClassVar[int] = 1

    def refuses(self, threat: ThreatModel) -> str | None:
        """Why it cannot keep to a threat; None, as here, where it can."""
        return None

    def scaled(self, factor: float) -> Attack:
        """The attack for a suite at `factor` of its full scale, with fewer learning steps."""
        return self

    def brief(self) -> Attack:
        """The attack made cheap, for looks at whether it works at all."""
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
        """Return the proposer.

        All chance comes from `generator`: the same state gives the same edits.
        """


class LearnedProposer(Protocol):
    """A proposer that an attack has learned, and that can be kept.

    Attributes:
        curve: of learning: step, loss, robust accuracy on the validation graphs.
    """

    curve: Sequence[tuple[int, float, float]]

    def __call__(self, graphs: PackedGraphs) -> list[Perturbation]:
        """Propose one perturbation for each graph."""

    def state(self) -> dict[str, Tensor]:
        """Everything that it has learned."""


class LearningAttack(Attack):
    """Base of attacks that learn something that takes time and is worth keeping.

    >>> from robust_augcl import registry
    >>> issubclass(registry.load("attack", "rl_s2v"), LearningAttack)
    True
    """

    @abstractmethod
    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> LearnedProposer:
        """Learn, and return a proposer that can be kept.

        All chance comes from `generator`: the same state gives the same edits.
        """

    @abstractmethod
    def restore(
        self, state: Mapping[str, Tensor], victim: VictimView, threat: ThreatModel
    ) -> Proposer:
        """Return the proposer whose `LearnedProposer.state` was `state`.

        It may be turned on another victim.
        """

    def go_on(
        self,
        state: Mapping[str, Tensor],
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> LearnedProposer | None:
        """Learn on from `state`, half as long as `prepare` does, and return the proposer.

        The audit asks whether that finds more, on a few victims. None, as here, where the attack
        can only begin anew: then it is asked to learn twice as long instead.
        """
        return None


class CombiningAttack(Attack):
    """Base of attacks that choose among the edits that other attacks found on the same victim.

    Attributes:
        of: the labels of those attacks in the suite. A suite fills in an empty tuple.

    >>> from robust_augcl import registry
    >>> registry.load("attack", "worst_case")(of=("beam", "prbcd")).of
    ('beam', 'prbcd')
    """

    of: tuple[str, ...]

    @abstractmethod
    def combine(
        self, found: Mapping[str, Tensor], victim: VictimView, threat: ThreatModel
    ) -> Proposer:
        """Return the proposer that chooses among what the others found.

        Args:
            found: the edits and margins of the others (see `steps.attacking.what_they_found`).
            victim: the victim, limited to the declared access.
            threat: what is allowed.
        """

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> NoReturn:
        """Raise `TypeError`: there is nothing to prepare, what the others found is handed over."""
        raise TypeError(
            "Expected what other attacks found, got nothing to combine: "
            "this attack runs in a suite, after those it names"
        )


class GrowingAttack(Attack):
    """Base of attacks whose search for few edits is the beginning of their search for more.

    One search answers several budgets. The guard counts what each answer takes, and a suite makes
    one search for all whole budgets of such an attack.

    >>> from robust_augcl import registry
    >>> issubclass(registry.load("attack", "beam"), GrowingAttack)
    True
    """

    @abstractmethod
    def grow(
        self, victim: VictimView, threats: Sequence[ThreatModel], generator: torch.Generator
    ) -> GrowingProposer:
        """Return what proposes for each threat in turn.

        Each answer must be that for its threat alone, and asks the victim nothing that this one
        does not need: the next answer is worked on when it is asked for.

        Args:
            victim: the victim, limited to the declared access.
            threats: they differ in their budgets alone: whole numbers, ascending. One threat may
                also be a share of a graph's edges.
            generator: the source of all chance.
        """

    def prepare(
        self,
        victim: VictimView,
        fit: FitGraphs,
        threat: ThreatModel,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Proposer:
        """Return the proposer for one threat."""
        search = self.grow(victim, [threat], generator)
        return in_parts(lambda graphs: next(search(graphs)), report)


def at_most(attack: AnyAttack, **limits: int) -> AnyAttack:
    """The attack with these hyper-parameters lowered to these values, where they are higher."""
    lowered = {name: min(getattr(attack, name), most) for name, most in limits.items()}
    return replace(attack, **lowered)  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class Fitted:
    """What an attack has learned on a victim, or what it is to combine.

    Args:
        state: of its proposer.
        curve: of its learning: step, loss, robust accuracy on the validation graphs.
        queries: what it asked of the victim.
        gradient_calls: the gradients that it asked for.
        seconds: it took.
    """

    state: dict[str, Tensor]
    curve: list[tuple[int, float, float]]
    queries: int
    gradient_calls: int
    seconds: float


def in_parts(attack: Proposer, report: Report, most: int | None = None) -> Proposer:
    """A proposer that attacks a few graphs at a time, `most` (`PackedGraphs.portions`).

    This bounds memory, and lets the attack tell how far it is.
    """

    def propose(graphs: PackedGraphs) -> list[Perturbation]:
        answers: list[Perturbation] = []
        for part in graphs.portions(most):
            answers += attack(graphs.select(part))
            report(
                len(answers) / graphs.num_graphs,
                f"{len(answers)} of {graphs.num_graphs} graphs attacked",
            )
        return answers

    return propose
