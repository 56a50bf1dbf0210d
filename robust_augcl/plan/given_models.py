"""Given models: modules that a user brings as victims, as a suite names them in `[[victims]]`.

Before a suite is planned, each is *resolved* (`campaign.resolving`): its module is made, its
weights are read, and it is probed. What that found stands in the suite's table, so that planning
and reading a run need no import of anybody's module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from robust_augcl.errors import InputError, shown
from robust_augcl.results import strict
from robust_augcl.results.traits import MethodTraits

ENCODER = "given"
"""What cells of given models hold for an encoder; their number of layers is 0, which is no word on
how many they have.
"""
PLUG_IN = "given model"
"""What traits of given models hold for the name of a plug-in."""
_ORIGIN = {"distribution", "version", "name", "source"}


@dataclass(frozen=True)
class Copy:
    """One trained copy of a given model.

    Args:
        weights: the digest of its weights.
        found: how it is called, what it can do, and what its probes said (`ModuleClassifier`).
        seed: the suite's seed that it is for; None for all.
    """

    __pydantic_config__ = strict.STRICT

    weights: strict.Digest
    found: dict[str, Any]
    seed: int | None = None


@dataclass(frozen=True)
class Resolved:
    """What was found of a given model before anything was planned.

    Args:
        made_by: the "distribution" and "version" of its class, its "name", and the digest of its
            "source" (`models.identity.made_by`).
        structure: the digest of the module's parts and of their plain settings.
        copies: one for all seeds, or one for each.
        left_out: label of an attack -> why the model is not attacked by it.
    """

    __pydantic_config__ = strict.STRICT

    made_by: dict[str, str]
    structure: strict.Digest
    copies: tuple[Copy, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.made_by.keys() != _ORIGIN:
            raise ValueError(f"Expected `made_by` to hold {', '.join(sorted(_ORIGIN))}")
        if not self.copies:
            raise ValueError("Expected `copies` to be one or more, got none")


@dataclass(frozen=True)
class GivenModel:
    """An entry of `[[victims]]`.

    Args:
        label: its name in tables.
        model: what returns the module: `package.module:function` or `path/to/file.py:function`;
            empty for a module that was handed over in memory.
        weights: a file of its weights, `.safetensors` or a state dict in `.pt`; or one for each
            seed of the suite. Empty for those that it is made with.
        adapter: how the module is called, where its signature does not say it.
        resolved: what was found of it; None until it is resolved.

    Example:
        >>> GivenModel("gin", "models:make", "gin.safetensors").files
        ('gin.safetensors',)
    """

    label: str
    model: str = ""
    weights: str | tuple[str, ...] = ()
    adapter: dict[str, Any] = field(default_factory=dict)
    resolved: Resolved | None = None

    @property
    def name(self) -> str:
        """The label: a given model has no name in the registry."""
        return self.label

    @property
    def what(self) -> GivenModel:
        """Itself, as a method is of its entry."""
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The files of its weights."""
        return (self.weights,) if isinstance(self.weights, str) else self.weights

    @property
    def known(self) -> Resolved:
        """What was found of it.

        Raises:
            InputError: it was not resolved.
        """
        if self.resolved is None:
            raise InputError(
                f"Expected the given model {shown(self.label)} to be resolved before it is planned "
                "(robust_augcl.campaign.resolving.resolved)"
            )
        return self.resolved

    def copy_for(self, seed: int) -> Copy:
        """The trained copy for a seed of the suite.

        Raises:
            InputError: there is none.
        """
        for copy in self.known.copies:
            if copy.seed in (None, seed):
                return copy
        raise InputError(
            f"Expected a trained copy of {shown(self.label)} for each seed, got none for {seed}"
        )

    @property
    def traits(self) -> MethodTraits:
        """What records say of it in the place of a method."""
        return MethodTraits(self.label, PLUG_IN, pretrains=False, plain=False, rivals=[])

    def settings(self, seed: int) -> dict[str, Any]:
        """What records say of it in the place of a method's hyper-parameters."""
        found = {"type": "GivenModel", "module": self.known.made_by["name"]}
        return {**found, "weights": self.copy_for(seed).weights}
