"""Replay shares what proofs of one victim have in common: `pytest --benchmark-enable -k replay`."""

from __future__ import annotations

import time
from pathlib import Path

from forging import problems

from robust_augcl.results.records import ArtifactRef
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.review.subject import Subject
from robust_augcl.steps.artifacts import dataset_of, victim_of

WANTED = 1.5
"""How many times as fast as proofs that share nothing; four attacks share a victim here."""


def alone(run: StoredRun, dataset: ArtifactRef, victim: ArtifactRef) -> Subject:
    """What is proved about, for one proof alone."""
    model = victim_of(run.folder.load_artifact(victim))
    return Subject(dataset_of(run.folder.load_artifact(dataset)), model, run.label_rule)


def seconds(folder: Path) -> float:
    start = time.process_time()
    problems(folder)
    return time.process_time() - start


def test_benchmark_replay_shares_what_proofs_have_in_common(benchmark, finished, monkeypatch):
    made = []
    make = Subject.__init__

    def counted(self: Subject, *arguments: object) -> None:
        made.append(self)
        make(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Subject, "__init__", counted)
    shared = benchmark.pedantic(problems, (finished,), rounds=3 if benchmark.enabled else 1)
    rounds = 3 if benchmark.enabled else 1
    assert len(made) == 6 * rounds  # victims: three methods, two seeds
    ours = min(seconds(finished) for _ in range(3)) if benchmark.enabled else 0.0
    made.clear()
    monkeypatch.setattr(StoredRun, "_subject", alone)
    monkeypatch.setattr("robust_augcl.review.stored_run._SUBJECTS_KEPT", 0)
    assert problems(finished) == shared
    assert len(made) == 24  # one a record
    if benchmark.enabled:
        ratio = min(seconds(finished) for _ in range(3)) / ours
        benchmark.extra_info["times faster"] = ratio
        print(f"{benchmark.name}: {ratio:.2f} times faster")
        assert ratio > WANTED
