"""The tables of a section as Markdown, in the form of GraphCL's.

A row is an attack, a column a number of layers and a method.

Numbers are percent, differences percentage points; every table comes with a caption that says what
it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from robust_augcl.reports._audit import FOOTNOTE
from robust_augcl.reports._pairs import MANY_PAIRS, method_pairs
from robust_augcl.reports._sections import Section
from robust_augcl.reports._words import layers_text
from robust_augcl.reports.tables import MARK, escape, markdown_table, percent
from robust_augcl.results.intervals import ALPHA
from robust_augcl.results.names import CLEAN, CLEAN_NAME
from robust_augcl.results.statistics import Comparison, Estimate, estimate

_NOTHING = "-"


def comparison(section: Section) -> str:
    """Robust accuracy with intervals; the best method bold where that is decided.

    The clean accuracy comes first, the exact worst case last.
    """
    leaders = {
        (attack, layers): section.best(attack, layers)
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

    seeds = (
        ", and a paired interval over the seeds that leaves out 0" if len(section.seeds) > 1 else ""
    )
    caption = (
        "Robust accuracy in percent: right when clean and right when attacked, of "
        f"{section.graphs}; {CLEAN_NAME} is before any "
        f"attack. Estimates are {section.intervals}. Bold: better than each other method with "
        "as many layers, by McNemar's exact test on "
        f"the same graphs (p < {ALPHA}{seeds}); no bold, no such method."
    )
    return _table(section, caption, section.attacks, cell)


def attacked(section: Section) -> str:
    """The paper's own measure, accuracy on the attacked graphs, beside the robust accuracy."""

    def cell(attack: str, layers: int, method: str) -> str:
        group = section.group(attack, layers, method)
        on_attacked, robust, clean = (
            estimate(group, "attacked"),
            estimate(group, "robust"),
            estimate(group, "clean"),
        )
        if on_attacked is None or robust is None or clean is None:
            return _NOTHING
        mark = section.marked(attack, layers, method)
        return (
            f"{percent(on_attacked.mean)} / "
            f"{percent(robust.mean)}{mark}{' ↑' if on_attacked.mean > clean.mean else ''}"
        )

    caption = (
        "Accuracy on the attacked graphs / robust accuracy, in percent. The first is the "
        "published papers' measure: it also counts "
        "graphs that were wrong before and that the attack put right, so it can rise under "
        "attack (↑: above the clean accuracy)."
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
    caption = (
        "Robust accuracy in percent among the graphs of each true class; intervals are "
        "in the figure."
    )
    return _noted(
        f"{caption}\n\n"
        + markdown_table([*_header(section)[:1], "True class", *_header(section)[1:]], body, left=2)
    )


def gaps(section: Section) -> str:
    """How many points each attack left standing beyond the exact worst case."""
    if section.exact is None:
        return (
            "No search here is proved to be exact, so nothing here says how far these attacks "
            "are from the worst case.\n"
        )
    exact, odd = section.exact, 0

    def cell(attack: str, layers: int, method: str) -> str:
        nonlocal odd
        found = section.gap(attack, layers, method)
        odd += found.right_only if found else 0
        mark = section.marked(attack, layers, method) or section.marked(exact, layers, method)
        return _difference(found, sign=False) + mark if found else _NOTHING

    attacks = [attack for attack in section.attacks[1:] if attack != exact]
    caption = (
        "Robust accuracy less that of the exact worst case on the same model, in points: "
        "graphs that some allowed edit breaks and "
        "the attack did not. In brackets: 95 % intervals."
    )
    table = _table(section, caption, attacks, cell)
    if odd:
        table += (
            f"\n**Warning:** {odd} times an attack broke a graph that the exact search "
            "says no edit breaks. One of them is wrong.\n"
        )
    return table


def differences(section: Section) -> str:
    """Methods less what they are compared with, on the same graphs.

    Of many pairs only the clean accuracy, the strongest attack and the exact worst case are shown.
    """
    pairs = method_pairs(section)
    if not pairs:
        return "There are no two methods here to compare.\n"
    short = len(pairs) > MANY_PAIRS
    attacks = [
        a for a in section.attacks if not short or a in {CLEAN, section.strongest, section.exact}
    ]
    body = []
    for left, right in pairs:
        for attack in attacks:
            found = [
                (
                    section.compare(attack, layers, left, right),
                    section.marked(attack, layers, left, right),
                )
                for layers in section.layers
            ]
            name = " less ".join(escape(section.method_name(each)) for each in (left, right))
            body.append(
                [
                    name,
                    escape(section.attack_name(attack)),
                    *(_tested(each) + mark for each, mark in found),
                ]
            )
    header = ["Difference", "Attack", *(layers_text(layers) for layers in section.layers)]
    tested = "p: McNemar's exact test on the same graphs" + (
        ", discordant graphs of all seeds added up" if len(section.seeds) > 1 else ""
    )
    caption = (
        f"Difference of robust accuracy (of clean accuracy in the row {CLEAN_NAME}), in "
        f"points, with 95 % intervals; {tested}, not "
        f"corrected for the number of comparisons. Bold: decided, i.e. p < {ALPHA} and an "
        "interval that leaves out 0."
    )
    if len(attacks) < len(section.attacks):
        shown = ", ".join(escape(section.attack_name(attack)) for attack in attacks)
        caption += (
            f" As there are {len(pairs)} pairs, only {shown} are shown; the sentences "
            "below count every attack."
        )
    return _noted(f"{caption}\n\n{markdown_table(header, body, left=2)}\n") + "".join(
        f"- {line}\n" for line in verdicts(section, pairs)
    )


def verdicts(section: Section, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence for each pair of methods: how often the first is better, worse, or neither."""
    lines = []
    for left, right in pairs:
        found = [
            section.compare(attack, layers, left, right)
            for attack in section.attacks[1:]
            for layers in section.layers
        ]
        counts = Counter(each.verdict for each in found if each)
        if counts:
            told = ", ".join(
                f"{verdict} in {counts[verdict]}" for verdict in ("better", "worse", "undecided")
            )
            lines.append(
                f"{escape(section.method_name(left))} against "
                f"{escape(section.method_name(right))} under attack: "
                f"{told}, of {counts.total()} comparisons."
            )
    if lines and len(section.seeds) == 1:
        lines.append(
            "One seed: this tells these trained models apart. Whether the methods differ, "
            "several seeds must show."
        )
    return lines


def costs(section: Section) -> str:
    """What the methods and the attacks took, means over the records."""
    by_method = []
    for layers, method in section.columns:
        victims = section.group(CLEAN, layers, method)
        seconds = [
            f"{_mean([getattr(r, name) for r in victims]):,.1f}"
            for name in ("pretrain_seconds", "train_seconds")
        ]
        by_method.append([escape(section.method_name(method)), layers_text(layers), *seconds])
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
    return (
        "Seconds a model; pretraining counts a warm-up that methods share for each of them.\n\n"
        + markdown_table(
            ["Method", "Layers", "Pretraining", "Training on labels"], by_method, left=2
        )
        + "\nSeconds and questions to the model, for one attack on one model; learning "
        "included in the questions.\n\n"
        + markdown_table(["Attack", "Learning", "Attacking", "Queries", "Gradients"], by_attack)
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
    return _noted(f"{caption}\n\n{markdown_table(_header(section), body)}")


def _noted(table: str) -> str:
    """A table with the meaning of the mark under it, if there is one in it."""
    return f"{table}\n{FOOTNOTE}\n" if MARK in table else table


def _header(section: Section) -> list[str]:
    return [
        "Attack",
        *(
            f"{layers_text(layers)}: {escape(section.method_name(method))}"
            for layers, method in section.columns
        ),
    ]


def _interval(found: Estimate) -> str:
    return f"{percent(found.low)} to {percent(found.high)}"


def _difference(found: Comparison, sign: bool = True) -> str:
    style = "+z.1f" if sign else "z.1f"
    mean, low, high = (
        f"{100 * value:{style}}" for value in (found.difference, found.low, found.high)
    )
    return f"{f'**{mean}**' if sign and found.decided else mean} ({low} to {high})"


def _tested(found: Comparison | None) -> str:
    if found is None:
        return _NOTHING
    p_value = "p < 0.001" if found.p_value < 0.001 else f"p = {found.p_value:.3f}"
    return f"{_difference(found)}, {p_value}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
