"""The worst case over budgets, as a table and in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from robust_augcl.reports._assumed import assumed
from robust_augcl.reports._marks import noted
from robust_augcl.reports._rest import IN_SHORT, heading, name_of_group, told_in
from robust_augcl.reports._sections import Section
from robust_augcl.reports._words import UNBROKEN
from robust_augcl.reports.tables import markdown_table, percent
from robust_augcl.results.brackets import Bracket, bracket_group
from robust_augcl.results.names import joined, layers_text, targets_text
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.statistics import Group


def bracket_table(family: Sequence[Section], known: Mapping[Group, Bracket]) -> str:
    """For each budget and model what is proved and what no known edits break, as Markdown.

    Empty where nothing is proved.
    """
    first = family[0]
    targets = first.targets
    table = [
        [known.get(_group(section, layers, method)) for layers, method in first.columns]
        for section in family
    ]
    there = [bracket for row in table for bracket in row if bracket]
    if not any(bracket.lower for bracket in there):
        return ""
    caption = (
        f"The share of test {targets}, in percent, that stays right whatever allowed edits are "
        "made. Two numbers are bounds, and no confidence interval. The lower bound counts "
        f"{targets} proved safe. The upper bound counts {targets} {UNBROKEN}. A "
        f"{targets[:-1]} is settled if it is proved safe, broken, or wrong from the start. Where "
        f"there is one number, all {targets} are settled, and it is the exact worst case."
    )
    header = ["Budget", *(heading(first, *column) for column in first.columns)]
    body = [
        [_budget_text(section.budget), *(_bracket_text(each, targets) for each in row)]
        for section, row in zip(family, table, strict=True)
    ]
    caption = joined(caption, assumed(first), by=" ")
    text = noted(f"{caption}\n\n{markdown_table(header, body)}")
    contradictions = sum(bracket.contradictions for bracket in there)
    if contradictions:
        text += (
            f"\n**Warning:** {contradictions} {targets} are proved and yet broken: a proof, "
            "a witness or a record is wrong.\n"
        )
    return text


def bracket_words(
    known: Mapping[Group, Bracket], report: ReportInput, exact: Collection[Group] = ()
) -> list[str]:
    """The worst case of each model and budget, one line each: exact, or between two ends.

    Args:
        known: the brackets.
        report: whose they are.
        exact: the groups of `known` for which an attack is proved to be exact for every target.
    """
    several, targets = len({group.protocol for group in known}) > 1, targets_text(report.records)
    lines = []
    for group, bracket in known.items():
        model = joined(name_of_group(report, group), layers_text(group.layers))
        about = joined(
            f"budget {_budget_text(group.budget)}", group.protocol if several else "", model
        )
        high = percent(bracket.upper.mean)
        if (bracket.settled == 1 or group in exact) and not bracket.contradictions:
            lines.append(f"Exact worst case, {about}: {high} % of the {targets} stay right")
        elif bracket.lower is None:
            lines.append(
                f"Worst case, {about}: at most {high} % of the {targets} stay right; nothing is "
                "proved"
            )
        else:
            settled = f"{percent(bracket.settled)} % are proved safe or broken"
            low = percent(bracket.lower.mean)
            lines.append(
                f"Worst case, {about}: {low} to {high} % of the {targets} stay right; {settled}"
            )
    return [*lines, IN_SHORT] if told_in(lines) else lines


def _budget_text(budget: int | float) -> str:
    return f"{100 * budget:g} %" if isinstance(budget, float) else str(budget)


def _bracket_text(bracket: Bracket | None, targets: str) -> str:
    """A bracket as one number where all is settled, else as both ends."""
    if bracket is None:
        return "-"
    high = percent(bracket.upper.mean)
    if bracket.settled == 1 and not bracket.contradictions:
        return high
    low = percent(bracket.lower.mean) if bracket.lower else "?"
    return f"{low} to {high} (bounds; {percent(bracket.settled)} % of {targets} settled)"


def _group(section: Section, layers: int, method: str) -> Group:
    """The group of a model's brackets with a section's budget."""
    model = (section.suite, section.dataset, method, section.encoder, layers)
    group = Group(*model, "", section.protocol, section.budget)
    return bracket_group(group, section.budget)
