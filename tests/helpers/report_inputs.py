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


def data_of(
    records: Sequence[Record], draws_graphs: bool = True, training: int = 300
) -> list[Measurement]:
    """What is told of the data sets of records: whether each seed draws graphs of its own."""
    seeds = {(record.cell.dataset, record.cell.seed): record for record in records}
    return [
        Measurement(
            "dataset",
            record.cell,
            {
                "features": 1,
                "constant": True,
                "notes": [],
                "targets": record.num_graphs,
                "untouched": 0,
                "training": training,
                "draws_graphs": draws_graphs,
            },
            0.0,
        )
        for record in seeds.values()
    ]


def report_of(
    records: Sequence[Record],
    audit: Audit | None = None,
    transfers: Transfers | None = None,
    measurements: Sequence[Measurement] = (),
    table: Mapping[str, Any] | None = SUITE,
    planned: int | None = None,
) -> ReportInput:
    """The input of a report of these records, in the order of `SUITE`."""
    return ReportInput(records, audit, transfers, measurements, table, planned)
