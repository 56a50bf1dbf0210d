"""The tables of a section as Markdown, in the form of GraphCL's.

A row is an attack, a column a number of layers and a method.

Numbers are percent, differences percentage points; every table comes with a caption that says what
it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robust_augcl.reports._assumed import assumed
from robust_augcl.reports._differences import bold_means
from robust_augcl.reports._families import not_run_text
from robust_augcl.reports._marks import noted
from robust_augcl.reports._rest import heading, marked_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports._threats import NO_WORST_CASE
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import Missed, View, Worst
from robust_augcl.reports.tables import escape, markdown_table, percent
from robust_augcl.results.names import CLEAN, CLEAN_NAME, joined, layers_text
from robust_augcl.results.statistics import Estimate

_NOTHING = "-"


def comparison(section: Section) -> str:
    """Robust accuracy with intervals; the best method bold where that is decided.

    The clean accuracy comes first, the exact worst case last.
    """
    verdicts = verdicts_of(section)
    leaders = {
        (attack, layers): verdicts.best(attack, layers)
        for attack in section.attacks
        for layers in section.layers
    }

    def cell(attack: str, layers: int, method: str) -> str:
        found = section.robust(attack, layers, method)
        if found is None:
            return _NOTHING
        mean = percent(found.mean)
        mark = section.marked(attack, layers, method)
        return (
            f"{f'**{mean}**' if leaders[attack, layers] == method else mean}{mark} "
            f"({_interval(found)})"
        )

    poisoned = f"{section.threat.poisoning} " if section.threat.poisoning else ""
    caption = (
        f"The share of {section.targets}, in percent, that are right before and after the attack. "
        f"The row {CLEAN_NAME} is before any attack. {poisoned}There are {section.graphs}. The "
        f"numbers are {section.intervals}. "
        f"{joined(bold_means(verdicts), not_run_text(section), by=' ')}"
    )
    return _table(section, caption, section.attacks, cell)


def attacked(section: Section) -> str:
    """The paper's own measure, accuracy on the attacked graphs, beside the robust accuracy."""

    def cell(attack: str, layers: int, method: str) -> str:
        group = section.group(attack, layers, method)
        on_attacked, robust, clean = (
            section.accuracy(group, "attacked"),
            section.accuracy(group, "robust"),
            section.accuracy(group, "clean"),
        )
        if on_attacked is None or robust is None or clean is None:
            return _NOTHING
        mark = section.marked(attack, layers, method)
        return (
            f"{percent(on_attacked.mean)} / "
            f"{percent(robust.mean)}{mark}{' ↑' if on_attacked.mean > clean.mean else ''}"
        )

    caption = (
        f"Accuracy on the attacked {section.targets} / robust accuracy, in percent. The first is "
        "the published papers' measure: it also counts "
        f"{section.targets} that were wrong before and that the attack put right, so it can rise "
        "under attack (↑: above the clean accuracy)."
    )
    return _table(section, caption, section.attacks[1:], cell)


def by_class(section: Section) -> str:
    """Robust accuracy among the graphs of each class."""
    body = []
    for attack in section.attacks:
        for label in range(section.num_classes):
            found = [
                (section.robust(attack, *column, label), section.marked(attack, *column))
                for column in section.columns
            ]
            means = [percent(each.mean) + mark if each else _NOTHING for each, mark in found]
            body.append([escape(section.attack_name(attack)), section.class_name(label), *means])
    caption = joined(
        f"The share of {section.targets} of each true class, in percent, that are right before and "
        "after the attack. Intervals are in the figure.",
        assumed(section),
        by=" ",
    )
    return noted(
        f"{caption}\n\n"
        + markdown_table([*_header(section)[:1], "True class", *_header(section)[1:]], body, left=2)
    )


def gaps(view: View, section: Section) -> str:
    """How many points each attack left standing beyond the worst case, as far as that is known."""
    worst = [view.worst(section, *column) for column in section.columns]
    if not any(worst):
        why = f" {NO_WORST_CASE}" if section.threat.poisoning else ""
        return (
            "Nothing is proved here, so nothing says how far these attacks are from the worst "
            f"case.{why}\n"
        )
    beyond = 0

    def cell(attack: str, layers: int, method: str) -> str:
        nonlocal beyond
        fact = view.fact(section, attack, layers, method)
        if section.exact and (gap := section.gap(attack, layers, method)):
            beyond += gap.beyond
        if fact is None or fact.missed is None:
            return _NOTHING
        mark = section.marked(attack, layers, method)
        if section.exact:
            mark = mark or section.marked(section.exact, layers, method)
        return missed_text(fact.missed) + mark

    attacks = [attack for attack in section.attacks[1:] if attack != section.exact]
    table = _table(section, _gaps_caption(section, worst), attacks, cell)
    if beyond:
        table += (
            f"\n**Warning:** {beyond} times an attack broke a {section.targets[:-1]} that the "
            "exact search says no edit breaks. One of them is wrong.\n"
        )
    return table


def missed_text(missed: Missed) -> str:
    """What an attack missed, in points: one number with its interval, or between two ends."""
    if missed.most is None:
        return f"at least {percent(missed.least)}"
    if missed.least != missed.most:
        return f"{percent(missed.least)} to {percent(missed.most)} (bounds)"
    text = percent(missed.least)
    if missed.low is None or missed.high is None:
        return text
    return f"{text} ({percent(missed.low)} to {percent(missed.high)})"


def _gaps_caption(section: Section, worst: Sequence[Worst | None]) -> str:
    missed = (
        f"What each attack missed, in points: {section.targets} that some allowed edits break and "
        "the attack did not."
    )
    if section.exact:
        return f"{missed} The numbers are {section.intervals}."
    if all(each is None or each.exact for each in worst):
        return (
            f"{missed} The worst case is exact here: all {section.targets} are proved safe, "
            "broken, or wrong from the start."
        )
    return (
        f"{missed} The lower number counts {section.targets} that other edits here broke. The "
        f"upper number counts all {section.targets} that are not proved safe."
    )


def costs(section: Section) -> str:
    """What the methods and the attacks took, means over the records."""
    by_method = []
    for layers, method in section.columns:
        victims = section.group(CLEAN, layers, method)
        seconds = [
            f"{_mean([getattr(r, name) for r in victims]):,.1f}"
            for name in ("pretrain_seconds", "train_seconds")
        ]
        name = marked_name(section, layers, method)
        by_method.append([name, layers_text(layers), *seconds])
    by_attack = []
    for attack in section.attacks[1:]:
        records = [record for record in section.records if record.cell.attack == attack]
        seconds = [
            f"{_mean([getattr(r, name) for r in records]):,.1f}"
            for name in ("fit_seconds", "attack_seconds")
        ]
        calls = [
            f"{_mean([getattr(r, name) for r in records]):,.0f}"
            for name in ("queries", "gradient_calls")
        ]
        by_attack.append([escape(section.attack_name(attack)), *seconds, *calls])
    by_attack_table = (
        "Seconds, and how often the model was asked, for one attack on one model. What an attack "
        "asks while it learns is counted too.\n\n"
        + markdown_table(["Attack", "Learning", "Attacking", "Queries", "Gradients"], by_attack)
    )
    if section.is_given:  # nothing was trained here
        return by_attack_table
    return (
        "Seconds for one model. Methods share a warm-up; its seconds are counted for each of "
        "them.\n\n"
        + noted(
            markdown_table(
                ["Method", "Layers", "Pretraining", "Training on labels"], by_method, left=2
            )
        )
        + "\n"
        + by_attack_table
    )


def _table(
    section: Section, caption: str, attacks: list[str], cell: Callable[[str, int, str], str]
) -> str:
    body = [
        [
            escape(section.attack_name(attack)),
            *(cell(attack, *column) for column in section.columns),
        ]
        for attack in attacks
    ]
    caption = joined(caption, assumed(section), by=" ")
    return noted(f"{caption}\n\n{markdown_table(_header(section), body)}")


def _header(section: Section) -> list[str]:
    return ["Attack", *(heading(section, *column) for column in section.columns)]


def _interval(found: Estimate) -> str:
    return f"{percent(found.low)} to {percent(found.high)}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
