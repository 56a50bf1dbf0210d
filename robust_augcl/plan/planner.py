"""From a suite to its steps, each addressed by everything that determines it.

data set -> warm-up -> pretraining -> victim -> attacker -> attack. What two cells share is one
step: a baseline and AUGCL share their warm-up, all attacks share their victim. An attack that
combines others needs their records, a long certificate its parts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, CombiningAttack, LearningAttack
from robust_augcl.contrast.method_base import Method
from robust_augcl.plan.declared import method_traits_of, traits_of
from robust_augcl.plan.kinds import KINDS, kind_revision
from robust_augcl.plan.protocols import Protocol
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite_settings import Certificates, Named, Suite
from robust_augcl.results.records import Cell
from robust_augcl.revisions import Revision, plug_in

UNSUPERVISED = "unsupervised"
"""The protocol of a cell whose encoder has seen all graphs and no label."""

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


@dataclass(frozen=True)
class Plan:
    """Everything that a suite asks for.

    Args:
        attacks: the attack steps of all cells, in the order of protocols, seeds, layers, methods,
            budgets, attacks.
        measurements: what else is shown: diagnoses of pretraining, curves of attackers' learning,
            representations scored without labels, certificates.
    """

    attacks: list[Step]
    measurements: list[Planned]

    @property
    def steps(self) -> list[Step]:
        """The steps that are asked for by themselves; the others come with what needs them."""
        beside = (step for _, step in self.measurements)
        return [step for step in (*self.attacks, *beside) if KINDS[step.kind].wanted]

    @property
    def revisions(self) -> dict[str, Revision]:
        """The revisions of all code behind the plan, by the words that name them."""
        found: dict[str, Revision] = {}
        for step in with_inputs(self.steps):
            found |= {**kind_revision(step.kind), **step.plug_ins}
        return dict(sorted(found.items()))


def plan(suite: Suite, fingerprint: str | None = None) -> Plan:
    """Work out the steps of a suite.

    Args:
        suite: what is asked for.
        fingerprint: of the files that the data come from (`DataSource.fingerprint`).

    Example:
        >>> from robust_augcl.plan.suite import load_suite
        >>> planned = plan(load_suite("quick", seeds=[0]))
        >>> sorted({step.kind for step in with_inputs(planned.steps)})[:3]
        ['attack', 'attacker', 'certificate']
    """
    planner = _Planner(suite, fingerprint)
    for protocol in suite.protocols:
        for seed in suite.seeds:
            for layers in suite.encoder.layers:
                for method in suite.methods:
                    planner.add_victim(protocol, seed, layers, method)
    if suite.representations is not None:
        for seed in suite.seeds:
            for layers in suite.encoder.layers:
                for method in suite.methods:
                    planner.add_representation(seed, layers, method)
    once = {(cell, step.key): Planned(cell, step) for cell, step in planner.measurements}
    return Plan(planner.attacks, list(once.values()))


class _Attacked(NamedTuple):
    """A victim that attacks and certificates are planned for.

    Args:
        protocol, seed, method, layers: of its cells.
        about: it in words.
        inputs: the steps that every attack on it needs.
    """

    protocol: Protocol
    seed: int
    layers: int
    method: Named[Method]
    about: str
    inputs: dict[str, Step]


class _Planner:
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
        made = Step(kind, title, settings, inputs, cell, plug_ins or {})
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
        name = suite.encoder.name
        encoder = registry.default_label(name, registry.load("encoder", name))
        return Cell(suite.name, dataset, method, encoder, layers, seed, attack, protocol, budget)

    def cell_of(self, on: _Attacked, attack: str = "", budget: int | float = 0) -> Cell:
        """The cell of an attack or a certificate."""
        return self.cell(on.method.label, on.layers, on.seed, on.protocol.name, attack, budget)

    def dataset(self, seed: int) -> Step:
        suite = self.suite
        settings = {
            "source": suite.source,
            "split": suite.split,
            "seed": seed,
            "fingerprint": self.fingerprint,
        }
        title = f"{suite.source.label}, seed {seed}"
        plug_ins = plug_in("data source", suite.source)
        return self.step("dataset", title, settings, {}, plug_ins=plug_ins)

    def encoder(self, layers: int, seed: int) -> dict[str, Any]:
        """The settings of a new encoder."""
        encoder = self.suite.encoder
        return {"encoder": encoder.name, "width": encoder.width, "layers": layers, "seed": seed}

    def pretrained(
        self, seed: int, layers: int, method: Named[Method], graphs: str
    ) -> dict[str, Step]:
        """The inputs of whatever starts from a method's encoder.

        They are the data set, and the pretraining where there is any.
        """
        dataset = self.dataset(seed)
        if not method.what.pretrains:
            return {"dataset": dataset}
        about = f"{layers} layers, seed {seed}" + (", all graphs" if graphs == "all" else "")
        own = f"{method.label}, " if method.pretraining is not None else ""
        pretraining = self.suite.pretraining_of(method)
        encoder = _encoder(self.suite.encoder.name)
        # The continued epochs are not the warm-up's: methods that differ in them share it.
        shared = dataclasses.replace(pretraining, continued_epochs=0)
        settings = {**self.encoder(layers, seed), "pretraining": shared, "graphs": graphs}
        warm_up = self.step(
            "warm_up", f"{own}{about}", settings, {"dataset": dataset}, plug_ins=encoder
        )
        made = self.step(
            "pretraining",
            f"{method.label}, {about}",
            {
                **settings,
                "continued_epochs": pretraining.continued_epochs,
                "method": method.what,
            },
            {"dataset": dataset, "warm_up": warm_up},
            plug_ins={**encoder, **plug_in("method", method.what)},
        )
        return {"dataset": dataset, "pretraining": made}

    def add_victim(self, protocol: Protocol, seed: int, layers: int, method: Named[Method]) -> None:
        """Add what is done to one victim: certificates and attacks."""
        about = f"{method.label}, {layers} layers, seed {seed}"
        inputs = self.pretrained(seed, layers, method, "train")
        if "pretraining" in inputs:
            cell = self.cell(method.label, layers, seed, "")
            self.measurements.append(Planned(cell, inputs["pretraining"]))
        settings = {
            **self.encoder(layers, seed),
            "training": self.suite.training,
            "selection": protocol.victim_selection,
        }
        encoder = _encoder(self.suite.encoder.name)
        victim = self.step("victim", about, settings, inputs, plug_ins=encoder)
        needed = {"dataset": inputs["dataset"], "victim": victim}
        attacked = _Attacked(protocol, seed, layers, method, about, needed)
        if self.suite.certificates is not None:
            for budget in self.suite.certificates.budgets:
                self.add_certificate(attacked, budget, self.suite.certificates)
        self.add_attacks(attacked)

    def add_attacks(self, on: _Attacked) -> None:
        """Add all attacks on a victim, those that combine others after the others."""
        found: dict[int | float, dict[str, Step]] = {}  # by label, the smallest budget first
        for budget in self.suite.budgets:
            made = found[budget] = {}
            chosen = [attack for attack in self.suite.attacks if budget in attack.budgets]
            for attack in sorted(chosen, key=_combines):
                inputs = dict(on.inputs)
                if isinstance(attack.what, CombiningAttack):
                    if not any(label in made for label in attack.what.of):
                        continue  # none of them can make so many edits
                    inputs |= _combined(attack.what, found)
                made[attack.label] = self.attack(on, attack, budget, inputs)
            self.attacks += [made[attack.label] for attack in chosen if attack.label in made]

    def attack(
        self, on: _Attacked, attack: Named[Attack], budget: int | float, inputs: dict[str, Step]
    ) -> Step:
        """The step of one attack on one victim; with its attacker, where it learns."""
        suite = self.suite
        made = suite.attack_for(attack, on.protocol)
        settings = {
            "attack": made,
            "label": attack.label,
            "threat": suite.threat_for(on.protocol, budget),
            "fit": on.protocol.attack_fit,
            "seed": on.seed,
        }
        several = f", budget {budget}" if len(suite.budgets) > 1 else ""
        title = f"{attack.label} on {on.about}{several}"
        cell = self.cell_of(on, attack.label, budget)
        plug_ins = _attack(attack)
        if isinstance(attack.what, LearningAttack):
            attacker = self.step("attacker", title, settings, inputs, plug_ins=plug_ins)
            self.measurements.append(Planned(cell, attacker))
            inputs = {**inputs, "attacker": attacker}
        beside = {
            "method": on.method.what,
            "method_pretraining": on.method.pretraining,
            "label_rule": suite.source.label_rule,
            # Records carry these, so a plug-in that declares something else makes another result.
            "traits": traits_of(made, attack.label),
            "method_traits": method_traits_of(on.method.what, on.method.label),
        }
        return self.step(
            "attack", title, {**settings, **beside}, inputs, cell=cell, plug_ins=plug_ins
        )

    def add_certificate(
        self, on: _Attacked, budget: int | float, certificates: Certificates
    ) -> None:
        """Add one certificate.

        Where pairs of edits may be searched, which takes long, it has parts, which are computed
        side by side. A share of a graph's edges may be two of them.
        """
        about = f"{on.about}, budget {budget}"
        threat = self.suite.threat_for(on.protocol, budget)
        settings = {"threat": threat, "pairs": certificates.pairs}
        inputs = dict(on.inputs)
        if budget == 2 or isinstance(budget, float):
            for part in range(certificates.parts):
                role = f"part {part + 1} of {certificates.parts}"
                own = {**settings, "part": part, "parts": certificates.parts}
                inputs[role] = self.step("certificate_part", f"{about}, {role}", own, on.inputs)
        certificate = self.step("certificate", about, settings, inputs)
        self.measurements.append(Planned(self.cell_of(on, budget=budget), certificate))

    def add_representation(self, seed: int, layers: int, method: Named[Method]) -> None:
        """Add the score of one encoder that has seen all graphs and no label."""
        inputs = self.pretrained(seed, layers, method, "all")
        settings = {**self.encoder(layers, seed), "representations": self.suite.representations}
        title = f"{method.label}, {layers} layers, seed {seed}"
        encoder = _encoder(self.suite.encoder.name)
        step = self.step("representation", title, settings, inputs, plug_ins=encoder)
        cell = self.cell(method.label, layers, seed, UNSUPERVISED)
        self.measurements.append(Planned(cell, step))
        if "pretraining" in inputs:
            self.measurements.append(Planned(cell, inputs["pretraining"]))


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


def _encoder(name: str) -> dict[str, Revision]:
    return plug_in("encoder", registry.load("encoder", name))


def _attack(attack: Named[Attack]) -> dict[str, Revision]:
    """An attack, and the encoders that it is made of."""
    found = plug_in("attack", attack.what)
    for name in attack.what.encoders:
        found |= _encoder(name)
    return found
