"""What a report says of given models: who made them, what their probes said, what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from robust_augcl.reports.tables import escape
from robust_augcl.results.names import joined
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.suite_entries import entries

_PASSED = "passed"
_SHOWN = 12  # characters of a digest


def left_out(report: ReportInput) -> Iterator[str]:
    """Which attacks are left out for which given models, and why, one line each."""
    for victim, resolved in _given(report):
        for attack, reason in resolved.get("left_out", {}).items():
            name = report.names.attack(attack)
            yield f"{name} is left out for {victim['label']}: {reason}"


def noted(report: ReportInput) -> Iterator[str]:
    """What probes of given models found that is not as it should be, one line each.

    Why attacks are left out is no part of it: `left_out` says so.
    """
    for victim, resolved in _given(report):
        told = tuple(_reasons_told(resolved))
        yield from dict.fromkeys(
            f"{victim['label']}: {probe['name']}: {probe['words']}"
            for probe in _probes(resolved)
            if probe["outcome"] != _PASSED and not probe["words"].endswith(told)
        )


def given_lines(report: ReportInput) -> Iterator[str]:
    """Of each given model who made it, and what each of its probes said, as Markdown."""
    for victim, resolved in _given(report):
        yield f"**{escape(victim['label'])}** ({escape(_made_by(victim, resolved))})"
        lines = list(_probe_lines(resolved)) or ["It was not probed."]
        yield "\n".join(f"- {escape(line)}" for line in lines)


def _probe_lines(resolved: Mapping[str, Any]) -> Iterator[str]:
    """What each probe of a given model said; of several copies, each thing once."""
    yield from dict.fromkeys(
        f"{probe['name']} ({probe['outcome']}): {probe['words']}" for probe in _probes(resolved)
    )


def _probes(resolved: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """What the probes found, copy by copy."""
    for copy in resolved["copies"]:
        yield from copy["found"].get("probes", ())


def _reasons_told(resolved: Mapping[str, Any]) -> Iterator[str]:
    """What a given model cannot do, of each that is told as the reason to leave out an attack."""
    told = resolved.get("left_out", {}).values()
    for copy in resolved["copies"]:
        for reason in copy["found"].get("capabilities", {}).get("reasons", {}).values():
            if any(words.endswith(reason) for words in told):
                yield reason


def _made_by(victim: Mapping[str, Any], resolved: Mapping[str, Any]) -> str:
    by = resolved["made_by"]
    copies = resolved["copies"]
    weights = {copy["weights"][:_SHOWN] for copy in copies}
    return joined(
        by["name"],
        f"made by {victim['model']}" if victim.get("model") else "",
        joined(by["distribution"], by["version"], by=" "),
        f"source {by['source'][:_SHOWN]}",
        f"weights {' and '.join(sorted(weights))}",
    )


def _given(report: ReportInput) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The given models of the suite, and what was found of each."""
    for victim in entries(report.settings, "victims"):
        resolved = victim.get("resolved")
        if isinstance(resolved, Mapping) and isinstance(resolved.get("left_out", {}), Mapping):
            yield victim, resolved
