"""Reading a suite: from a TOML file to dataclasses, validated in full before anything is computed.

`plan.suite_tables` parses each table, `plan.suite_checks` compares them, and
`plan.suite_settings` holds what they become.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from robust_augcl import foreign, registry
from robust_augcl.errors import MOST_IN_VALUE, InputError, cut, one_line, shown, unknown
from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.target_choice import TargetChoice
from robust_augcl.models.linear_evaluation import LinearEvaluation
from robust_augcl.models.representations import Representations
from robust_augcl.models.training import Training
from robust_augcl.plan.missing_parts import without_missing
from robust_augcl.plan.protocols import PROTOCOLS
from robust_augcl.plan.suite_checks import cross_checked, refuse_poisoned_graphs
from robust_augcl.plan.suite_settings import Suite, ThreatSettings
from robust_augcl.plan.suite_tables import (
    parse_attacks,
    parse_certificates,
    parse_dataset,
    parse_encoder,
    parse_general,
    parse_methods,
    parse_optional,
    parse_pretraining,
    parse_settings,
    parse_victims,
)
from robust_augcl.plan.toml_text import MOST_BYTES, check_values, override, parse_toml
from robust_augcl.results.stated import Comparisons
from robust_augcl.validation import MOST_SEEDS, read_text


def load_suite(
    name_or_file: str, overrides: Sequence[str] = (), seeds: Sequence[int] | None = None
) -> Suite:
    """Read a suite by its name, or from a TOML file.

    The user named it, and so the plug-ins that it names: their code may be imported. Relative
    paths in it, of plug-ins and of data, begin at the folder of its file.

    Args:
        name_or_file: the name of a suite, ours or an installed package's, or a file.
        overrides: single values, `dotted.key=value`.
        seeds: instead of the suite's own.

    Raises:
        InputError: no such suite (with the nearest name), a file that cannot be read, anything in
            it that is not as expected.

    Example:
        >>> load_suite("quick", ["training.epochs=7"], seeds=[3]).training.epochs
        7
    """
    text, source, folder = _text(name_or_file)
    table = parse_toml(text, source)
    for assignment in overrides:
        override(table, assignment)
    if seeds is not None:
        table["seeds"] = list(islice(seeds, MOST_SEEDS + 1))
    foreign.consent([*registry.needs(table), *_models(table)], folder)
    table, missing = without_missing(table, source)
    suite = make_suite(table, source)
    return dataclasses.replace(
        suite, source=suite.source.beside(folder), folder=folder, missing=tuple(missing)
    )


def _models(table: Mapping[str, Any]) -> list[str]:
    """What makes and calls the given models of a suite's table, as far as it is a suite's."""
    entries = table.get("victims")
    named: list[Any] = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping):
            adapter = entry.get("adapter")
            named.append(entry.get("model"))
            named.append(adapter.get("function") if isinstance(adapter, Mapping) else None)
    return [name for name in named if isinstance(name, str) and name]


def _text(name_or_file: str) -> tuple[str, str, Path | None]:
    """The text of a suite, what it is called in errors, and the folder of its file."""
    found = registry.load_suite_text(name_or_file)
    if found is not None:
        return found[0], f"suite {name_or_file}", found[1]
    path = Path(name_or_file)
    # `os.path.exists` takes a name that is too long for a file.
    if path.suffix != ".toml" and not os.path.exists(name_or_file):
        raise unknown("suite", name_or_file, registry.known_names("suite"))
    try:
        return read_text(path, MOST_BYTES), cut(str(path), 2 * MOST_IN_VALUE), path.parent
    except OSError as error:
        reason = error.strerror or str(error)
    except UnicodeDecodeError:
        reason = "it is no text in UTF-8"
    raise InputError(f"Cannot read the suite {cut(name_or_file, 2 * MOST_IN_VALUE)}: {reason}")


def make_suite(table: Mapping[str, Any], source: str) -> Suite:
    """Validate the content of a suite file.

    Args:
        table: the content, nested tables as nested mappings.
        source: names it in errors.

    Raises:
        InputError: anything that is not as expected; other people's code that the table names, and
            that raises anything.
    """
    check_values(table, source)
    try:
        return _made(table, source)
    except (InputError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if names := registry.of_others(table):
            raise InputError(
                f"{source}: Expected {shown(names)} to be plug-ins of robust_augcl, their code "
                f"raised {type(error).__name__}: {cut(one_line(error), 2 * MOST_IN_VALUE)}"
            ) from error
        raise


def _made(table: Mapping[str, Any], source: str) -> Suite:
    """The suite of a table whose values can be looked at."""
    general = parse_general(table, source)
    data = parse_dataset(table, source)
    refuse_poisoned_graphs(table.get("threat"), data, source)
    threats = parse_settings(table, source, "threat", ThreatSettings)
    suite = Suite(
        name=general.name,
        title=general.title,
        source=data,
        split=parse_settings(table, source, "split", Split),
        encoder=parse_encoder(table, source),
        pretraining=parse_pretraining(table, source),
        training=parse_settings(table, source, "training", Training),
        threat=threats.model(threats.budgets[0]),
        budgets=threats.budgets,
        protocols=tuple(PROTOCOLS[name] for name in general.protocols),
        seeds=general.seeds,
        methods=parse_methods(table, source),
        attacks=parse_attacks(table, source),
        targets=parse_optional(table, source, "targets", TargetChoice),
        representations=parse_optional(table, source, "representations", Representations),
        certificates=parse_certificates(table, source),
        scale=general.scale,
        victims=parse_victims(table, source),
        linear=parse_optional(table, source, "linear", LinearEvaluation),
        comparisons=Comparisons.of(table, source),
        arithmetic=general.arithmetic,
        table={key: value for key, value in table.items() if key != "seeds"},
    )
    return _scaled(cross_checked(suite, threats, source))


def _scaled(suite: Suite) -> Suite:
    """The suite with fewer graphs and learning steps, where its scale is below 1."""
    if suite.scale == 1:
        return suite
    attacks = tuple(
        dataclasses.replace(attack, what=attack.what.scaled(suite.scale))
        for attack in suite.attacks
    )
    return dataclasses.replace(suite, source=suite.source.scaled(suite.scale), attacks=attacks)
