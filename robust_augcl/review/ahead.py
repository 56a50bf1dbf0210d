"""Looking ahead: what is audited, transferred and drawn while steps still run."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from robust_augcl.results.report_input import ReportInput

if TYPE_CHECKING:  # a run that looks at nothing ahead needs none of what does it
    from robust_augcl.results.records import Cell, Record
    from robust_augcl.review.audit.gather_evidence import Gatherer
    from robust_augcl.review.transfer import Turner
    from robust_augcl.store.manifest import Manifest
    from robust_augcl.store.run_folder import RunFolder

Draw = Callable[[ReportInput], object]
Log = Callable[[str], None]

_LOOK_SECONDS = 0.5
_NICE = 10


class Ahead:
    """Looks at records as they come, in a thread that takes what processor time the workers leave.

    A fault costs what it stopped, and a line in the log: whoever asks for the result later does the
    work again, and meets the error again.

    Args:
        folder: the run's.
        draw: called once, with the records and measurements there are, when the records of the
            smallest budget are complete.
        log: where faults are written.

    Attributes:
        gatherer: holds what the audit was looked at ahead; None before the thread has begun.
        turner: holds what was transferred ahead; None before the thread has begun.
    """

    def __init__(self, folder: RunFolder, draw: Draw, log: Log) -> None:
        self.gatherer: Gatherer | None = None
        self.turner: Turner | None = None
        self._folder, self._draw, self._log = folder, draw, log
        self._enough = threading.Event()
        self._others: dict[Cell, list[Record]] = {}
        self._looked_at: list[Record] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self, seconds: float | None = None) -> bool:
        """Let the thread finish what it is at, and wait for it, `seconds` at the most.

        Returns:
            Whether it has ended.
        """
        self._enough.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        from robust_augcl.steps.this_process import one_thread

        if sys.platform == "linux":  # elsewhere threads have no priority of their own
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        with one_thread():
            self._attempt("what needs no record", self._look_at_records)

    def _attempt(self, what: str, look: Callable[[], object]) -> None:
        """Look at something; write a fault to the log and go on."""
        try:
            look()
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            self._log(f"looking ahead at {what} failed, and is left for later: {text}")

    def _look_at_records(self) -> None:
        """Look at what needs no record, then at each record soon after it is there."""
        from robust_augcl.review.audit.run import make_gatherer
        from robust_augcl.review.transfer import Turner

        manifest = self._folder.existing_manifest()
        gatherer = make_gatherer(self._folder, manifest)
        self.gatherer, self.turner = gatherer, Turner(self._folder)
        self._attempt("the attacks", lambda: gatherer.look_ahead_of_records(self._enough.is_set))
        undrawn = gatherer.of_smallest_budget()
        missing = list(manifest.records)
        while missing and not self._enough.wait(_LOOK_SECONDS):
            there = [key for key in missing if self._folder.store.record_path(key).exists()]
            missing = [key for key in missing if key not in there]
            for key in there:
                if self._enough.is_set():
                    return
                self._attempt(key, lambda key=key: self._look_at(key))  # type: ignore[misc]
            complete = undrawn <= {record.key for record in self._looked_at}
            if undrawn and complete and not self._enough.is_set():
                undrawn = set()
                self._attempt("figures", lambda: self._draw_figures(manifest))

    def _look_at(self, key: str) -> None:
        """Look at one record, and turn its edits on the victims of those that were there before."""
        assert self.gatherer is not None
        assert self.turner is not None
        record = self._folder.load_record(key)
        self.gatherer.look_ahead(record)
        group = self._others.setdefault(replace(record.cell, method=""), [])
        group.append(record)
        self._looked_at.append(record)
        self.turner.look_ahead(group, self._enough.is_set)

    def _draw_figures(self, manifest: Manifest) -> None:
        measurements = self._folder.load_measurements(manifest)
        self._draw(manifest.report_input(self._looked_at, measurements=measurements))
