"""What one run holds of a claim: the cells that it can have, its worst cases and brackets.

Of several runs each holds its own; `results.claim_rows` puts them together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from robust_augcl.results.brackets import Bracket, bracket_group
from robust_augcl.results.claim_cells import (
    NOT_AT_REST,
    ONE_EACH,
    ClaimCell,
    Measured,
    Question,
    attacked_cells,
    cell_name,
    embedding_cells,
    embedding_scores,
    record_notes,
    seeds_note,
)
from robust_augcl.results.claims import Claim
from robust_augcl.results.comparisons import Family, exact_attack, family_of
from robust_augcl.results.names import CLEAN, joined
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.shared_graphs import overlap
from robust_augcl.results.statistics import Group

_SIZES = re.compile(r"\d+-\d+")


@dataclass(frozen=True)
class ClaimBracket:
    """Between which ends the worst case of each method lies, in one cell of a claim.

    Args:
        name: of the cell, for readers.
        left, right: the ends of each method, shares: what is proved to withstand every allowed
            edit (None without a certificate), and what no known edits break; `right` is None where
            the claim compares with nothing.
        notes: why the methods can hardly be compared by it.
    """

    name: str
    left: tuple[float | None, float]
    right: tuple[float | None, float] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lack:
    """A part of a claim that a run lacks, in words.

    Args:
        needs: with what the claim was measured.
        has: what the run did instead, as a verb and what it is about.
    """

    needs: str
    has: str


def lacking(who: str, lacks: Sequence[Lack]) -> str:
    """What a run lacks of a claim, as a sentence without its end.

    >>> lacking("this run", [Lack("the paper protocol", "used the strict protocol")])
    'the claim was measured with the paper protocol; this run used the strict protocol'
    """
    needs = " and ".join(lack.needs for lack in lacks)
    has = " and ".join(dict.fromkeys(lack.has for lack in lacks))
    return f"the claim was measured with {needs}; {who} {has}"


class Held:
    """What a run holds of a claim.

    Args:
        report: the run's records, measurements, audit and rules.
        claim: the claim.
        groups: the records, by group.
        run: what stands behind the names of cells, where there are several runs.
    """

    def __init__(
        self, report: ReportInput, claim: Claim, groups: Mapping[Group, list[Record]], run: str = ""
    ) -> None:
        self.report, self.claim, self.groups, self.run = report, claim, groups, run
        own = {r.cell.method for r in report.records if r.method_traits.plug_in == r.cell.method}
        self._wanted = [label for label in (claim.left, claim.right) if label is not None]
        self._own = own & set(self._wanted)
        self._narrowed, self._lacks = self._narrow()

    def lacks(self) -> list[Lack]:
        """The parts without which the run says nothing of the claim; empty where all are there."""
        return self._lacks

    def measured(self) -> list[Measured]:
        """The cells of the claim in every table that the run has, missing ones included."""
        questions = self._questions()
        if self.claim.evaluation == "nodes":
            return []
        if self.claim.evaluation == "embeddings":
            return embedding_cells(self.report, self.claim, questions)
        return attacked_cells(self.report, self.claim, questions, self.groups)

    def _narrow(self) -> tuple[list[Group], list[Lack]]:
        """What the run measured as the claim's source did, and the part that is missing."""
        claim = self.claim
        if claim.evaluation == "nodes":
            return [], [Lack("node classification by linear evaluation", "cannot do that")]
        poisoned = any(record.poisons for record in self.report.records)
        if poisoned and claim.evaluation != "embeddings":
            has = "trained them again on edited graphs (poisoning)"
            return [], [Lack("fixed models (evasion)", has)]
        left, lacks = self._in_tables(list(self.groups), protocol=True)
        if lacks:
            return [], lacks
        if claim.evaluation == "embeddings":
            left, _ = self._in_tables(list(embedding_scores(self.report.measurements)))
            if not left:
                needs = "embeddings that are scored without labels (`[representations]`)"
                return [], [Lack(needs, "has none")]
        there = {group.method for group in left} & self._own
        lacks = [
            Lack(f"the method {label}", "lacks it") for label in self._wanted if label not in there
        ]
        attacks = {group.attack for group in left}
        if claim.attacks and not attacks & set(claim.attacks):
            named = " or ".join(map(self.report.names.attack, claim.attacks))
            lacks.append(Lack(f"the attack {named}", "lacks it"))
        return ([] if lacks else left), lacks

    def _in_tables(
        self, groups: Sequence[Group], protocol: bool = False
    ) -> tuple[list[Group], list[Lack]]:
        """The groups of the data sets, encoder, budget and layers that the claim names.

        With `protocol` of its protocol too. The second is the part that the run lacks.
        """
        claim, left = self.claim, list(groups)
        parts: list[tuple[str, Sequence[Any], str]] = [
            ("the data set {}", claim.datasets, "dataset"),
            ("the encoder {}", [claim.encoder] if claim.encoder else (), "encoder"),
            ("the {} protocol", [claim.run_as] if claim.run_as and protocol else (), "protocol"),
            ("budget {}", [claim.budget] if claim.budget else (), "budget"),
            ("{} layers", claim.layers, "layers"),
        ]
        for what, wanted, field in parts:
            kept = [g for g in left if not wanted or is_one(getattr(g, field), wanted)]
            if not kept:
                here = sorted({getattr(group, field) for group in left}, key=str)
                used = what.format(" and ".join(map(str, here))) if here else "none"
                return [], [Lack(what.format(" or ".join(map(str, wanted))), f"used {used}")]
            left = kept
        return left, []

    def _questions(self) -> list[Question]:
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
                    found.append(Question(joined(cell_name(left, told), self.run), left, right))
        return found

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
        share = overlap(report.measurements, left.dataset)
        notes = (
            *((ONE_EACH,) if found.verdict == "one model each" else ()),
            *record_notes(report, self.claim, records, share),
            *seeds_note(report, found.n_seeds),
        )
        return ClaimCell(
            joined(cell_name(left), f"protocol {left.protocol}", self.run),
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
            other = replace(group, method=claim.right) if claim.right else None
            right = known.get(other) if other else None
            if group.method != claim.left or (claim.right and right is None):
                continue
            name = joined(cell_name(group), f"protocol {group.protocol}", self.run)
            moves = self.report.moves(group, *([other] if other else []))
            notes = (NOT_AT_REST,) if moves else ()
            ends = _ends(known[group]), _ends(right) if right else None
            found.append(ClaimBracket(name, *ends, notes))
        return found


def _ends(bracket: Bracket) -> tuple[float | None, float]:
    return (bracket.lower.mean if bracket.lower else None), bracket.upper.mean


def _table_of(group: Group) -> Group:
    """What the groups of one table share: all but method, layers and attack."""
    return replace(group, method="", layers=0, attack="")


def is_one(value: Any, wanted: Sequence[Any]) -> bool:
    """Whether a value is one of those that are wanted; a data set stands for its sizes too.

    A budget of 1.0 is all edges, not one. A data set at a smaller scale is another one.

    >>> is_one("components 40-50", ["components"]), is_one(1.0, [1])
    (True, False)
    """
    if any(type(each) is type(value) and each == value for each in wanted):
        return True
    return isinstance(value, str) and any(
        value.startswith(f"{each} ") and _SIZES.fullmatch(value.removeprefix(f"{each} "))
        for each in wanted
    )
