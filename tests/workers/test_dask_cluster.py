"""Steps on a Dask cluster tell how far they are, and outlive the workers that they are on."""

from __future__ import annotations

import threading

import pytest
from time_limits import HANGS

from robust_augcl.data.components import ComponentGraphs
from robust_augcl.graphs.data_source import Split
from robust_augcl.plan.step import Step
from robust_augcl.workers.executors import Task
from robust_augcl.workers.site import Site


def small_step() -> Step:
    settings = {
        "source": ComponentGraphs(nodes=(15, 20), graphs_per_class=10),
        "split": Split(),
        "seed": 0,
        "fingerprint": None,
    }
    return Step("dataset", "small graphs", settings, {})


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
    step = small_step()
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        pool = DaskCluster(cluster.scheduler_address, HANGS)
        try:
            assert pool.size == 1
            performed = pool.submit(Task(step, Site(tmp_path, "auto"))).result(timeout=HANGS)
            assert performed.status == "done", performed
            assert heard.wait(HANGS)
            told = pool.messages()
        finally:
            pool.close(cancel=True)
    assert told == [(step.key, 0.25, "a quarter")]


def test_the_step_of_a_worker_that_is_lost_is_run_by_another(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    from robust_augcl.workers import dask_cluster

    begun, lost, on = threading.Event(), threading.Event(), []
    perform = dask_cluster.perform_parcel

    def stuck_at_first(parcel, tell):
        on.append(distributed.get_worker().address)
        if len(on) > 1:
            return perform(parcel, tell)
        begun.set()
        lost.wait(HANGS)
        return None

    monkeypatch.setattr(dask_cluster, "perform_parcel", stuck_at_first)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        pool = dask_cluster.DaskCluster(cluster.scheduler_address, HANGS)
        try:
            future = pool.submit(Task(small_step(), Site(tmp_path, "auto")))
            assert begun.wait(HANGS)
            (worker,) = [w for w in cluster.workers.values() if w.address == on[0]]
            cluster.sync(worker.close, executor_wait=False, reason="lost, for a test")
            performed = future.result(timeout=HANGS)
        finally:
            lost.set()
            pool.close(cancel=True)
    assert performed.status == "done", performed
    assert len(set(on)) == 2
