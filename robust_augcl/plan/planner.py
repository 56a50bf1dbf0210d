"""Cells as a graph of steps, each addressed by everything that determines it.

data set -> warm-up -> pretraining -> victim -> attacker -> attack. What two cells share is one
step: a baseline and AUGCL share their warm-up, all attacks share their victim. An attack that
combines others needs their records, a long certificate its parts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, CombiningAttack, LearningAttack
from robust_augcl.contrast.method_base import Method
from robust_augcl.plan.protocols import Protocol
from robust_augcl.plan.suite import Certificates, Named, Suite
from robust_augcl.results.records import SCHEMA, Cell
from robust_augcl.revisions import FIRST, Revision, of_kind, plug_in
from robust_augcl.threat.model import ThreatModel

Kind = Literal[
    "dataset",
    "warm_up",
    "pretraining",
    "victim",
    "attacker",
    "attack",
    "representation",
    "certificate",
    "certificate_part",
]

UNSUPERVISED = "unsupervised"
"""The protocol of a cell whose encoder has seen all graphs and no label."""

FOUND_WITH = "found with "
"""How the roles of inputs begin that are records: budget and label of the attacks that an attack
combines, "found with 1 by beam".
"""


CERTIFICATE_PART = "part "
"""How the roles of inputs begin that are parts of a certificate, "part 1 of 8"."""


@dataclass(frozen=True, eq=False)
class Step:
    """One thing to compute.

    Args:
        kind: which computation.
        title: what it is, for people.
        settings: everything that determines the result beside the inputs: dataclasses, numbers,
            strings.
        inputs: the steps whose results it needs, by role.
        cell: the cell, of an attack.
        plug_ins: the plug-ins whose code computes it, with their revisions; those behind its inputs
            are the inputs' own.
    """

    kind: Kind
    title: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, Step]
    cell: Cell | None = None
    plug_ins: Mapping[str, Revision] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """The address of the result: kind, and a hash of settings, of the inputs' addresses and of
        the revisions of the code.
        """
        identity = {
            "revision": [*of_kind(self.kind).values(), SCHEMA],
            "kind": self.kind,
            "settings": plain(dict(self.settings)),
            # A certificate is the same in however many parts it was made.
            "inputs": {
                role: step.key
                for role, step in self.inputs.items()
                if step.kind != "certificate_part"
            },
            "cell": plain(self.cell),
        }
        if revised := {
            name: revision for name, revision in self.plug_ins.items() if revision != FIRST
        }:
            identity["plug_ins"] = revised
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def with_inputs(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps and all that they need, inputs of inputs included, each once."""
    seen = set()
    left = list(steps)
    while left:
        step = left.pop()
        if step.key not in seen:
            seen.add(step.key)
            left += step.inputs.values()
            yield step


def plain(value: Any) -> Any:
    """The JSON form of settings; a dataclass carries its type's name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


class Planned(NamedTuple):
    """A step whose result is shown beside the records, and what it is about: `cell` names an attack
    only where it is the attack's.
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
        """The steps whose results are wanted for themselves; diagnoses and curves come with what
        others need.
        """
        return [
            *self.attacks,
            *(
                step
                for _, step in self.measurements
                if step.kind not in ("pretraining", "attacker")
            ),
        ]

    @property
    def revisions(self) -> dict[str, Revision]:
        """The revisions of all code behind the plan, by what they are of: kinds of steps,
        plug-ins.
        """
        found: dict[str, Revision] = {}
        for step in with_inputs(self.steps):
            found |= {**of_kind(step.kind), **step.plug_ins}
        return dict(sorted(found.items()))


def plan(suite: Suite, fingerprint: str | None = None) -> Plan:
    """Work out the steps of a suite; `fingerprint` is that of the files that the data come from
    (`DataSource.fingerprint`).
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
    return Plan(
        planner.attacks,
        list(
            {(cell, step.key): Planned(cell, step) for cell, step in planner.measurements}.values()
        ),
    )


class _Planner:
    def __init__(self, suite: Suite, fingerprint: str | None) -> None:
        self.suite, self.fingerprint = suite, fingerprint
        self.steps: dict[str, Step] = {}
        self.attacks: list[Step] = []
        self.measurements: list[Planned] = []

    def step(
        self,
        kind: Kind,
        title: str,
        settings: Mapping[str, Any],
        cell: Cell | None = None,
        plug_ins: Mapping[str, Revision] | None = None,
        **inputs: Step,
    ) -> Step:
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
        return Cell(
            suite.name, dataset, method, suite.encoder.name, layers, seed, attack, protocol, budget
        )

    def dataset(self, seed: int) -> Step:
        suite = self.suite
        settings = {
            "source": suite.source,
            "split": suite.split,
            "seed": seed,
            "fingerprint": self.fingerprint,
        }
        return self.step(
            "dataset",
            f"{suite.source.label}, seed {seed}",
            settings,
            None,
            plug_in("data source", suite.source),
        )

    def encoder(self, layers: int, seed: int) -> dict[str, Any]:
        return {
            "encoder": self.suite.encoder.name,
            "width": self.suite.encoder.width,
            "layers": layers,
            "seed": seed,
        }

    def pretrained(
        self, seed: int, layers: int, method: Named[Method], graphs: str
    ) -> dict[str, Step]:
        """The inputs of whatever starts from a method's encoder: the data set, and the pretraining
        where there is any.
        """
        dataset = self.dataset(seed)
        if not method.what.pretrains:
            return {"dataset": dataset}
        about = f"{layers} layers, seed {seed}" + (", all graphs" if graphs == "all" else "")
        own = f"{method.label}, " if method.pretraining is not None else ""
        pretraining = self.suite.pretraining_of(method)
        shared = dataclasses.replace(pretraining, continued_epochs=0)
        settings = {**self.encoder(layers, seed), "pretraining": shared, "graphs": graphs}
        encoder = _encoder(self.suite.encoder.name)
        warm_up = self.step("warm_up", f"{own}{about}", settings, None, encoder, dataset=dataset)
        settings = {
            **settings,
            "continued_epochs": pretraining.continued_epochs,
            "method": method.what,
        }
        plug_ins = {**encoder, **plug_in("method", method.what)}
        made = self.step(
            "pretraining",
            f"{method.label}, {about}",
            settings,
            None,
            plug_ins,
            dataset=dataset,
            warm_up=warm_up,
        )
        return {"dataset": dataset, "pretraining": made}

    def add_victim(self, protocol: Protocol, seed: int, layers: int, method: Named[Method]) -> None:
        """Add the attacks on one victim."""
        suite = self.suite
        about = f"{method.label}, {layers} layers, seed {seed}"
        inputs = self.pretrained(seed, layers, method, "train")
        if "pretraining" in inputs:
            self.measurements.append(
                Planned(self.cell(method.label, layers, seed, ""), inputs["pretraining"])
            )
        settings = {
            **self.encoder(layers, seed),
            "training": suite.training,
            "selection": protocol.victim_selection,
        }
        victim = self.step("victim", about, settings, None, _encoder(suite.encoder.name), **inputs)
        if suite.certificates is not None:
            for budget in suite.certificates.budgets:
                cell = self.cell(method.label, layers, seed, protocol.name, budget=budget)
                needed = {"dataset": inputs["dataset"], "victim": victim}
                self.add_certificate(
                    cell,
                    f"{about}, budget {budget}",
                    suite.threat_for(protocol, budget),
                    suite.certificates,
                    needed,
                )
        found: dict[
            int | float, dict[str, Step]
        ] = {}  # the attacks by label, with the smallest budget first
        for budget in suite.budgets:
            made = found[budget] = {}
            chosen = [attack for attack in suite.attacks if budget in attack.budgets]
            for attack in sorted(
                chosen, key=lambda attack: isinstance(attack.what, CombiningAttack)
            ):
                settings = {
                    "attack": suite.attack_for(attack, protocol),
                    "label": attack.label,
                    "threat": suite.threat_for(protocol, budget),
                    "fit": protocol.attack_fit,
                    "seed": seed,
                }
                title = f"{attack.label} on {about}" + (
                    f", budget {budget}" if len(suite.budgets) > 1 else ""
                )
                needed = {"dataset": inputs["dataset"], "victim": victim}
                if isinstance(attack.what, LearningAttack):
                    needed["attacker"] = self.step(
                        "attacker", title, settings, None, _attack(attack), **needed
                    )
                    cell = self.cell(
                        method.label, layers, seed, protocol.name, attack.label, budget
                    )
                    self.measurements.append(Planned(cell, needed["attacker"]))
                if isinstance(attack.what, CombiningAttack):
                    of = attack.what.of
                    if not any(label in made for label in of):
                        continue  # none of them can make so many edits
                    needed |= {
                        f"{FOUND_WITH}{its} by {label}": others[label]
                        for its, others in found.items()
                        for label in of
                        if label in others
                    }
                settings = {
                    **settings,
                    "method": method.what,
                    "method_pretraining": method.pretraining,
                    "label_rule": suite.source.label_rule,
                }
                cell = self.cell(method.label, layers, seed, protocol.name, attack.label, budget)
                made[attack.label] = self.step(
                    "attack", title, settings, cell, _attack(attack), **needed
                )
            self.attacks += [made[attack.label] for attack in chosen if attack.label in made]

    def add_certificate(
        self,
        cell: Cell,
        about: str,
        threat: ThreatModel,
        certificates: Certificates,
        needed: dict[str, Step],
    ) -> None:
        """Add one certificate; in parts, which are computed side by side, where pairs of edits may
        be searched, which takes long.
        """
        settings = {"threat": threat, "pairs": certificates.pairs}
        pieces = {}
        if threat.budget == 2 or isinstance(
            threat.budget, float
        ):  # a share of a graph's edges may be two of them
            for part in range(certificates.parts):
                role = f"{CERTIFICATE_PART}{part + 1} of {certificates.parts}"
                own = {**settings, "part": part, "parts": certificates.parts}
                pieces[role] = self.step(
                    "certificate_part", f"{about}, {role}", own, None, None, **needed
                )
        self.measurements.append(
            Planned(cell, self.step("certificate", about, settings, None, None, **needed, **pieces))
        )

    def add_representation(self, seed: int, layers: int, method: Named[Method]) -> None:
        """Add the score of one encoder that has seen all graphs and no label."""
        inputs = self.pretrained(seed, layers, method, "all")
        settings, encoder = (
            {**self.encoder(layers, seed), "representations": self.suite.representations},
            _encoder(self.suite.encoder.name),
        )
        step = self.step(
            "representation",
            f"{method.label}, {layers} layers, seed {seed}",
            settings,
            None,
            encoder,
            **inputs,
        )
        cell = self.cell(method.label, layers, seed, UNSUPERVISED)
        self.measurements.append(Planned(cell, step))
        if "pretraining" in inputs:
            self.measurements.append(Planned(cell, inputs["pretraining"]))


def _encoder(name: str) -> dict[str, Revision]:
    return plug_in("encoder", registry.load("encoder", name))


def _attack(attack: Named[Attack]) -> dict[str, Revision]:
    """An attack, and the encoders that it is made of."""
    found = plug_in("attack", attack.what)
    for name in attack.what.encoders:
        found |= _encoder(name)
    return found


def method_settings(settings: Mapping[str, Any]) -> Any:
    """What a record says of a method: its hyper-parameters, in JSON.

    The settings of pretraining are among them where they are not the suite's. `settings` are those
    of an attack step.
    """
    own = (
        {}
        if settings["method_pretraining"] is None
        else {"pretraining": plain(settings["method_pretraining"])}
    )
    return {**plain(settings["method"]), **own}
