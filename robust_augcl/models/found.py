"""What was found out about a module that a user brings: how it is called, and what it can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from robust_augcl.errors import InputError
from robust_augcl.models.adapter import Adapter, Function
from robust_augcl.models.classifier_base import Capabilities
from robust_augcl.results.strict import MOST_CLASSES, STRICT, Name, Note, Table, table_as

Outcome = Literal["passed", "noted", "failed"]
"""Of a probe: as it should be; worth a word; it takes something away, and the words say what."""


@dataclass(frozen=True)
class Probe:
    """What one probe found.

    Args:
        name: of the probe.
        outcome: what came of it.
        words: a sentence for the user.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    name: Name
    outcome: Outcome
    words: Note


@dataclass(frozen=True)
class _Able:
    __pydantic_config__: ClassVar[Any] = STRICT

    edge_weights: bool
    local: bool
    batches: bool
    reasons: dict[Name, Note]


@dataclass(frozen=True)
class Found:
    """What is known of a module.

    Args:
        adapter: how it is called; everything is stated.
        num_classes: C, at least 2.
        capabilities: what it can do, and why it cannot do the rest.
        weights: how edge weights reach it: "argument" of `forward`, "messages" of its layers, None.
        double: whether it can be evaluated in double precision.
        fails: the graphs that it cannot answer: "no edges", "one node". Kind -> what it raised.
        probes: what each probe found.
    """

    adapter: Adapter
    num_classes: int
    capabilities: Capabilities
    weights: Literal["argument", "messages"] | None = None
    double: bool = True
    fails: Mapping[str, str] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()

    @property
    def table(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {
            "adapter": self.adapter.settings,
            "num_classes": self.num_classes,
            "capabilities": {
                **asdict(self.capabilities),
                "reasons": dict(self.capabilities.reasons),
            },
            "weights": self.weights,
            "double": self.double,
            "fails": dict(self.fails),
            "probes": [asdict(probe) for probe in self.probes],
        }

    @classmethod
    def of_table(cls, table: Mapping[str, Any], function: Function | None = None) -> Found:
        """Read it back, strictly. Nothing is imported: `function` is the adapter's, if it has one.

        Raises:
            InputError: an unknown, missing or wrong field; or another function than the table's.
        """
        try:
            read = table_as(_Table, dict(table))
        except (TypeError, ValueError) as error:
            raise InputError(f"Expected what is known of a module to be {error}") from None
        able = Capabilities(**vars(read.capabilities))
        for name in ("edge_weights", "local", "batches"):
            if getattr(able, name) == (name in able.reasons):
                raise InputError(f"Expected a reason where `{name}` is false, and none elsewhere")
        if able.edge_weights != (read.weights is not None):
            raise InputError("Expected `weights` to be stated where `edge_weights` is true")
        adapter = Adapter.of_settings(read.adapter, function)
        if adapter.positional is None or adapter.named is None:
            raise InputError(
                "Expected the adapter's `positional` and `named` to be stated, got none"
            )
        return cls(
            adapter,
            read.num_classes,
            able,
            read.weights,
            read.double,
            read.fails,
            tuple(read.probes),
        )


@dataclass(frozen=True)
class _Table:
    """`Found.table` as it is read back."""

    __pydantic_config__: ClassVar[Any] = STRICT

    adapter: Table
    num_classes: Annotated[int, Field(ge=2, le=MOST_CLASSES)]
    capabilities: _Able
    weights: Literal["argument", "messages"] | None
    double: bool
    fails: dict[Name, Note]
    probes: list[Probe]
