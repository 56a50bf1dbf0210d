"""The gate's answer as text, Markdown, JUnit XML, GitHub's annotations and JSON.

Names of suites, methods and attacks are other people's text. Each form shows them as they are, and
none lets them be anything but text: no markup, no mention of a person, no command to a runner.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from robust_augcl.errors import cut, printable
from robust_augcl.gate.questions import Answer, Gate, Outcome, Regime, counted, says_nothing, signed

COLUMNS = 80
MOST_ROWS = 20
"""Rows of a table in Markdown, at the most: it must fit a comment."""
MOST_ANNOTATIONS = 10
"""GitHub shows so many of a step."""
MOST_NOTES = 10
"""Notes in Markdown, at the most."""

_WORDS: dict[Outcome, str] = {
    "holds": "HOLDS",
    "regressed": "REGRESSED",
    "cannot tell": "CANNOT TELL",
    "not comparable": "NOT COMPARABLE",
}
_WAYS: dict[Regime, str] = {
    "same weights": "the same weights, target by target",
    "trained again": "models that were trained again, over their seeds",
}
_ADVICE: dict[Outcome, str] = {
    "holds": "",
    "regressed": "",
    "cannot tell": "The seeds are too few to say either. More seeds would tell.",
    "not comparable": "A baseline of these settings is needed: "
    "`robust-augcl baseline DIR -o FILE`.",
}
_OFFER = (
    "Something improved. To hold later results against it, make it the baseline: "
    "`robust-augcl baseline DIR -o FILE`."
)


# --- names that are shown as they are -------------------------------------------------------------


def plain(text: str) -> str:
    """Text for a terminal: one line, nothing that a terminal obeys.

    Example:
        >>> plain("a\\x1b[31m\\nb")
        'a\\\\x1b[31m b'
    """
    return printable(" ".join(text.split()))


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, inside a table too, and that mentions nobody.

    Example:
        >>> markdown("<b>|@team|</b> [x](y) &lt;")
        '\\\\<b\\\\>\\\\|@\\u200bteam\\\\|\\\\</b\\\\> \\\\[x\\\\](y) &amp;lt;'
    """
    flat = plain(text).replace("&", "&amp;")
    flat = re.sub(r"([\\`*_\[\]<>|#~!$])", r"\\\1", flat)
    # A word of a link, a person or an issue would be made one by GitHub and by GitLab.
    return re.sub(r"(@|:(?=//)|www(?=\.))", "\\1\u200b", flat)


def xml(text: str) -> str:
    """Text that XML 1.0 can hold; markup is escaped where the tree is written.

    Example:
        >>> xml("a\\x00<b>")
        'a\\\\x00<b>'
    """
    return plain(text)


def annotation(text: str, is_property: bool = False) -> str:
    """Text of a GitHub workflow command, or of one of its properties.

    Example:
        >>> annotation("50 %\\n::error::x"), annotation("a,b:c", is_property=True)
        ('50 %25 ::error::x', 'a%2Cb%3Ac')
    """
    flat = plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return flat.replace(":", "%3A").replace(",", "%2C") if is_property else flat


# --- the forms ------------------------------------------------------------------------------------


def text(gate: Gate) -> str:
    """For a terminal: lines of at most 80 columns, the worst first."""
    lines = _wrapped(f"{_WORDS[gate.outcome]}: {gate.sentence}", "  ")
    lines += _wrapped(_compared(gate), "  ")
    for answer in gate.answers:
        mark = _mark(answer)
        lines += _wrapped(f"  {mark:<15}{answer.about}: {answer.why}", " " * 17)
    for note in gate.notes:
        lines += _wrapped(f"  note: {note}", "    ")
    lines += _wrapped(_end(gate), "")
    return "\n".join(lines) + "\n"


def _wrapped(line: str, indent: str) -> list[str]:
    """Lines of a line, which keeps the spaces that it begins with.

    GitHub's runner takes a line that begins with two colons, spaces apart, for a command; a part of
    a name can come to stand there.
    """
    lines = textwrap.wrap(printable(line), COLUMNS, subsequent_indent=indent)
    return [re.sub(r"^(\s*:)(?=:)", "\\1\u200b", each) for each in lines]


def markdown_page(gate: Gate) -> str:
    """For a comment on a pull request, or the summary of a job."""
    lines = [f"**Robustness gate: {gate.outcome}.** {markdown(gate.sentence)}", ""]
    lines += [_compared(gate), ""]
    shown = [answer for answer in gate.answers if _is_telling(answer)] or list(gate.answers)
    lines += [
        "| | Compared | Baseline, % | New, % | Drop, points | Why |",
        "|---|---|---:|---:|---:|---|",
    ]
    lines += [_row(answer) for answer in shown[:MOST_ROWS]]
    if others := len(gate.answers) - min(len(shown), MOST_ROWS):
        lines += ["", f"{counted(others, 'further comparison')} not shown."]
    if gate.notes:
        lines += ["", *(f"- {markdown(note)}" for note in gate.notes[:MOST_NOTES])]
    if end := _end(gate):
        lines += ["", end]
    return "\n".join(lines) + "\n"


def junit(gate: Gate) -> str:
    """JUnit XML: a test case a comparison. One that cannot tell fails only where it decides."""
    failed = [answer for answer in gate.answers if _fails(answer)]
    wrong = [answer for answer in gate.answers if answer.outcome == "not comparable"]
    skipped = [
        answer for answer in gate.answers if answer.outcome == "cannot tell" and not answer.decides
    ]
    counts = {"tests": len(gate.answers), "failures": len(failed), "errors": len(wrong)}
    told = {name: str(count) for name, count in {**counts, "skipped": len(skipped)}.items()}
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "robust-augcl gate", **told})
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("outcome", gate.outcome), ("tolerance", str(gate.rules.tolerance))):
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for answer in gate.answers:
        about = {"classname": f"gate.{answer.regime.replace(' ', '_')}", "name": xml(answer.about)}
        case = ElementTree.SubElement(suite, "testcase", about)
        kind = "failure" if _fails(answer) else "error" if answer in wrong else "skipped"
        if answer.outcome == "holds":
            ElementTree.SubElement(case, "system-out").text = xml(answer.why)
        else:
            ElementTree.SubElement(case, kind, {"message": xml(answer.why), "type": answer.outcome})
    if gate.notes:
        told_besides = "\n".join(f"note: {xml(note)}" for note in gate.notes)
        ElementTree.SubElement(suite, "system-out").text = told_besides
    ElementTree.indent(suites, " ")
    return ElementTree.tostring(suites, "unicode", xml_declaration=True) + "\n"


def github(gate: Gate) -> str:
    """Workflow commands, which GitHub shows as annotations: the worst, the notes, the outcome."""
    levels: dict[Outcome, str] = {"regressed": "error", "not comparable": "error"}
    lines = []
    for answer in [a for a in gate.answers if a.outcome != "holds" and _is_telling(a)]:
        level = levels.get(answer.outcome, "warning")
        title = annotation(f"{answer.outcome}: {answer.about}", is_property=True)
        lines.append(f"::{level} title={title}::{annotation(answer.why)}")
    title = annotation(f"Robustness gate: {gate.outcome}", is_property=True)
    ends = [f"::notice title={title}::{annotation(gate.sentence)}"]
    if gate.notes:
        title = annotation("Robustness gate: notes", is_property=True)
        ends.insert(0, f"::notice title={title}::{annotation('; '.join(gate.notes))}")
    return "\n".join([*lines[: MOST_ANNOTATIONS - len(ends)], *ends]) + "\n"


def as_json(gate: Gate) -> str:
    """Every number."""
    return json.dumps(gate.as_json(), indent=1, allow_nan=False) + "\n"


FORMS: dict[str, Callable[[Gate], str]] = {
    "text": text,
    "markdown": markdown_page,
    "junit": junit,
    "github": github,
    "json": as_json,
}
"""Renderers by name."""


def _compared(gate: Gate) -> str:
    """How results were compared, in a sentence."""
    ways = [_WAYS[regime] for regime in gate.regimes if regime in _WAYS]
    return f"Compared: {'; '.join(ways) or 'nothing'}."


def _fails(answer: Answer) -> bool:
    return answer.outcome == "regressed" or (answer.outcome == "cannot tell" and answer.decides)


def _is_telling(answer: Answer) -> bool:
    """Whether an answer is shown where there is little room."""
    if answer.outcome == "holds":
        return answer.improved or (answer.decides and answer.regime == "trained again")
    return answer.decides or answer.outcome == "regressed"


def _mark(answer: Answer) -> str:
    """An outcome in a word."""
    if answer.improved:
        return "better"
    is_aside = answer.outcome == "cannot tell" and not answer.decides
    return "(cannot tell)" if is_aside else answer.outcome


def _row(answer: Answer) -> str:
    """A row of the table in Markdown."""
    shares = (f"{100 * s:.1f}" if s is not None else "" for s in (answer.base, answer.new))
    drop = "" if answer.drop is None else signed(answer.drop)
    if (
        answer.low is not None
        and answer.high is not None
        and not says_nothing(answer.low, answer.high)
    ):
        drop += f" ({signed(answer.low)} to {signed(answer.high)})"
    about, why = markdown(cut(answer.about, 200)), markdown(cut(answer.why, 300))
    return f"| {' | '.join((_mark(answer), about, *shares, drop, why))} |"


def _end(gate: Gate) -> str:
    """What to do next, in a sentence; empty where there is nothing to do."""
    parts: Sequence[str] = (_ADVICE[gate.outcome], _OFFER if gate.improved else "")
    return " ".join(part for part in parts if part)
