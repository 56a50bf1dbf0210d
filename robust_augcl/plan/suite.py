"""Reading a suite: from a TOML file to dataclasses, validated in full before anything is computed.

`plan.suite_tables` parses each table, `plan.suite_checks` compares them, and
`plan.suite_settings` holds what they become.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_augcl import registry
from robust_augcl.errors import InputError, unknown
from robust_augcl.graphs.data_source import Split
from robust_augcl.models.representations import Representations
from robust_augcl.models.training import Training
from robust_augcl.plan.protocols import PROTOCOLS
from robust_augcl.plan.suite_checks import cross_checked
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
)
from robust_augcl.plan.toml_tables import override, parse_toml


def load_suite(
    name_or_file: str, overrides: Sequence[str] = (), seeds: Sequence[int] | None = None
) -> Suite:
    """Read a suite by its name, or from a TOML file.

    The user named it, and so the plug-ins that it names: their code may be imported.

    Args:
        name_or_file: the name of a suite of the package, or a file.
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
        table["seeds"] = list(seeds)
    registry.consent(registry.needs(table), folder)
    return make_suite(table, source)


def _text(name_or_file: str) -> tuple[str, str, Path | None]:
    """The text of a suite, what it is called in errors, and the folder of its file."""
    texts = registry.suite_texts()
    if name_or_file in texts:
        return texts[name_or_file], f"suite {name_or_file}", None
    path = Path(name_or_file)
    # `os.path.exists` takes a name that is too long for a file.
    if path.suffix != ".toml" and not os.path.exists(name_or_file):
        raise unknown("suite", name_or_file, texts)
    try:
        return path.read_text(encoding="utf-8"), str(path), path.parent
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"Cannot read the suite {name_or_file}: {reason}") from None


def make_suite(table: Mapping[str, Any], source: str) -> Suite:
    """Validate the content of a suite file.

    Args:
        table: the content, nested tables as nested mappings.
        source: names it in errors.

    Raises:
        InputError: anything that is not as expected.
    """
    general = parse_general(table, source)
    threats = parse_settings(table, source, "threat", ThreatSettings)
    suite = Suite(
        name=general.name,
        title=general.title,
        source=parse_dataset(table, source),
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
        representations=parse_optional(table, source, "representations", Representations),
        certificates=parse_certificates(table, source),
        scale=general.scale,
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
