"""Steps as data: what is computed, from what, and under which address the result is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from robust_augcl.arithmetic import FAST
from robust_augcl.plan.kinds import KINDS
from robust_augcl.results.records import SCHEMA, Cell
from robust_augcl.revisions import FIRST, Revision, in_addresses


@dataclass(frozen=True, eq=False)
class Step:
    """One thing to compute.

    Args:
        kind: which computation, a name in the table of kinds (`plan.kinds.KINDS`).
        title: what it is, for people.
        settings: everything that determines the result beside the inputs: dataclasses, numbers,
            strings.
        inputs: the steps whose results it needs, by role.
        cell: the cell, of an attack.
        plug_ins: the plug-ins whose code computes it, with their revisions; those behind its inputs
            are the inputs' own.
        arithmetic: that it is computed in. Results of different arithmetics are never mixed.

    Example:
        >>> few, many = (Step("victim", "a victim", {"epochs": n}, {}) for n in (1, 100))
        >>> few.key == many.key
        False
        >>> few.key == Step("victim", "another title", {"epochs": 1}, {}).key
        True
    """

    kind: str
    title: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, Step]
    cell: Cell | None = None
    plug_ins: Mapping[str, Revision] = field(default_factory=dict)
    arithmetic: str = FAST

    @cached_property
    def key(self) -> str:
        """The address of the result.

        It names the kind, and holds a hash of the settings, the inputs' addresses and the revisions
        of the code. Parts of the step's own work are left out, as they change no result.
        """
        identity = {
            "revision": [KINDS[self.kind].revision, SCHEMA],
            "kind": self.kind,
            "arithmetic": self.arithmetic,
            "settings": plain(dict(self.settings)),
            "inputs": {
                role: step.key for role, step in self.inputs.items() if not KINDS[step.kind].is_part
            },
            "cell": plain(self.cell),
        }
        if revised := {
            name: revision for name, revision in self.plug_ins.items() if revision != FIRST
        }:
            identity["plug_ins"] = revised
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def with_inputs(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps and all that they need, inputs of inputs included, each once.

    Example:
        >>> data = Step("dataset", "graphs", {}, {})
        >>> victim = Step("victim", "a victim", {}, {"dataset": data})
        >>> [step.title for step in with_inputs([victim, data])]
        ['graphs', 'a victim']
    """
    seen = set()
    unseen = list(steps)
    while unseen:
        step = unseen.pop()
        if step.key not in seen:
            seen.add(step.key)
            unseen += step.inputs.values()
            yield step


def plain(value: Any) -> Any:
    """The JSON form of settings; a dataclass carries its type's name.

    A later setting (`revisions.LATER`) that has its default is left out.

    Example:
        >>> @dataclass(frozen=True)
        ... class Budget:
        ...     edits: tuple[int, ...]
        >>> plain({"budget": Budget((1, 3))})
        {'budget': {'type': 'Budget', 'edits': [1, 3]}}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in in_addresses(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
