"""Steps on a Dask cluster tell how far they are."""

from __future__ import annotations

import threading

import pytest

from robust_augcl.data.components import ComponentGraphs
from robust_augcl.graphs.data_source import Split
from robust_augcl.plan.step import Step
from robust_augcl.workers.executors import Task
from robust_augcl.workers.site import Site


def test_progress_of_a_running_step_reaches_the_run(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from robust_augcl.steps import compute as steps
    from robust_augcl.workers.dask_cluster import DaskCluster

    def tell(step, context):
        context.report(0.25, "a quarter")
        context.store.save(step.key, steps.Artifact({}, {}, {}))

    heard, hear = threading.Event(), DaskCluster._hear

    def hear_and_say_so(self, event):
        hear(self, event)
        heard.set()

    monkeypatch.setattr(steps, "compute", tell)
    monkeypatch.setattr(DaskCluster, "_hear", hear_and_say_so)
    settings = {
        "source": ComponentGraphs(nodes=(15, 20), graphs_per_class=10),
        "split": Split(),
        "seed": 0,
        "fingerprint": None,
    }
    step = Step("dataset", "small graphs", settings, {})
    with distributed.LocalCluster(
        1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        pool = DaskCluster(cluster.scheduler_address)
        try:
            assert pool.size == 1
            performed = pool.submit(Task(step, Site(tmp_path, "auto"))).result(timeout=60)
            assert performed.status == "done", performed
            assert heard.wait(60)
            told = pool.messages()
        finally:
            pool.close(cancel=True)
    assert told == [(step.key, 0.25, "a quarter")]
