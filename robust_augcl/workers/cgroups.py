"""What control groups leave this process.

On Linux, containers (Docker, Kubernetes) and schedulers (Slurm) limit processes through them.

Both versions, where systems mount them: version 2 in /sys/fs/cgroup (or its folder "unified"),
version 1 in a folder for each controller. A limit holds for all groups inside, so a process has the
tightest of its own group's and its ancestors'. Whatever cannot be read limits nothing.

Source: the Linux kernel's documentation, admin-guide/cgroup-v2 (cpu.max, memory.max),
scheduler/sched-bwc and admin-guide/cgroup-v1/memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOUNT = "sys/fs/cgroup"


@dataclass(frozen=True)
class Left:
    """What is left to this process.

    Args:
        cores: processor time, in cores; None without a limit.
        memory: bytes that may still be taken; None without a limit.
    """

    cores: float | None = None
    memory: int | None = None


def left(root: Path = Path("/")) -> Left:
    """What the tightest limits leave this process; `root` is the folder of proc and sys."""
    cores, memory = [], []
    for controllers, group in _groups(root / "proc/self/cgroup"):
        mounts = (
            dict.fromkeys([controllers, *controllers.split(",")])
            if controllers
            else ["", "unified"]
        )
        for mount in mounts:
            for folder in _levels(root / _MOUNT / mount, group):
                cores.append(_cores(folder))
                memory.append(_memory(folder))
    return Left(
        min(filter(None, cores), default=None),
        min((bytes_left for bytes_left in memory if bytes_left is not None), default=None),
    )


def _groups(path: Path) -> Iterator[tuple[str, str]]:
    """Controllers, separated by commas, and this process's group in their hierarchy.

    In version 2 the controllers are an empty string.
    """
    for line in _lines(path):
        _, *parts = line.split(":", 2)
        if len(parts) == 2:
            yield parts[0], parts[1]


def _levels(mount: Path, group: str) -> Iterator[Path]:
    """The folder of a group and those of its ancestors, as far as they can be seen.

    A container may see its own group as the mount itself.
    """
    parts = [part for part in group.split("/") if part]
    if ".." not in parts:  # outside what is mounted
        yield from (mount.joinpath(*parts[:depth]) for depth in range(len(parts), 0, -1))
    yield mount


def _cores(folder: Path) -> float | None:
    lines = _lines(folder / "cpu.max") or [
        " ".join("".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    ]
    numbers = [_number(word) for word in lines[0].split()]
    if len(numbers) != 2 or not numbers[0] or not numbers[1]:
        return None
    return numbers[0] / numbers[1]


def _memory(folder: Path) -> int | None:
    for limit, used, caches in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most = _value(folder / limit)
        if most is not None:
            # What nobody uses of the files that were read goes before anybody is refused memory.
            free = next(
                (
                    _number(line.split()[-1])
                    for line in _lines(folder / "memory.stat")
                    if line.startswith(f"{caches} ")
                ),
                0,
            )
            taken = (_value(folder / used) or 0) - (free or 0)
            return max(0, most - max(0, taken))
    return None


def _number(text: str) -> int | None:
    """A whole number that is not negative, None for anything else.

    Files say "max" or -1 where there is no limit.
    """
    return int(text) if text.isascii() and text.isdigit() else None


def _value(path: Path) -> int | None:
    """What a file of one number holds."""
    return _number(" ".join(_lines(path)).strip())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
