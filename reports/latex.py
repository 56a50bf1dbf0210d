"""Tables of a report for a paper, as LaTeX with booktabs: all that a caption needs stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from robust_augcl.reports._aggregated import Comparison, comparisons
from robust_augcl.reports._assumed import assumed
from robust_augcl.reports._comparison_words import p_text, points, verdict_text
from robust_augcl.reports._families import not_run_text
from robust_augcl.reports._marks import MARK, NOT_AT_REST
from robust_augcl.reports._rest import drawn_name
from robust_augcl.reports._sections import Section
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import View, Worst
from robust_augcl.reports._words import TOGETHER, UNBROKEN
from robust_augcl.reports.tables import percent
from robust_augcl.results.names import difference_name, joined, layers_text

_MARKS = {MARK: r"$^{\dagger}$", NOT_AT_REST: r"$^{\ddagger}$"}
_NOTES = {
    MARK: "the attack, or what it rests on, failed its audit",
    NOT_AT_REST: "some victims were not at rest when their training ended",
}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    **_MARKS,
}
_PREAMBLE = r"""% Tables of robust_augcl, of the records {stamp}.
% In the preamble: \usepackage{{booktabs}}, and \usepackage[T1]{{fontenc}} for pdflatex.
% A figure of the folder: \includegraphics{{accuracy.pdf}} with \usepackage{{graphicx}}.
"""


def latex_tables(view: View, stamp: str) -> str:
    """A table for each section, and one of the primary comparisons where there are any.

    Args:
        view: what the report says.
        stamp: tells the records from any others.
    """
    parts = [_PREAMBLE.format(stamp=stamp)]
    parts += ["\n".join(_means(view, section)) for section in view.sections]
    primary = [each for each in comparisons(view) if each.is_primary and each.models is None]
    if primary:
        parts.append("\n".join(_primary(primary)))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def tex(text: object) -> str:
    """A text as LaTeX that shows it as it is; letters beyond Latin are told by their code.

    Example:
        >>> print(tex("50 % of a_b & c"))
        50 \\% of a\\_b \\& c
        >>> print(tex("snow \\u2603"))
        snow [U+2603]
    """
    return "".join(map(_letter, " ".join(str(text).split())))


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    # What engines know without further packages.
    is_known = letter.isprintable() and (letter.isascii() or "\u00c0" <= letter <= "\u017f")
    return letter if is_known else f"[U+{ord(letter):04X}]"


def _means(view: View, section: Section) -> Iterator[str]:
    """The table of one section: a row an attack, an interval below each number."""
    verdicts = verdicts_of(section)
    columns = section.columns
    yield r"\begin{table}"
    yield r"\centering\small"
    rows = [line for attack in section.attacks for line in _rows(view, section, attack)]
    heads = [
        tex(joined(drawn_name(section, layers, method), _layers(section, layers)))
        for layers, method in columns
    ]
    marks = [mark for mark in _MARKS if any(_MARKS[mark] in text for text in (*rows, *heads))]
    yield rf"\caption{{{_caption(section, marks, bool(verdicts.primary.found))}}}"
    yield rf"\label{{tab:{_label(section)}}}"
    yield rf"\begin{{tabular}}{{@{{}}l{'r' * len(columns)}@{{}}}}"
    yield r"\toprule"
    yield f"Attack & {' & '.join(heads)} \\\\"
    yield r"\midrule"
    yield from rows
    worst = [view.worst(section, *column) for column in columns]
    if section.exact is None and any(worst):
        yield r"\midrule"
        yield f"Worst case & {' & '.join(map(_worst, worst))} \\\\"
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _rows(view: View, section: Section, attack: str) -> Iterator[str]:
    """The two lines of an attack: its numbers, and their intervals in small letters."""
    if attack == section.exact:
        yield r"\midrule"
    verdicts = verdicts_of(section)
    numbers, intervals = [], []
    for layers, method in section.columns:
        fact = view.fact(section, attack, layers, method)
        if fact is None:
            numbers.append("--")
            intervals.append("")
            continue
        share = fact.share
        mean = percent(share.mean)
        best = verdicts.best(attack, layers) == method
        numbers.append((rf"\textbf{{{mean}}}" if best else mean) + tex(fact.mark))
        intervals.append(rf"{{\scriptsize [{percent(share.low)}, {percent(share.high)}]}}")
    yield f"{tex(section.attack_name(attack))} & {' & '.join(numbers)} \\\\"
    yield f" & {' & '.join(intervals)} \\\\"


def _worst(worst: Worst | None) -> str:
    if worst is None:
        return "--"
    high = percent(worst.high.mean)
    if worst.exact:
        return high
    return rf"$\leq$ {high}" if worst.low is None else f"{percent(worst.low.mean)}--{high}"


def _caption(section: Section, marks: list[str], has_primary: bool) -> str:
    """What the numbers are, of how many graphs and seeds, and what brackets and bold mean."""
    encoder = "" if section.is_given else f" {tex(section.encoder)},"
    bold = (
        "Bold: shown to be better than each other method, in the comparisons that the suite names "
        "before it runs. "
        if has_primary
        else ""
    )
    worst = (
        ""
        if section.exact
        else "Worst case: one number where it is exact. Two numbers are bounds: the lower one "
        f"counts {section.targets} proved safe, the upper one {section.targets} {UNBROKEN}. "
    )
    missing = f"{tex(not_run_text(section))} "
    notes = "".join(f" {_MARKS[mark]}: {_NOTES[mark]}." for mark in marks)
    return (
        f"Robust accuracy in percent on {tex(section.dataset)},{encoder} {tex(section.protocol)} "
        f"protocol: the share of {section.targets} that are right before and after the edits. "
        f"Allowed edits: {tex(section.threat.sentences)} There are {tex(section.graphs)}. The "
        f"numbers are {tex(section.intervals)}, in brackets. {worst}{bold}{missing}".rstrip()
        + notes
    )


def _primary(found: list[Comparison]) -> Iterator[str]:
    """The table of the primary comparisons."""
    first = found[0]
    seeds = sorted({each.judged.n_seeds for each in found})
    margin = first.judged.margin
    equal = (
        ""
        if margin is None
        else f" Equivalent: shown to differ by less than {100 * margin:.1f} points."
    )
    yield r"\begin{table}"
    yield r"\centering\small"
    yield (
        r"\caption{Differences of robust accuracy in the exact worst case, in points, means over "
        f"{' or '.join(map(str, seeds))} seeds, computed before rounding. The 95\\,\\% intervals "
        f"in brackets are corrected: {tex(TOGETHER)}. "
        "p is by Student's t over the seeds, corrected for "
        f"{first.judged.size} comparisons (Holm).{equal}"
        f" {joined('Bold: a difference that is shown.', assumed(first.section), by=' ')}}}"
    )
    yield rf"\label{{tab:{_word(first.section.suite)}-primary}}"
    yield r"\begin{tabular}{@{}lrrl@{}}"
    yield r"\toprule"
    yield r"Difference & Points & p & Verdict \\"
    yield r"\midrule"
    for each in found:
        yield _primary_row(each)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _primary_row(each: Comparison) -> str:
    section, judged = each.section, each.judged
    names = [drawn_name(section, each.layers, method) for method in (each.left, each.right)]
    about = joined(difference_name(*names), _layers(section, each.layers))
    value = f"${_signed(judged.difference)}$"
    if judged.decided:
        value = rf"\textbf{{\boldmath{value}}}"
    interval = ""
    if judged.low is not None and judged.high is not None:
        interval = rf" {{\scriptsize [${_signed(judged.low)}$, ${_signed(judged.high)}$]}}"
    p_value = "--" if judged.corrected is None else p_text(judged.corrected).replace("< ", "$<$")
    return (
        f"{tex(about)} & {value}{interval}{tex(each.mark)} & {p_value} & "
        f"{tex(verdict_text(judged))} \\\\"
    )


def _signed(share: float) -> str:
    """A difference in points as mathematics, which has a minus sign of its own."""
    return points(share).replace("\N{MINUS SIGN}", "-")


def _layers(section: Section, layers: int) -> str:
    return layers_text(layers) if len(section.layers) > 1 else ""


def _label(section: Section) -> str:
    parts = section.suite, section.dataset, section.encoder, section.protocol, section.budget
    return "-".join(_word(part) for part in parts)


def _word(text: object) -> str:
    """A text as part of a label: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-") or "x"
