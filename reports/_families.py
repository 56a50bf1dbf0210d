"""Sections that differ in their budget alone."""

from __future__ import annotations

from collections.abc import Sequence

from robust_augcl.reports._sections import Section
from robust_augcl.results.names import EXACT_NAME


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
        record.cell.attack: record.is_exact
        for record in section.report.records
        if (c := record.cell) and (c.suite, c.dataset, c.encoder, c.protocol) == own
    }
    missing = sorted(there.keys() - set(section.attacks))
    if not missing:
        return ""
    named = {attack: section.names.attack(attack) for attack in missing}
    # The row of an exact attack has another name in the tables of other budgets.
    names = " and ".join(
        f"{name} (the {EXACT_NAME.lower()})" if there[attack] else name
        for attack, name in sorted(named.items(), key=lambda item: item[1])
    )
    verb = "was" if len(missing) == 1 else "were"
    text = f"{names} {verb} not run with {section.threat.within}."
    for attack in sorted(section.combined):
        parts = run_parts(section, attack)
        if parts and set(missing) & set(_parts(section, attack)):
            listed = " and ".join(map(section.names.attack, parts))
            text += f" So {section.names.attack(attack)} is here the worst of {listed}."
    return text


def run_parts(section: Section, attack: str) -> tuple[str, ...]:
    """The labels of what an attack combines, but for attacks that were not run with this budget.

    Empty where it names none.
    """
    there = {group.attack for group in section.groups}
    return tuple(part for part in _parts(section, attack) if part in there)


def _parts(section: Section, attack: str) -> tuple[str, ...]:
    """The labels of what an attack combines, as it is set."""
    own = (r.attack_settings for r in section.records if r.cell.attack == attack)
    return tuple(map(str, next(own, {}).get("of") or ()))
