"""The tables of a suite file, one parser for each. None looks at another table.

What one table says about another is checked by `plan.suite_checks`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack
from robust_augcl.contrast.augment import Augmentation
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.names import NODE_BASES
from robust_augcl.contrast.node_pretrain import NodePretraining
from robust_augcl.contrast.pretrain import Pretraining
from robust_augcl.errors import InputError, cut, shown, unknown
from robust_augcl.graphs.data_source import DataSource
from robust_augcl.plan.given_models import GivenModel
from robust_augcl.plan.protocols import PROTOCOLS
from robust_augcl.plan.suite_settings import (
    MOST_NAME,
    Certificates,
    EncoderSettings,
    General,
    Named,
)
from robust_augcl.plan.toml_tables import build
from robust_augcl.results.stated import TABLE as COMPARISONS

T = TypeVar("T")
Table = Mapping[str, Any]

_GENERAL = tuple(field.name for field in dataclasses.fields(General))
_REQUIRED = ("dataset", "attacks")
_TRAINED = ("encoder", "methods")
"""Required where there are no given models; each asks for the other."""
_TABLES = (
    "dataset",
    "split",
    "encoder",
    "pretraining",
    "training",
    "linear",
    "threat",
    "targets",
    "methods",
    "victims",
    "attacks",
    "representations",
    "certificates",
    COMPARISONS,
)


def parse_general(table: Table, source: str) -> General:
    """What stands in no table; also checks which tables there are.

    Raises:
        InputError: an unknown key, a table missing, an unknown protocol, a bad value.
    """
    for key in table:
        if key not in (*_GENERAL, *_TABLES):
            raise unknown(f"key in {source}:", key, [*_GENERAL, *_TABLES])
    trained = "victims" not in table or any(key in table for key in _TRAINED)
    for key in (*_REQUIRED, *(_TRAINED if trained else ())):
        if key not in table:
            raise InputError(f"{source}: Expected a table `{key}`, got none")
    own = {key: value for key, value in table.items() if key in _GENERAL}
    general = build(General, own, source)
    for protocol in general.protocols:
        if protocol not in PROTOCOLS:
            raise unknown(f"protocol in {source}:", protocol, PROTOCOLS)
    return general


def parse_settings(table: Table, source: str, key: str, cls: type[T]) -> T:
    """A table whose keys are the fields of `cls`; where it is missing, all have their defaults."""
    return build(cls, table.get(key, {}), f"{source}: [{key}]")


def parse_optional(table: Table, source: str, key: str, cls: type[T]) -> T | None:
    """The same of a table that stands for work of its own: None where it is missing."""
    return parse_settings(table, source, key, cls) if key in table else None


def parse_dataset(table: Table, source: str) -> DataSource:
    """`[dataset]`: which source, and its settings."""
    where = f"{source}: [dataset]"
    name, own = _named(table["dataset"], where, "source")
    made: DataSource = build(_load("data source", name, where), own, where)
    return made


def parse_encoder(table: Table, source: str) -> EncoderSettings | None:
    """`[encoder]`: which encoder, and its size; None where no victim is trained here."""
    if "encoder" not in table:
        return None
    encoder = parse_settings(table, source, "encoder", EncoderSettings)
    _load("encoder", encoder.name, f"{source}: [encoder]")
    return encoder


def parse_pretraining(table: Table, source: str) -> Pretraining | NodePretraining:
    """`[pretraining]`: what all methods share."""
    return _pretraining(table.get("pretraining", {}), f"{source}: [pretraining]")


def parse_certificates(table: Table, source: str) -> Certificates | None:
    """`[certificates]`: what is proved of the victims, None for nothing."""
    return parse_optional(table, source, "certificates", Certificates)


def parse_methods(table: Table, source: str) -> tuple[Named[Method], ...]:
    """`[[methods]]`: what is compared; none where all victims are given models."""
    if "methods" not in table:
        return ()
    shared = table.get("pretraining", {})
    where = f"{source}: [[methods]]"
    return tuple(_method(entry, shared, where) for entry in _list(table, "methods", source))


def parse_victims(table: Table, source: str) -> tuple[GivenModel, ...]:
    """`[[victims]]`: given models; none where the table is missing."""
    if "victims" not in table:
        return ()
    where = f"{source}: [[victims]]"
    found = tuple(build(GivenModel, entry, where) for entry in _list(table, "victims", source))
    for victim in found:
        _check_label(victim.label, where)
    return found


def parse_attacks(table: Table, source: str) -> tuple[Named[Attack], ...]:
    """`[[attacks]]`: under which attacks; `budgets` are empty where an entry states none."""
    where = f"{source}: [[attacks]]"
    return tuple(_attack(entry, where) for entry in _list(table, "attacks", source))


def _pretraining(table: Any, where: str) -> Pretraining | NodePretraining:
    if not isinstance(table, Mapping):
        raise InputError(f"Expected {where} to be a table, got {shown(table)}")
    if table.get("base") in NODE_BASES:
        return build(NodePretraining, table, where)
    # Augmentations one by one first: built as a whole, their unknown keys would pass.
    for entry in _list(table, "augmentations", where) if "augmentations" in table else []:
        build(Augmentation, entry, f"{where}: augmentations")
    return build(Pretraining, table, where)


def _method(entry: Any, shared: Table, where: str) -> Named[Method]:
    """A method; its own table `pretraining` changes the shared one for it alone."""
    if not isinstance(entry, Mapping) or "pretraining" not in entry:
        return _plug_in("method", entry, where)
    own = entry["pretraining"]
    others = {key: value for key, value in entry.items() if key != "pretraining"}
    method: Named[Method] = _plug_in("method", others, where)
    where = f"{where} {method.name}: pretraining"
    if not method.what.pretrains:
        raise InputError(f"{where}: Expected a method that pretrains, got {method.name}")
    if not isinstance(own, Mapping):
        raise InputError(f"Expected {where} to be a table, got {shown(own)}")
    return dataclasses.replace(method, pretraining=_pretraining({**shared, **own}, where))


def _attack(entry: Any, where: str) -> Named[Attack]:
    """An attack, with the budgets that its entry states."""
    if not isinstance(entry, Mapping) or "budgets" not in entry:
        return _plug_in("attack", entry, where)
    budgets = entry["budgets"]
    others = {key: value for key, value in entry.items() if key != "budgets"}
    attack: Named[Attack] = _plug_in("attack", others, where)
    if not isinstance(budgets, list) or not budgets:
        raise InputError(
            f"{where} {attack.label}: Expected `budgets` to be one or more of the suite's budgets, "
            f"got {shown(budgets)}"
        )
    return dataclasses.replace(attack, budgets=tuple(budgets))


def _plug_in(kind: str, entry: Any, where: str) -> Named[Any]:
    """A method or an attack: its name, its label, its hyper-parameters."""
    name, own = _named(entry, where, "name")
    cls = _load(kind, name, where)
    if registry.is_own(kind, cls):  # also where a suite names it by where it lies
        name = cls.__module__.rpartition(".")[2]
    label, where = own.pop("label", registry.default_label(name, cls)), f"{where} {cut(name)}"
    _check_label(label, where)
    return Named(name, label, build(cls, own, where), tuple(own))


def _check_label(label: Any, where: str) -> None:
    if not isinstance(label, str) or not label.strip() or len(label) > MOST_NAME or "\n" in label:
        raise InputError(
            f"{where}: Expected `label` to be a name of at most {MOST_NAME} characters, that means "
            f"nothing else, got {shown(label)}"
        )


def _load(kind: str, name: str, where: str) -> type[Any]:
    """The class of a plug-in; errors say where in the suite it is named."""
    try:
        return registry.load(kind, name)
    except InputError as error:
        raise type(error)(f"{where}: {error}") from error


def _list(table: Table, key: str, source: str) -> list[Any]:
    entries = table[key]
    if not isinstance(entries, list) or not entries:
        raise InputError(
            f"{source}: Expected `{key}` to be one or more tables [[{key}]], got {shown(entries)}"
        )
    return entries


def _named(table: Any, where: str, key: str) -> tuple[str, dict[str, Any]]:
    """The name under a key of a table, and the rest of the table."""
    if not isinstance(table, Mapping):
        raise InputError(f"Expected {where} to be a table, got {shown(table)}")
    if not isinstance(table.get(key), str):
        raise InputError(f"{where}: Expected `{key}` to be a name, got {shown(table.get(key))}")
    return str(table[key]), {name: value for name, value in table.items() if name != key}
