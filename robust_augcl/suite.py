"""A suite: what is compared with what, read from a TOML file and validated in full before anything is computed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from robust_augcl import registry
from robust_augcl.attack import Attack, check_supported
from robust_augcl.config import build, override, parse_toml
from robust_augcl.contrast.augment import Augmentation
from robust_augcl.contrast.pretrain import Pretraining
from robust_augcl.dataset import DataSource, Split
from robust_augcl.errors import InputError, unknown
from robust_augcl.method import Method
from robust_augcl.protocol import PROTOCOLS, Protocol
from robust_augcl.threat import ThreatModel
from robust_augcl.training import Training

T = TypeVar("T")


@dataclass(frozen=True)
class Named(Generic[T]):
    """A method or an attack.

    Args:
        name: its name in the registry.
        label: its name in tables, by default the same.
        what: itself.
        given: the hyper-parameters that the suite sets itself.
    """

    name: str
    label: str
    what: T
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder, how wide, and with how many rounds of message passing (one or more numbers of them).

    Raises:
        ValueError: a value out of range.
    """

    name: str
    width: int = 64
    layers: tuple[int, ...] = (2,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"Expected `width` to be at least 1, got {self.width}")
        if not self.layers or min(self.layers) < 1 or len(set(self.layers)) < len(self.layers):
            raise ValueError(f"Expected `layers` to be different numbers, at least 1 each, got {list(self.layers)}")


@dataclass(frozen=True)
class Suite:
    """A validated suite.

    Args:
        name: its name; results of different names never share a folder.
        title: one line that says what it compares.
        source, split: the data.
        encoder, pretraining, training: the victims.
        threat: which edits are allowed (`allow_existing` is the protocol's to say).
        protocols, seeds: each cell is run under all of these.
        methods, attacks: what is compared, under which attacks.
        scale: of the numbers of graphs, and of an attack's learning steps, as they came from the file.
        table: the content of the file it was made from, overrides included, seeds apart.
    """

    name: str
    title: str
    source: DataSource
    split: Split
    encoder: EncoderSettings
    pretraining: Pretraining
    training: Training
    threat: ThreatModel
    protocols: tuple[Protocol, ...]
    seeds: tuple[int, ...]
    methods: tuple[Named[Method], ...]
    attacks: tuple[Named[Attack], ...]
    scale: float
    table: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False)

    def attack_for(self, attack: Named[Attack], protocol: Protocol) -> Attack:
        """The attack with the hyper-parameters that the protocol sets, those apart that the suite sets itself."""
        if protocol.name != "paper":
            return attack.what
        changes = {key: value for key, value in attack.what.paper.items() if key not in attack.given}
        return dataclasses.replace(attack.what, **changes)  # type: ignore[type-var]

    def threat_for(self, protocol: Protocol) -> ThreatModel:
        """The threat model under a protocol."""
        return dataclasses.replace(self.threat, allow_existing=protocol.allow_existing)


@dataclass(frozen=True)
class _Top:
    """The keys of a suite file that are no tables."""

    name: str
    title: str = ""
    seeds: tuple[int, ...] = (0,)
    protocols: tuple[str, ...] = ("strict",)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.name or not self.name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"Expected `name` to be letters, digits, - and _, got {self.name!r}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise ValueError(f"Expected `seeds` to be different numbers from 0, got {list(self.seeds)}")
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            raise ValueError(f"Expected `protocols` to be different names, got {list(self.protocols)}")
        if not 0 < self.scale <= 1:
            raise ValueError(f"Expected `scale` to be above 0 and at most 1, got {self.scale}")


_TABLES = ("dataset", "split", "encoder", "pretraining", "training", "threat", "methods", "attacks")


def load_suite(name_or_file: str, overrides: Sequence[str] = (), seeds: Sequence[int] | None = None) -> Suite:
    """Read a suite by its name, or from a TOML file, with `dotted.key=value` overrides and other seeds.

    Raises:
        InputError: no such suite (with the nearest name), an unreadable file, anything in it that is not as expected.
    """
    texts = registry.suite_texts()
    path = Path(name_or_file)
    if name_or_file in texts:
        text, source = texts[name_or_file], f"suite {name_or_file}"
    elif path.suffix == ".toml" or os.path.exists(name_or_file):  # (which takes a name that is too long)
        try:
            text, source = path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"Cannot read the suite {name_or_file}: {getattr(error, 'strerror', None) or error}") from None
    else:
        raise unknown("suite", name_or_file, texts)
    table = parse_toml(text, source)
    for assignment in overrides:
        override(table, assignment)
    if seeds is not None:
        table["seeds"] = list(seeds)
    return make_suite(table, source)


def make_suite(table: Mapping[str, Any], source: str) -> Suite:
    """Validate the content of a suite file; `source` names it in errors."""
    top_keys = [f.name for f in dataclasses.fields(_Top)]
    for key in table:
        if key not in top_keys and key not in _TABLES:
            raise unknown(f"key in {source}:", key, [*top_keys, *_TABLES])
    for key in ("dataset", "encoder", "methods", "attacks"):
        if key not in table:
            raise InputError(f"{source}: Expected a table `{key}`, got none")
    top = build(_Top, {key: value for key, value in table.items() if key in top_keys}, source)
    for protocol in top.protocols:
        if protocol not in PROTOCOLS:
            raise unknown(f"protocol in {source}:", protocol, PROTOCOLS)

    def settings(key: str, cls: type[T]) -> T:
        return build(cls, table.get(key, {}), f"{source}: [{key}]")

    where = f"{source}: [dataset]"
    kind, own = _named(table["dataset"], where, "source")
    data_source: DataSource = build(registry.load("data source", kind), own, where)
    encoder = settings("encoder", EncoderSettings)
    registry.load("encoder", encoder.name)
    threat = settings("threat", _Threat).model()
    if data_source.label_rule == "components" and not (threat.operations == ("add",) and threat.within_component):
        raise InputError(
            f"{source}: [threat]: Expected edges added inside a component alone (operations = ['add'], within_component = true): "
            f"other edits change the number of components, which is the class; got {list(threat.operations)}, {threat.within_component}"
        )
    attacks = tuple(_plugin("attack", entry, f"{source}: [[attacks]]") for entry in _list(table, "attacks", source))
    for attack in attacks:
        try:
            check_supported(attack.what, threat)
        except ValueError as error:
            raise InputError(f"{source}: [threat]: {error}") from None
    attacks = _combined(attacks, source)
    methods = tuple(_plugin("method", entry, f"{source}: [[methods]]") for entry in _list(table, "methods", source))
    for group, entries in (("methods", methods), ("attacks", attacks)):
        labels = [entry.label for entry in entries]
        if len(set(labels)) < len(labels):
            raise InputError(f"{source}: Expected [[{group}]] of different labels, got {', '.join(labels)}")
    return Suite(
        name=top.name,
        title=top.title,
        source=data_source.scaled(top.scale) if top.scale != 1 else data_source,
        split=settings("split", Split),
        encoder=encoder,
        pretraining=_pretraining(table.get("pretraining", {}), f"{source}: [pretraining]"),
        training=settings("training", Training),
        threat=threat,
        protocols=tuple(PROTOCOLS[name] for name in top.protocols),
        seeds=top.seeds,
        methods=methods,
        attacks=tuple(dataclasses.replace(a, what=a.what.scaled(top.scale)) for a in attacks) if top.scale != 1 else attacks,
        scale=top.scale,
        table={key: value for key, value in table.items() if key != "seeds"},
    )


def _combined(attacks: tuple[Named[Attack], ...], source: str) -> tuple[Named[Attack], ...]:
    """The attacks, with the labels in full of those that each combining one combines."""
    single = {attack.label: attack.what.exact for attack in attacks if not attack.what.combines}
    found = []
    for attack in attacks:
        if attack.what.combines:
            of: tuple[str, ...] = attack.what.of or tuple(label for label, exact in single.items() if not exact)  # type: ignore[attr-defined]
            for label in of:
                if label not in single:
                    raise unknown(f"attack in {source}: [[attacks]] {attack.label}: of:", label, single)
            if not of or len(set(of)) < len(of):
                raise InputError(f"{source}: [[attacks]] {attack.label}: Expected `of` to be labels of attacks, each once, got {list(of)}")
            attack = dataclasses.replace(attack, what=dataclasses.replace(attack.what, of=of))  # type: ignore[type-var]
        found.append(attack)
    return tuple(found)


@dataclass(frozen=True)
class _Threat:
    """The threat model as a suite states it; whether no-op edits count is the protocol's to say."""

    budget: int | float = 1
    operations: tuple[str, ...] = ("add",)
    within_component: bool = False

    def __post_init__(self) -> None:
        self.model()

    def model(self) -> ThreatModel:
        return ThreatModel(self.budget, self.operations, self.within_component)  # type: ignore[arg-type]


def _pretraining(table: Any, where: str) -> Pretraining:
    if not isinstance(table, Mapping):
        raise InputError(f"Expected {where} to be a table, got {table!r}")
    for entry in _list(table, "augmentations", where) if "augmentations" in table else []:
        build(Augmentation, entry, f"{where}: augmentations")  # for the unknown keys, which the whole would pass over
    return build(Pretraining, table, where)


def _list(table: Mapping[str, Any], key: str, source: str) -> list[Any]:
    entries = table[key]
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{source}: Expected `{key}` to be one or more tables [[{key}]], got {entries!r}")
    return entries


def _named(table: Any, where: str, key: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(table, Mapping):
        raise InputError(f"Expected {where} to be a table, got {table!r}")
    if not isinstance(table.get(key), str):
        raise InputError(f"{where}: Expected `{key}` to be a name, got {table.get(key)!r}")
    return str(table[key]), {name: value for name, value in table.items() if name != key}


def _plugin(kind: str, entry: Any, where: str) -> Named[Any]:
    name, own = _named(entry, where, "name")
    label = own.pop("label", name)
    taken = {*registry.names(kind), "clean"} - {name}
    if not isinstance(label, str) or not label.strip() or label in taken:
        raise InputError(f"{where} {name}: Expected `label` to be a name that means nothing else, got {label!r}")
    return Named(name, label, build(registry.load(kind, name), own, f"{where} {name}"), tuple(own))
