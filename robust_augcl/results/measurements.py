"""What a run measured beside its attacks: how pretraining went, how good representations are
without labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results.records import Cell

_MOST_NODES = 2**31


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Args:
        kind: "pretraining": losses, calibration and the diagnosis of weights; "representation": an
            accuracy for each fold; "attacker": the curve of its learning; "certificate": for each
            test graph whether it is certified, whether that is settled, and the edits that break it
            (pairs added and removed), if the search found any.
        cell: what it is about; it names an attack only where it is an attacker's.
        values: what was measured, as JSON.
        seconds: of the certificate, else of pretraining, a shared warm-up included.
    """

    kind: Literal["pretraining", "representation", "certificate", "attacker"]
    cell: Cell
    values: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class StoredCertificate:
    """What the artifact of a certificate says of G test graphs.

    Args:
        graphs: their numbers in the data set.
        certified: of each, whether no allowed set of edits breaks it.
        settled: of each, whether that is known: certified, or broken by a witness.
        lower_margin: of each, a margin that no allowed set goes below; None where none is known.
        witnesses: of each, the edges [added, removed] that break it; None where none are known.
        threat: what is allowed, as JSON.
        dataset, victim: the digests of what it is about.
    """

    graphs: list[int]
    certified: list[bool]
    settled: list[bool]
    lower_margin: list[float | None]
    witnesses: list[list[list[list[int]]] | None]
    threat: dict[str, Any]
    dataset: str
    victim: str


def stored_certificate(info: Any, source: str) -> StoredCertificate:
    """Read the info of a certificate's artifact; `source` names the file in errors.

    Raises:
        ArtifactDamaged: anything but what a run writes, to the type: a 1 is no true, a 2.0 no node.
    """

    def damaged(expected: str, got: object) -> ArtifactDamaged:
        text = repr(got)
        return ArtifactDamaged(
            f"{source}: expected a certificate's {expected}, got "
            f"{text if len(text) <= 60 else text[:60] + '...'}"
        )

    if type(info) is not dict:
        raise damaged("info to be a table", info)
    for name, is_one, what in _OF_CERTIFICATES:
        if name not in info:
            raise damaged(f"`{name}`", "none")
        value = info[name]
        if what:
            if type(value) is not list:
                raise damaged(f"`{name}` to be a list", value)
            if len(value) != len(info["graphs"]):
                raise damaged(
                    f"`{name}` to say something of each of its {len(info['graphs'])} graphs",
                    f"{len(value)} values",
                )
            for item in value:
                if not is_one(item):
                    raise damaged(f"`{name}` to hold {what}", item)
        elif not is_one(value):
            raise damaged(f"`{name}` to be {'a table' if name == 'threat' else 'a digest'}", value)
    return StoredCertificate(**{name: info[name] for name, _, _ in _OF_CERTIFICATES})


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST_NODES


def _is_margin(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def _is_witness(value: Any) -> bool:
    """None, or the pairs added and those removed."""
    if value is None:
        return True
    return _is_list(value, 2) and all(
        _is_list(pairs) and all(_is_list(pair, 2) and all(map(_is_whole, pair)) for pair in pairs)
        for pairs in value
    )


def _is_list(value: Any, length: int | None = None) -> bool:
    return type(value) is list and length in (None, len(value))


_OF_CERTIFICATES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("graphs", _is_whole, "numbers of graphs"),
    ("certified", lambda value: type(value) is bool, "true or false"),
    ("settled", lambda value: type(value) is bool, "true or false"),
    ("lower_margin", _is_margin, "finite margins or null"),
    ("witnesses", _is_witness, "null or [added, removed], lists of pairs of nodes"),
    ("threat", lambda value: type(value) is dict, ""),
    ("dataset", lambda value: type(value) is str, ""),
    ("victim", lambda value: type(value) is str, ""),
)
"""Each field of a certificate, what it may be or, where that has a name, each of its values."""
