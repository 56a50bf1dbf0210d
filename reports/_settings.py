"""The settings that results were made with: the suite's, and those of each section."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from robust_augcl.reports._data import data_lines, of_data
from robust_augcl.reports._families import run_parts
from robust_augcl.reports._sections import Section
from robust_augcl.reports.tables import escape
from robust_augcl.results.names import Names

_SHARED = {
    "dataset": "Data set",
    "split": "Split",
    "targets": "Targets that are attacked",
    "encoder": "Encoder",
    "pretraining": "Pretraining",
    "training": "Training on labels",
    "linear": "Linear evaluation",
    "threat": "Threat",
    "representations": "Scores without labels",
    "certificates": "Certificates",
    "comparisons": "Primary comparisons, left less right, and the margin of equivalence",
}
"""Tables of a suite, by the names of readers, in the order of a report."""


_ARITHMETIC = {
    "portable": "portable, the same bits on every x86-64 processor with AVX2",
    "fast": "fast, whose bits differ between kinds of processors",
}


def shared(table: Mapping[str, Any], names: Names) -> str:
    """What a suite sets for all methods alike, and how a method changes its pretraining.

    It has an order of its own, so that equal settings give the same text. `table` is the suite as
    in its file.
    """
    lines = [
        "**What all methods share**, as the suite sets it; what is not named here has its default\n"
    ]
    for key, name in _SHARED.items():
        if key in table:
            lines.append(f"- {name}: {_sorted(table[key]) or 'defaults'}")
    for entry in table.get("methods", ()):
        if own := entry.get("pretraining"):
            lines.append(
                f"- Pretraining of {escape(names.method(entry.get('label', entry['name'])))} "
                f"instead: {_sorted(own)}"
            )
    rest = {key: value for key, value in table.items() if key in ("scale", "protocols")}
    return "\n".join([*lines, *([f"- Whole suite: {_sorted(rest)}"] if rest else [])])


def _sorted(settings: Mapping[str, Any]) -> str:
    """Settings as code, names first; empty where there are none."""
    order = sorted(settings, key=lambda key: (key not in ("source", "name"), key))
    return _values([{key: settings[key] for key in order}]) if settings else ""


def of_section(section: Section) -> str:
    """What the records of a section were made with."""
    rule = {"components": "proved for every attacked graph by counting its components"}
    kept = sorted(
        {rule.get(record.label_rule, "assumed, not proved") for record in section.records}
    )
    lines = [
        f"**{escape(section.title)}**\n",
        f"- Data: {escape(section.dataset)}, {section.graphs}",
        *(f"- {escape(line)}" for line in data_lines(of_data(section.report, section.dataset))),
        *_encoder(section),
        f"- Threat: {escape(section.threat.sentences.removesuffix('.'))}",
        f"- Protocol: {escape(section.protocol_text)}",
        f"- That an edit keeps the class is {' or '.join(kept)}",
    ]
    for method in section.methods:
        used = (
            record.method_settings for record in section.records if record.cell.method == method
        )
        lines.append(f"- {escape(section.method_name(method))}: {_values(used)}")
    for attack in section.attacks[1:]:
        used = (
            _run_parts(section, attack, record.attack_settings)
            for record in section.records
            if record.cell.attack == attack
        )
        lines.append(f"- {escape(section.attack_name(attack))}: {_values(used)}")
    versions = _values(record.environment.get("versions", {}) for record in section.records)
    machines = {
        ", ".join(str(record.environment.get(name)) for name in ("machine", "device"))
        for record in section.records
    }
    arithmetic = {_ARITHMETIC[record.environment["arithmetic"]] for record in section.records}
    return "\n".join(
        [
            *lines,
            f"- Arithmetic: {' or '.join(sorted(arithmetic))}",
            f"- Versions: {versions}",
            f"- Machine: {escape(' or '.join(sorted(machines)))}",
        ]
    )


def _run_parts(section: Section, attack: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of an attack; of one that combines others, those run with this budget."""
    parts = run_parts(section, attack) if attack in section.combined else ()
    return {**settings, "of": list(parts)} if parts else settings


def _encoder(section: Section) -> list[str]:
    """The line on the encoder; none of given models."""
    if section.is_given:
        return []
    layers = ", ".join(map(str, section.layers))
    return [f"- Encoder: {escape(section.encoder)}, {layers} layers"]


def _values(dicts: Iterable[dict[str, Any]]) -> str:
    """Settings as code; several where the records differ."""
    texts = {
        ", ".join(
            f"{name} {v if isinstance(v, str) else json.dumps(v, sort_keys=True)}"
            for name, v in each.items()
        )
        for each in dicts
    }
    return " or ".join(
        f"`{text.replace('`', chr(39))}`" if text else "no settings" for text in sorted(texts)
    )
