"""What the search of an attack answers for several budgets, as its artifact holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from robust_augcl.results import strict

_Edits = Annotated[list[list[strict.Pair]], Field(min_length=2, max_length=2)]


@dataclass(frozen=True)
class SearchAnswer:
    """An answer to one budget: of each target the pairs added and those removed, and what it took.

    Queries and gradient calls are those that a search for this budget alone would take.
    """

    __pydantic_config__ = strict.STRICT

    budget: strict.Positive
    edits: list[_Edits]
    queries: strict.Whole
    gradient_calls: strict.Whole


@dataclass(frozen=True)
class SearchInfo:
    """Of a search: the digests of what it rests on, and its answers, by budget."""

    __pydantic_config__ = strict.STRICT
    beside: ClassVar[tuple[str, ...]] = ("answer_seconds",)

    dataset: strict.Digest
    victim: strict.Digest
    answers: list[SearchAnswer]


def stored_search(info: Any, source: str) -> SearchInfo:
    """Read the info of a search's artifact; `source` names the file in errors.

    Raises:
        ArtifactDamaged: anything but what a run writes, to the type.

    Example:
        >>> info = {"dataset": "0" * 64, "victim": "1" * 64, "answers": []}
        >>> stored_search(info, "a file").answers
        []
    """
    return strict.read_as(SearchInfo, json.dumps(info), source, "what is said of a search")
