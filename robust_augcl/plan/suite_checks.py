"""What one table of a suite says about another: the check of a whole suite, after all parsers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, CombiningAttack
from robust_augcl.adversary.supported import check_supported
from robust_augcl.contrast.names import NODE_BASES
from robust_augcl.errors import InputError, shown, unknown
from robust_augcl.graphs.data_source import DataSource
from robust_augcl.plan.declared import readers_name
from robust_augcl.plan.suite_settings import (
    Certificates,
    Named,
    Suite,
    ThreatSettings,
    are_some_of,
)
from robust_augcl.results.names import CLEAN, look
from robust_augcl.results.stated import at

_MOST_CELLS = 50_000  # each is a step: planning more takes minutes

_ROWS_OF_REPORTS = (CLEAN, "Exact worst case")
"""What reports call rows of their own: no label may look like these."""


def refuse_poisoned_graphs(threat: Any, data: DataSource, source: str) -> None:
    """Refuse to poison graphs, before anything else is said of the threat.

    Args:
        threat: the table of a suite, not looked at yet.
        data: where its graphs come from.
        source: names the suite in errors.

    Raises:
        InputError: poisoning is asked for, and the targets are graphs.
    """
    asked = isinstance(threat, Mapping) and threat.get("setting") == "poisoning"
    if asked and not data.states_targets:
        raise InputError(
            f"{source}: [threat]: Expected `setting` to be 'evasion' where the targets are graphs, "
            "got 'poisoning': only data sets of nodes of one graph can be poisoned"
        )


def cross_checked(suite: Suite, threats: ThreatSettings, source: str) -> Suite:
    """Check a suite as a whole, and fill in what its tables leave to others.

    Filled in are the budgets of attacks and certificates, and the labels of the attacks that an
    attack combines.

    Args:
        suite: as its tables say.
        threats: its threat, with all budgets.
        source: names the suite in errors.

    Raises:
        InputError: tables that contradict each other.
    """
    _check_classes_stay(suite, source)
    _check_size(suite, source)
    _check_there_is_training(suite, source)
    _check_victims_fit(suite, source)
    _check_bases(suite, source)
    _check_poisoning(suite, source)
    attacks = [_with_budgets(attack, threats, source) for attack in suite.attacks]
    singles = [attack for attack in attacks if not isinstance(attack.what, CombiningAttack)]
    attacks = [_with_labels(attack, singles, source) for attack in attacks]
    _check_labels("method", suite.methods, f"{source}: [[methods]]")
    _check_labels("attack", attacks, f"{source}: [[attacks]]")
    _check_victims(suite, source)
    _check_comparisons(suite, source)
    certificates = _certificates(suite.certificates, threats, source)
    return dataclasses.replace(suite, attacks=tuple(attacks), certificates=certificates)


def _check_classes_stay(suite: Suite, source: str) -> None:
    """Refuse edits that change the true class: where it is the number of components."""
    threat = suite.threat
    keeps = threat.operations == ("add",) and threat.within_component
    if suite.source.label_rule == "components" and not keeps:
        raise InputError(
            f"{source}: [threat]: Expected edges added inside a component alone (operations = "
            "['add'], within_component = true): other edits change the number of components, "
            f"which is the class; got {list(threat.operations)}, {threat.within_component}"
        )


def _check_there_is_training(suite: Suite, source: str) -> None:
    """Refuse a data set that is all for test, where victims are trained."""
    if suite.methods and (suite.split.is_whole or suite.source.content is not None):
        raise InputError(
            f"{source}: [[methods]]: Expected graphs to train on, but all are for test: only given "
            "models, [[victims]], can be attacked on them"
        )


def _check_victims_fit(suite: Suite, source: str) -> None:
    """Refuse two ways to make victims, and victims of nodes that are trained as a whole."""
    if suite.linear is not None and "training" in suite.table:
        raise InputError(
            f"{source}: Expected one of the tables `linear` and `training`, got both: victims are "
            "frozen encoders with linear heads, or trained on labels"
        )
    if suite.source.states_targets and suite.methods and suite.linear is None:
        raise InputError(
            f"{source}: Expected a table `linear` where the targets are the nodes of one graph, "
            "got none"
        )


def _check_bases(suite: Suite, source: str) -> None:
    """Refuse bases for nodes on graphs and the reverse, and methods of another base."""
    for method in suite.methods:
        if not method.what.pretrains:
            continue
        where, base = f"{source}: [[methods]] {method.label}", suite.pretraining_of(method).base
        if (base in NODE_BASES) != suite.source.states_targets:
            targets = "nodes of one graph" if suite.source.states_targets else "graphs"
            raise InputError(
                f"{where}: Expected a `pretraining.base` for the targets, which are {targets}, got "
                f"{base!r}: {' and '.join(NODE_BASES)} are for nodes"
            )
        if method.what.bases and base not in method.what.bases:
            raise InputError(
                f"{where}: Expected `pretraining.base` to be {' or '.join(method.what.bases)} for "
                f"the method {method.name}, got {base!r}"
            )


def _check_poisoning(suite: Suite, source: str) -> None:
    """Refuse what nobody can poison, and what nobody can prove of models that are poisoned."""
    if not suite.threat.poisons:
        return
    for victim in suite.victims:
        raise InputError(
            f"{source}: [[victims]] {victim.label}: Expected `threat.setting` to be 'evasion' for "
            "a given model, got 'poisoning': nobody here knows how it was trained"
        )
    if suite.certificates is not None:
        raise InputError(
            f"{source}: [certificates]: Expected no such table where `threat.setting` is "
            "'poisoning', got one: nothing is proved of a model that each edit trains again"
        )
    for attack in suite.attacks:
        if attack.what.exact:
            raise InputError(
                f"{source}: [[attacks]] {attack.label}: Expected an attack that does not claim to "
                "be exact where `threat.setting` is 'poisoning': no worst case is known there; got "
                f"{attack.name}"
            )
        if isinstance(attack.what, CombiningAttack):
            raise InputError(
                f"{source}: [[attacks]] {attack.label}: Expected an attack that does not combine "
                "others where `threat.setting` is 'poisoning': each trains a model of its own; got "
                f"{attack.name}"
            )


def _check_size(suite: Suite, source: str) -> None:
    """Refuse more cells than can be planned."""
    models = "methods and given models" if suite.victims else "methods"
    sizes = {
        models: len(suite.methods) + len(suite.victims),
        "attacks": len(suite.attacks),
        "budgets": len(suite.budgets),
        "seeds": len(suite.seeds),
        "layers": max(1, len(suite.layers)),
        "protocols": len(suite.protocols),
    }
    if math.prod(sizes.values()) > _MOST_CELLS:
        product = " x ".join(f"{count} {name}" for name, count in sizes.items())
        raise InputError(f"{source}: Expected at most {_MOST_CELLS:,} cells, got {product}")


def _with_budgets(attack: Named[Attack], threats: ThreatSettings, source: str) -> Named[Attack]:
    """The attack with its budgets: those that it states, or all that it can make use of."""
    where = f"{source}: [[attacks]] {attack.label}"
    stated = sorted(set(attack.budgets)) if are_some_of(attack.budgets, threats.budgets) else []
    if attack.budgets and not stated:
        raise InputError(
            f"{where}: Expected `budgets` to be some of {shown(list(threats.budgets))}, "
            f"got {shown(list(attack.budgets))}"
        )
    able, problem = [], ""
    for budget in stated or threats.budgets:
        try:
            check_supported(attack.what, threats.model(budget).before_fixed_model)
            able.append(budget)
        except ValueError as error:
            problem = problem or f"{where}: {error}"
    if not able or (stated and problem):
        raise InputError(problem)
    return dataclasses.replace(attack, budgets=tuple(able))


def _with_labels(
    attack: Named[Attack], singles: Sequence[Named[Attack]], source: str
) -> Named[Attack]:
    """An attack that combines others with the labels of these in full; any other as it is.

    Without labels it combines all but those that claim to be exact: they are what it approaches.
    """
    if not isinstance(attack.what, CombiningAttack):
        return attack
    known = [single.label for single in singles]
    of = attack.what.of or tuple(single.label for single in singles if not single.what.exact)
    for label in of:
        if label not in known:
            raise unknown(f"attack in {source}: [[attacks]] {attack.label}: of:", label, known)
    if not of or len(set(of)) < len(of):
        raise InputError(
            f"{source}: [[attacks]] {attack.label}: Expected `of` to be labels of attacks, each "
            f"once, got {shown(list(of))}"
        )
    what = dataclasses.replace(attack.what, of=of)  # type: ignore[type-var]
    return dataclasses.replace(attack, what=what)


def _certificates(
    given: Certificates | None, threats: ThreatSettings, source: str
) -> Certificates | None:
    """The certificates with their budgets in full."""
    if given is None:
        return None
    if not are_some_of(given.budgets, threats.budgets):
        raise InputError(
            f"{source}: [certificates]: Expected `budgets` to be some of "
            f"{shown(list(threats.budgets))}, got {shown(list(given.budgets))}"
        )
    return dataclasses.replace(given, budgets=tuple(sorted(set(given.budgets))) or threats.budgets)


def _check_labels(kind: str, entries: Sequence[Named[Any]], where: str) -> None:
    """Refuse labels that a reader could take for something else, or for one another."""
    for entry in entries:
        # An entry may be called by its own name. To know what others are called, they are loaded.
        if entry.label != entry.name and look(entry.label) in _taken(kind, entry.name):
            raise InputError(
                f"{where} {entry.name}: Expected `label` to be a name that means nothing else, "
                f"got {entry.label!r}"
            )
    labels = [entry.label for entry in entries]
    if len(set(labels)) < len(labels):
        raise InputError(f"{where}: Expected entries of different labels, got {shown(labels)}")
    taken: dict[str, str] = {}
    for entry in entries:
        readers = readers_name(entry.what, entry.label, entry.name)
        other = taken.setdefault(look(readers), entry.label)
        if other != entry.label:
            raise InputError(
                f"{where}: Expected `label` to look unlike {other!r} in reports, got "
                f"{entry.label!r}: both are {readers!r} there"
            )


def _check_victims(suite: Suite, source: str) -> None:
    """Refuse labels of given models that others have, and copies that are not one a seed."""
    where = f"{source}: [[victims]]"
    names = [*(entry.label for entry in suite.methods), *_ROWS_OF_REPORTS]
    taken = {look(name) for name in names}
    for victim in suite.victims:
        if look(victim.label) in taken:
            raise InputError(
                f"{where}: Expected `label` to be a name that means nothing else, got "
                f"{shown(victim.label)}"
            )
        taken.add(look(victim.label))
        if not isinstance(victim.weights, str) and len(victim.files) not in (0, len(suite.seeds)):
            raise InputError(
                f"{where} {victim.label}: Expected `weights` to be one file, or one for each of "
                f"the {len(suite.seeds)} seeds, got {len(victim.files)} files"
            )
        if victim.resolved is not None:
            for seed in suite.seeds:
                victim.copy_for(seed)


def _check_comparisons(suite: Suite, source: str) -> None:
    """Refuse primary comparisons of what the suite does not hold, and of two different kinds."""
    methods = [entry.label for entry in suite.methods]
    victims = [entry.label for entry in suite.victims]
    kind = " or ".join([*(["method"] if methods else []), *(["given model"] if victims else [])])
    for place, pair in enumerate(suite.comparisons.pairs):
        for label in pair:
            if label not in (*methods, *victims):
                raise unknown(f"{kind} in {source}: {at(place)}:", label, [*methods, *victims])
        if (pair[0] in methods) != (pair[1] in methods):
            raise InputError(
                f"{source}: Expected `{at(place)}` to be two methods or two given models, got one "
                f"of each: {shown(list(pair))}"
            )


def _taken(kind: str, name: str) -> set[str]:
    """What a label of the plug-in of this name must not look like."""
    others = [other for other in registry.names(kind) if other != name]
    shown = [str(registry.load_own(kind, other).display_name) for other in others]
    return {look(each) for each in (*_ROWS_OF_REPORTS, *others, *shown)}
