"""Methods less one another, as tables.

Numbers are percentage points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robust_augcl.reports._assumed import assumed
from robust_augcl.reports._comparison_words import (
    SEEDS_MEAN,
    SEEDS_TO_SETTLE,
    UNROUNDED,
    detectable_text,
    has_interval,
    p_text,
    points,
    seeds_needed_text,
    sentences,
    size_text,
    verdict_text,
)
from robust_augcl.reports._marks import noted
from robust_augcl.reports._pairs import MANY_PAIRS, Pair
from robust_augcl.reports._rest import rest_mark
from robust_augcl.reports._sections import Section
from robust_augcl.reports._verdicts import Verdicts, verdicts_of
from robust_augcl.reports._words import ALONE, TOGETHER
from robust_augcl.reports.tables import escape, markdown_table
from robust_augcl.results.method_tests import Judged
from robust_augcl.results.names import CLEAN, CLEAN_NAME, difference_name, joined, layers_text
from robust_augcl.results.statistics import ModelComparison

_NOTHING = "-"
_WIDE = "no interval"

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


def bold_means(verdicts: Verdicts) -> str:
    """What bold numbers of a table of accuracies mean."""
    section = verdicts.section
    same = section.noun + (" with as many layers" if len(section.layers) > 1 else "")
    if any(each.what == "pairs" for each in section.report.rules.changed):
        return "Nothing is bold: the suite names other pairs than before results were seen."
    if not verdicts.primary.found:
        return "Nothing is bold: the suite names no comparisons that can be made here."
    bold = any(
        verdicts.best(attack, layers) for attack in section.attacks for layers in section.layers
    )
    none = "" if bold else " None is bold here."
    return (
        f"A number is bold if its {section.noun} is shown to be better than each other {same}, in "
        f"the comparisons that the suite names before it runs.{none}"
    )


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
        else ["Points", "p, corrected", "Verdict", "Detectable (80 % power)", SEEDS_TO_SETTLE]
    )
    header = ["Difference", "Attack", *(["Layers"] if several else []), *columns]
    first = rows[0][3]
    as_above = verdicts.primary.found and not verdicts.is_primary(first)
    caption = (
        models_caption(section)
        if of_models
        else f"{_family_text(first)} Its columns are those of the table above."
        if as_above
        else methods_caption(section, first)
    )
    few = _of_few_seeds([found for *_, found in rows])
    caption = joined(caption, *few, assumed(section), by=" ")
    return noted(f"{caption}\n\n{markdown_table(header, body, left=3 if several else 2)}")


def _of_few_seeds(rows: Sequence[Judged]) -> Iterator[str]:
    """What words say in the place of numbers, where seeds are too few for any."""
    if any(found.high is not None and not has_interval(found) for found in rows):
        yield "No interval: with so few seeds it contains every possible difference."
    if any(found.detectable is not None and found.detectable > 1 for found in rows):
        yield "Detectable, none: so few seeds would miss even the largest possible difference."


def _of_methods(verdicts: Verdicts, found: Judged, mark: str) -> list[str]:
    bold = "**" if found.decided and verdicts.is_primary(found) else ""
    if found.low is None or found.high is None or found.corrected is None:
        return [points(found.difference) + mark, _NOTHING, found.verdict, _NOTHING, _NOTHING]
    interval = f"{points(found.low)} to {points(found.high)}" if has_interval(found) else _WIDE
    return [
        f"{bold}{points(found.difference)}{bold} ({interval}){mark}",
        _NOTHING if found.verdict == "no verdict" else p_text(found.corrected),
        verdict_text(found),
        detectable_text(found),
        seeds_needed_text(found),
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
        else f" Equivalent: the two are shown to differ by less than {size_text(found.margin)} "
        "points; the suite states this margin. This test is corrected in the family, too."
    )
    shared = (
        f" The seeds share {section.targets}, so errors are those of resampled splits (Nadeau and "
        "Bengio), and all this speaks for this data set only."
        if section.shared
        else ""
    )
    return (
        f"{_family_text(found)} Points: the robust accuracy of the left {section.noun} "
        "minus that of the right one, mean over the seeds. (In the row "
        f"{CLEAN_NAME} it is the clean accuracy.) {UNROUNDED} The 95 % intervals are over the "
        f"seeds, and corrected: {TOGETHER}. p is by Student's t over the seeds, corrected in "
        "the family (Holm). A comparison can be decided although its interval contains 0: "
        "Holm's correction is less strict than the interval's."
        f"{margin}{shared} Detectable: the smallest true difference that 80 % of such runs "
        "would find. "
        f"{SEEDS_MEAN}"
    )


def _family_text(found: Judged) -> str:
    """The family of a comparison, and how many it has."""
    number = f"{found.size} comparison{'s' if found.size != 1 else ''}"
    kind = "**Primary**" if found.family == "primary" else found.family.capitalize()
    return f"{kind}: {number} in the family."


def models_caption(section: Section) -> str:
    return (
        "Points: the robust accuracy of the left trained model minus that of the right one. (In "
        f"the row {CLEAN_NAME} it is the clean accuracy.) {UNROUNDED} The 95 % intervals are over "
        f"the {section.targets}, {ALONE}. McNemar: p of the exact test on the same "
        f"{section.targets}, not "
        "corrected. However small p is, it tells two trained models apart, and not two methods. "
        "One model each says nothing of methods."
    )
