"""How many workers a machine gets, by the files of made-up systems."""

from __future__ import annotations

import sys

import pytest

from robust_augcl.workers import memory as room
from robust_augcl.workers.cgroups import Left, left

GIB = 2**30
V2 = "0::/kubepods/pod1/box\n"
V1 = (
    "12:pids:/docker/abc\n5:cpu,cpuacct:/docker/abc\n"
    "4:memory:/docker/abc\n1:name=systemd:/docker/abc\n"
)


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Writes a made-up system of 64 cores and 256 GiB, from paths below the root and their
    contents.
    """
    monkeypatch.setattr(room.os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)

    def write(files):
        for name, content in {
            "proc/meminfo": f"MemTotal: 1 kB\nMemAvailable: {256 * 2**20} kB\n",
            **files,
        }.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


def v2(group, **files):
    return {
        f"sys/fs/cgroup/{group}/{name.replace('_', '.', 1)}": content
        for name, content in files.items()
    }


def test_without_limits_the_machine_is_what_there_is(system, tmp_path):
    root = system({})
    assert left(root) == Left()
    assert room.default_workers(root=tmp_path) == 64


def test_workers_are_as_many_as_memory_allows(system, tmp_path):
    for gib, workers in ((1, 1), (5, 2), (300, 64)):
        system({"proc/meminfo": f"MemAvailable: {gib * 2**20} kB\n"})
        assert room.default_workers(root=tmp_path) == workers


def test_where_nothing_is_said_memory_is_without_limit(tmp_path):
    assert room.available_memory(tmp_path) == sys.maxsize
    assert left(tmp_path) == Left()


@pytest.mark.parametrize(
    ("quota", "workers"),
    [("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("max 100000", 64)],
)
def test_a_quota_bounds_the_workers(system, quota, workers, tmp_path):
    system({"proc/self/cgroup": V2, **v2("kubepods/pod1/box", cpu_max=f"{quota}\n")})
    assert room.default_workers(root=tmp_path) == workers


def test_ancestors_bound_a_group_too(system, tmp_path):
    root = system(
        {
            "proc/self/cgroup": V2,
            **v2(
                "kubepods/pod1/box",
                cpu_max="800000 100000\n",
                memory_max="max\n",
                memory_current=f"{GIB}\n",
            ),
            **v2(
                "kubepods/pod1",
                cpu_max="300000 100000\n",
                memory_max=f"{40 * GIB}\n",
                memory_current=f"{10 * GIB}\n",
            ),
            **v2(
                "kubepods",
                cpu_max="max 100000\n",
                memory_max=f"{50 * GIB}\n",
                memory_current=f"{25 * GIB}\n",
            ),
            **v2(
                "kubepods/pod2", cpu_max="100000 100000\n", memory_max=f"{GIB}\n"
            ),  # a neighbour's
        }
    )
    assert left(root) == Left(3.0, 25 * GIB)
    assert room.default_workers(root=tmp_path) == 3


def test_unused_contents_of_files_are_no_memory_taken(system, tmp_path):
    files = {"memory_max": f"{16 * GIB}\n", "memory_current": f"{15 * GIB}\n"}
    system({"proc/self/cgroup": V2, **v2("kubepods/pod1/box", **files)})
    assert room.default_workers(root=tmp_path) == 1
    system(
        v2(
            "kubepods/pod1/box",
            memory_stat=f"anon {5 * GIB}\ninactive_file_not {GIB}\ninactive_file {9 * GIB}\n",
        )
    )
    assert (
        room.default_workers(root=tmp_path) == 4
    )  # 10 GiB: one for the process that has the workers, two for each of them


def test_more_taken_than_allowed_leaves_one_worker(system, tmp_path):
    root = system(
        {
            "proc/self/cgroup": V2,
            **v2("kubepods/pod1/box", memory_max="1000\n", memory_current="2000\n"),
        }
    )
    assert left(root) == Left(None, 0)
    assert room.default_workers(root=tmp_path) == 1


@pytest.mark.parametrize(
    "seen", ["docker/abc/", ""], ids=["the whole tree", "the container's own group alone"]
)
@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_version_1(system, mount, seen, tmp_path):
    memory = f"sys/fs/cgroup/memory/{seen}memory"
    root = system(
        {
            "proc/self/cgroup": V1,
            f"sys/fs/cgroup/{mount}/{seen}cpu.cfs_quota_us": "400000\n",
            f"sys/fs/cgroup/{mount}/{seen}cpu.cfs_period_us": "100000\n",
            f"{memory}.limit_in_bytes": f"{12 * GIB}\n",
            f"{memory}.usage_in_bytes": f"{6 * GIB}\n",
            f"{memory}.stat": f"cache 1\ntotal_inactive_file {GIB}\n",
        }
    )
    assert left(root) == Left(4.0, 7 * GIB)
    assert room.default_workers(root=tmp_path) == 3


def test_version_1_says_none_in_numbers(system, tmp_path):
    files = {
        "cpu/cpu.cfs_quota_us": "-1\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",
    }
    root = system(
        {
            "proc/self/cgroup": V1,
            **{f"sys/fs/cgroup/{name}": content for name, content in files.items()},
        }
    )
    assert left(root).cores is None
    assert room.default_workers(root=tmp_path) == 64


def test_both_versions_at_once(system):
    root = system(
        {
            "proc/self/cgroup": "4:memory:/job\n0::/job\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{4 * GIB}\n",
            "sys/fs/cgroup/unified/job/cpu.max": "500000 100000\n",
        }
    )
    assert left(root) == Left(5.0, 4 * GIB)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"max",
        b"-1",
        b"1e9 100000",
        b"0 0",
        b"5 0",
        b"1\n2\n",
        b"\xff\xfe",
        "\u00b2".encode(),
    ],
)
def test_odd_files_limit_nothing(system, content, tmp_path):
    names = (
        "cpu.max",
        "memory.max",
        "memory.limit_in_bytes",
        "cpu.cfs_quota_us",
        "cpu.cfs_period_us",
        "memory.stat",
    )
    root = system({f"sys/fs/cgroup/{name}": content for name in names})
    (root / "sys/fs/cgroup/memory.current").mkdir()
    for groups in (b"0::/../../other\n", b"0::/\n", b"3:cpu", content):
        system({"proc/self/cgroup": groups})
        assert left(root) == Left()
    assert room.default_workers(root=tmp_path) == 64


def test_what_the_odd_files_hold_is_read_where_it_is_sound(system):
    root = system(
        {
            "proc/self/cgroup": "0::/../../other\n",
            "sys/fs/cgroup/cpu.max": "100000 50000\n",
            "sys/fs/cgroup/memory.max": "7\n",
        }
    )
    assert left(root) == Left(2.0, 7)
