"""Where a stored result is not the one that the same step gives when it is computed again.

Bits are compared: results are the same to the bit on one machine. Left out is what is measured once
and decides nothing: seconds, and where a result was computed (`MEASURED_ONCE`). Of notes it counts
what they say: an earlier version may have said the same in other words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from robust_augcl.results.names import target_text
from robust_augcl.results.note_words import notes_in_present_words
from robust_augcl.results.records import Record
from robust_augcl.store.artifact import Artifact

MEASURED_ONCE = ("environment", "seconds")
"""How the names of fields end that no two runs share."""
OURS = "robust-augcl"
"""The distribution of our own plug-ins; their version decides nothing, their revisions do."""
_NOTES = "notes"
_SHOWN = 5


def is_measured_once(name: str) -> bool:
    """Whether a field of this name holds seconds, or where a result was computed.

    Example:
        >>> [name for name in ("queries", "fit_seconds", "environment") if is_measured_once(name)]
        ['fit_seconds', 'environment']
    """
    return name.endswith(MEASURED_ONCE)


def artifacts_differ(stored: Artifact, made: Artifact) -> list[str]:
    """What of a stored artifact is not so in the one that was computed again, in words.

    Example:
        >>> import torch
        >>> one, other = (Artifact({"w": torch.ones(2)}, {"losses": [x]}) for x in (0.5, 0.25))
        >>> artifacts_differ(one, one), artifacts_differ(one, other)
        ([], ['computed again it has other losses'])
    """
    info, made_info = (
        {name: as_said(name, value) for name, value in artifact.info.items()}
        for artifact in (stored, made)
    )
    names = list(_unequal(info, made_info))
    tensors = sorted({*stored.tensors, *made.tensors})
    names += [name for name in tensors if not _same_tensor(stored, made, name)]
    about, made_about = (
        {name: value for name, value in artifact.about.items() if not is_measured_once(name)}
        for artifact in (stored, made)
    )
    names += [name for name in _unequal(about, made_about) if name in made_about]
    return _in_words(names)


def records_differ(stored: Record, made: Record) -> list[str]:
    """What of a stored record is not so in the one that was computed again, in words."""
    names = [
        field.name
        for field in fields(Record)
        if field.name != "outcomes" and not is_measured_once(field.name)
    ]
    one, other = (
        {name: _compared(name, getattr(record, name)) for name in names}
        for record in (stored, made)
    )
    problems = _in_words(list(_unequal(one, other)))
    if [o.target for o in stored.outcomes] != [o.target for o in made.outcomes]:
        return [*problems, "computed again it has other targets"]
    pairs = zip(stored.outcomes, made.outcomes, strict=True)
    wrong = [target_text(old.target) for old, new in pairs if not same(old, new)]
    if wrong:
        more = ", ..." if len(wrong) > _SHOWN else ""
        problems.append(
            f"computed again, something else is found for {', '.join(wrong[:_SHOWN])}{more}"
        )
    return problems


def made_by_without_our_version(
    made_by: Mapping[str, Mapping[str, str]],
) -> dict[str, dict[str, str]]:
    """Who made plug-ins; of ours the version is left out."""
    return {
        kind: {
            name: value
            for name, value in by.items()
            if name != "version" or by.get("distribution") != OURS
        }
        for kind, by in made_by.items()
    }


def _compared(name: str, value: Any) -> Any:
    return made_by_without_our_version(value) if name == "made_by" else as_said(name, value)


def as_said(name: str, value: Any) -> Any:
    """A field as it is compared: notes in the present words, everything else as it is.

    Example:
        >>> as_said("losses", [0.5]), as_said("notes", ["collapsed"])
        ([0.5], ['collapsed'])
    """
    return notes_in_present_words(value) if name == _NOTES else value


def _unequal(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for name in {**one, **other}:
        if name not in one or name not in other or not same(one[name], other[name]):
            yield name


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal to the type: no 1 is a 1.0 or a true. A NaN is a NaN.

    Example:
        >>> same((1, 2), [1, 2]), same(1, 1.0)
        (True, False)
    """
    return _text(one) == _text(other)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=vars)


def _same_tensor(stored: Artifact, made: Artifact, name: str) -> bool:
    one, other = stored.tensors.get(name), made.tensors.get(name)
    if one is None or other is None or one.dtype != other.dtype or one.shape != other.shape:
        return False
    one, other = (tensor.detach().cpu().contiguous() for tensor in (one, other))
    return one.numpy().tobytes() == other.numpy().tobytes()


def _in_words(names: list[str]) -> list[str]:
    if not names:
        return []
    more = ", ..." if len(names) > _SHOWN else ""
    return [f"computed again it has other {', '.join(names[:_SHOWN])}{more}"]
