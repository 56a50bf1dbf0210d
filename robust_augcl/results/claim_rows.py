"""What a run says of published claims: claimed, reproduced, exact and bracket, and the verdict.

Four columns, never one. Reproduced: by the attacks and the protocol that the claim names. Exact:
the exact worst case, under any protocol of the run. Bracket: between what is proved and what the
best attack leaves, of each method. The verdict rests on what is reproduced alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from robust_augcl.results.brackets import Bracket, bracket_group, brackets
from robust_augcl.results.claim_cells import (
    ONE_EACH,
    ClaimCell,
    Question,
    attacked_cells,
    cell_name,
    embedding_cells,
    embedding_scores,
    record_notes,
    seeds_note,
)
from robust_augcl.results.claims import Claim, Estimate, Verdict, judge_claim
from robust_augcl.results.comparisons import Family, exact_attack, family_of
from robust_augcl.results.names import CLEAN, joined, layers_text
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.shared_graphs import overlap
from robust_augcl.results.statistics import Group, by_group

_OTHERS = "the other data sets of the source, which are not known here"
_UNPLANNED = "it is not known how many seeds were planned; it holds only if it were these"
_SIZES = re.compile(r"\d+-\d+")


@dataclass(frozen=True)
class ClaimBracket:
    """Between which ends the worst case of each method lies, in one cell of a claim.

    Args:
        name: of the cell, for readers.
        left, right: the ends of each method, shares: what is proved to withstand every allowed
            edit (None without a certificate), and what no known edits break; `right` is None where
            the claim compares with nothing.
    """

    name: str
    left: tuple[float | None, float]
    right: tuple[float | None, float] | None


@dataclass(frozen=True)
class ClaimRow:
    """A claim, and what a run says of it.

    Args:
        claim: the claim.
        reproduced: its cells, measured by the attacks and the protocol that it names.
        exact: the same difference, or accuracy, in the exact worst case.
        brackets: of the worst case of each method.
        missing: cells that it is about and that this run lacks, in words.
        verdict: what is said.
    """

    claim: Claim
    reproduced: tuple[ClaimCell, ...]
    exact: tuple[ClaimCell, ...]
    brackets: tuple[ClaimBracket, ...]
    missing: tuple[str, ...]
    verdict: Verdict

    @property
    def is_told(self) -> bool:
        """Whether the run holds any number that the claim is about."""
        return bool(self.reproduced or self.exact or self.brackets)

    def as_json(self) -> dict[str, Any]:
        """The row as JSON; docs/claims.md explains the fields."""
        return {
            "claim": asdict(self.claim),
            "verdict": self.verdict.word,
            "why": self.verdict.why,
            "reproduced": [asdict(cell) for cell in self.reproduced],
            "exact": [asdict(cell) for cell in self.exact],
            "bracket": [asdict(each) for each in self.brackets],
            "missing": list(self.missing),
        }


def claim_rows(
    report: ReportInput,
    claims: Iterable[Claim],
    known: Mapping[Group, Bracket] | None = None,
) -> list[ClaimRow]:
    """Say of each claim what a run's records and measurements mean for it.

    Args:
        report: the run's records, measurements, audit and rules.
        claims: in the order of the rows.
        known: the run's brackets, where they are known already.
    """
    groups = by_group(report.records)
    if known is None:
        known = brackets(report.records, report.measurements)
    return [_row(report, claim, groups, known) for claim in claims]


def _row(
    report: ReportInput,
    claim: Claim,
    groups: Mapping[Group, list[Record]],
    known: Mapping[Group, Bracket],
) -> ClaimRow:
    held = _Held(report, claim, groups)
    reproduced: list[ClaimCell | None] = []
    questions = held.questions()
    if claim.evaluation == "embeddings":
        reproduced = embedding_cells(report, claim, questions)
    elif claim.evaluation != "nodes":
        reproduced = attacked_cells(report, claim, questions, groups)
    missing = held.missing(questions, reproduced)
    cells = tuple(cell for cell in reproduced if cell is not None)
    about = tuple(held.worst_cases()), tuple(held.brackets(known))
    return ClaimRow(claim, cells, *about, tuple(missing), _verdict(held, cells, missing))


def _verdict(held: _Held, cells: Sequence[ClaimCell], missing: Sequence[str]) -> Verdict:
    if lacks := held.lacks():
        return Verdict("not measured here", f"this run has {' and '.join(lacks)}")
    if not cells:
        return judge_claim(held.claim, [], missing)
    if notes := list(dict.fromkeys(note for cell in cells for note in cell.notes)):
        return Verdict("no verdict", "; ".join(notes))
    estimates = [
        Estimate(c.name, c.mean, c.low, c.high, c.n_seeds, c.detectable, c.dataset)
        for c in cells
        if c.low is not None and c.high is not None
    ]
    verdict = judge_claim(held.claim, estimates, missing)
    if held.report.planned_seeds is None:
        return replace(verdict, why=f"{verdict.why}; {_UNPLANNED}")
    return verdict


class _Held:
    """What a run holds of a claim."""

    def __init__(
        self, report: ReportInput, claim: Claim, groups: Mapping[Group, list[Record]]
    ) -> None:
        self.report, self.claim, self.groups = report, claim, groups
        own = {r.cell.method for r in report.records if r.method_traits.plug_in == r.cell.method}
        self._wanted = [label for label in (claim.left, claim.right) if label is not None]
        self._own = own & set(self._wanted)
        self._narrowed, self._lacks = self._narrow()

    def lacks(self) -> list[str]:
        """The parts without which the run says nothing of the claim; empty where all are there."""
        return self._lacks

    def _narrow(self) -> tuple[list[Group], list[str]]:
        """What the run measured as the claim's source did, and the part that is missing."""
        claim = self.claim
        if claim.evaluation == "nodes":
            return [], ["no node classification by linear evaluation, which no suite measures"]
        left, lacks = self._in_tables(list(self.groups), protocol=True)
        if lacks:
            return [], lacks
        if claim.evaluation == "embeddings":
            left, _ = self._in_tables(list(embedding_scores(self.report.measurements)))
            if not left:
                return [], ["no embeddings scored without labels (`[representations]`)"]
        there = {group.method for group in left} & self._own
        lacks = [f"no method {label}" for label in self._wanted if label not in there]
        attacks = {group.attack for group in left}
        if claim.attacks and not attacks & set(claim.attacks):
            lacks.append(f"no attack {' or '.join(claim.attacks)}")
        return ([] if lacks else left), lacks

    def _in_tables(
        self, groups: Sequence[Group], protocol: bool = False
    ) -> tuple[list[Group], list[str]]:
        """The groups of the data sets, encoder, budget and layers that the claim names.

        With `protocol` of its protocol too. The second is the part that the run lacks.
        """
        claim, left = self.claim, list(groups)
        parts: list[tuple[str, Sequence[Any], str]] = [
            ("data set", claim.datasets, "dataset"),
            ("encoder", [claim.encoder] if claim.encoder else (), "encoder"),
            ("protocol", [claim.run_as] if claim.run_as and protocol else (), "protocol"),
            ("budget", [claim.budget] if claim.budget else (), "budget"),
            ("number of layers", claim.layers, "layers"),
        ]
        for what, wanted, field in parts:
            kept = [g for g in left if not wanted or _is_one(getattr(g, field), wanted)]
            if not kept:
                here = sorted({getattr(group, field) for group in left}, key=str)
                named = " or ".join(map(str, wanted))
                return [], [f"no {what} {named} (here: {', '.join(map(str, here)) or 'none'})"]
            left = kept
        return left, []

    def questions(self) -> list[Question]:
        """The cells of the claim in every table that the run has, missing ones included."""
        claim = self.claim
        # Before any attack, all attacks and budgets are one cell.
        under = claim.attacks or ("" if claim.evaluation == "embeddings" else CLEAN,)
        tables = {
            replace(g, method="", layers=0, attack="", budget=g.budget if claim.attacks else 0)
            for g in self._narrowed
        }
        there = sorted({group.layers for group in self._narrowed})
        names = self.report.names
        found = []
        for table in sorted(tables):
            for layers in claim.layers or there:
                for attack in under:
                    left = replace(table, method=claim.left, layers=layers, attack=attack)
                    right = replace(left, method=claim.right) if claim.right else None
                    told = names.attack(attack) if claim.attacks else ""
                    found.append(Question(cell_name(left, told), left, right))
        return found

    def missing(
        self, questions: Sequence[Question], found: Sequence[ClaimCell | None]
    ) -> list[str]:
        """What the claim is about and the run lacks: whole attacks and depths by their names."""
        if self._lacks:
            return []
        lost = [q for q, cell in zip(questions, found, strict=True) if cell is None]
        names, told = self.report.names, []
        left = [question for question in lost if question.left]
        there = [q.left for q, cell in zip(questions, found, strict=True) if cell is not None]
        for attack in self.claim.attacks:
            if attack not in {group.attack for group in there}:
                told.append(names.attack(attack))
                left = [question for question in left if question.left.attack != attack]
        for layers in self.claim.layers:
            if layers not in {group.layers for group in there}:
                told.append(layers_text(layers))
                left = [question for question in left if question.left.layers != layers]
        told += [question.name for question in left]
        here = {group.dataset for group in there}
        for dataset in self.claim.datasets:
            if not any(_is_one(each, [dataset]) for each in here):
                told.append(dataset)
            elif dataset not in here:  # no run has all sizes
                told.append(f"other sizes of {dataset}")
        return [*told, _OTHERS] if self.claim.more_datasets else told

    def worst_cases(self) -> list[ClaimCell]:
        """What the claim compares, in the exact worst case, under every protocol of the run."""
        claim, report = self.claim, self.report
        if claim.right is None or not claim.attacks or self._own != set(self._wanted):
            return []
        order = report.suite_order("attacks")
        questions = []
        tables: dict[Group, list[Group]] = {}
        for group in self._in_tables(list(self.groups))[0]:
            tables.setdefault(_table_of(group), []).append(group)
        for members in tables.values():
            exact = exact_attack([r for group in members for r in self.groups[group]], order)
            questions += [
                (group, replace(group, method=claim.right))
                for group in members
                if (group.attack, group.method) == (exact, claim.left)
            ]
        own = family_of(
            f"{claim.name}, exact", questions, self.groups, report.measurements, report.rules
        )
        cells = (self._worst_case(own, left, right) for left, right in questions)
        return [cell for cell in cells if cell is not None]

    def _worst_case(self, own: Family, left: Group, right: Group) -> ClaimCell | None:
        """One comparison in the exact worst case; as the primary family has it, where it does."""
        report = self.report
        found = report.primary[left.suite].of(left, right) or own.of(left, right)
        if found is None:
            return None
        records = [*self.groups.get(left, ()), *self.groups.get(right, ())]
        notes = (
            *((ONE_EACH,) if found.verdict == "one model each" else ()),
            *record_notes(report, records, overlap(report.measurements, left.dataset)),
            *seeds_note(report.planned_seeds, found.n_seeds),
        )
        return ClaimCell(
            joined(cell_name(left), f"protocol {left.protocol}"),
            left.dataset,
            found.difference,
            found.low,
            found.high,
            found.n_seeds,
            found.detectable,
            notes,
        )

    def brackets(self, known: Mapping[Group, Bracket]) -> list[ClaimBracket]:
        """The bracket of each method, under every protocol of the run."""
        claim = self.claim
        if not claim.attacks or self._own != set(self._wanted):
            return []
        groups, _ = self._in_tables(list(self.groups))
        found = []
        for group in sorted({bracket_group(group, group.budget) for group in groups}):
            right = known.get(replace(group, method=claim.right)) if claim.right else None
            if group.method != claim.left or (claim.right and right is None):
                continue
            name = joined(cell_name(group), f"protocol {group.protocol}")
            found.append(ClaimBracket(name, _ends(known[group]), _ends(right) if right else None))
        return found


def _ends(bracket: Bracket) -> tuple[float | None, float]:
    return (bracket.lower.mean if bracket.lower else None), bracket.upper.mean


def _table_of(group: Group) -> Group:
    """What the groups of one table share: all but method, layers and attack."""
    return replace(group, method="", layers=0, attack="")


def _is_one(value: Any, wanted: Sequence[Any]) -> bool:
    """Whether a value is one of those that are wanted; a data set stands for its sizes too.

    A budget of 1.0 is all edges, not one. A data set at a smaller scale is another one.
    """
    if any(type(each) is type(value) and each == value for each in wanted):
        return True
    return isinstance(value, str) and any(
        value.startswith(f"{each} ") and _SIZES.fullmatch(value.removeprefix(f"{each} "))
        for each in wanted
    )
