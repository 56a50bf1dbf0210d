"""A suite: what is compared with what, read from a TOML file and validated in full before anything
is computed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, CombiningAttack
from robust_augcl.adversary.guard import check_supported
from robust_augcl.contrast.augment import Augmentation
from robust_augcl.contrast.method_base import Method
from robust_augcl.contrast.pretrain import Pretraining
from robust_augcl.errors import InputError, unknown
from robust_augcl.graphs.data_source import DataSource, Split
from robust_augcl.models.representations import Representations
from robust_augcl.models.training import Training
from robust_augcl.plan.protocols import PROTOCOLS, Protocol
from robust_augcl.plan.toml_tables import build, override, parse_toml
from robust_augcl.results.names import CLEAN, EXACT, exact_of, look, name_of
from robust_augcl.threat.model import ThreatModel
from robust_augcl.validation import require_positive

T = TypeVar("T")

_MOST_PARTS = 1000  # each is a step, and a part without graphs helps nobody


@dataclass(frozen=True)
class Named(Generic[T]):
    """A method or an attack.

    Args:
        name: its name in the registry.
        label: its name in tables, by default the same.
        what: itself.
        given: the hyper-parameters that the suite sets itself.
        budgets: of an attack: those of the suite that it is run with.
        pretraining: of a method that changes the suite's settings of pretraining for itself: the
            whole, as changed.
    """

    name: str
    label: str
    what: T
    given: tuple[str, ...] = ()
    budgets: tuple[int | float, ...] = ()
    pretraining: Pretraining | None = None


@dataclass(frozen=True)
class Certificates:
    """What is proved of the victims: the lower end of a bracket around the worst case, and edits
    found on the way for its upper end.

    Args:
        budgets: those of the suite's budgets to certify against; empty for all.
        pairs: pairs of edits tried in one graph, at the most.
        parts: in how many parts, on as many workers, a search of pairs of edits is cut; they change
            no result.

    Raises:
        ValueError: a value out of range.
    """

    budgets: tuple[int | float, ...] = ()
    pairs: int = 2_000_000
    parts: int = 8

    def __post_init__(self) -> None:
        require_positive(self, "pairs", "parts")
        if self.parts > _MOST_PARTS:
            raise ValueError(f"Expected `parts` to be at most {_MOST_PARTS}, got {self.parts}")


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder, how wide, and with how many rounds of message passing (one or more numbers of
    them).

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
            raise ValueError(
                "Expected `layers` to be different numbers, at least 1 each, got "
                f"{list(self.layers)}"
            )


@dataclass(frozen=True)
class Suite:
    """A validated suite.

    Args:
        name: its name; results of different names never share a folder.
        title: one line that says what it compares.
        source, split: the data.
        encoder, pretraining, training: the victims.
        threat: which edits are allowed (`allow_existing` is the protocol's to say, the budget a
            cell's).
        budgets: all budgets, ascending.
        protocols, seeds: each cell is run under all of these.
        methods, attacks: what is compared, under which attacks.
        representations: how encoders are scored without labels, None for not at all.
        certificates: what is proved of the victims, None for nothing.
        scale: of the numbers of graphs, and of an attack's learning steps, as they came from the
            file.
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
    budgets: tuple[int | float, ...]
    protocols: tuple[Protocol, ...]
    seeds: tuple[int, ...]
    methods: tuple[Named[Method], ...]
    attacks: tuple[Named[Attack], ...]
    representations: Representations | None
    certificates: Certificates | None
    scale: float
    table: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False)

    def attack_for(self, attack: Named[Attack], protocol: Protocol) -> Attack:
        """The attack with the hyper-parameters that the protocol sets, those apart that the suite
        sets itself.
        """
        if protocol.name != "paper":
            return attack.what
        changes = {
            key: value for key, value in attack.what.paper.items() if key not in attack.given
        }
        return dataclasses.replace(attack.what, **changes)  # type: ignore[type-var]

    def pretraining_of(self, method: Named[Method]) -> Pretraining:
        """The settings of pretraining of a method: the suite's, changed by what the method sets
        itself.
        """
        return self.pretraining if method.pretraining is None else method.pretraining

    def threat_for(self, protocol: Protocol, budget: int | float) -> ThreatModel:
        """The threat model under a protocol, with one of the budgets."""
        return dataclasses.replace(
            self.threat, budget=budget, allow_existing=protocol.allow_existing
        )


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
            raise ValueError(
                f"Expected `seeds` to be different numbers from 0, got {list(self.seeds)}"
            )
        if not self.protocols or len(set(self.protocols)) < len(self.protocols):
            raise ValueError(
                f"Expected `protocols` to be different names, got {list(self.protocols)}"
            )
        if not 0 < self.scale <= 1:
            raise ValueError(f"Expected `scale` to be above 0 and at most 1, got {self.scale}")


_TABLES = (
    "dataset",
    "split",
    "encoder",
    "pretraining",
    "training",
    "threat",
    "methods",
    "attacks",
    "representations",
    "certificates",
)


def load_suite(
    name_or_file: str, overrides: Sequence[str] = (), seeds: Sequence[int] | None = None
) -> Suite:
    """Read a suite by its name, or from a TOML file, with `dotted.key=value` overrides and other
    seeds.

    Raises:
        InputError: no such suite (with the nearest name), an unreadable file, anything in it that
            is not as expected.
    """
    texts = registry.suite_texts()
    path = Path(name_or_file)
    if name_or_file in texts:
        text, source = texts[name_or_file], f"suite {name_or_file}"
    elif path.suffix == ".toml" or os.path.exists(
        name_or_file
    ):  # (which takes a name that is too long)
        try:
            text, source = path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"Cannot read the suite {name_or_file}: {getattr(error, 'strerror', None) or error}"
            ) from None
    else:
        raise unknown("suite", name_or_file, texts)
    table = parse_toml(text, source)
    for assignment in overrides:
        override(table, assignment)
    if seeds is not None:
        table["seeds"] = list(seeds)
    # The user named this suite, and so the plug-ins that it names.
    registry.consent(registry.needs(table), path.parent if source == str(path) else None)
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
    threats = settings("threat", _Threat)
    threat = threats.model(threats.budgets[0])
    if data_source.label_rule == "components" and not (
        threat.operations == ("add",) and threat.within_component
    ):
        raise InputError(
            f"{source}: [threat]: Expected edges added inside a component alone (operations = "
            "['add'], within_component = true): "
            "other edits change the number of components, which is the class; got "
            f"{list(threat.operations)}, {threat.within_component}"
        )
    attacks = tuple(
        _attack(entry, f"{source}: [[attacks]]", threats)
        for entry in _list(table, "attacks", source)
    )
    attacks = _combined(attacks, source)
    shared = table.get("pretraining", {})
    pretraining = _pretraining(shared, f"{source}: [pretraining]")
    methods = tuple(
        _method(entry, shared, f"{source}: [[methods]]")
        for entry in _list(table, "methods", source)
    )
    _check_names(
        {method.label: method.label for method in methods}, methods, f"{source}: [[methods]]"
    )
    exact = exact_of(attack.label for attack in attacks if attack.what.exact)
    _check_names(
        {attack.label: EXACT if attack.label == exact else attack.label for attack in attacks},
        attacks,
        f"{source}: [[attacks]]",
    )
    return Suite(
        name=top.name,
        title=top.title,
        source=data_source.scaled(top.scale) if top.scale != 1 else data_source,
        split=settings("split", Split),
        encoder=encoder,
        pretraining=pretraining,
        training=settings("training", Training),
        threat=threat,
        budgets=threats.budgets,
        protocols=tuple(PROTOCOLS[name] for name in top.protocols),
        seeds=top.seeds,
        methods=methods,
        attacks=tuple(dataclasses.replace(a, what=a.what.scaled(top.scale)) for a in attacks)
        if top.scale != 1
        else attacks,
        representations=settings("representations", Representations)
        if "representations" in table
        else None,
        certificates=_certificates(settings("certificates", Certificates), threats, source)
        if "certificates" in table
        else None,
        scale=top.scale,
        table={key: value for key, value in table.items() if key != "seeds"},
    )


def _combined(attacks: tuple[Named[Attack], ...], source: str) -> tuple[Named[Attack], ...]:
    """The attacks, with the labels in full of those that each combining one combines."""
    single = {
        attack.label: attack.what.exact
        for attack in attacks
        if not isinstance(attack.what, CombiningAttack)
    }
    found = []
    for attack in attacks:
        if isinstance(attack.what, CombiningAttack):
            of: tuple[str, ...] = attack.what.of or tuple(
                label for label, exact in single.items() if not exact
            )  # type: ignore[attr-defined]
            for label in of:
                if label not in single:
                    raise unknown(
                        f"attack in {source}: [[attacks]] {attack.label}: of:", label, single
                    )
            if not of or len(set(of)) < len(of):
                raise InputError(
                    f"{source}: [[attacks]] {attack.label}: Expected `of` to be labels of "
                    f"attacks, each once, got {list(of)}"
                )
            attack = dataclasses.replace(attack, what=dataclasses.replace(attack.what, of=of))  # type: ignore[type-var]
        found.append(attack)
    return tuple(found)


@dataclass(frozen=True)
class _Threat:
    """The threat model as a suite states it; whether no-op edits count is the protocol's to say."""

    budget: int | float | tuple[int | float, ...] = 1
    operations: tuple[str, ...] = ("add",)
    within_component: bool = False

    def __post_init__(self) -> None:
        if (
            not self.budgets
            or len(set(self.budgets)) < len(self.budgets)
            or len({type(budget) for budget in self.budgets}) > 1
        ):
            raise ValueError(
                "Expected `budget` to be one or more different counts, or different "
                f"fractions, got {list(self.budgets)}"
            )
        for budget in self.budgets:
            self.model(budget)

    @property
    def budgets(self) -> tuple[int | float, ...]:
        """All budgets, ascending."""
        return tuple(sorted(self.budget)) if isinstance(self.budget, tuple) else (self.budget,)

    def has(self, budgets: Sequence[Any]) -> bool:
        """Whether these are all budgets of the suite: 1 is one edit, and 1.0 all edges."""
        return all(
            any(type(budget) is type(own) and budget == own for own in self.budgets)
            for budget in budgets
        )

    def model(self, budget: int | float) -> ThreatModel:
        return ThreatModel(budget, self.operations, self.within_component)  # type: ignore[arg-type]


def _pretraining(table: Any, where: str) -> Pretraining:
    if not isinstance(table, Mapping):
        raise InputError(f"Expected {where} to be a table, got {table!r}")
    for entry in _list(table, "augmentations", where) if "augmentations" in table else []:
        build(
            Augmentation, entry, f"{where}: augmentations"
        )  # for the unknown keys, which the whole would pass over
    return build(Pretraining, table, where)


def _method(entry: Any, shared: Mapping[str, Any], where: str) -> Named[Method]:
    """A method, whose table `pretraining` changes the shared one for it alone."""
    if not isinstance(entry, Mapping) or "pretraining" not in entry:
        return _plugin("method", entry, where)
    own = entry["pretraining"]
    method: Named[Method] = _plugin(
        "method", {key: value for key, value in entry.items() if key != "pretraining"}, where
    )
    where = f"{where} {method.name}: pretraining"
    if not method.what.pretrains:
        raise InputError(f"{where}: Expected a method that pretrains, got {method.name}")
    if not isinstance(own, Mapping):
        raise InputError(f"Expected {where} to be a table, got {own!r}")
    return dataclasses.replace(method, pretraining=_pretraining({**shared, **own}, where))


def _list(table: Mapping[str, Any], key: str, source: str) -> list[Any]:
    entries = table[key]
    if not isinstance(entries, list) or not entries:
        raise InputError(
            f"{source}: Expected `{key}` to be one or more tables [[{key}]], got {entries!r}"
        )
    return entries


def _named(table: Any, where: str, key: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(table, Mapping):
        raise InputError(f"Expected {where} to be a table, got {table!r}")
    if not isinstance(table.get(key), str):
        raise InputError(f"{where}: Expected `{key}` to be a name, got {table.get(key)!r}")
    return str(table[key]), {name: value for name, value in table.items() if name != key}


def _certificates(given: Certificates, threats: _Threat, source: str) -> Certificates:
    """The certificates with their budgets in full."""
    if not threats.has(given.budgets):
        raise InputError(
            f"{source}: [certificates]: Expected `budgets` to be some of "
            f"{list(threats.budgets)}, got {list(given.budgets)}"
        )
    return dataclasses.replace(given, budgets=tuple(sorted(set(given.budgets))) or threats.budgets)


def _attack(entry: Any, where: str, threats: _Threat) -> Named[Attack]:
    """An attack, and those of the suite's budgets that it is run with: `budgets`, by default all
    that it can make use of.
    """
    given = entry.get("budgets") if isinstance(entry, Mapping) else None
    attack: Named[Attack] = _plugin(
        "attack",
        {k: v for k, v in entry.items() if k != "budgets"} if given is not None else entry,
        where,
    )
    if given is not None and (not isinstance(given, list) or not given or not threats.has(given)):
        raise InputError(
            f"{where} {attack.label}: Expected `budgets` to be some of "
            f"{list(threats.budgets)}, got {given!r}"
        )
    able, problem = [], ""
    for budget in threats.budgets if given is None else sorted(set(given)):
        try:
            check_supported(attack.what, threats.model(budget))
            able.append(budget)
        except ValueError as error:
            problem = problem or f"{where} {attack.label}: {error}"
            if given is not None:
                raise InputError(problem) from None
    if not able:
        raise InputError(problem)
    return dataclasses.replace(attack, budgets=tuple(able))


def _check_names(shown_as: Mapping[str, str], entries: Sequence[Named[Any]], where: str) -> None:
    """Refuse entries that a report could not tell apart; `shown_as` are the labels, each with the
    one that it is shown as.
    """
    labels = [entry.label for entry in entries]
    if len(set(labels)) < len(labels):
        raise InputError(f"{where}: Expected entries of different labels, got {', '.join(labels)}")
    taken: dict[str, str] = {}
    for label in labels:
        name = name_of(shown_as[label])
        other = taken.setdefault(look(name), label)
        if other != label:
            raise InputError(
                f"{where}: Expected `label` to look unlike {other!r} in reports, got "
                f"{label!r}: both are {name!r} there"
            )


def _plugin(kind: str, entry: Any, where: str) -> Named[Any]:
    name, own = _named(entry, where, "name")
    made = registry.load(kind, name)
    label = own.pop("label", registry.default_label(name, made))
    taken = {
        look(each)
        for other in {*registry.names(kind), CLEAN} - {name}
        for each in (other, name_of(other))
    }
    if not isinstance(label, str) or not label.strip() or look(label) in taken:
        raise InputError(
            f"{where} {name}: Expected `label` to be a name that means nothing else, got {label!r}"
        )
    return Named(name, label, build(made, own, f"{where} {name}"), tuple(own))
