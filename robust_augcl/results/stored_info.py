"""What artifacts of each kind say of their tensors, and of how they came to be.

The table of step kinds names one of these dataclasses for each kind, and an artifact's `info` must
be read as it. What its `about` must hold more than seconds stands in `beside`. Losses may be NaN: a
training may diverge, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from robust_augcl.results import strict
from robust_augcl.results.outcome import SharedEdits
from robust_augcl.results.stored_tables import environment_table

MOST_LAYERS = 1000
"""How many rounds an encoder may have."""
MOST_WIDTH = 1 << 20
"""How wide a layer may be."""
MOST_WEIGHTS = 1 << 28
"""The most weights that an encoder may have: layers times width times the wider of its sides."""

Loss = float
Width = Annotated[int, Field(ge=1, le=MOST_WIDTH)]
_Free = Annotated[dict[str, Any], AfterValidator(lambda table: strict.plain(table, True))]


@dataclass(frozen=True)
class DatasetInfo:
    """Of a data set."""

    __pydantic_config__ = strict.STRICT

    label: strict.Name
    label_rule: Literal["components", "none"]
    num_classes: strict.Classes


@dataclass(frozen=True)
class EditedDataInfo(DatasetInfo):
    """Of a data set that an attack has edited: the edits, and what they were made on.

    `clean` and `victim` are the digests of the data set before the edits, and of the victim that
    was asked.
    """

    __pydantic_config__ = strict.STRICT
    beside: ClassVar[tuple[str, ...]] = ("fit_seconds", "attack_seconds")

    edits: SharedEdits
    clean: strict.Digest
    victim: strict.Digest
    queries: strict.Whole
    gradient_calls: strict.Whole


@dataclass(frozen=True)
class WarmUpInfo:
    """Of a warm-up: the losses of its epochs."""

    __pydantic_config__ = strict.STRICT

    losses: list[Loss]


@dataclass(frozen=True)
class PretrainingInfo:
    """Of a pretraining. A method may say more of its own."""

    __pydantic_config__ = ConfigDict(strict=True, extra="allow")
    beside: ClassVar[tuple[str, ...]] = ("warm_up_seconds",)

    losses: list[Loss]
    notes: list[strict.Note]
    diagnosis: _Free


@dataclass(frozen=True)
class SelectedInfo:
    """Of the epoch that was chosen."""

    __pydantic_config__ = strict.STRICT

    epoch: strict.Positive
    loss: strict.Margin
    accuracy: strict.Share


@dataclass(frozen=True)
class VictimInfo:
    """Of a victim: what its model is made of, and how it was trained.

    `losses` are those on the graphs that chose the epoch, after each epoch; `train_losses` those on
    the graphs that it learned on, during the epoch.
    """

    __pydantic_config__ = strict.STRICT
    beside: ClassVar[tuple[str, ...]] = ("pretrain_seconds",)

    encoder: strict.Name
    width: Width
    layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)]
    in_features: Width
    num_classes: strict.Classes
    head_hidden: Width
    selected: SelectedInfo
    losses: Annotated[list[Loss], Field(min_length=1)]
    train_losses: Annotated[list[Loss], Field(min_length=1)]
    notes: list[strict.Note]


@dataclass(frozen=True)
class TriedInfo:
    """Of one penalty of a linear evaluation: loss and accuracy on the targets that choose."""

    __pydantic_config__ = strict.STRICT

    c: strict.Margin
    loss: strict.Margin
    accuracy: strict.Share


@dataclass(frozen=True)
class AccuracyInfo:
    """The accuracy on all targets of each part."""

    __pydantic_config__ = strict.STRICT

    train: strict.Share
    validation: strict.Share
    test: strict.Share


@dataclass(frozen=True)
class LinearVictimInfo:
    """Of a victim of linear evaluation: what its model is made of, and which penalty was chosen.

    `chosen` is the place in `tried`.
    """

    __pydantic_config__ = strict.STRICT
    beside: ClassVar[tuple[str, ...]] = ("pretrain_seconds",)

    encoder: strict.Name
    width: Width
    layers: Annotated[int, Field(ge=1, le=MOST_LAYERS)]
    in_features: Width
    num_classes: strict.Classes
    chosen: strict.Whole
    tried: Annotated[list[TriedInfo], Field(min_length=1)]
    accuracy: AccuracyInfo
    notes: list[strict.Note]


@dataclass(frozen=True)
class GivenModelInfo:
    """Of a given model: who made its module, which weights it has, and what was found of it."""

    __pydantic_config__ = strict.STRICT
    beside: ClassVar[tuple[str, ...]] = ("pretrain_seconds",)

    label: strict.Name
    made_by: dict[strict.Name, strict.Name]
    structure: strict.Digest
    weights: strict.Digest
    found: _Free
    notes: list[strict.Note]


@dataclass(frozen=True)
class AttackerInfo:
    """Of an attacker: step, loss and robust accuracy in its learning, and what it asked."""

    __pydantic_config__ = strict.STRICT
    beside: ClassVar[tuple[str, ...]] = ("fit_seconds",)

    curve: list[tuple[strict.Whole, Loss, Loss]]
    queries: strict.Whole
    gradient_calls: strict.Whole


@dataclass(frozen=True)
class RepresentationInfo:
    """Of a representation: accuracy and penalty of each fold."""

    __pydantic_config__ = strict.STRICT
    beside: ClassVar[tuple[str, ...]] = ("pretrain_seconds",)

    accuracy: Annotated[list[strict.Share], Field(min_length=1)]
    c: Annotated[list[strict.Margin], Field(min_length=1)]


@dataclass(frozen=True)
class About:
    """How an artifact came to be."""

    __pydantic_config__ = strict.STRICT

    seconds: strict.Seconds = 0.0
    environment: Annotated[dict[str, Any], AfterValidator(environment_table)] | None = None
    title: strict.Note = ""
    warm_up_seconds: strict.Seconds = 0.0
    pretrain_seconds: strict.Seconds = 0.0
    fit_seconds: strict.Seconds = 0.0
    attack_seconds: strict.Seconds = 0.0
    answer_seconds: list[strict.Seconds] = field(default_factory=list)
    notes: list[strict.Note] = field(default_factory=list)
