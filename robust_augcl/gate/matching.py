"""What two sets of results share: which models, seeds, graphs and threats can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, NamedTuple

from robust_augcl.results.baseline import Baseline, victim_cell
from robust_augcl.results.baseline_parts import Attacked, Victim, Worst
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.stored_tables import StoredThreat

_UNSAID = {f.name: f.default for f in fields(StoredThreat) if f.default is not MISSING}
"""What a threat that does not name a rule says of it."""


class Model(NamedTuple):
    """A method, or a given model, without its seed."""

    data: str
    method: str
    encoder: str
    layers: int
    protocol: str

    def called(self, name: str) -> str:
        """It in words; `name` is what readers call its method."""
        encoder = "" if self.encoder == "given" else self.encoder
        about = name, encoder, layers_text(self.layers), self.data
        return joined(*about, "" if self.protocol == "strict" else f"{self.protocol} protocol")


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Args:
        held: the results.
        victims: seed -> the place of the victim.
    """

    held: Baseline
    victims: Mapping[int, int]

    def victim(self, seed: int) -> Victim:
        return self.held.victims[self.victims[seed]]

    def digest(self, seed: int) -> str:
        """That of the graphs of a seed."""
        return self.held.data[self.victim(seed).data].digest

    def targets(self, seed: int) -> tuple[object, ...]:
        return self.held.data[self.victim(seed).data].targets

    def attacked(self, seed: int) -> dict[tuple[str, str], Attacked]:
        """The records of a seed, by attack and budget."""
        place = self.victims[seed]
        own = (each for each in self.held.attacked if each.victim == place)
        return {(each.attack, repr(each.budget)): each for each in own}

    def worst(self, seed: int) -> dict[str, Worst]:
        """What is known of the worst case of a seed, by budget."""
        place = self.victims[seed]
        return {repr(each.budget): each for each in self.held.worst if each.victim == place}

    def bits(self, seed: int, text: str) -> tuple[bool, ...]:
        return self.held.bits(self.victims[seed], text)


@dataclass(frozen=True)
class Pairing:
    """One model on both sides.

    Args:
        model: which.
        base, new: its sides.
        why_not: why nothing of it can be compared; empty where it can.
    """

    model: Model
    base: Side
    new: Side
    why_not: str = ""

    @property
    def text(self) -> str:
        """The model in words; the baseline says what its method is called, where it has it."""
        side = self.base if self.base.victims else self.new
        first = min(side.victims)
        return self.model.called(side.victim(first).name)

    @property
    def shared(self) -> list[int]:
        """The seeds that both sides have."""
        return sorted(set(self.base.victims) & set(self.new.victims))

    @property
    def same_weights(self) -> list[int]:
        """The seeds of which both sides have the same weights."""
        return [
            seed
            for seed in self.shared
            if self.base.victim(seed).weights == self.new.victim(seed).weights
        ]

    @property
    def trained_again(self) -> bool:
        """Whether seeds have other weights, or are other seeds."""
        return set(self.same_weights) != set(self.shared) or not self.shared

    @property
    def is_paired(self) -> bool:
        """Whether one side has no seed that the other lacks."""
        seeds = set(self.base.victims), set(self.new.victims)
        return seeds[0] <= seeds[1] or seeds[1] <= seeds[0]


def pairings(base: Baseline, new: Baseline) -> list[Pairing]:
    """Each model of either side, with what can be compared of it."""
    sides = _models(base), _models(new)
    found = []
    for model in dict.fromkeys((*sides[0], *sides[1])):
        ours, theirs = Side(base, sides[0].get(model, {})), Side(new, sides[1].get(model, {}))
        found.append(Pairing(model, ours, theirs, _why_not(Pairing(model, ours, theirs))))
    return found


def _models(held: Baseline) -> dict[Model, dict[int, int]]:
    found: dict[Model, dict[int, int]] = {}
    for place in range(len(held.victims)):
        *about, seed = victim_cell(held, place)
        found.setdefault(Model(*about), {})[seed] = place  # type: ignore[arg-type]
    return found


def _why_not(pairing: Pairing) -> str:
    """Why a model cannot be compared; empty where it can."""
    base, new = pairing.base, pairing.new
    if not new.victims:
        return "the new results lack it"
    if not base.victims:
        return "the baseline lacks it"
    for seed in pairing.shared:
        fixed = ", and the weights are the same" if seed in pairing.same_weights else ""
        if base.digest(seed) != new.digest(seed):
            return f"other graphs of seed {seed}: the digests of the data sets differ{fixed}"
        if base.targets(seed) != new.targets(seed):
            return f"other targets of seed {seed}{fixed}"
    if not pairing.shared and base.held.source != new.held.source:
        return "no seed is shared, and the graphs come from another source, or by other settings"
    return ""


def other_threat(base: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In what two threats differ, in words; empty where they are one.

    Example:
        >>> other_threat({"budget": 1, "operations": ["add"]}, {"budget": 1, "operations": []})
        "another threat: `operations` was ['add'], now []"
        >>> other_threat({"budget": 1}, {"budget": 1, "setting": "poisoning"})
        "another threat: `setting` was 'evasion', now 'poisoning'"
    """
    old, now = ({**_UNSAID, **threat} for threat in (base, new))
    changed = [
        f"`{name}` was {old.get(name)!r}, now {now.get(name)!r}"
        for name in sorted({*old, *now})
        if old.get(name) != now.get(name)
    ]
    return f"another threat: {', '.join(changed)}" if changed else ""
