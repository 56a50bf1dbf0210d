"""What a run measured beside its attacks: pretraining, representations, learning, certificates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from robust_augcl.errors import ArtifactDamaged, shown
from robust_augcl.results.records import Cell, Target
from robust_augcl.results.stored_tables import threat_table

_MOST_NODES = 2**31


@dataclass(frozen=True)
class Measurement:
    """One measurement.

    Args:
        kind: "pretraining": losses, calibration and the diagnosis of weights; "victim": its losses
            by epoch, and which epoch was chosen (`results.rest`); "linear_victim": what each
            penalty gave, and the accuracy on all targets of each part; "representation": an
            accuracy for each fold; "attacker": the curve of its learning; "certificate": for each
            test graph whether it is certified, whether that is settled, and the edits that break it
            (pairs added and removed), if the search found any. "dataset": features, what was
            mended when graphs came in, and how many test targets no allowed edit can touch.
        cell: what it is about; it names an attack only where it is an attacker's.
        values: what was measured, as JSON.
        seconds: of a certificate or an attacker its own, else of pretraining, a shared warm-up
            included; 0 of a victim and of a data set.
    """

    kind: Literal[
        "pretraining",
        "victim",
        "linear_victim",
        "representation",
        "certificate",
        "attacker",
        "dataset",
    ]
    cell: Cell
    values: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class StoredCertificate:
    """What the artifact of a certificate says of G targets.

    Args:
        graphs: the numbers of their graphs in the data set.
        certified: of each, whether no allowed set of edits breaks it.
        settled: of each, whether that is known: certified, or broken by a witness.
        lower_margin: of each, a margin that no allowed set goes below; None where none is known.
        witnesses: of each, the edges [added, removed] that break it; None where none are known.
        threat: what is allowed, as JSON.
        dataset, victim: the digests of what it is about.
        nodes: the numbers of the targets in their graphs; None where targets are whole graphs.
    """

    graphs: list[int]
    certified: list[bool]
    settled: list[bool]
    lower_margin: list[float | None]
    witnesses: list[list[list[list[int]]] | None]
    threat: dict[str, Any]
    dataset: str
    victim: str
    nodes: list[int] | None = None


def stored_certificate(info: Any, source: str) -> StoredCertificate:
    """Read the info of a certificate's artifact; `source` names the file in errors.

    Raises:
        ArtifactDamaged: anything but what a run writes, to the type: a 1 is no true, a 2.0 no node.
    """
    if type(info) is not dict:
        raise _damaged(source, "info to be a table", info)
    for field in _FIELDS:
        if field.name in info:
            _check(field, info[field.name], info.get("graphs"), source)
        elif not field.may_be_left_out:
            raise _damaged(source, f"`{field.name}`", "none")
    known = {field.name for field in _FIELDS}
    if unknown := [name for name in info if name not in known]:
        raise _damaged(source, f"fields {', '.join(sorted(known))} alone", unknown[0])
    return StoredCertificate(
        **{field.name: info[field.name] for field in _FIELDS if field.name in info}
    )


def targets_of(certificate: Measurement | StoredCertificate) -> list[Target]:
    """The targets of a certificate, in its order.

    Example:
        >>> about = Cell("suite", "data", "none", "gin", 2, 0, "", "strict", 1)
        >>> targets_of(Measurement("certificate", about, {"graphs": [7, 9]}, 0.0))
        [(7, None), (9, None)]
    """
    if isinstance(certificate, StoredCertificate):
        graphs, nodes = certificate.graphs, certificate.nodes
    else:
        graphs, nodes = certificate.values["graphs"], certificate.values.get("nodes")
    if nodes is None:
        return [(graph, None) for graph in graphs]
    return list(zip(graphs, nodes, strict=True))


class _Field(NamedTuple):
    """What a certificate's artifact must hold under one name.

    Args:
        name: the key.
        is_one: whether a value, or each value of a column, is what it must be.
        what: what that is, in words.
        is_column: whether it is a list of one value for each target.
        may_be_left_out: whether it need not be there.
    """

    name: str
    is_one: Callable[[Any], bool]
    what: str
    is_column: bool = True
    may_be_left_out: bool = False


def _check(field: _Field, value: Any, graphs: Any, source: str) -> None:
    """Raise `ArtifactDamaged` where the value is not what the field must be."""
    if not field.is_column:
        if not field.is_one(value):
            raise _damaged(source, f"`{field.name}` to be {field.what}", value)
        return
    if type(value) is not list:
        raise _damaged(source, f"`{field.name}` to be a list", value)
    if len(value) != len(graphs):
        expected = f"`{field.name}` to say something of each of its {len(graphs)} graphs"
        raise _damaged(source, expected, f"{len(value)} values")
    for item in value:
        if not field.is_one(item):
            raise _damaged(source, f"`{field.name}` to hold {field.what}", item)


def _damaged(source: str, expected: str, got: object) -> ArtifactDamaged:
    return ArtifactDamaged(f"{source}: expected a certificate's {expected}, got {shown(got)}")


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


def _is_bool(value: Any) -> bool:
    return type(value) is bool


def _is_threat(value: Any) -> bool:
    if type(value) is not dict:
        return False
    try:
        threat_table(value)
    except ValueError:
        return False
    return True


def _is_text(value: Any) -> bool:
    return type(value) is str


_FIELDS = (
    _Field("graphs", _is_whole, "numbers of graphs"),
    _Field("certified", _is_bool, "true or false"),
    _Field("settled", _is_bool, "true or false"),
    _Field("lower_margin", _is_margin, "finite margins or null"),
    _Field("witnesses", _is_witness, "null or [added, removed], lists of pairs of nodes"),
    _Field("threat", _is_threat, "a threat, to the type", is_column=False),
    _Field("dataset", _is_text, "a digest", is_column=False),
    _Field("victim", _is_text, "a digest", is_column=False),
    _Field("nodes", _is_whole, "numbers of nodes", may_be_left_out=True),
)
"""What a certificate's artifact holds. `graphs` comes first: other columns are as long as it."""
