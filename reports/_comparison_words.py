"""Methods compared, in short sentences: the difference, the verdict, what more seeds would show.

Numbers are percentage points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from robust_augcl.reports._pairs import Pair
from robust_augcl.reports._rest import rest_mark
from robust_augcl.reports._sections import Section
from robust_augcl.reports._verdicts import Verdicts
from robust_augcl.reports._words import with_minus
from robust_augcl.reports.tables import percent
from robust_augcl.results.method_tests import VERDICTS, Judged
from robust_augcl.results.names import CLEAN_NAME, EXACT_NAME, difference_name, joined, layers_text
from robust_augcl.results.power import MOST_SEEDS_NEEDED, POWER

UNROUNDED = "Differences are computed before rounding: the printed means are rounded last."
"""Is said of tables in which a reader may subtract two printed means and get another number."""
SEEDS_TO_SETTLE = "Seeds to settle"
"""The head of the column that `seeds_needed_text` is for."""
_CHANCE = f"{100 * POWER:.0f} %"
SEEDS_MEAN = (
    f"{SEEDS_TO_SETTLE}: about how many in total give a chance of {_CHANCE} of a verdict, if the "
    "true difference is the one seen."
)
_LARGE = 0.1
"""A difference that seeds should find; those that miss it tell almost nothing."""
_SILENT = {"one model each", "no verdict"}
"""Verdicts of which the last sentences tell why, and of which no number says how often."""


def sentences(
    verdicts: Verdicts, pairs: Sequence[Pair], brief: bool = False, primary: bool = True
) -> list[str]:
    """What the primary comparisons of these pairs say, and how often which word stands elsewhere.

    Args:
        verdicts: of the section.
        pairs: of methods.
        brief: leave out the attack, what more seeds would show, and comparisons that are not
            primary. These are of the exact worst case, as all primary ones.
        primary: tell the primary comparisons one by one; False: they are shown otherwise.
    """
    section = verdicts.section
    lines: list[str] = []
    for pair in pairs if primary else ():
        for (attack, layers), judged in verdicts.by_attack(*pair).items():
            if verdicts.is_primary(judged):
                where = joined(
                    _name(section, pair),
                    "" if brief else _in_a_sentence(section.attack_name(attack)),
                    section.threat.edits,
                    layers_text(layers) if len(section.layers) > 1 else "",
                )
                words = _brief(judged) if brief else " ".join(said(judged, section, pair))
                moving = _moving(section, layers, pair, " Some of their victims were not at rest.")
                lines.append(f"{where}: {words}{moving}")
    if not brief:
        lines += _elsewhere(verdicts, pairs)
    judged_all = [each for pair in pairs for each in verdicts.by_attack(*pair).values()]
    changed = [f"{each.text}." for each in section.report.rules.changed] if judged_all else []
    unrounded = [] if brief else _rounded_apart(verdicts, pairs)
    return [*lines, *unrounded, *_why_none(section, judged_all), *changed]


def said(found: Judged, section: Section, pair: Pair) -> Iterator[str]:
    """A comparison in sentences: the difference, the verdict; if it is open, what would settle.

    Args:
        found: what is said of the comparison.
        section: it stands in.
        pair: the two methods.
    """
    left, right = (section.method_name(method) for method in pair)
    if found.low is None or found.high is None:
        yield f"robust accuracy differs by {points(found.difference)} points."
        return
    equal = "" if found.margin is None else f"less than {size_text(found.margin)} points"
    if found.verdict == "undecided" and not has_interval(found):
        yield (
            f"{found.n_seeds} seeds cannot tell. Robust accuracy differs by "
            f"{points(found.difference)} points, but the 95 % interval is so wide that it "
            "contains every possible difference."
        )
        yield from _what_would_settle(found, equal)
        return
    if not has_interval(found):
        yield (
            f"robust accuracy differs by {points(found.difference)} points. With so few seeds the "
            "95 % interval contains every possible difference."
        )
    else:
        yield (
            f"robust accuracy differs by {points(found.difference)} points (95 % interval "
            f"{points(found.low)} to {points(found.high)})."
        )
    if found.decided:
        small = f", but by {equal}" if found.within_margin else ""
        yield f"{left} is {found.verdict} than {right}{small}."
    elif found.verdict == "equivalent":
        yield f"The two are equivalent: they are shown to differ by {equal}."
    elif found.verdict == "no verdict":
        yield "There is no verdict."
    else:
        shown = f"show neither that the two differ nor that they differ by {equal}"
        nothing = shown if equal else "do not show that the two differ"
        yield f"This is undecided: {found.n_seeds} seeds {nothing}."
        yield from _what_would_settle(found, equal)


def _what_would_settle(found: Judged, equal: str) -> Iterator[str]:
    """What so many seeds would find, and how many would settle what."""
    if found.detectable is not None:
        yield f"{power_text(found.n_seeds, found.detectable)}."
    settled = f"whether they differ, or differ by {equal}" if equal else "whether they differ"
    if found.seeds_needed is None:
        yield (
            f"If the true difference is the one seen, even {MOST_SEEDS_NEEDED:,} seeds have "
            f"no chance of {_CHANCE} to show {settled}."
        )
    else:
        yield (
            f"If the true difference is the one seen, about {found.seeds_needed:,} seeds in total "
            f"have a chance of {_CHANCE} to show {settled}."
        )


def _brief(found: Judged) -> str:
    """A comparison in half a sentence."""
    text = f"{points(found.difference)} points"
    if found.low is None or found.high is None or not has_interval(found):
        return f"{text}, {found.verdict}."
    return f"{text} ({points(found.low)} to {points(found.high)}), {verdict_text(found)}."


def has_interval(found: Judged) -> bool:
    """Whether a comparison has an interval that says something: it leaves some difference out."""
    if found.low is None or found.high is None:
        return False
    return found.low > -1 or found.high < 1


def points_text(found: Judged) -> str:
    """A difference in points with its interval, where that says something."""
    text = points(found.difference)
    if found.low is None or found.high is None or not has_interval(found):
        return text
    return f"{text} ({points(found.low)} to {points(found.high)})"


def _elsewhere(verdicts: Verdicts, pairs: Sequence[Pair]) -> list[str]:
    """How often which verdict stands in the other rows of the table; empty where none does."""
    section = verdicts.section
    rows: dict[str, None] = {}
    told, several = [], False
    undecided: list[Judged] = []
    for pair in pairs:
        others = {
            about: each
            for about, each in verdicts.by_attack(*pair).items()
            if not verdicts.is_primary(each)
        }
        words = Counter(each.verdict for each in others.values())
        if not words.keys() - _SILENT:
            continue
        undecided += [each for each in others.values() if each.verdict == "undecided"]
        rows |= dict.fromkeys(section.attack_name(attack) for attack, _ in others)
        several = several or len(others) > 1
        counts = ", ".join(
            f"{word} in {words[word]} of {words.total()}" for word in VERDICTS if words[word]
        )
        moving = _moving(section, None, pair, " (some of their victims were not at rest)")
        told.append(f"{_name(section, pair)} {counts}{moving}")
    if not told:
        return []
    listed = f"{', '.join(rows)}; {section.threat.edits}"
    noun = "Secondary comparisons" if several else "Secondary comparison"
    clean = f" The row {CLEAN_NAME} is not counted." if several else ""
    return [f"{noun} ({listed}): {'; '.join(told)}.{clean}{_too_wide(undecided)}"]


def _too_wide(undecided: Sequence[Judged]) -> str:
    """That intervals tell almost nothing, where most could hide a large difference."""
    sizes = [each.detectable for each in undecided if each.detectable is not None]
    wide = [size for size in sizes if size > _LARGE]
    if not wide or 2 * len(wide) <= len(undecided):
        return ""
    return (
        f" With so few seeds, {len(wide)} of the {len(undecided)} undecided comparisons would miss "
        f"a true difference of {size_text(_LARGE)} points more often than in 1 of 5 runs: their "
        "intervals are so wide that they tell almost nothing."
    )


def _moving(section: Section, layers: int | None, pair: Pair, text: str) -> str:
    """A text about methods some of whose victims were not at rest; else nothing."""
    return text if rest_mark(section, layers, *pair) else ""


def _name(section: Section, pair: Pair) -> str:
    return difference_name(*(section.method_name(method) for method in pair))


def _in_a_sentence(name: str) -> str:
    """The name of a row, such as "Exact worst case", inside a sentence; names proper stay."""
    return name[0].lower() + name[1:] if name == EXACT_NAME else name


def _rounded_apart(verdicts: Verdicts, pairs: Sequence[Pair]) -> list[str]:
    """That differences are computed first, where one shows it: it is not that of printed means."""
    section = verdicts.section
    for pair in pairs:
        for (attack, layers), judged in verdicts.by_attack(*pair).items():
            means = [section.robust(attack, layers, method) for method in pair]
            if verdicts.is_primary(judged) and all(means):
                left, right = (float(percent(each.mean)) for each in means if each)
                apart, shown = with_minus(f"{left - right:+z.1f}"), points(judged.difference)
                if apart != shown:
                    minus = f"{left} \N{MINUS SIGN} {right} = {apart}"
                    return [
                        f"Differences are computed before rounding: {shown} is not {minus}, "
                        "because the means are rounded last."
                    ]
    return []


def power_text(seeds: int, detectable: float) -> str:
    """What so many seeds would show with 80 % power, so that it is understood at once."""
    if detectable > 1:
        return f"With {seeds} seeds, no difference would be found in 4 of 5 runs, however large"
    return (
        f"With {seeds} seeds, a true difference of {size_text(detectable)} points would be found "
        "in 4 of 5 runs"
    )


def verdict_text(found: Judged) -> str:
    """The verdict, and whether a difference is smaller than the suite's margin."""
    small = found.decided and found.within_margin and found.margin is not None
    by = f", by less than {size_text(found.margin or 0.0)} points"
    return f"{found.verdict}{by}" if small else found.verdict


def _why_none(section: Section, found: Sequence[Judged]) -> list[str]:
    """Why there are no verdicts, where there are none."""
    words = {each.verdict for each in found}
    lines = []
    if "one model each" in words:
        lines.append(
            "One trained model each: only several seeds can show whether the methods differ."
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
            "at some seeds, and then stops or goes on, finds differences by chance too often."
            if planned is not None and (seeds != [planned] or rules.has_other_seeds)
            else f"No verdict: it is not known whether the seeds share {section.targets}."
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


def seeds_needed_text(found: Judged) -> str:
    """About how many seeds would settle a comparison; a dash where it is settled."""
    if found.verdict != "undecided":
        return "-"
    return (
        f"over {MOST_SEEDS_NEEDED:,}" if found.seeds_needed is None else f"{found.seeds_needed:,}"
    )


def points(share: float) -> str:
    """A difference in points, with its sign."""
    return with_minus(f"{100 * share:+z.1f}")


def size_text(share: float) -> str:
    """A size in points, without a sign."""
    return f"{100 * share:.1f}"


def detectable_text(found: Judged) -> str:
    """The smallest true difference that would be found, in points; "none" where none would be."""
    if found.detectable is None:
        return "-"
    return size_text(found.detectable) if found.detectable <= 1 else "none"


def p_text(value: float) -> str:
    """A p-value."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
