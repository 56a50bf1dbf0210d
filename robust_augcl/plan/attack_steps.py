"""The steps of what is done to one victim: certificates, attackers, attacks.

Where the victim comes from, `plan.planner` says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from robust_augcl import registry
from robust_augcl.adversary.attack_base import (
    Attack,
    CombiningAttack,
    GrowingAttack,
    LearningAttack,
)
from robust_augcl.plan.declared import traits_of
from robust_augcl.plan.given_models import ENCODER
from robust_augcl.plan.protocols import Protocol
from robust_augcl.plan.step import Step
from robust_augcl.plan.suite_settings import Certificates, Named, Suite
from robust_augcl.registry import revisions_of
from robust_augcl.results.records import Cell
from robust_augcl.revisions import Revision

FOUND_WITH = "found with "
"""How the roles of inputs begin that are records which an attack combines.

Budget and label of the other attack follow: "found with 1 by beam".
"""


class Planned(NamedTuple):
    """A step whose result is shown beside the records, and what it is about.

    Its `cell` names an attack only where the result is about that attack.
    """

    cell: Cell
    step: Step


class Attacked(NamedTuple):
    """A victim that attacks and certificates are planned for.

    Args:
        protocol, seed, label, layers: of its cells.
        about: it in words.
        inputs: the steps that every attack on it needs.
        beside: what records say of how it was made.
        left_out: the labels of attacks that it is not attacked by.
        trained_again: the same victim, trained on the edited data set that a step makes; the words
            stand behind its title. None where it cannot be trained here.
    """

    protocol: Protocol
    seed: int
    layers: int
    label: str
    about: str
    inputs: dict[str, Step]
    beside: Mapping[str, Any]
    left_out: Collection[str] = ()
    trained_again: Callable[[Step, str], Step] | None = None


class AttackPlanner:
    """Gathers the steps of a suite; `attacks` and `measurements` are in the order of tables."""

    def __init__(self, suite: Suite, fingerprint: str | None) -> None:
        self.suite, self.fingerprint = suite, fingerprint
        self.steps: dict[str, Step] = {}
        self.attacks: list[Step] = []
        self.measurements: list[Planned] = []

    def step(
        self,
        kind: str,
        title: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, Step],
        *,
        cell: Cell | None = None,
        plug_ins: Mapping[str, Revision] | None = None,
    ) -> Step:
        """The step of that content; two equal ones are one object."""
        made = Step(kind, title, settings, inputs, cell, plug_ins or {}, self.suite.arithmetic)
        return self.steps.setdefault(made.key, made)

    def cell(
        self,
        method: str,
        layers: int,
        seed: int,
        protocol: str,
        attack: str = "",
        budget: int | float = 0,
    ) -> Cell:
        suite = self.suite
        dataset = suite.source.label + (f", scale {suite.scale:g}" if suite.scale != 1 else "")
        encoder = ENCODER  # of given models, of which nobody has said how many layers they have
        if layers and suite.encoder is not None:
            name = suite.encoder.name
            encoder = registry.default_label(name, registry.load("encoder", name))
        return Cell(suite.name, dataset, method, encoder, layers, seed, attack, protocol, budget)

    def cell_of(self, on: Attacked, attack: str = "", budget: int | float = 0) -> Cell:
        """The cell of an attack or a certificate."""
        return self.cell(on.label, on.layers, on.seed, on.protocol.name, attack, budget)

    def dataset(self, seed: int) -> Step:
        suite = self.suite
        settings = {
            "source": suite.source,
            "split": suite.split,
            "seed": seed,
            "fingerprint": self.fingerprint,
        }
        if suite.targets is not None and suite.targets.choice != "all":
            settings["targets"] = suite.targets
        title = f"{suite.source.label}, seed {seed}"
        plug_ins = revisions_of("data source", suite.source)
        return self.step("dataset", title, settings, {}, plug_ins=plug_ins)

    def add_attacked(self, attacked: Attacked) -> None:
        """Add certificates of a victim, and attacks on it."""
        if self.suite.certificates is not None:
            self.add_certificates(attacked, self.suite.certificates)
        self.add_attacks(attacked)

    def add_attacks(self, on: Attacked) -> None:
        """Add all attacks on a victim, those that combine others after the others."""
        found: dict[int | float, dict[str, Step]] = {}  # by label, the smallest budget first
        for budget in self.suite.budgets:
            made = found[budget] = {}
            chosen = [
                attack
                for attack in self.suite.attacks
                if budget in attack.budgets and attack.label not in on.left_out
            ]
            for attack in sorted(chosen, key=_combines):
                inputs = dict(on.inputs)
                if isinstance(attack.what, CombiningAttack):
                    if not any(label in made for label in attack.what.of):
                        continue  # none of them can make so many edits
                    inputs |= _combined(attack.what, found)
                made[attack.label] = self.attack(on, attack, budget, inputs)
            self.attacks += [made[attack.label] for attack in chosen if attack.label in made]

    def attack(
        self, on: Attacked, attack: Named[Attack], budget: int | float, inputs: dict[str, Step]
    ) -> Step:
        """The step of one attack on one victim; with its attacker, where it learns."""
        suite = self.suite
        made, threat = suite.attack_for(attack, on.protocol), suite.threat_for(on.protocol, budget)
        settings = {
            "attack": made,
            "label": attack.label,
            "threat": threat,
            "fit": on.protocol.attack_fit,
            "seed": on.seed,
        }
        several = f", budget {budget}" if len(suite.budgets) > 1 else ""
        title = f"{attack.label} on {on.about}{several}"
        cell = self.cell_of(on, attack.label, budget)
        plug_ins = _attack(attack)
        if isinstance(attack.what, LearningAttack):
            fixed = {**settings, "threat": threat.before_fixed_model}
            attacker = self.step("attacker", title, fixed, inputs, plug_ins=plug_ins)
            self.measurements.append(Planned(cell, attacker))
            inputs = {**inputs, "attacker": attacker}
        beside = {
            **on.beside,
            "label_rule": suite.source.label_rule,
            # Records carry these, so a plug-in that declares something else makes another result.
            "traits": traits_of(made, attack.label, attack.name),
        }
        if threat.poisons:
            kind, found = "poisoning", self.poisoned(on, title, settings, inputs, plug_ins)
        else:
            kind, found = "attack", self.search(on, attack, budget)
        settings, inputs = {**settings, **beside}, {**inputs, **found}
        return self.step(kind, title, settings, inputs, cell=cell, plug_ins=plug_ins)

    def poisoned(
        self,
        on: Attacked,
        title: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, Step],
        plug_ins: Mapping[str, Revision],
    ) -> dict[str, Step]:
        """What an attack that poisons needs besides: the edited data set, the victim on it."""
        assert on.trained_again is not None  # the suite was checked for it
        own = {**settings, "label_rule": self.suite.source.label_rule}
        edited = self.step("edited_data", title, own, inputs, plug_ins=plug_ins)
        return {"edited": edited, "retrained": on.trained_again(edited, f", after {title}")}

    def search(self, on: Attacked, attack: Named[Attack], budget: int | float) -> dict[str, Step]:
        """The search that answers all whole budgets of an attack, by its role, where one can.

        There is none where the attack has one budget: its own step searches then.
        """
        several = len(attack.budgets) > 1 and isinstance(budget, int)
        if not (several and isinstance(attack.what, GrowingAttack)):
            return {}
        budgets = tuple(sorted(attack.budgets))
        settings = {
            "attack": self.suite.attack_for(attack, on.protocol),
            "label": attack.label,
            "threat": self.suite.threat_for(on.protocol, budgets[-1]),
            "budgets": budgets,
            "seed": on.seed,
        }
        title = f"{attack.label} on {on.about}, budgets {', '.join(map(str, budgets))}"
        plug_ins = _attack(attack)
        return {"search": self.step("attack_search", title, settings, on.inputs, plug_ins=plug_ins)}

    def add_certificates(self, on: Attacked, certificates: Certificates) -> None:
        """Add the certificates of a victim, one a budget.

        Where sets of several edits may be searched, which takes long, they have parts, which are
        computed side by side. A part is of all these budgets. A share of a graph's edges may be
        several.
        """
        limits = {name: getattr(certificates, name) for name in ("pairs", "evaluations", "sets")}
        searched = [each for each in certificates.budgets if _may_be_several(each)]
        parts = self._parts(on, searched, limits, certificates.parts)
        for budget in certificates.budgets:
            inputs = {**on.inputs, **(parts if _may_be_several(budget) else {})}
            settings = {"threat": self.suite.threat_for(on.protocol, budget), **limits}
            about = f"{on.about}, budget {budget}"
            certificate = self.step("certificate", about, settings, inputs)
            self.measurements.append(Planned(self.cell_of(on, budget=budget), certificate))

    def _parts(
        self,
        on: Attacked,
        budgets: Sequence[int | float],
        limits: Mapping[str, int],
        parts: int,
    ) -> dict[str, Step]:
        """The parts of the certificates of these budgets, by their role."""
        if not budgets:
            return {}
        threats = tuple(self.suite.threat_for(on.protocol, budget) for budget in budgets)
        many = "budgets" if len(budgets) > 1 else "budget"
        about = f"{on.about}, {many} {', '.join(map(str, budgets))}"
        found = {}
        for part in range(parts):
            role = f"part {part + 1} of {parts}"
            settings = {"threats": threats, **limits, "part": part, "parts": parts}
            found[role] = self.step("certificate_part", f"{about}, {role}", settings, on.inputs)
        return found


def _may_be_several(budget: int | float) -> bool:
    """Whether a budget may be several edits: a share of a graph's edges may, and 1.0 is all."""
    return isinstance(budget, float) or budget > 1


def _combines(attack: Named[Attack]) -> bool:
    return isinstance(attack.what, CombiningAttack)


def _combined(
    attack: CombiningAttack, found: Mapping[int | float, Mapping[str, Step]]
) -> dict[str, Step]:
    """The steps that a combining attack needs: what fewer edits break, more are allowed to."""
    return {
        f"{FOUND_WITH}{budget} by {label}": others[label]
        for budget, others in found.items()
        for label in attack.of
        if label in others
    }


def _attack(attack: Named[Attack]) -> dict[str, Revision]:
    """An attack, and the encoders that it is made of."""
    found = revisions_of("attack", attack.what)
    for name in attack.what.encoders:
        found |= encoder_revision(name)
    return found


def encoder_revision(name: str) -> dict[str, Revision]:
    """The revision of an encoder, by its name in the registry."""
    return revisions_of("encoder", registry.load("encoder", name))
