"""What methods and attacks are, as their plug-ins declare it and records carry it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traits:
    """What an attack is, as its plug-in declares it.

    Args:
        access: what it may ask of the victim: "none", "query" or "gradient".
        learns: whether it learns something before it attacks.
        combines: whether it chooses among what other attacks found.
        of: the labels of those attacks; empty where it combines none.
        claims_exact: whether it claims that no edits within the budget do more damage.
        effort: the hyper-parameter that says how long it runs; None for none.
        name: what readers call it.
    """

    access: str
    learns: bool
    combines: bool
    of: list[str]
    claims_exact: bool
    effort: str | None
    name: str

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

    name: str
    plug_in: str
    pretrains: bool
    plain: bool
    rivals: list[str]
