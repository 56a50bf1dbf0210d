"""With which settings a run measured what a claim is about, where they are not the published ones.

A method or an attack under the label of its plug-in is the published one only with the settings of
the source. Those stand in the claim; what does not stand there is the default of the plug-in. So a
suite that states a default, where it is known, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from robust_augcl.results.claims import Claim
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.suite_entries import entries

_MISSING = object()
_NO_SETTING = ("name", "label", "budgets")
"""Keys of a suite's entry that set nothing of the plug-in itself."""


def other_settings(report: ReportInput, claim: Claim, records: Iterable[Record]) -> tuple[str, ...]:
    """What a claim's methods and attacks have other settings than the source; one note each.

    Args:
        report: the run's.
        claim: the claim.
        records: those that it is held against.

    Example:
        >>> claim = Claim("best", "A paper", "table", "source read", "ours", "better", "embeddings",
        ...               "augcl", right="graphcl", datasets=("MUTAG",))
        >>> suite = {"methods": [{"name": "augcl", "alpha": 1.0}, {"name": "graphcl"}]}
        >>> report = ReportInput([], settings=suite)
        >>> other_settings(report, claim, [])
        ('with other settings: augcl: alpha=1.0',)
    """
    records = list(records)
    notes = []
    for kind, labels in _labels(claim).items():
        for label in labels:
            own = [r for r in records if label in (r.cell.method, r.cell.attack)]
            if label is None or (kind == "attacks" and not own):
                continue
            used = [r.method_settings if kind == "methods" else r.attack_settings for r in own]
            entry = _entry(report, kind, label)
            told = claim.settings.get(label, {})
            # To know defaults, code is imported.
            defaults = report.defaults(kind, entry) if set(entry) - {*_NO_SETTING, *told} else {}
            others = _others(entry, told, {**defaults, **told}, label, used)
            if others:
                text = ", ".join(f"{name}={_text(value)}" for name, value in others.items())
                notes.append(f"with other settings: {label}: {text}")
    return tuple(notes)


def _labels(claim: Claim) -> dict[Literal["methods", "attacks"], Sequence[str | None]]:
    """The methods and the attacks that a claim is about."""
    return {"methods": (claim.left, claim.right), "attacks": claim.attacks}


def _entry(
    report: ReportInput, kind: Literal["methods", "attacks"], label: str
) -> Mapping[str, Any]:
    """What the suite says of a method or an attack; empty where it is not known."""
    there = entries(report.settings, kind)
    return next((each for each in there if each.get("label", each["name"]) == label), {})


def _others(
    entry: Mapping[str, Any],
    told: Mapping[str, Any],
    published: Mapping[str, Any],
    label: str,
    used: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """The settings that are not the published ones.

    Args:
        entry: the suite's, of the method or the attack.
        told: its settings that the source tells.
        published: these, and the defaults that are known.
        label: which is the plug-in's own name in the source.
        used: the settings in force, of each record.
    """
    found: dict[str, Any] = {}
    if entry.get("name", label) != label:
        found["name"] = entry["name"]
    for name, value in entry.items():
        if name not in _NO_SETTING and not _same(published.get(name, _MISSING), value):
            found[name] = value
    for settings in used:
        for name, value in told.items():
            if settings and not _same(value, settings.get(name, "not known")):
                found[name] = settings.get(name, "not known")
    return found


def _same(one: Any, other: Any) -> bool:
    """Whether two values of a setting are the same; 1 and 1.0 are, true and 1 are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
