"""From a suite to its steps, each addressed by everything that determines it.

data set -> warm-up -> pretraining -> victim -> attacker -> attack. What two cells share is one
step: a baseline and AUGCL share their warm-up, all attacks share their victim. An attack that
combines others needs their records, a long certificate its parts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import product
from typing import Any

from robust_augcl.contrast.method_base import Method
from robust_augcl.plan.attack_steps import Attacked, AttackPlanner, Planned, encoder_revision
from robust_augcl.plan.declared import method_traits_of
from robust_augcl.plan.given_models import GivenModel
from robust_augcl.plan.kinds import KINDS, kind_revision
from robust_augcl.plan.protocols import Protocol
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite_settings import Named, Suite
from robust_augcl.registry import revisions_of
from robust_augcl.revisions import Revision

UNSUPERVISED = "unsupervised"
"""The protocol of a cell whose encoder has seen all graphs and no label."""


@dataclass(frozen=True)
class Plan:
    """Everything that a suite asks for.

    Args:
        attacks: the attack steps of all cells, in the order of protocols, seeds, layers, methods,
            budgets, attacks.
        measurements: what else is shown: diagnoses of pretraining, losses of victims, curves of
            attackers' learning, representations scored without labels, certificates.
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
    for protocol, seed in product(suite.protocols, suite.seeds):
        for layers, method in product(suite.layers, suite.methods):
            planner.add_victim(protocol, seed, layers, method)
        for victim in suite.victims:
            planner.add_given(protocol, seed, victim)
    if suite.representations is not None:
        for seed, layers, method in product(suite.seeds, suite.layers, suite.methods):
            planner.add_representation(seed, layers, method)
    once = {(cell, step.key): Planned(cell, step) for cell, step in planner.measurements}
    return Plan(planner.attacks, list(once.values()))


class _Planner(AttackPlanner):
    """Gathers the steps of a suite, from data sets to attacks."""

    def encoder(self, layers: int, seed: int) -> dict[str, Any]:
        """The settings of a new encoder."""
        encoder = self.suite.encoder
        assert encoder is not None  # a suite with methods has one
        return {"encoder": encoder.name, "width": encoder.width, "layers": layers, "seed": seed}

    def encoder_plug_in(self) -> dict[str, Revision]:
        """The encoder's revision."""
        return {} if self.suite.encoder is None else encoder_revision(self.suite.encoder.name)

    def pretrained(
        self,
        seed: int,
        layers: int,
        method: Named[Method],
        graphs: str,
        edited: Step | None = None,
        after: str = "",
    ) -> dict[str, Step]:
        """The inputs of whatever starts from a method's encoder.

        They are the data set, and the pretraining where there is any. A pretraining on an `edited`
        data set has the settings and seeds of that on the clean one, and `after` in its title.
        """
        dataset = self.dataset(seed) if edited is None else edited
        if not method.what.pretrains:
            return {"dataset": dataset}
        about = f"{layers} layers, seed {seed}" + (", all graphs" if graphs == "all" else "")
        about += after
        own = f"{method.label}, " if method.pretraining is not None else ""
        pretraining = self.suite.pretraining_of(method)
        encoder = self.encoder_plug_in()
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
            plug_ins={**encoder, **revisions_of("method", method.what)},
        )
        return {"dataset": dataset, "pretraining": made}

    def add_victim(self, protocol: Protocol, seed: int, layers: int, method: Named[Method]) -> None:
        """Add what is done to one victim: certificates and attacks."""
        about = f"{method.label}, {layers} layers, seed {seed}"
        inputs = self.pretrained(seed, layers, method, "train")
        if "pretraining" in inputs:
            cell = self.cell(method.label, layers, seed, "")
            self.measurements.append(Planned(cell, inputs["pretraining"]))
        victim = self.victim(protocol, seed, layers, method, inputs, about)
        self.measurements.append(
            Planned(self.cell(method.label, layers, seed, protocol.name), victim)
        )
        needed = {"dataset": inputs["dataset"], "victim": victim}
        beside = {
            "method": method.what,
            "method_pretraining": method.pretraining,
            "method_traits": method_traits_of(method.what, method.label, method.name),
        }

        def again(edited: Step, after: str) -> Step:
            others = self.pretrained(seed, layers, method, "train", edited, after)
            return self.victim(protocol, seed, layers, method, others, about + after)

        self.add_attacked(
            Attacked(
                protocol, seed, layers, method.label, about, needed, beside, trained_again=again
            )
        )

    def victim(
        self,
        protocol: Protocol,
        seed: int,
        layers: int,
        method: Named[Method],
        inputs: dict[str, Step],
        title: str,
    ) -> Step:
        """The step of a victim that is trained from what `pretrained` returns."""
        settings = {**self.encoder(layers, seed), "selection": protocol.victim_selection}
        if self.suite.linear is None:
            kind, settings["training"] = "victim", self.suite.training_for(protocol)
        else:  # nobody has published linear evaluation that is chosen on test targets
            kind, settings["linear"] = "linear_victim", self.suite.linear
            settings["selection"] = "validation"
        return self.step(kind, title, settings, inputs, plug_ins=self.encoder_plug_in())

    def add_given(self, protocol: Protocol, seed: int, victim: GivenModel) -> None:
        """Add what is done to one given model. It is the same for all seeds that share a copy."""
        copy, known = victim.copy_for(seed), victim.known
        settings = {
            "label": victim.label,
            "made_by": known.made_by,
            "structure": known.structure,
            "weights": copy.weights,
            "found": copy.found,
        }
        several = "" if copy.seed is None else f", seed {copy.seed}"
        step = self.step("given_model", f"{victim.label}{several}", settings, {})
        beside = {
            "method": victim.settings(seed),
            "method_pretraining": None,
            "method_traits": victim.traits,
        }
        about, inputs = f"{victim.label}, seed {seed}", {"dataset": self.dataset(seed)}
        inputs["victim"] = step
        on = Attacked(protocol, seed, 0, victim.label, about, inputs, beside, known.left_out)
        self.add_attacked(on)

    def add_representation(self, seed: int, layers: int, method: Named[Method]) -> None:
        """Add the score of one encoder that has seen all graphs and no label."""
        inputs = self.pretrained(seed, layers, method, "all")
        settings = {**self.encoder(layers, seed), "representations": self.suite.representations}
        title = f"{method.label}, {layers} layers, seed {seed}"
        encoder = self.encoder_plug_in()
        step = self.step("representation", title, settings, inputs, plug_ins=encoder)
        cell = self.cell(method.label, layers, seed, UNSUPERVISED)
        self.measurements.append(Planned(cell, step))
        if "pretraining" in inputs:
            self.measurements.append(Planned(cell, inputs["pretraining"]))
