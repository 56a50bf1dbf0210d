"""Input of reports, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robust_augcl.results.findings import Audit
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.results.transfers import Transfers

SUITE = {
    "methods": [{"name": name} for name in ("none", "graphcl", "augcl", "prototypes")],
    "attacks": [
        {"name": name}
        for name in ("rand_sampling", "grad_argmax", "rl_s2v", "worst_case", "exhaustive")
    ],
}
"""As much of a suite as tells the order of rows and columns."""


def report_of(
    records: Sequence[Record],
    audit: Audit | None = None,
    transfers: Transfers | None = None,
    measurements: Sequence[Measurement] = (),
    table: Mapping[str, Any] | None = SUITE,
) -> ReportInput:
    """The input of a report of these records, in the order of `SUITE`."""
    return ReportInput(records, audit, transfers, measurements, table)
