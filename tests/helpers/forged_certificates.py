"""Certificates that say something else than was computed, with valid checksums."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from robust_augcl.plan.step import Step
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder


def path_of(folder: Path, step: Step) -> Path:
    return RunFolder(folder).store.artifact_path(step.key)


def forge(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what an artifact says and give it a valid checksum again, as somebody would who knows
    the format.
    """
    artifact = Artifact.read(path)
    info = copy.deepcopy(artifact.info)
    change(info)
    path.write_bytes(replace(artifact, info=info).dumps())


def place_of(info: dict[str, Any], edits: int | None) -> int:
    """The first graph with a witness of so many edits; None: the first that is certified."""
    return next(
        i
        for i, w in enumerate(info["witnesses"])
        if (info["certified"][i] if edits is None else w and len(w[0]) == edits)
    )


def put(name: str, value: object, edits: int | None) -> Callable[[dict[str, Any]], None]:
    return lambda info: info[name].__setitem__(place_of(info, edits), value)


def claim(edits: int) -> Callable[[dict[str, Any]], None]:
    """Call a graph certified that some edits break, and hide them."""

    def change(info: dict[str, Any]) -> None:
        place = place_of(info, edits)
        info["certified"][place], info["witnesses"][place], info["lower_margin"][place] = (
            True,
            None,
            0.0,
        )

    return change


def at(
    which: Callable[[dict[str, Any], int], bool], **values: object
) -> Callable[[dict[str, Any]], None]:
    """Say something else of the first graph of which this holds."""

    def change(info: dict[str, Any]) -> None:
        place = next(i for i in range(len(info["graphs"])) if which(info, i))
        for name, value in values.items():
            info[name][place] = value

    return change


def is_certified(info: dict[str, Any], place: int) -> bool:
    return info["certified"][place]


def one_edit_breaks(info: dict[str, Any], place: int) -> bool:
    return info["witnesses"][place] is not None and sum(map(len, info["witnesses"][place])) == 1


def two_edits_break(info: dict[str, Any], place: int) -> bool:
    return info["witnesses"][place] is not None and sum(map(len, info["witnesses"][place])) == 2


UNKNOWN = {"certified": False, "settled": False, "lower_margin": None, "witnesses": None}


def half(info: dict[str, Any]) -> None:
    """Leave out one edit of a pair: neither of them breaks the graph alone."""
    info["witnesses"][place_of(info, 2)][0].pop()
