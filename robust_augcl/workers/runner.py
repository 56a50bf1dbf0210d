"""The runner: computes what is missing of a plan on a pool of workers, and keeps what is there.

A result never depends on the pool: every step seeds its own chance.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from robust_augcl.errors import ArtifactDamaged, InputError
from robust_augcl.plan.kinds import KINDS, resolve
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.store import files
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.workers.executors import Performed, Pool, Task

_LOST_WORKERS = 3  # a step that loses so many workers is what kills them
_BUSY_SECONDS = 0.3


class Watcher(Protocol):
    """Is told what a run does."""

    def planned(self, total: int, missing: Sequence[Step], workers: int) -> None:
        """So many steps in all, these of them to compute."""

    def progress(self, step: Step, fraction: float, text: str) -> None:
        """A running step is so far."""

    def finished(self, step: Step, seconds: float) -> None:
        """A step is done."""

    def shared(self, step: Step) -> None:
        """Another run on the folder has done a step."""

    def failed(self, step: Step, message: str, trace: str) -> None:
        """A step failed; steps that need it will not run."""

    def note(self, message: str) -> None:
        """Something that the user should know."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Args:
        computed: steps computed.
        failed: titles of the steps that failed.
        missing: results that there are none of, since their own step failed or one that they need.
        step_seconds: wall time in which at least one step ran.
    """

    computed: int
    failed: list[str]
    missing: int
    step_seconds: float = 0.0


class _There(NamedTuple):
    """A result that is there and whole: its digest, and those of the artifacts that it rests on, by
    key.
    """

    digest: str
    rests_on: dict[str, str]


def _look(step: Step, folder: RunFolder) -> _There | None:
    """A step's result, None where there is none; raises `ArtifactDamaged` where it is not what was
    written.
    """
    if not folder.store.path(step).exists():
        return None
    kind = KINDS[step.kind]
    if kind.stores == "record":
        record = folder.load_record(step.key)
        return _There(
            "",
            {
                ref.key: ref.digest
                for ref in (record.dataset, record.victim, record.attacker)
                if ref
            },
        )
    artifact = folder.store.load(step.key)
    if kind.read is None:
        return _There(artifact.digest, {})
    stored = resolve(kind.read)(artifact.info, f"{step.key}.safetensors")
    return _There(
        artifact.digest,
        {step.inputs["dataset"].key: stored.dataset, step.inputs["victim"].key: stored.victim},
    )


def needed_steps(attacks: Sequence[Step], folder: RunFolder, watcher: Watcher) -> list[Step]:
    """The steps to compute, inputs before those that need them: nothing that is there and whole.

    A damaged file is set aside and counts as missing, and so does a result that rests on another
    artifact than the folder holds.
    """
    order: dict[str, Step] = {}
    seen: dict[str, _There | None] = {}

    def set_aside(step: Step, problem: str) -> None:
        aside = files.set_aside(folder.store.path(step))
        seen[step.key] = None
        watcher.note(f"{problem}; set aside as {aside.name}, computing it again")

    def visit(step: Step) -> None:
        if step.key not in seen:
            try:
                seen[step.key] = _look(step, folder)
            except ArtifactDamaged as error:
                set_aside(step, str(error))
        if step.key in order:
            return
        found = seen[step.key]
        if found is not None and found.rests_on:  # that is looked at too: replay and audit need it
            for needed in step.inputs.values():
                if not KINDS[needed.kind].is_part:  # nobody needs the parts of what is there
                    visit(needed)
            held = {key: there.digest for key, there in seen.items() if there is not None}
            if any(held.get(key, digest) != digest for key, digest in found.rests_on.items()):
                set_aside(
                    step,
                    f"{folder.store.path(step).name}: it rests on another artifact than the "
                    "folder holds",
                )
        if seen[step.key] is not None:
            return
        for needed in step.inputs.values():
            visit(needed)
        order[step.key] = step

    for step in attacks:
        visit(step)
    return list(order.values())


def run(
    attacks: Sequence[Step],
    folder: RunFolder,
    make_pool: Callable[[int], Pool],
    watcher: Watcher,
    *,
    device: str = "cpu",
    archives: Path | None = None,
    commit: str | None = None,
) -> Outcome:
    """Compute what is missing. Every result is stored when it is made: an interrupted run goes on
    where it stopped.

    `make_pool` makes the workers, given the number of steps. A lost worker costs its running step,
    which is run again. A step that fails takes along only those that need it, and leaves its error
    in the folder. What another run on the folder computes is waited for.

    Raises:
        InputError: at once, for what only the user can mend: a full disk, a missing archive.
    """
    missing = needed_steps(attacks, folder, watcher)
    total = sum(1 for _ in with_inputs(attacks))
    if not missing:
        watcher.planned(total, missing, 0)
        return Outcome(0, [], 0)
    pool = make_pool(len(missing))
    watcher.planned(total, missing, pool.size)
    try:
        work = _Run(missing, folder, pool, watcher, device, archives, commit)
        work.go()
    except BaseException:
        pool.close(cancel=True)
        raise
    pool.close(cancel=False)
    without = sum(not folder.store.path(step).exists() for step in attacks)
    return Outcome(work.computed, work.failed, without, _covered(work.spans))


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """How long at least one of the spans, (start, end), was under way."""
    total, until = 0.0, -math.inf
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


class _Run:
    def __init__(
        self,
        missing: Sequence[Step],
        folder: RunFolder,
        pool: Pool,
        watcher: Watcher,
        device: str,
        archives: Path | None,
        commit: str | None,
    ) -> None:
        self.folder, self.pool, self.watcher = folder, pool, watcher
        self.device, self.archives, self.commit = device, archives, commit
        self.steps = {step.key: step for step in missing}
        self.waiting = dict(self.steps)
        self.running: dict[Future[Performed], Step] = {}
        self.not_before: dict[str, float] = {}
        self.lost: dict[str, int] = {}
        self.computed = 0
        self.spans: list[tuple[float, float]] = []
        self.failed: list[str] = []
        self.failed_keys: set[str] = set()

    def go(self) -> None:
        """Compute; afterwards `computed`, `failed` and `spans`, when steps ran, say how it went."""
        while self.waiting or self.running:
            ready = self._ready()
            for step in ready[: max(0, self.pool.size - len(self.running))]:
                del self.waiting[step.key]
                self._submit(step)
            if not self.running and not ready:
                if not any(self.not_before.get(key, 0) for key in self.waiting):
                    break  # what is left waits for a step that failed
                time.sleep(_BUSY_SECONDS)
            self._poll()

    def _ready(self) -> list[Step]:
        """Steps whose inputs are all there, those first that others wait for."""
        open_keys = {*self.waiting, *(step.key for step in self.running.values())}
        blocked = open_keys | self.failed_keys
        now = time.monotonic()
        ready = [
            step
            for step in self.waiting.values()
            if not any(needed.key in blocked for needed in step.inputs.values())
            and self.not_before.get(step.key, 0) <= now
        ]
        return sorted(ready, key=lambda step: KINDS[step.kind].priority)

    def _submit(self, step: Step) -> None:
        task = Task(step, self.folder.path.absolute(), self.device, self.archives, self.commit)
        try:
            self.running[self.pool.submit(task)] = step
        except BrokenExecutor:  # the worker died while it had nothing to do
            self.waiting[step.key] = step
            self.pool.restart()

    def _poll(self) -> None:
        if not self.running:
            return
        done, _ = wait(self.running, timeout=0.2, return_when=FIRST_COMPLETED)
        for key, fraction, text in self.pool.messages():
            if key in self.steps:
                self.watcher.progress(self.steps[key], fraction, text)
        broken = False
        for future in done:
            step = self.running.pop(future)
            try:
                self._settle(step, future.result())
            except (BrokenExecutor, CancelledError):
                broken = True
                self._lose(step)
            except InputError:
                raise
            except Exception as error:
                if type(error).__name__ != "KilledWorker":  # Dask's, which need not be installed
                    raise
                self._fail(step, f"it lost its worker again and again: {error}", "")
        if broken:
            self.pool.restart()

    def _settle(self, step: Step, performed: Performed) -> None:
        now = time.monotonic()
        self.spans.append((now - performed.seconds, now))
        if performed.status == "refused":
            raise InputError(performed.message)
        if performed.status == "failed":
            self._fail(step, performed.message, performed.trace)
        elif performed.status == "busy":
            self.waiting[step.key] = step
            self.not_before[step.key] = time.monotonic() + _BUSY_SECONDS
        elif performed.status == "there":
            self.watcher.shared(step)
        else:
            self.computed += 1
            self.folder.store.failure_path(step.key).unlink(missing_ok=True)
            self.watcher.finished(step, performed.seconds)

    def _lose(self, step: Step) -> None:
        self.lost[step.key] = self.lost.get(step.key, 0) + 1
        if self.lost[step.key] < _LOST_WORKERS:
            self.waiting[step.key] = step
            self.watcher.note(f"a worker process died at {step.title}; running it again")
        else:
            self._fail(step, f"its worker process died {_LOST_WORKERS} times: out of memory?", "")

    def _fail(self, step: Step, message: str, trace: str) -> None:
        self.failed.append(step.title)
        self.failed_keys.add(step.key)
        self.watcher.failed(step, message, trace)
        content = {"step": step.title, "kind": step.kind, "error": message, "trace": trace}
        files.write_atomically(
            self.folder.store.failure_path(step.key),
            (json.dumps(content, indent=1) + "\n").encode(),
        )
