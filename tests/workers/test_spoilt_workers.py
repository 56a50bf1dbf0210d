"""A worker whose task changed what cannot be put back runs no other task."""

from __future__ import annotations

import os

import pytest
from time_limits import HANGS

from robust_augcl.workers import executors
from robust_augcl.workers.executors import LocalProcesses, Performed

STAYS = "limits of the process (which cannot be put back: ValueError)"


@pytest.mark.parametrize(
    ("left", "same"), [((), True), (("the umask",), True), (("the umask", STAYS), False)]
)
def test_the_next_task_runs_in_another_process(monkeypatch, left, same):
    def perform(parcel, tell):
        return Performed("done", os.getpid(), left_behind=left)

    monkeypatch.setattr(executors, "perform_parcel", perform)  # which a forked worker has, too
    pool = LocalProcesses(1)
    try:
        first = pool.submit("a task").result(timeout=HANGS)
        # Though nobody has asked for `replace`.
        second = pool.submit("a task").result(timeout=HANGS)
    finally:
        pool.close(cancel=True)
    assert (first.seconds == second.seconds) == same
