"""What methods and attacks are, as their plug-ins declare it and records carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from robust_augcl.results import strict


@dataclass(frozen=True)
class Traits:
    """What an attack is, as its plug-in declares it.

    Args:
        access: what it may ask of the victim: "none", "query", "gradient" or "weights".
        learns: whether it learns something before it attacks.
        combines: whether it chooses among what other attacks found.
        of: the labels of those attacks; empty where it combines none.
        claims_exact: whether it claims that no edits within the budget do more damage.
        effort: the hyper-parameter that says how long it runs; None for none.
        name: what readers call it.
    """

    __pydantic_config__ = strict.STRICT

    access: Annotated[str, Field(pattern="^(none|query|gradient|weights)$")]
    learns: bool
    combines: bool
    of: list[strict.Name]
    claims_exact: bool
    effort: strict.Name | None
    name: strict.Name

    @property
    def chooses(self) -> bool:
        """Whether its edits depend on the victim in any way."""
        return self.access != "none" or self.learns or self.combines


@dataclass(frozen=True)
class MethodTraits:
    """What a method is, as its plug-in declares it.

    Args:
        name: what readers call it.
        plug_in: its name in the registry.
        pretrains: whether there is any contrastive pretraining.
        plain: whether it is contrastive pretraining and nothing else.
        rivals: the methods that reports compare it with besides, by their names in the registry.
    """

    __pydantic_config__ = strict.STRICT

    name: strict.Name
    plug_in: strict.Name
    pretrains: bool
    plain: bool
    rivals: list[strict.Name]
