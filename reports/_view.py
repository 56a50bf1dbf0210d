"""What a report says, worked out once: sections, numbers, verdicts. Every format reads it here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from robust_augcl.plan.claims_file import published_claims
from robust_augcl.reports._families import families
from robust_augcl.reports._rest import rest_mark
from robust_augcl.reports._sections import Section, measure_of, sections
from robust_augcl.results.brackets import Bracket, bracket_group, brackets
from robust_augcl.results.claim_rows import ClaimRow, claim_rows
from robust_augcl.results.names import CLEAN
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.statistics import Estimate, Group
from robust_augcl.results.transfers import Entry, matrix


@dataclass(frozen=True)
class Worst:
    """What is known of the worst case of one model within one budget.

    Args:
        low: the share of targets that is proved to stand; None without a proof.
        high: the share that no known edits break, with its interval.
        exact: whether both are one number, the exact worst case.
        settled: the share of targets that are proved or broken.
    """

    low: Estimate | None
    high: Estimate
    exact: bool
    settled: float


@dataclass(frozen=True)
class Missed:
    """What an attack left standing beyond the worst case, shares.

    Args:
        least, most: the two are one number where the worst case is exact; `most` is None where
            nothing is proved.
        low, high: an interval of it; None where there is none.
    """

    least: float
    most: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Fact:
    """One number of a report, with all that is said beside it.

    Args:
        section: what it is about, but for the rest.
        layers, method, attack: the cell, seeds together; `attack` is `CLEAN` before any edit.
        label: of one true class; None: of all targets.
        share: what stays right.
        worst: the worst case of the same model within the same budget; None where nothing is known.
        missed: how far the attack is from that; None for `CLEAN`, and where nothing is known.
        mark: of what failed its audit.
        rest: the mark of the method, where its victims were not at rest; `drawn_name` has it.
    """

    section: Section
    layers: int
    method: str
    attack: str
    label: int | None
    share: Estimate
    worst: Worst | None
    missed: Missed | None
    mark: str
    rest: str

    @property
    def by_seed(self) -> list[tuple[int, float]]:
        """Each seed, and the share of its targets that stays right."""
        found = []
        for record in self.section.group(self.attack, self.layers, self.method):
            own = self.section.accuracy([record], measure_of(self.attack), self.label)
            if own is not None:
                found.append((record.cell.seed, own.mean))
        return found


class View:
    """What a report says of its input.

    Args:
        report: what it is made from.

    Raises:
        ValueError: no records, or two of one cell (when `sections` is read).
    """

    def __init__(self, report: ReportInput) -> None:
        self.report = report

    @cached_property
    def sections(self) -> list[Section]:
        """The sections, in their order."""
        return sections(self.report)

    @cached_property
    def families(self) -> list[list[Section]]:
        """Sections that differ in their budget alone, the smallest first."""
        return families(self.sections)

    @cached_property
    def known(self) -> Mapping[Group, Bracket]:
        """The bracket of each model and budget."""
        return brackets(self.report.records, self.report.measurements)

    @cached_property
    def claims(self) -> list[ClaimRow]:
        """What is said of each published claim."""
        return claim_rows(self.report, published_claims(), self.known)

    @cached_property
    def entries(self) -> list[Entry] | None:
        """What edits do to other victims; None where that was not computed."""
        report = self.report
        if report.transfers is None:
            return None
        return matrix(report.transfers, report.records, report.measurements)

    @cached_property
    def facts(self) -> list[Fact]:
        """All numbers: section by section, attack by attack, over all targets and by class."""
        return [
            fact
            for section in self.sections
            for attack in section.attacks
            for layers, method in section.columns
            for label in (None, *range(section.num_classes))
            if (fact := self.fact(section, attack, layers, method, label)) is not None
        ]

    def fact(
        self, section: Section, attack: str, layers: int, method: str, label: int | None = None
    ) -> Fact | None:
        """One number with all that is said beside it; None where there is none."""
        share = section.robust(attack, layers, method, label)
        if share is None:
            return None
        worst = self.worst(section, layers, method, label)
        mark, rest = section.marked(attack, layers, method), rest_mark(section, layers, method)
        missed = self._missed(section, attack, layers, method, label, share, worst)
        return Fact(section, layers, method, attack, label, share, worst, missed, mark, rest)

    def worst(
        self, section: Section, layers: int, method: str, label: int | None = None
    ) -> Worst | None:
        """What is known of the worst case of a model within a section's budget.

        Of a class alone it is known only where an attack is exact.
        """
        if section.exact is not None:
            found = section.robust(section.exact, layers, method, label)
            return Worst(found, found, True, 1.0) if found else None
        bracket = self.bracket(section, layers, method)
        if bracket is None or label is not None:
            return None
        exact = bracket.settled == 1 and not bracket.contradictions
        return Worst(bracket.lower, bracket.upper, exact, bracket.settled)

    def bracket(self, section: Section, layers: int, method: str) -> Bracket | None:
        """The bracket of a model within a section's budget."""
        model = (section.suite, section.dataset, method, section.encoder, layers)
        group = Group(*model, "", section.protocol, section.budget)
        return self.known.get(bracket_group(group, section.budget))

    def _missed(
        self,
        section: Section,
        attack: str,
        layers: int,
        method: str,
        label: int | None,
        share: Estimate,
        worst: Worst | None,
    ) -> Missed | None:
        if worst is None or attack in (CLEAN, section.exact):
            return None
        if section.exact is not None and label is None:
            gap = section.gap(attack, layers, method)
            return Missed(gap.mean, gap.mean, gap.low, gap.high) if gap else None
        # An end that rounding puts below 0 would be read as an error.
        least = max(share.mean - worst.high.mean, 0.0)
        if worst.exact:
            return Missed(least, least)
        return Missed(least, share.mean - worst.low.mean if worst.low else None)


def view_of(report: ReportInput) -> View:
    """The view of a report, which is made once for it."""
    known = report.__dict__
    if "_view" not in known:
        known["_view"] = View(report)
    found: View = known["_view"]
    return found


def leading(found: Sequence[Sequence[Section]]) -> list[Section]:
    """The sections of the smallest budgets, which are told first."""
    return [family[0] for family in found]
