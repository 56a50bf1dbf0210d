"""Words for settings: threats, protocols."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from robust_augcl.results.records import Record

UNBROKEN = "that neither an attack nor the search for proofs has broken"
"""What graphs or nodes the upper bound of a worst case counts."""
TOGETHER = "all together cover the truth with 95 % confidence (Bonferroni)"
"""What intervals do that are corrected for how many they are."""
ALONE = "not corrected for several comparisons"
"""What is said of intervals that are not."""
_BELOW_0 = re.compile(r"(?<![\w.-])-(?=\d+\.\d)")
_FEWEST = 4
"""So many numbers in a row are written as a range."""

_GIVEN = {
    "strict": "attacks were chosen without the attacked graphs; how the models were trained is not "
    "known here",
    "paper": "attacks that learn, learned on the attacked graphs; how the models were trained is "
    "not known here",
}
_PROTOCOLS = {
    "strict": "models and attacks were chosen without the test graphs",
    "paper": "as published: the model's epoch was chosen on the test graphs, and attacks that "
    "learn, learned on them",
}


def protocol_text(protocol: str, given: bool = False, targets: str = "graphs") -> str:
    """The protocol, and what it means where that is known; `given`: for models that are given.

    >>> protocol_text("strict", targets="nodes")
    'strict (models and attacks were chosen without the test nodes)'
    """
    meaning = (_GIVEN if given else _PROTOCOLS).get(protocol, "")
    return f"{protocol} ({meaning.replace('graphs', targets)})" if meaning else protocol


_PLACES = {
    "target": "each at the target node",
    "neighbours": "each at a neighbour of the target node and not at the node itself",
    "anywhere": "anywhere in the graph",
}
_WHOLES = {"graph": "a graph's edges", "degree": "the edges at a target node"}


def threat_text(threat: dict[str, Any]) -> str:
    """The edits that a threat model allows, in words; unknown fields stand at the end as they are.

    The setting is not among them (see `_threats.setting_sentences`).

    >>> threat_text({"budget": 0.5, "operations": ["add"], "share_of": "degree"})
    'up to 50 % of the edges at a target node added'
    """
    rest = {name: value for name, value in threat.items() if name not in ("type", "setting")}
    budget, operations = rest.pop("budget", None), rest.pop("operations", ())
    share_of = rest.pop("share_of", "graph")
    if isinstance(budget, float):
        much = f"up to {100 * budget:g} % of {_WHOLES.get(share_of, share_of)}"
    else:
        most = "at most 1 edge" if budget == 1 else f"up to {budget} edges"
        much = "edges" if budget is None else most
    verb = (
        " or ".join(
            {"add": "added", "delete": "deleted"}.get(operation, str(operation))
            for operation in operations
        )
        or "edited"
    )
    text = f"{much} {verb}"
    if place := rest.pop("at", ""):
        text += f", {_PLACES.get(place, f'at {place}')}"
    if rest.pop("within_component", False):
        text += ", inside one component"
    if rest.pop("allow_existing", False):
        text += ", an existing edge may be named (which changes nothing)"
    if rest.pop("shared", False):
        text += ", the same for all targets"
    return text + "".join(f", {name} {value}" for name, value in sorted(rest.items()))


def setting_text(records: Iterable[Record]) -> str:
    """The setting of records of nodes; empty where targets are graphs, which nobody poisons."""
    return " and ".join(sorted({each.setting for each in records if each.of_nodes}))


def edits_text(budget: int | float, of: str = "graph") -> str:
    """The edits that a budget allows; `of`: what a share is one of (the "graph", or the "degree").

    >>> edits_text(1), edits_text(3), edits_text(0.05)
    ('1 edit', 'up to 3 edits', "edits of up to 5 % of a graph's edges")
    """
    if isinstance(budget, float):
        return f"edits of up to {100 * budget:g} % of {_WHOLES.get(of, of)}"
    return "1 edit" if budget == 1 else f"up to {budget} edits"


def within_text(budget: int | float, of: str = "graph") -> str:
    """A budget inside a sentence; `of`: what a share is one of (the "graph", or the "degree").

    >>> within_text(3), within_text(0.05)
    ('budget 3', "a budget of 5 % of a graph's edges")
    """
    if isinstance(budget, float):
        return f"a budget of {100 * budget:g} % of {_WHOLES.get(of, of)}"
    return f"budget {budget}"


def seeds_text(seeds: Iterable[int], to: str = " to ", between: str = ", ") -> str:
    """Seeds in words: what is written of many in a row are the first and the last.

    Args:
        seeds: each once, in rising order.
        to: stands between the ends of a range.
        between: stands between ranges, and seeds by themselves.

    >>> seeds_text([0, 1, 2]), seeds_text([0, 5, 6, 7, 8, 10])
    ('0, 1, 2', '0, 5 to 8, 10')
    """
    rows: list[list[int]] = []
    for seed in seeds:
        if rows and seed == rows[-1][-1] + 1:
            rows[-1].append(seed)
        else:
            rows.append([seed])
    parts = [
        f"{row[0]}{to}{row[-1]}" if len(row) >= _FEWEST else between.join(map(str, row))
        for row in rows
    ]
    return between.join(parts)


def sentence(text: str) -> str:
    """A text with a capital letter, as sentences begin with one.

    >>> sentence("for 3 % of the anchors")
    'For 3 % of the anchors'
    """
    return f"{text[:1].upper()}{text[1:]}"


def with_minus(text: str) -> str:
    """Text whose numbers below 0 have a real minus sign, as names of differences have.

    Only numbers with decimals are taken for numbers: dates, seeds and names stay as they are.

    >>> with_minus("-1.2 (-2.0 to +0.4), seeds 0-4, v1-2.0").replace("\\N{MINUS SIGN}", "minus ")
    'minus 1.2 (minus 2.0 to +0.4), seeds 0-4, v1-2.0'
    """
    return _BELOW_0.sub("\N{MINUS SIGN}", text)
