"""Cells as a graph of steps, each addressed by everything that determines it.

data set -> warm-up -> pretraining -> victim -> attacker -> attack. What two cells share is one step: a baseline and AUGCL share their
warm-up, all attacks share their victim.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from robust_augcl.method import Method
from robust_augcl.records import REVISION, SCHEMA, Cell
from robust_augcl.suite import Named, Suite

Kind = Literal["dataset", "warm_up", "pretraining", "victim", "attacker", "attack"]


@dataclass(frozen=True, eq=False)
class Step:
    """One thing to compute.

    Args:
        kind: which computation.
        title: what it is, for people.
        settings: everything that determines the result beside the inputs: dataclasses, numbers, strings.
        inputs: the steps whose results it needs, by role.
        cell: the cell, of an attack.
    """

    kind: Kind
    title: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, Step]
    cell: Cell | None = None

    @cached_property
    def key(self) -> str:
        """The address of the result: kind, and a hash of settings and of the inputs' addresses."""
        identity = {
            "revision": [REVISION, SCHEMA],
            "kind": self.kind,
            "settings": plain(dict(self.settings)),
            "inputs": {role: step.key for role, step in self.inputs.items()},
            "cell": plain(self.cell),
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


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


def plan(suite: Suite, fingerprint: str | None = None) -> list[Step]:
    """The attack steps of all cells of a suite, in the order of protocols, seeds, layers, methods, attacks.

    `fingerprint` is that of the files that the data come from (`DataSource.fingerprint`).
    """
    steps: dict[str, Step] = {}

    def step(kind: Kind, title: str, settings: Mapping[str, Any], cell: Cell | None = None, **inputs: Step) -> Step:
        made = Step(kind, title, settings, inputs, cell)
        return steps.setdefault(made.key, made)

    attacks = []
    for protocol in suite.protocols:
        for seed in suite.seeds:
            settings: dict[str, Any] = {"source": suite.source, "split": suite.split, "seed": seed, "fingerprint": fingerprint}
            dataset = step("dataset", f"{suite.source.label}, seed {seed}", settings)
            for layers in suite.encoder.layers:
                encoder = {"encoder": suite.encoder.name, "width": suite.encoder.width, "layers": layers, "seed": seed}
                for method in suite.methods:
                    about = f"{method.label}, {layers} layers, seed {seed}"
                    inputs = {"dataset": dataset}
                    if method.what.pretrains:
                        pretraining = suite.pretraining_of(method)
                        settings = {**encoder, "pretraining": dataclasses.replace(pretraining, continued_epochs=0)}
                        own = f"{method.label}, " if method.pretraining is not None else ""
                        warm_up = step("warm_up", f"{own}{layers} layers, seed {seed}", settings, dataset=dataset)
                        settings = {**settings, "continued_epochs": pretraining.continued_epochs, "method": method.what}
                        inputs["pretraining"] = step("pretraining", about, settings, dataset=dataset, warm_up=warm_up)
                    settings = {**encoder, "training": suite.training, "selection": protocol.victim_selection}
                    victim = step("victim", about, settings, None, **inputs)
                    for attack in suite.attacks:
                        cell = Cell(
                            suite=suite.name,
                            dataset=suite.source.label,
                            method=method.label,
                            encoder=suite.encoder.name,
                            layers=layers,
                            seed=seed,
                            attack=attack.label,
                            protocol=protocol.name,
                            budget=suite.threat.budget,
                        )
                        settings = {
                            "attack": suite.attack_for(attack, protocol),
                            "label": attack.label,
                            "threat": suite.threat_for(protocol),
                            "fit": protocol.attack_fit,
                            "seed": seed,
                        }
                        title = f"{attack.label} on {about}"
                        inputs = {"dataset": dataset, "victim": victim}
                        if attack.what.learns:
                            inputs["attacker"] = step("attacker", title, settings, None, **inputs)
                        settings = {**settings, "method": _in_force(method), "label_rule": suite.source.label_rule}
                        attacks.append(step("attack", title, settings, cell, **inputs))
    return attacks


def _in_force(method: Named[Method]) -> Any:
    """What a record says of a method: its hyper-parameters, and the settings of pretraining where they are not the suite's."""
    if method.pretraining is None:
        return method.what
    return {**plain(method.what), "pretraining": plain(method.pretraining)}
