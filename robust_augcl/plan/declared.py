"""What plug-ins say of themselves, for records: traits, names for readers, who made them.

Nobody else guesses any of this from a label or from a class's name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, CombiningAttack, LearningAttack
from robust_augcl.contrast.method_base import Method
from robust_augcl.errors import InputError
from robust_augcl.plan.step import Step, plain
from robust_augcl.plan.suite_tables import parse_dataset
from robust_augcl.results.traits import MethodTraits, Traits


def traits_of(attack: Attack, label: str, name: str) -> Traits:
    """What an attack declares; `label` and `name` are those in the suite.

    Example:
        >>> beam = registry.load("attack", "beam")()
        >>> traits_of(beam, "beam", "beam").name, traits_of(beam, "my beam", "beam").name
        ('Beam search', 'my beam')
    """
    combines = isinstance(attack, CombiningAttack)
    return Traits(
        access=attack.access.name.lower(),
        learns=isinstance(attack, LearningAttack),
        combines=combines,
        of=list(attack.of) if isinstance(attack, CombiningAttack) else [],
        claims_exact=attack.exact,
        effort=attack.effort,
        name=readers_name(attack, label, name),
    )


def method_traits_of(method: Method, label: str, name: str) -> MethodTraits:
    """What a method declares; `label` and `name` are those in the suite.

    Example:
        >>> augcl = registry.load("method", "augcl")()
        >>> method_traits_of(augcl, "augcl", "augcl").rivals
        ['progcl', 'progcl_mix']
    """
    return MethodTraits(
        name=readers_name(method, label, name),
        plug_in=_name_in_registry(type(method), name),
        pretrains=method.pretrains,
        plain=method.plain,
        rivals=list(method.rivals),
    )


def defaults_of(kind: str, name: str) -> dict[str, Any]:
    """The settings that one of our plug-ins has where nobody sets them, as a suite writes them.

    Of other people's plug-ins nothing is known without importing them.

    Example:
        >>> defaults_of("attack", "beam"), defaults_of("attack", "of_somebody")
        ({'width': 1}, {})
    """
    if name not in registry.names(kind):
        return {}
    made = registry.load_own(kind, name)
    fields = dataclasses.fields(made) if dataclasses.is_dataclass(made) else ()
    known = {each.name: each.default for each in fields if each.default is not dataclasses.MISSING}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in known.items()
    }


def about_data(table: Mapping[str, Any]) -> str:
    """What the data of a suite are, as its data source says it; empty where it says nothing.

    Of other people's data sources nothing is known without importing them.

    Args:
        table: the suite as in its file.

    Example:
        >>> about_data({"dataset": {"source": "components", "nodes": [15, 20]}})[:44]
        'Tell how many connected components a graph h'
        >>> about_data({"dataset": {"source": "of_somebody"}})
        ''
    """
    dataset = table.get("dataset")
    if not isinstance(dataset, Mapping) or dataset.get("source") not in registry.names(
        "data source"
    ):
        return ""
    try:
        return parse_dataset(dict(table), "the suite").about
    except InputError:  # settings of an earlier version
        return ""


def _name_in_registry(made: type[object], name: str) -> str:
    """The name by which others ask for a plug-in: its short name, or `module:Class`."""
    if made.__module__.startswith("robust_augcl."):
        return made.__module__.rpartition(".")[2]
    return registry.origin(made)["name"] if registry.is_foreign(name) else name


def readers_name(plug_in: object, label: str, name: str) -> str:
    """What readers call a method or an attack.

    That is its own display name, unless the suite gave it a label other than its name there.
    """
    display_name = str(getattr(plug_in, "display_name", ""))
    is_default = label == name
    return display_name if is_default and display_name else label


def made_by(step: Step) -> dict[str, dict[str, str]]:
    """Who made the plug-ins behind an attack step, by kind of plug-in."""
    victim = step.inputs["victim"].settings
    attack = registry.origin(type(step.settings["attack"]))
    source = registry.origin(type(step.inputs["dataset"].settings["source"]))
    if "made_by" in victim:  # a given model
        return {"attack": attack, "model": dict(victim["made_by"]), "data source": source}
    return {
        "attack": attack,
        "method": registry.origin(type(step.settings["method"])),
        "encoder": registry.origin(registry.load("encoder", victim["encoder"])),
        "data source": source,
    }


def method_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of a method: its hyper-parameters, in JSON.

    The settings of pretraining are among them where they are not the suite's. `settings` are those
    of an attack step.
    """
    found: dict[str, Any] = plain(settings["method"])
    if settings["method_pretraining"] is not None:
        found["pretraining"] = plain(settings["method_pretraining"])
    return found


def declared(step: Step) -> dict[str, Any]:
    """The fields of an attack step's record that the plug-ins declare."""
    return {
        "traits": step.settings["traits"],
        "method_traits": step.settings["method_traits"],
        "made_by": made_by(step),
    }
