"""Sections that differ in their budget alone."""

from __future__ import annotations

from collections.abc import Sequence

from robust_augcl.reports._sections import Section
from robust_augcl.reports._words import within_text


def families(found: Sequence[Section]) -> list[list[Section]]:
    """Sections that differ in their budget alone, smallest first."""
    groups: dict[tuple[str, str, str, str], list[Section]] = {}
    for section in found:
        about = section.suite, section.dataset, section.encoder, section.protocol
        groups.setdefault(about, []).append(section)
    return [sorted(family, key=lambda section: section.budget) for family in groups.values()]


def not_run_text(section: Section) -> str:
    """Which attacks were run with other budgets and not with this one; empty where none were."""
    own = section.suite, section.dataset, section.encoder, section.protocol
    there = {
        record.cell.attack
        for record in section.report.records
        if (c := record.cell) and (c.suite, c.dataset, c.encoder, c.protocol) == own
    }
    missing = sorted(there - set(section.attacks))
    if not missing:
        return ""
    names = " and ".join(sorted(map(section.names.attack, missing)))
    verb = "was" if len(missing) == 1 else "were"
    return f"{names} {verb} not run with {within_text(section.budget)}."
