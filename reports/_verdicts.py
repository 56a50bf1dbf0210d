"""The comparisons of a section's methods: in which family each stands, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property

from robust_augcl.reports._pairs import Pair, every_pair, leading_pairs, method_pairs
from robust_augcl.reports._sections import Section, measure_of
from robust_augcl.results.comparisons import Family, family_of
from robust_augcl.results.method_tests import Judged
from robust_augcl.results.names import CLEAN
from robust_augcl.results.statistics import Group, ModelComparison, compare_models


class Verdicts:
    """The comparisons of one section.

    Args:
        section: whose methods are compared.

    Attributes:
        pairs: of methods, left less right.
        leading: those that a summary tells.
    """

    def __init__(self, section: Section) -> None:
        self.section = section
        named = section.report.rules.pairs
        own = {method: _pretraining(section, method) for method in section.methods}
        self.pairs: list[Pair] = (
            every_pair(section.methods, named)
            if section.is_given
            else method_pairs(section.methods, section.method_traits, own, named)
        )
        self.leading = leading_pairs(self.pairs, section.method_traits, named)
        self.primary = section.report.primary[section.suite]

    @cached_property
    def secondary(self) -> Family:
        """All comparisons of the section that are not primary, as one family."""
        section = self.section
        asked = [
            (self._group(attack, layers, left), self._group(attack, layers, right))
            for left, right in self.pairs
            for attack in section.attacks
            for layers in section.layers
        ]
        questions = [question for question in asked if question not in self.primary.found]
        name = f"secondary, budget {section.budget}, {section.protocol}"
        groups = section.groups
        return family_of(name, questions, groups, section.report.measurements, section.report.rules)

    def of(self, attack: str, layers: int, left: str, right: str) -> Judged | None:
        """What is said of two methods under an attack."""
        groups = self._group(attack, layers, left), self._group(attack, layers, right)
        return self.primary.of(*groups) or self.secondary.of(*groups)

    def is_primary(self, found: Judged) -> bool:
        """Whether a comparison stands in the primary family."""
        return found.family == self.primary.name

    def models(self, attack: str, layers: int, left: str, right: str) -> ModelComparison | None:
        """Two trained models under an attack, where there is one of each method."""
        ours, theirs = (self.section.group(attack, layers, method) for method in (left, right))
        return compare_models(ours, theirs, measure_of(attack))

    def best(self, attack: str, layers: int) -> str | None:
        """The method that is better than every other one, by the primary comparisons alone."""
        others = dict.fromkeys(self.section.methods, 0)
        for left, right in self.pairs:
            groups = self._group(attack, layers, left), self._group(attack, layers, right)
            found = self.primary.of(*groups)
            if found is not None and found.decided:
                others[left if found.verdict == "better" else right] += 1
        most = len(others) - 1
        return next((method for method, beaten in others.items() if 0 < most == beaten), None)

    def by_attack(self, left: str, right: str) -> Mapping[tuple[str, int], Judged]:
        """What is said of two methods under every attack, by attack and layers."""
        return {
            (attack, layers): found
            for attack in self.section.attacks
            if attack != CLEAN
            for layers in self.section.layers
            if (found := self.of(attack, layers, left, right)) is not None
        }

    def _group(self, attack: str, layers: int, method: str) -> Group:
        s = self.section
        return Group(s.suite, s.dataset, method, s.encoder, layers, attack, s.protocol, s.budget)


def verdicts_of(section: Section) -> Verdicts:
    """The comparisons of a section, which are worked out once for it."""
    known = section.__dict__
    if "_verdicts" not in known:
        known["_verdicts"] = Verdicts(section)
    found: Verdicts = known["_verdicts"]
    return found


def _pretraining(section: Section, method: str) -> str:
    """The pretraining that a method has of its own, as text; empty for that of the suite."""
    own = section.settings(method).get("pretraining")
    return json.dumps(own, sort_keys=True) if own else ""
