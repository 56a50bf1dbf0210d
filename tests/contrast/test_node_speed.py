"""Benchmarks of pretraining on nodes, one thread, at Cora's size, beside the plain loop over whole
matrices: `pytest --benchmark-enable -k speed`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from grace_by_hand import loss_of_whole_matrices
from node_memory import new, random_graph

from robust_augcl.contrast.node_pretrain import NodePretraining, node_training
from robust_augcl.contrast.objective import InfoNCE

HELPERS = Path(__file__).parents[1] / "helpers"
CORA = (2708, 1433, 4, 128)
"""Nodes, features, neighbours, width."""
PHOTO = (7650, 745, 31, 256)
COAUTHOR = (18_333, 6805, 9, 256)


def test_grace_speed(benchmark):
    """An epoch is no slower than that of the plain loop, by processor time of rounds in turn."""
    nodes, features, degree, width = CORA if benchmark.enabled else (200, 20, 4, 8)
    settings = NodePretraining("grace")
    graphs = random_graph(nodes, features, degree)
    ours, plain = (new(graphs, width, settings) for _ in range(2))

    def an_epoch():
        node_training(*ours, 1, InfoNCE(settings.loss))

    def a_loop():
        model, optimizer, batches = plain
        first, second = batches.views.draw()
        loss = loss_of_whole_matrices(model(first), model(second), settings.temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    benchmark.pedantic(an_epoch, rounds=1)
    if not benchmark.enabled:
        return
    taken = {an_epoch: [], a_loop: []}
    for _ in range(5):
        for function, times in taken.items():
            start = time.thread_time()
            function()
            times.append(time.thread_time() - start)
    ratio = min(taken[a_loop]) / min(taken[an_epoch])
    benchmark.extra_info["times as fast as the loop"] = round(ratio, 2)
    assert ratio >= 1.0, f"only {ratio:.2f} times as fast as the plain loop"


def memory(name, size):
    """MiB of a process at its peak, and of these what was there before the model."""
    done = subprocess.run(
        [sys.executable, str(HELPERS / "node_memory.py"), name, *map(str, size)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return [float(number) for number in done.stdout.split()[-2:]]


def test_grace_memory_speed(benchmark):
    """One epoch of Cora's size takes at most half of the plain loop's memory."""
    if not benchmark.enabled:
        pytest.skip("two processes of some seconds: with --benchmark-enable")
    ours, _ = benchmark.pedantic(memory, ("grace", CORA), rounds=1)
    loop, _ = memory("loop", CORA)
    benchmark.extra_info["MiB"] = [ours, loop]
    # Of the whole process, with PyTorch and the graph in it.
    assert ours <= loop / 2 + 50, f"{ours} MiB, the loop {loop}"


@pytest.mark.parametrize("name", ["grace", "augcl", "progcl"])
def test_photo_memory_speed(benchmark, name):
    """One epoch of Photo's size stays below 3 GiB, whatever the weights."""
    if not benchmark.enabled:
        pytest.skip("a process of some minutes: with --benchmark-enable")
    most, _ = benchmark.pedantic(memory, (name, PHOTO), rounds=1)
    benchmark.extra_info["MiB"] = most
    assert most < 3 * 1024


def test_coauthor_memory_speed(benchmark):
    """One epoch of Coauthor CS's size stays below 6 GiB."""
    if not benchmark.enabled:
        pytest.skip("a process of some minutes: with --benchmark-enable")
    most, _ = benchmark.pedantic(memory, ("grace", COAUTHOR), rounds=1)
    benchmark.extra_info["MiB"] = most
    assert most < 6 * 1024
