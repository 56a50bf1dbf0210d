"""Sections that differ in their budget alone."""

from __future__ import annotations

from collections.abc import Sequence

from robust_augcl.reports._sections import Section


def families(found: Sequence[Section]) -> list[list[Section]]:
    """Sections that differ in their budget alone, smallest first."""
    groups: dict[tuple[str, str, str, str], list[Section]] = {}
    for section in found:
        about = section.suite, section.dataset, section.encoder, section.protocol
        groups.setdefault(about, []).append(section)
    return [sorted(family, key=lambda section: section.budget) for family in groups.values()]
