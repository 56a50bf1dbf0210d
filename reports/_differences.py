"""Methods less one another: tables and sentences.

Numbers are percentage points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from robust_augcl.reports._marks import noted
from robust_augcl.reports._pairs import MANY_PAIRS, Pair
from robust_augcl.reports._rest import rest_mark
from robust_augcl.reports._sections import Section
from robust_augcl.reports._verdicts import Verdicts, verdicts_of
from robust_augcl.reports._words import with_minus
from robust_augcl.reports.tables import escape, markdown_table
from robust_augcl.results.method_tests import VERDICTS, Judged
from robust_augcl.results.names import CLEAN, CLEAN_NAME, difference_name, joined, layers_text
from robust_augcl.results.power import MOST_SEEDS_NEEDED
from robust_augcl.results.statistics import ModelComparison

_NOTHING = "-"

Row = tuple[Pair, str, int, Judged]
"""A pair, an attack, a number of layers, and what is said of them."""


def differences(section: Section) -> str:
    """Methods less what they are compared with, family by family, and a sentence for each pair.

    Of many pairs only the clean accuracy, the strongest attack and the exact worst case are shown.
    """
    verdicts = verdicts_of(section)
    if not verdicts.pairs:
        return f"There are no two {section.noun}s here to compare.\n"
    short = len(verdicts.pairs) > MANY_PAIRS
    telling = {CLEAN, section.strongest, section.exact}
    attacks = [attack for attack in section.attacks if not short or attack in telling]
    rows = [
        (pair, attack, layers, found)
        for pair in verdicts.pairs
        for attack in attacks
        for layers in section.layers
        if (found := verdicts.of(attack, layers, *pair)) is not None
    ]
    first = [row for row in rows if verdicts.is_primary(row[3])]
    others = [row for row in rows if not verdicts.is_primary(row[3])]
    parts = [_family(verdicts, family) for family in (first, others) if family]
    if len(attacks) < len(section.attacks):
        shown = ", ".join(escape(section.attack_name(attack)) for attack in attacks)
        parts.append(
            f"As there are {len(verdicts.pairs)} pairs, only {shown} are shown; the sentences "
            "below count every attack.\n"
        )
    text = "\n".join(parts)
    told = "".join(f"- {escape(line)}\n" for line in sentences(verdicts, verdicts.pairs))
    return f"{text}\n{told}" if told else text


def sentences(verdicts: Verdicts, pairs: Sequence[Pair]) -> list[str]:
    """For each pair what its primary comparisons say, and how often which word stands elsewhere."""
    lines, section = [], verdicts.section
    for pair in pairs:
        name = difference_name(*(section.method_name(method) for method in pair))
        found = verdicts.by_attack(*pair)
        for (attack, layers), judged in found.items():
            if verdicts.is_primary(judged):
                several = layers_text(layers) if len(section.layers) > 1 else ""
                where = joined(section.attack_name(attack), several)
                lines.append(
                    f"{name} ({where}): {in_words(judged)}{_moving(section, layers, pair)}."
                )
        words = Counter(each.verdict for each in found.values() if not verdicts.is_primary(each))
        if words.keys() - {"one model each", "no verdict"}:
            told = ", ".join(f"{word} in {words[word]}" for word in VERDICTS if words[word])
            lines.append(
                f"{name}, elsewhere under attack: {told}, of "
                f"{words.total()} secondary comparisons{_moving(section, None, pair)}."
            )
    judged_all = [each for pair in pairs for each in verdicts.by_attack(*pair).values()]
    changed = [f"{each.text}." for each in section.report.rules.changed] if judged_all else []
    return [*lines, *_why_none(section, judged_all), *changed]


def _moving(section: Section, layers: int | None, pair: Pair) -> str:
    """What is added to a sentence about methods some of whose victims were not at rest."""
    return " (their victims were not at rest)" if rest_mark(section, layers, *pair) else ""


def in_words(found: Judged) -> str:
    """A comparison in half a sentence: the difference, its interval, the verdict, its power."""
    text = f"{points(found.difference)} points"
    if found.verdict == "one model each":
        return f"{text} between two trained models"
    if found.low is None or found.high is None:
        return f"{text}, {found.verdict}"
    text += f" ({points(found.low)} to {points(found.high)}), {verdict_text(found)}"
    if found.detectable is not None:
        text += f"; {power_text(found.n_seeds, found.detectable)}"
    needed = _needed(found)
    if needed == _NOTHING:
        return text
    if found.seeds_needed is None:
        return f"{text}; {MOST_SEEDS_NEEDED:,} seeds would not decide it"
    return f"{text}; about {needed} seeds would decide it"


def power_text(seeds: int, detectable: float) -> str:
    """What so many seeds would show with 80 % power, so that it is understood at once."""
    if detectable > 1:
        return f"{seeds} seeds would show no difference, however large, in 4 of 5 such runs"
    return (
        f"{seeds} seeds would show a true difference of {size_text(detectable)} points in 4 of 5 "
        "such runs"
    )


def verdict_text(found: Judged) -> str:
    """The verdict, and whether a difference is smaller than the suite's margin."""
    small = found.decided and found.within_margin
    return f"{found.verdict}, by less than the margin" if small else found.verdict


def bold_means(verdicts: Verdicts) -> str:
    """What bold numbers of a table of accuracies mean."""
    section = verdicts.section
    same = "model" if section.is_given else "method with as many layers"
    if any(each.what == "pairs" for each in section.report.rules.changed):
        return "Nothing is bold: the suite names other pairs than before results were seen."
    if not verdicts.primary.found:
        return "Nothing is bold: the suite names no primary comparisons that can be made here."
    return f"Bold: better than each other {same} in the primary comparisons; nothing else is bold."


def _family(verdicts: Verdicts, rows: Sequence[Row]) -> str:
    """The table of one family, under what its columns mean."""
    section = verdicts.section
    several = len(section.layers) > 1
    of_models = all(found.verdict == "one model each" for *_, found in rows)
    body = []
    for (left, right), attack, layers, found in rows:
        about = [
            escape(difference_name(section.method_name(left), section.method_name(right))),
            escape(section.attack_name(attack)),
            *([layers_text(layers)] if several else []),
        ]
        mark = section.marked(attack, layers, left, right) + rest_mark(section, layers, left, right)
        if of_models:
            body.append([*about, *_of_models(verdicts, found, attack, layers, (left, right), mark)])
        else:
            body.append([*about, *_of_methods(verdicts, found, mark)])
    columns = (
        ["Points", "McNemar", "Verdict"]
        if of_models
        else ["Points", "p, corrected", "Verdict", "Shown at 80 %", "Seeds to decide"]
    )
    header = ["Difference", "Attack", *(["Layers"] if several else []), *columns]
    caption = models_caption() if of_models else methods_caption(section, rows[0][3])
    return noted(f"{caption}\n\n{markdown_table(header, body, left=3 if several else 2)}")


def _of_methods(verdicts: Verdicts, found: Judged, mark: str) -> list[str]:
    bold = "**" if found.decided and verdicts.is_primary(found) else ""
    if found.low is None or found.high is None or found.corrected is None:
        return [points(found.difference) + mark, _NOTHING, found.verdict, _NOTHING, _NOTHING]
    shown = _NOTHING if found.detectable is None else size_text(found.detectable)
    return [
        f"{bold}{points(found.difference)}{bold} "
        f"({points(found.low)} to {points(found.high)}){mark}",
        _NOTHING if found.verdict == "no verdict" else p_text(found.corrected),
        verdict_text(found),
        shown,
        _needed(found),
    ]


def _of_models(
    verdicts: Verdicts, found: Judged, attack: str, layers: int, pair: Pair, mark: str
) -> list[str]:
    models: ModelComparison | None = verdicts.models(attack, layers, *pair)
    if models is None:
        return [points(found.difference) + mark, _NOTHING, found.verdict]
    return [
        f"{points(models.difference)} ({points(models.low)} to {points(models.high)}){mark}",
        p_text(models.p_value),
        found.verdict,
    ]


def methods_caption(section: Section, found: Judged) -> str:
    margin = (
        ""
        if found.margin is None
        else f" Equivalent: within {size_text(found.margin)} points, which the suite states; both "
        "tests stand in the family."
    )
    shared = (
        " Seeds share graphs: errors are those of resampled splits (Nadeau and Bengio), and all "
        "that is said speaks for this data set."
        if section.shared
        else ""
    )
    number = f"{found.size} comparison{'s' if found.size != 1 else ''}"
    kind = "**Primary**" if found.family == "primary" else found.family.capitalize()
    return (
        f"{kind}, {number} in the family. Difference of robust accuracy (of clean accuracy in the "
        f"row {CLEAN_NAME}) in points, mean over the seeds, with simultaneous 95 % intervals "
        "over the seeds (Bonferroni); p of no difference by Student's t over the seeds, corrected "
        "in the family (Holm), whose later steps may decide where an interval still holds 0."
        f"{margin}{shared} Shown at 80 %: the smallest true difference that so many seeds show "
        "with that probability by the first step, if they spread as they do here. Seeds to decide: "
        "about how many would, if the true difference were the one that is seen."
    )


def models_caption() -> str:
    return (
        f"Difference of robust accuracy (of clean accuracy in the row {CLEAN_NAME}) between two "
        "trained models, in points, with 95 % intervals over the graphs, each by itself; McNemar: "
        "p of the exact test on the same graphs, not corrected. However small it is, it tells two "
        "trained models apart, not two methods: of these one model each says nothing."
    )


def _why_none(section: Section, found: Sequence[Judged]) -> list[str]:
    """Why there are no verdicts, where there are none."""
    words = {each.verdict for each in found}
    lines = []
    if "one model each" in words:
        lines.append(
            "One trained model each: whether the methods differ, several seeds must show."
            if not section.is_given
            else "One trained model each: nothing is said of what they were trained by."
        )
    if "no verdict" in words:
        seeds = sorted({each.n_seeds for each in found if each.verdict == "no verdict"})
        planned = section.report.planned_seeds
        number = " or ".join(map(str, seeds))
        were = "seed was" if planned == 1 else "seeds were"
        rules = section.report.rules
        compared = f"{number} are compared"
        if seeds == [planned] and rules.has_other_seeds:
            compared = f"the run has {rules.held}, of which {compared}"
        lines.append(
            f"No verdict: {planned} {were} planned, and {compared}. Whoever looks "
            "and goes on decides too often."
            if planned is not None and (seeds != [planned] or rules.has_other_seeds)
            else "No verdict: it is not known whether the seeds share graphs."
        )
    if section.report.planned_seeds is None and words - {"one model each", "no verdict"}:
        lines.append(
            "It is not known how many seeds were planned. The verdicts hold only if it were these."
        )
    if "equivalent" in words and not section.report.rules.margin_is_planned:
        lines.append(
            "It is not known whether the margin was stated before results were seen. That methods "
            "are equivalent holds only if it was."
        )
    return lines


def _needed(found: Judged) -> str:
    if found.verdict != "undecided":
        return _NOTHING
    return (
        f"over {MOST_SEEDS_NEEDED:,}" if found.seeds_needed is None else f"{found.seeds_needed:,}"
    )


def points(share: float) -> str:
    """A difference in points, with its sign."""
    return with_minus(f"{100 * share:+z.1f}")


def size_text(share: float) -> str:
    return f"{100 * share:.1f}" if share <= 1 else "more than 100"


def p_text(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
