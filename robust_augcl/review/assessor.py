"""What stands beside a run's records in its report: the audit, transfers, measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.report_input import ReportInput
from robust_augcl.review.ahead import Ahead, Draw, Log

if TYPE_CHECKING:  # whoever only reads what is stored needs none of what makes it
    from robust_augcl.results.findings import Audit
    from robust_augcl.results.records import Record
    from robust_augcl.results.transfers import Transfers
    from robust_augcl.store.run_folder import RunFolder


class Assessor:
    """Makes what a report shows of a run.

    Audit and transfers are kept in the run's folder, and made again when the records change.

    Args:
        folder: the run's.
        tell: a way to say something to the user.
    """

    def __init__(self, folder: RunFolder, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self.ahead: Ahead | None = None

    def report_input(self, records: Sequence[Record]) -> ReportInput:
        """Everything that a report of these records is made from.

        `transfers` are None where a victim is damaged or gone.

        Raises:
            InputError: the folder cannot be written, or its manifest holds no valid suite.
        """
        manifest = self._folder.existing_manifest()
        return ReportInput(
            records,
            self.audit(records),
            self.transfers(records),
            self._folder.load_measurements(manifest),
            manifest.table,
        )

    def stored_audit(self, records: Sequence[Record]) -> Audit | None:
        """The audit of these records that the folder holds, if any."""
        from robust_augcl.review.audit.run import stored_audit

        return stored_audit(self._folder, records)

    def audit(self, records: Sequence[Record], again: bool = False) -> Audit:
        """The audit that the folder holds, or a new one."""
        known = None if again else self.stored_audit(records)
        if known is not None:
            return known
        from robust_augcl.review.audit.run import audit_records
        from robust_augcl.steps.this_process import one_thread

        self._tell(f"Auditing {len(records)} results")
        gatherer = self.ahead.gatherer if self.ahead else None
        manifest = self._folder.existing_manifest()
        with one_thread():
            return audit_records(self._folder, manifest, records, gatherer)

    def transfers(self, records: Sequence[Record]) -> Transfers | None:
        """What the records' edits do to the other victims: as the folder holds it, or computed.

        None where a victim is damaged or gone.
        """
        from robust_augcl.review.transfer import stored_transfers, transfer_records
        from robust_augcl.steps.this_process import one_thread

        known = stored_transfers(self._folder, records)
        if known is not None:
            return known
        turner = self.ahead.turner if self.ahead else None
        try:
            with one_thread():
                return transfer_records(self._folder, records, turner)
        except ArtifactDamaged as error:
            self._tell(f"warning: no transfers: {error}")
            return None

    def begin_ahead(self, draw: Draw, log: Log) -> None:
        """Begin with the records that are there, beside the steps that run; `end_ahead` ends it.

        Args:
            draw: called once, when the records of the smallest budget are complete.
            log: where faults are written.
        """
        self.ahead = Ahead(self._folder, draw, log)
        self.ahead.begin()

    def end_ahead(self, seconds: float | None = None) -> bool:
        """End what `begin_ahead` began, where it did. What was looked at is kept.

        Waits for it, `seconds` at the most; returns whether it has ended.
        """
        return self.ahead is None or self.ahead.end(seconds)
