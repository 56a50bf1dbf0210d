"""Everything that a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.names import Names
from robust_augcl.results.records import Record
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

    @cached_property
    def names(self) -> Names:
        """What readers call methods and attacks."""
        return Names.of(self.records)

    @cached_property
    def failed(self) -> frozenset[str]:
        """The keys of the records that failed their audit."""
        return frozenset(self.audit.failed) if self.audit else frozenset()

    def suite_order(self, kind: Literal["methods", "attacks"]) -> tuple[str, ...]:
        """The labels of plug-ins that keep their own names, in the order of the suite.

        A suite gives labels of its own to variants of a plug-in; these are not among them. Empty
        where the suite is not known.
        """
        entries = (self.settings or {}).get(kind, ())
        return tuple(
            entry["name"] for entry in entries if entry.get("label", entry["name"]) == entry["name"]
        )
