"""A campaign: one suite in one folder, from its plan to its report.

The command line is a thin reader of options around it, and a notebook can hold it:

    import robust_augcl

    robust_augcl.use_arithmetic("portable")  # the suite's own, before anything imports torch

    from robust_augcl import Campaign, load_suite

    campaign = Campaign(load_suite("quick", seeds=[0]))
    campaign.run()                       # computes what is missing, audits, reports
    campaign.records()[0].robust_accuracy
    campaign.report_input().audit.summary

What is there already is not computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from robust_augcl import __version__, arithmetic
from robust_augcl.campaign.earlier_runs import since
from robust_augcl.campaign.resolving import resolved
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import Plan, plan
from robust_augcl.plan.suite_settings import Suite
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.review.assessor import Assessor
from robust_augcl.store.files import write_if_new
from robust_augcl.store.manifest import Manifest
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.workers import memory
from robust_augcl.workers.devices import resolve_device
from robust_augcl.workers.executors import LocalProcesses, Pool
from robust_augcl.workers.processes import can_fork
from robust_augcl.workers.run_log import RunLog
from robust_augcl.workers.runner import RunSummary
from robust_augcl.workers.runner import run as run_steps
from robust_augcl.workers.site import Site, commit_of_source
from robust_augcl.workers.watcher import Watcher

if TYPE_CHECKING:  # reports are imported when they are needed: steps begin earlier
    from robust_augcl.reports._figures import Gallery

LOG = "run.log"


@dataclass(frozen=True)
class Machines:
    """What computes a campaign.

    Args:
        workers: processes of one thread each; None for one a core, as memory allows.
        device: of models: "cpu", "cuda", or "auto" for a GPU where there is one.
        archives: a folder with TUDataset/NAME.zip, instead of downloads.
        scheduler: the address of a Dask scheduler, whose workers compute instead.

    >>> Machines(workers=2).device
    'auto'
    """

    workers: int | None = None
    device: str = "auto"
    archives: Path | None = None
    scheduler: str | None = None


class Campaign:
    """A suite in a folder. Nothing is written before `claim`, `compute` or `run`.

    Args:
        suite: what is compared; its given models are made and probed here.
        path: the run's folder; by default runs/ and the suite's name.
        machines: what computes it.
        tell: a way to say something to the user.
        looks_ahead: whether audit and report are prepared while steps run; without a report that
            is lost work.

    Attributes:
        folder: the run's.
        fingerprint: of the files that the data come from; None where there are none.
        plan: the steps that the suite asks for.

    Raises:
        InputError: the folder holds results of another format; archives that cannot be read;
            a device that is not there.

    Example:
        >>> from robust_augcl.plan.suite import load_suite
        >>> campaign = Campaign(load_suite("quick", seeds=[0]), Path("no such folder"))
        >>> campaign, len(campaign.plan.attacks) > 0, campaign.records()
        (Campaign('quick', 'no such folder'), True, [])
    """

    def __init__(
        self,
        suite: Suite,
        path: Path | str | None = None,
        machines: Machines | None = None,
        tell: Callable[[str], None] = print,
        *,
        looks_ahead: bool = True,
    ) -> None:
        self._looks_ahead = looks_ahead
        self.machines = machines or Machines()
        self.folder = RunFolder(Path(path or Path("runs") / suite.name))
        self.suite = suite = resolved(
            self._in_possible_arithmetic(suite, tell), self.machines.archives
        )
        self._earlier = self.folder.manifest()
        self.fingerprint = suite.source.fingerprint(self.machines.archives)
        self.plan: Plan = plan(suite, self.fingerprint)
        self._assessor = Assessor(self.folder, tell)

    def __repr__(self) -> str:
        return f"Campaign({self.suite.name!r}, {str(self.folder.path)!r})"

    # --- from the first step to the report --------------------------------------------------------

    def run(self, watcher: Watcher | None = None) -> RunSummary:
        """Compute what is missing, audit and report.

        Args:
            watcher: is told what happens.

        Raises:
            InputError: what only the user can mend: a full disk, a folder of another suite.
        """
        with self.open_log(watcher or Watcher()) as log:
            try:
                summary = self.compute(log)
            finally:
                self.end_ahead()
            self.write_report()
        return summary

    def open_log(self, watcher: Watcher, command: str = "") -> RunLog:
        """Enter the suite in the folder, and open the log of the run.

        What the user should know of an earlier run in the folder is noted.

        Args:
            watcher: is told all that is told the log.
            command: what the user called, for the log.
        """
        notes = self.claim()
        log = RunLog(self.folder.path / LOG, watcher)
        log.write(f"robust-augcl {__version__}: {command}")
        for note in notes:
            log.note(note)
        return log

    def claim(self) -> list[str]:
        """Enter the suite in the folder.

        Returns:
            What the user should know of the earlier run in the folder.

        Raises:
            InputError: the folder holds another suite, or cannot be written.
        """
        new = self.folder.claim(self.suite.seeds, self._manifest_of)
        if self._earlier is None:
            return []
        return since(self._earlier, new, self.folder.path, self.suite.seeds)

    def compute(self, watcher: Watcher) -> RunSummary:
        """Compute what is missing. While workers compute, finished results are looked at.

        `end_ahead` must be called afterwards, whatever happens.
        """
        archives, scheduler = self.machines.archives, self.machines.scheduler
        device = self._device
        arithmetic.require(self.suite.arithmetic, "cpu" if scheduler else device)
        site = Site(
            self.folder.path.absolute(),
            device,
            archives and archives.absolute(),
            commit_of_source(),
        )

        def make_pool(tasks: int) -> Pool:
            return self._pool(tasks, device, watcher)

        return run_steps(self.plan.steps, self.folder, make_pool, watcher, site)

    def end_ahead(self, seconds: float | None = None) -> bool:
        """End looking at results ahead.

        Waits for it, `seconds` at the most; returns whether it has ended.
        """
        return self._assessor.end_ahead(seconds)

    def write_report(self) -> ReportInput | None:
        """Audit what the folder holds now, and write the report where it is not there yet.

        Another run may have entered seeds of its own: they are in the report too.

        Returns:
            What the report is made from; None where there are no results.

        Raises:
            InputError: it cannot be written.
        """
        if not self.records():
            return None
        from robust_augcl.reports.markdown import is_current, render

        report = self.report_input()
        if not is_current(report, self.folder.path):
            # Something was edited, or never finished: only what was made now is believed.
            report = self._assessor.report_input(self.records(), again=True)
            # What is there already, a run that failed at the next file has written.
            render(report, self.folder.path, self._gallery, write_if_new)
        return report

    # --- what is there ----------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """The records of the folder, those that are there and whole."""
        manifest = self.folder.manifest()
        return [] if manifest is None else self.folder.load_records(manifest.records).records

    def report_input(self) -> ReportInput:
        """The records, their audit, transfers and measurements; what is missing is made."""
        return self._assessor.report_input(self.records())

    def there(self) -> int:
        """How many of the results that the plan asks for are there."""
        return sum(self.folder.store.path(step).exists() for step in self.plan.steps)

    # --- parts ------------------------------------------------------------------------------------

    @property
    def _device(self) -> str:
        """The device of steps; a Dask worker says for itself what "auto" is there."""
        device = self.machines.device
        return device if self.machines.scheduler else resolve_device(device)

    def _in_possible_arithmetic(self, suite: Suite, tell: Callable[[str], None]) -> Suite:
        """The suite in the arithmetic that this machine has for it; another one is told."""
        device = "cpu" if self.machines.scheduler else self._device
        chosen = arithmetic.possible(suite.arithmetic, device)
        if chosen == suite.arithmetic:
            return suite
        why = arithmetic.machine_obstacle(device)
        tell(
            f"The suite asks for portable arithmetic, which there is not here: {why}. All is "
            "computed and kept as fast arithmetic, whose bits differ from machine to machine"
        )
        table = {**suite.table, "arithmetic": chosen}
        return dataclasses.replace(suite, arithmetic=chosen, table=table)

    @cached_property
    def _gallery(self) -> Gallery:
        """Figures that are drawn ahead."""
        from robust_augcl.reports._figures import Gallery

        return Gallery()

    def _draw_ahead(self, report: ReportInput) -> None:
        # Those change when more budgets come, and when there is an audit.
        self._gallery.draw(report, but=["budgets", "learning"])

    def _pool(self, tasks: int, device: str, watcher: Watcher) -> Pool:
        """The workers for so many tasks; several leave this process time to look ahead."""
        size, scheduler = 1, self.machines.scheduler
        if scheduler is None:
            size = min(self.machines.workers or memory.default_workers(device), tasks)
        self._assessor.processes = size
        inherits = bool(self.suite.victims)
        if inherits:
            return self._own_pool(size, device)
        if self._looks_ahead and (scheduler is not None or size > 1):
            log = watcher.write if isinstance(watcher, RunLog) else watcher.note
            self._assessor.begin_ahead(self._draw_ahead, log)
        if scheduler is not None:
            from robust_augcl.workers.dask_cluster import DaskCluster

            return DaskCluster(scheduler)
        return LocalProcesses(size, device)

    def _own_pool(self, size: int, device: str) -> Pool:
        """Workers that have what this process was handed. Nothing is looked at ahead.

        A thread that looks ahead may hold a lock while this process is forked, and the worker would
        wait for it forever.
        """
        if self.machines.scheduler is not None:
            raise InputError(
                "Expected no Dask scheduler for given models, whose modules lie in this process; "
                f"got {self.machines.scheduler}"
            )
        if can_fork(device):
            return LocalProcesses(size, device, inherits=True)
        from robust_augcl.workers.this_process import ThisProcess

        return ThisProcess()

    def _manifest_of(self, seeds: Sequence[int]) -> Manifest:
        """The manifest of the suite with these seeds."""
        wanted = plan(dataclasses.replace(self.suite, seeds=tuple(seeds)), self.fingerprint)
        return Manifest(
            suite=self.suite.name,
            table=self.suite.table,
            fingerprint=self.fingerprint,
            seeds=list(seeds),
            records=[step.key for step in wanted.attacks],
            measurements=list(dict.fromkeys(step.key for _, step in wanted.measurements)),
            revisions=wanted.revisions,
        )
