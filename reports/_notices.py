"""What a reader must know before the numbers: failed checks first, then warnings, then notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from robust_augcl.reports._audit import read_back
from robust_augcl.reports._data import warnings_of
from robust_augcl.reports._given import left_out
from robust_augcl.reports._given import noted as noted_of_models
from robust_augcl.reports._marks import MARK, NOT_AT_REST
from robust_augcl.reports._training_notes import WHAT_FOLLOWS, training_notes
from robust_augcl.reports._view import View
from robust_augcl.reports._words import sentence, with_minus
from robust_augcl.results.names import targets_text
from robust_augcl.results.report_input import ReportInput

Kind = Literal["fail", "warn", "note"]
ABOUT_AUDIT = (
    "The audit asks of each number whether it shows how robust the model is, or only that an "
    "attack is weak or something is broken."
)
"""What a reader must know of the audit who has not met it."""


class Notice(NamedTuple):
    """One thing to know, in plain words: what it is, and what was seen."""

    kind: Kind
    title: str
    text: str


def notices(view: View) -> list[Notice]:
    """All that a reader must know before the numbers, the worst first."""
    found = [*_of_audit(view.report), *_of_proofs(view), *_of_records(view)]
    order = ("fail", "warn", "note")
    return sorted(found, key=lambda notice: order.index(notice.kind))


def verdict_on(view: View) -> str:
    """What the audit says as a whole, in one sentence."""
    audit = view.report.audit
    if audit is None:
        return "These results were not audited. `robust-augcl audit` looks for broken attacks."
    counts = audit.counts
    if counts["FAIL"]:
        return " ".join([f"{_checks(counts['FAIL'])} of the audit failed.", *_marked(view)])
    if counts["WARN"]:
        verb = "warns" if counts["WARN"] == 1 else "warn"
        return f"No check of the audit failed. {_checks(counts['WARN'])} {verb}."
    return f"The audit passed: all {_checks(counts['PASS'])} that apply here."


def _marked(view: View) -> Iterator[str]:
    """Which results not to rely on, and whether the exact worst case is among them."""
    audit = view.report.audit
    failed = audit.failed.keys() if audit else ()
    if not failed:
        return
    number = len(failed)
    yield f"Do not rely on the {number} result{'' if number == 1 else 's'} marked {MARK}."
    exact = {record.key for record in view.report.records if record.is_exact}
    if exact and not exact & set(failed):
        yield "The exact worst case does not depend on them."


def what_follows(view: View) -> str:
    """What a reader concludes from notes on trainings; empty where there are none."""
    return WHAT_FOLLOWS if training_notes(view.report) else ""


def _checks(number: int) -> str:
    return f"{number} check" if number == 1 else f"{number} checks"


def _quoted(check: str) -> str:
    """A check by its name, which says what should be so: it must not be read as what is so."""
    return f'the check "{check}"'


def _of_audit(report: ReportInput) -> Iterator[Notice]:
    for finding in report.audit.findings if report.audit else ():
        if finding.status == "FAIL":
            yield Notice("fail", _quoted(finding.check), with_minus(finding.evidence))
        elif finding.status == "WARN":
            yield Notice("warn", _quoted(finding.check), with_minus(finding.evidence))
    if report.audit is None:
        yield Notice("warn", "not audited", "Nobody has looked for broken attacks or victims.")
    if report.not_at_rest:
        number = len(report.not_at_rest)
        text = (
            f"{number} trained victim{' was' if number == 1 else 's were'} still getting better "
            f"when training ended. What rests on {'it' if number == 1 else 'them'} is marked "
            f"{NOT_AT_REST}."
        )
        yield Notice("warn", "victims not at rest", text)
    if earlier := read_back(report):
        yield Notice("note", "of an earlier run", earlier)


def _of_proofs(view: View) -> Iterator[Notice]:
    """Where a proof and an attack contradict each other."""
    targets = targets_text(view.report.records)
    wrong = sum(bracket.contradictions for bracket in view.known.values())
    if wrong:
        text = (
            f"{wrong} {targets} are proved and yet broken: a proof, a witness or a record is wrong."
        )
        yield Notice("fail", "a proof is contradicted", text)
    beyond = 0
    for section in view.sections:
        attacks = [attack for attack in section.attacks[1:] if attack != section.exact]
        gaps = (section.gap(attack, *column) for attack in attacks for column in section.columns)
        beyond += sum(gap.beyond for gap in gaps if gap)
    if beyond:
        text = (
            f"{beyond} times an attack broke a {targets[:-1]} that the exact search says no edit "
            "breaks. One of them is wrong."
        )
        yield Notice("fail", "below the exact worst case", text)


def _of_records(view: View) -> Iterator[Notice]:
    """What the runs themselves noted, and what is missing."""
    report = view.report
    for section in view.sections:
        fewest, most = section.seeds_per_group
        if fewest != most:
            text = f"Some numbers are of {fewest} seeds, others of {most}: results are missing."
            yield Notice("warn", section.title, text)
    for line in warnings_of(report):
        yield Notice("warn", "robust for free", line)
    for line in left_out(report):
        yield Notice("note", "left out", f"{line}.")
    for line in noted_of_models(report):
        yield Notice("note", "probe of a given model", f"{line}.")
    for noted in training_notes(report):
        yield Notice("note", noted.of, f"{sentence(noted.text)}.")
