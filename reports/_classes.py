"""True classes in a report: how differently edits break them, and what a graph of one is called."""

from __future__ import annotations

from collections import Counter

from robust_augcl.reports._sections import Section

_UNEVEN = 0.2
"""Classes whose shares lie further apart than this differ strongly."""


def uneven_classes(section: Section) -> list[tuple[int, float]]:
    """Each class and what stays right of it in the worst that is known, the least first.

    Shares are means over the columns. Empty where classes differ little.
    """
    worst = section.exact or section.strongest
    if worst is None:
        return []
    shares = [(label, section.mean(worst, label)) for label in range(section.num_classes)]
    known = sorted((share, label) for label, share in shares if share is not None)
    if not known or known[-1][0] - known[0][0] <= _UNEVEN:
        return []
    return [(label, share) for share, label in known]


def of_class(section: Section, label: int) -> str:
    """Words that follow a noun: "with 2 components"; where no more is known, "of class 1"."""
    name = section.class_name(label)
    return f"with {name}" if section.keeps_classes else f"of {name}"


def graphs_by_class(section: Section) -> str:
    """How many test graphs of each class a record has; two numbers where records differ."""
    counts = [Counter(outcome.label for outcome in record.outcomes) for record in section.records]
    told = []
    for label in range(section.num_classes):
        numbers = sorted({count[label] for count in counts})
        ends = [f"{number:,}" for number in dict.fromkeys((numbers[0], numbers[-1]))]
        told.append((" to ".join(ends), of_class(section, label)))
    if len({number for number, _ in told}) == 1:
        return f"{told[0][0]} of each class"
    return ", ".join(f"{number} {which}" for number, which in told)
