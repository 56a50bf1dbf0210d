"""Everything that a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from robust_augcl.results.comparisons import Family, Rules, primary
from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.names import Names
from robust_augcl.results.records import Cell, Record
from robust_augcl.results.rest import not_at_rest, victim_cell, victim_group
from robust_augcl.results.statistics import Group
from robust_augcl.results.suite_entries import entries
from robust_augcl.results.transfers import Transfers


@dataclass(frozen=True)
class ReportInput:
    """What a report is made from.

    Args:
        records: in any order.
        audit: of these records; numbers that failed it are marked. None: they were not audited.
        transfers: between these records; None where they were not computed.
        measurements: of the same run.
        settings: the suite as in its file; None where it is not known.
        planned_seeds: how many were planned; None where that is not known.
        planned_comparisons: the table `[comparisons]` that was stated then; None as above.
        planned_names: which seeds were planned; None where that is not known.
        held_seeds: how many the run has now, finished or not; None where that is not known.
        read_back: whether audit and transfers are those that the folder held, since code that they
            need is not there to make them again.
        defaults_of: from "method" or "attack", and the name of a plug-in, to the settings that it
            has where nobody sets them; empty where they are not known. None: none are.
        about_data: from the suite to what its data are, in sentences; None: it is not known.

    Example:
        >>> report = ReportInput([], settings={"attacks": [{"name": "beam"}, {"name": "prbcd"}]})
        >>> report.suite_order("attacks")
        ('beam', 'prbcd')
    """

    records: Sequence[Record]
    audit: Audit | None = None
    transfers: Transfers | None = None
    measurements: Sequence[Measurement] = ()
    settings: Mapping[str, Any] | None = None
    planned_seeds: int | None = None
    read_back: bool = False
    planned_comparisons: Mapping[str, Any] | None = None
    held_seeds: int | None = None
    defaults_of: Callable[[str, str], Mapping[str, Any]] | None = None
    about_data: Callable[[Mapping[str, Any]], str] | None = None
    planned_names: Sequence[int] | None = None

    @cached_property
    def rules(self) -> Rules:
        """How the suite says that its methods are compared, and what of that was planned."""
        planned = self.planned_seeds, self.planned_comparisons
        return Rules.of(self.settings, *planned, self.held_seeds)

    @cached_property
    def primary(self) -> Mapping[str, Family]:
        """The primary comparisons of each suite."""
        order = self.suite_order("attacks")
        return primary(self.records, self.measurements, self.rules, order)

    @cached_property
    def names(self) -> Names:
        """What readers call methods and attacks."""
        return Names.of(self.records)

    @cached_property
    def task(self) -> str:
        """What the data are and what is to be told of them; empty where nobody says it."""
        if self.about_data is None or self.settings is None:
            return ""
        return self.about_data(self.settings)

    @cached_property
    def failed(self) -> frozenset[str]:
        """The keys of the records that failed their audit."""
        return frozenset(self.audit.failed) if self.audit else frozenset()

    @cached_property
    def not_at_rest(self) -> frozenset[Cell]:
        """The cells of the victims that were not at rest (`results.rest`)."""
        return not_at_rest(self.measurements)

    def moves(self, *groups: Group) -> bool:
        """Whether some victims of these groups were not at rest; their attacks do not count."""
        return any(victim_group(group) in self._moving for group in groups)

    @cached_property
    def _moving(self) -> frozenset[Group]:
        """The victims of the records, seeds apart, of which one was not at rest."""
        cells = {victim_cell(record.cell) for record in self.records} & self.not_at_rest
        return frozenset(map(Group.of, cells))

    def defaults(
        self, kind: Literal["methods", "attacks"], entry: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What the plug-in of a suite's entry has where nobody sets it, as far as that is known."""
        name, defaults_of = entry.get("name"), self.defaults_of
        if defaults_of is None or not isinstance(name, str):
            return {}
        return defaults_of("method" if kind == "methods" else "attack", name)

    def suite_order(self, kind: Literal["methods", "attacks"]) -> tuple[str, ...]:
        """The labels of plug-ins that keep their own names, in the order of the suite.

        Given models stand after its methods.

        A suite gives labels of its own to variants of a plug-in; these are not among them. Empty
        where the suite is not known.
        """
        own = tuple(
            entry["name"]
            for entry in entries(self.settings, kind)
            if entry.get("label", entry["name"]) == entry["name"]
        )
        given = entries(self.settings, "victims") if kind == "methods" else ()
        return (*own, *(entry["label"] for entry in given))
