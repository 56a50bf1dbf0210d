"""A suite, as frozen dataclasses that check their own values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from robust_augcl.adversary.attack_base import Attack
from robust_augcl.arithmetic import ARITHMETICS, DEFAULT
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.node_pretrain import NodePretraining
from robust_augcl.contrast.pretrain import Pretraining
from robust_augcl.errors import shown
from robust_augcl.graphs.data_source import DataSource, Split
from robust_augcl.graphs.target_choice import TargetChoice
from robust_augcl.models.linear_evaluation import LinearEvaluation
from robust_augcl.models.representations import Representations
from robust_augcl.models.training import Training
from robust_augcl.plan.given_models import GivenModel
from robust_augcl.plan.protocols import Protocol
from robust_augcl.results.stated import Comparisons
from robust_augcl.results.stored_info import MOST_LAYERS, MOST_WEIGHTS
from robust_augcl.threat.model import ThreatModel
from robust_augcl.validation import MOST_SEEDS, require_not_negative, require_positive

T = TypeVar("T")

_MOST_PARTS = 1000  # each is a step, and a part without graphs helps nobody
_MOST_BUDGETS = 100  # an attack that combines others rests on those of all smaller budgets
_MOST_WIDTH = 2**16
_HIGHEST_SEED = 2**63 - 1

MOST_NAME = 60
"""Characters of a suite's name, which becomes a folder's, and of a label."""


@dataclass(frozen=True)
class General:
    """The keys of a suite that stand in no table.

    Args:
        name: of the suite; results of different names never share a folder.
        title: one line that says what it compares.
        seeds: each cell is run with all of these.
        protocols: names of protocols, each cell is run under all of these.
        scale: of the numbers of graphs, and of the attacks' learning steps: above 0, at most 1.
        arithmetic: that all is computed in: "portable", the same bits on every x86-64 processor
            with AVX2, or "fast".

    Raises:
        ValueError: a value out of range.
    """

    name: str
    title: str = ""
    seeds: tuple[int, ...] = (0,)
    protocols: tuple[str, ...] = ("strict",)
    scale: float = 1.0
    arithmetic: str = DEFAULT

    def __post_init__(self) -> None:
        plain = self.name.replace("-", "").replace("_", "").isalnum()
        if not plain or len(self.name) > MOST_NAME:
            raise ValueError(
                f"Expected `name` to be at most {MOST_NAME} letters, digits, - and _, got "
                f"{shown(self.name)}"
            )
        different = len(set(self.seeds)) == len(self.seeds)
        if not different or not 1 <= len(self.seeds) <= MOST_SEEDS or min(self.seeds) < 0:
            raise ValueError(
                f"Expected `seeds` to be different numbers from 0, {MOST_SEEDS} at the most, got "
                f"{shown(list(self.seeds))}"
            )
        if max(self.seeds) > _HIGHEST_SEED:
            raise ValueError(
                f"Expected `seeds` to be at most {_HIGHEST_SEED}, got {shown(max(self.seeds))}"
            )
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            raise ValueError(
                f"Expected `protocols` to be different names, got {shown(list(self.protocols))}"
            )
        if not 0 < self.scale <= 1:
            raise ValueError(f"Expected `scale` to be above 0 and at most 1, got {self.scale}")
        if self.arithmetic not in ARITHMETICS:
            raise ValueError(
                f"Expected `arithmetic` to be {' or '.join(ARITHMETICS)}, got "
                f"{shown(self.arithmetic)}"
            )


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder the victims have.

    Args:
        name: in the registry.
        width: of its layers.
        layers: its rounds of message passing, one or more numbers of them.

    Raises:
        ValueError: a value out of range.
    """

    name: str
    width: int = 64
    layers: tuple[int, ...] = (2,)

    def __post_init__(self) -> None:
        if not 1 <= self.width <= _MOST_WIDTH:
            raise ValueError(f"Expected `width` to be from 1 to {_MOST_WIDTH}, got {self.width}")
        different = self.layers and len(set(self.layers)) == len(self.layers)
        if not different or min(self.layers) < 1 or max(self.layers) > MOST_LAYERS:
            raise ValueError(
                f"Expected `layers` to be different numbers from 1 to {MOST_LAYERS}, got "
                f"{shown(list(self.layers))}"
            )
        weights = max(self.layers) * self.width**2
        if weights > MOST_WEIGHTS:
            raise ValueError(
                f"Expected `layers` times the square of `width` to be at most {MOST_WEIGHTS}, got "
                f"{weights}"
            )


@dataclass(frozen=True)
class ThreatSettings:
    """The threat as a suite states it, with one budget or several.

    Whether an edge that exists may be "added" is the protocol's to say. The other rules are those
    of `threat.model.ThreatModel`.

    Raises:
        ValueError: a value out of range, or budgets that are equal or of both kinds.

    Example:
        >>> ThreatSettings(budget=(3, 1)).budgets
        (1, 3)
    """

    budget: int | float | tuple[int | float, ...] = 1
    operations: tuple[str, ...] = ("add",)
    within_component: bool = False
    at: str = "anywhere"
    share_of: str = "graph"
    shared: bool = False
    setting: str = "evasion"

    def __post_init__(self) -> None:
        different = len(set(self.budgets)) == len(self.budgets)
        one_kind = len({type(budget) for budget in self.budgets}) == 1
        if not (1 <= len(self.budgets) <= _MOST_BUDGETS and different and one_kind):
            raise ValueError(
                "Expected `budget` to be one or more different counts, or different fractions, "
                f"{_MOST_BUDGETS} at the most, got {shown(list(self.budgets))}"
            )
        for budget in self.budgets:
            self.model(budget)

    @property
    def budgets(self) -> tuple[int | float, ...]:
        """All budgets, ascending."""
        return tuple(sorted(self.budget)) if isinstance(self.budget, tuple) else (self.budget,)

    def model(self, budget: int | float) -> ThreatModel:
        """The threat model with one of the budgets."""
        names = {f.name for f in fields(self)} - {"budget"}
        rules = {name: getattr(self, name) for name in names}
        return ThreatModel(budget, **rules)


@dataclass(frozen=True)
class Certificates:
    """What is proved of the victims.

    That is the lower end of a bracket around the worst case; edits that are found on the way count
    for its upper end.

    Args:
        budgets: those of the suite's budgets to certify against; empty for all.
        pairs: pairs of edits that are tried in one graph, at the most, where branch and bound does
            not know the model.
        evaluations: of branch and bound in one graph, for each number of edits, at the most: about
            a million a second. They are counted instead of timed, so every machine settles the
            same graphs. Replay searches as many again. For sets of two edits `pairs` counts too, if
            it is higher. With 0 evaluations every model is searched as one that branch and bound
            does not know.
        sets: of three edits and more that are tried in one graph, at the most, where branch and
            bound does not know the model: about 20,000 a second for a small molecule. They are
            counted before any of them is tried.
        parts: a search of several edits is cut in so many parts, for as many workers. They change
            no result.

    Raises:
        ValueError: a value out of range.
    """

    budgets: tuple[int | float, ...] = ()
    pairs: int = 2_000_000
    evaluations: int = 2_000_000
    sets: int = 200_000
    parts: int = 8

    def __post_init__(self) -> None:
        require_positive(self, "pairs", "sets", "parts")
        require_not_negative(self, "evaluations")
        if self.parts > _MOST_PARTS:
            raise ValueError(f"Expected `parts` to be at most {_MOST_PARTS}, got {self.parts}")


@dataclass(frozen=True)
class Named(Generic[T]):
    """A method or an attack of a suite.

    Args:
        name: its name in the registry.
        label: its name in tables, by default the same.
        what: itself.
        given: the hyper-parameters that the suite sets.
        budgets: of an attack, those of the suite that it is run with.
        pretraining: of a method that changes the suite's settings of pretraining for itself, the
            whole of them.
    """

    name: str
    label: str
    what: T
    given: tuple[str, ...] = ()
    budgets: tuple[int | float, ...] = ()
    pretraining: Pretraining | NodePretraining | None = None


@dataclass(frozen=True)
class Suite:
    """A validated suite: what is compared with what.

    Args:
        name: its name; results of different names never share a folder.
        title: one line that says what it compares.
        source, split: the data.
        encoder, pretraining, training: the victims that are trained here; no encoder where none is.
        threat: which edits are allowed (`allow_existing` is the protocol's to say, the budget a
            cell's).
        budgets: all budgets, ascending.
        protocols, seeds: each cell is run under all of these.
        methods, attacks: what is compared, under which attacks.
        targets: which test targets are attacked, None for all.
        representations: how encoders are scored without labels, None for not at all.
        certificates: what is proved of the victims, None for nothing.
        scale: of the numbers of graphs, and of an attack's learning steps, as they came from the
            file.
        victims: given models, which are compared among themselves.
        linear: how linear heads are chosen, where victims are frozen encoders with linear heads;
            None: victims are trained on labels.
        comparisons: which comparisons are primary, and what counts as equivalent; no step is
            addressed by it.
        table: the content of the file it was made from, overrides included, seeds apart.
        arithmetic: that all is computed in.
        folder: that of the file, where relative paths begin; None: the current folder.
        missing: what is to be said of attacks that were left out, since what they need is missing.

    >>> from robust_augcl.plan.suite import load_suite
    >>> load_suite("quick").budgets
    (1, 3)
    """

    name: str
    title: str
    source: DataSource
    split: Split
    encoder: EncoderSettings | None
    pretraining: Pretraining | NodePretraining
    training: Training
    threat: ThreatModel
    budgets: tuple[int | float, ...]
    protocols: tuple[Protocol, ...]
    seeds: tuple[int, ...]
    methods: tuple[Named[Method], ...]
    attacks: tuple[Named[Attack], ...]
    representations: Representations | None
    certificates: Certificates | None
    scale: float
    victims: tuple[GivenModel, ...] = ()
    targets: TargetChoice | None = None
    linear: LinearEvaluation | None = None
    comparisons: Comparisons = field(default_factory=Comparisons)
    arithmetic: str = DEFAULT
    table: dict[str, Any] = field(default_factory=dict, compare=False)
    folder: Path | None = field(default=None, compare=False)
    missing: tuple[str, ...] = field(default=(), compare=False)

    @property
    def layers(self) -> tuple[int, ...]:
        """The numbers of layers of the victims that are trained here."""
        return () if self.encoder is None else self.encoder.layers

    def attack_for(self, attack: Named[Attack], protocol: Protocol) -> Attack:
        """The attack under a protocol, which sets hyper-parameters that the suite does not set."""
        if protocol.name != "paper":
            return attack.what
        changes = {
            key: value for key, value in attack.what.paper.items() if key not in attack.given
        }
        return replace(attack.what, **changes)  # type: ignore[type-var]

    def training_for(self, protocol: Protocol) -> Training:
        """The settings of supervised training under a protocol."""
        return self.training.own() if protocol.trains_to_rest else self.training.published()

    def pretraining_of(self, method: Named[Method]) -> Pretraining | NodePretraining:
        """The settings of pretraining of a method: its own, or else the suite's."""
        return self.pretraining if method.pretraining is None else method.pretraining

    def threat_for(self, protocol: Protocol, budget: int | float) -> ThreatModel:
        """The threat model under a protocol, with one of the budgets."""
        return replace(self.threat, budget=budget, allow_existing=protocol.allow_existing)


def are_some_of(budgets: Sequence[Any], known: Sequence[int | float]) -> bool:
    """Whether these are all budgets of the suite. A 1 is one edit, but 1.0 all edges.

    Example:
        >>> are_some_of([1], [1, 2]), are_some_of([1], [0.5, 1.0])
        (True, False)
    """
    return all(
        any(type(budget) is type(one) and budget == one for one in known) for budget in budgets
    )
