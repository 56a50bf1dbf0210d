"""What runs say of published claims: claimed, reproduced, exact and bracket, and the verdict.

Four columns, never one. Reproduced: by the attacks and the protocol that the claim names. Exact:
the exact worst case, under any protocol of a run. Bracket: between what is proved and what the
best attack leaves, of each method. The verdict rests on what is reproduced alone.

A claim may need more than one run can have, as three data sets. So a row can be of several runs:
what any of them measured is one family, and what none of them measured is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from robust_augcl.results.brackets import Bracket, brackets
from robust_augcl.results.claim_cells import ClaimCell, Measured, judged_cells
from robust_augcl.results.claim_held import ClaimBracket, Held, is_one, lacking
from robust_augcl.results.claims import Claim, Estimate, Verdict, judge_claim
from robust_augcl.results.names import Names, layers_text
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.statistics import Group, by_group

_OTHERS = "the other data sets of the source, which are not known here"
_UNPLANNED = "it is not known how many seeds were planned; it holds only if it were these"


@dataclass(frozen=True)
class ClaimRow:
    """A claim, and what runs say of it.

    Args:
        claim: the claim.
        reproduced: its cells, measured by the attacks and the protocol that it names.
        exact: the same difference, or accuracy, in the exact worst case.
        brackets: of the worst case of each method.
        missing: cells that it is about and that no run has, in words.
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
        """Whether a run holds any number that the claim is about."""
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
    return _rows({"": report}, claims, None if known is None else {"": known})


def rows_of_runs(reports: Mapping[str, ReportInput], claims: Iterable[Claim]) -> list[ClaimRow]:
    """Say of each claim what several runs together mean for it.

    Args:
        reports: what each run holds, by what readers call the run.
        claims: in the order of the rows.
    """
    return _rows(reports, claims, None)


def names_of_runs(reports: Mapping[str, ReportInput]) -> Names:
    """What readers call the methods and attacks of several runs."""
    return Names.of(record for report in reports.values() for record in report.records)


def _rows(
    reports: Mapping[str, ReportInput],
    claims: Iterable[Claim],
    known: Mapping[str, Mapping[Group, Bracket]] | None,
) -> list[ClaimRow]:
    groups = {run: by_group(report.records) for run, report in reports.items()}
    if known is None:
        known = {run: brackets(each.records, each.measurements) for run, each in reports.items()}
    names = names_of_runs(reports)
    several = len(reports) > 1
    return [
        _row(
            claim,
            {run: Held(reports[run], claim, groups[run], run * several) for run in reports},
            known,
            names,
        )
        for claim in claims
    ]


def _row(
    claim: Claim,
    held: Mapping[str, Held],
    known: Mapping[str, Mapping[Group, Bracket]],
    names: Names,
) -> ClaimRow:
    measured = _once([each for run in held.values() for each in run.measured()])
    found = judged_cells(claim, measured)
    is_lacking = all(run.lacks() for run in held.values())
    missing = [] if is_lacking else _missing(claim, measured, names)
    cells = tuple(cell for cell in found if cell is not None)
    exact = tuple(cell for run in held.values() for cell in run.worst_cases())
    between = tuple(each for name, run in held.items() for each in run.brackets(known[name]))
    verdict = _verdict(claim, held, cells, missing)
    return ClaimRow(claim, cells, exact, between, tuple(missing), verdict)


def _once(measured: Sequence[Measured]) -> list[Measured]:
    """Without the cells that one run lacks and another one has, and each missing one once."""
    there = {_about(each) for each in measured if each.values is not None}
    kept: list[Measured] = []
    for each in measured:
        if each.values is None:
            if _about(each) in there:
                continue
            there.add(_about(each))
        kept.append(each)
    return kept


def _about(measured: Measured) -> Group:
    """What a cell is about, in whichever suite it was measured."""
    return replace(measured.question.left, suite="")


def _missing(claim: Claim, measured: Sequence[Measured], names: Names) -> list[str]:
    """What the claim is about and no run has: whole attacks and depths by their names."""
    told = []
    left = [each.question for each in measured if each.values is None]
    there = [each.question.left for each in measured if each.values is not None]
    for attack in claim.attacks:
        if attack not in {group.attack for group in there}:
            told.append(names.attack(attack))
            left = [question for question in left if question.left.attack != attack]
    for layers in claim.layers:
        if layers not in {group.layers for group in there}:
            told.append(layers_text(layers))
            left = [question for question in left if question.left.layers != layers]
    told += [question.name for question in left]
    here = {group.dataset for group in there}
    for dataset in claim.datasets:
        if not any(is_one(each, [dataset]) for each in here):
            told.append(dataset)
        elif dataset not in here:  # no run has all sizes
            told.append(f"other sizes of {dataset}")
    return [*told, _OTHERS] if claim.more_datasets else told


def _verdict(
    claim: Claim, held: Mapping[str, Held], cells: Sequence[ClaimCell], missing: Sequence[str]
) -> Verdict:
    lacks = {name: run.lacks() for name, run in held.items()}
    if all(lacks.values()):
        parts = {
            lacking(name if len(held) > 1 else "this run", what) for name, what in lacks.items()
        }
        return Verdict("not measured here", "; ".join(sorted(parts)))
    if not cells:
        return judge_claim(claim, [], missing)
    if notes := list(dict.fromkeys(note for cell in cells for note in cell.notes)):
        return Verdict("no verdict", "; ".join(notes))
    estimates = [
        Estimate(c.name, c.mean, c.low, c.high, c.n_seeds, c.detectable, c.dataset)
        for c in cells
        if c.low is not None and c.high is not None
    ]
    verdict = judge_claim(claim, estimates, missing)
    measuring = [run.report for run in held.values() if not run.lacks()]
    if any(report.planned_seeds is None for report in measuring):
        return replace(verdict, why=f"{verdict.why}; {_UNPLANNED}")
    return verdict
