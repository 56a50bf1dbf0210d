"""Which methods a section compares: decided by what they are, as a suite may call them anything."""

from __future__ import annotations

import json
from collections.abc import Iterator

from robust_augcl.reports._sections import Section

MANY_PAIRS = 8
"""More comparisons than these are told in short."""
_RIVALS = ("ProGCL", "ProGCLMix")


def method_pairs(section: Section) -> list[tuple[str, str]]:
    """Pairs of methods, the one in question first, none twice.

    Every pretrained method against plain GraphCL of equal pretraining (base, epochs,
    augmentations), AUGCL and its variants against ProGCL of equal pretraining, then every
    pretrained method against none. Where nothing of that is there: all against the first.
    """
    pairs = list(dict.fromkeys(_wanted(section)))
    return pairs or [(method, section.methods[0]) for method in section.methods[1:]]


def leading_pairs(section: Section) -> list[tuple[str, str]]:
    """The pairs that a summary tells.

    All, or where they are many, those of AUGCL and its variants with other pretrained methods.
    """
    pairs = method_pairs(section)
    if len(pairs) <= MANY_PAIRS:
        return pairs
    kinds = section.kinds
    leading = [
        (left, right)
        for left, right in pairs
        if kinds[left] == "AUGCL" and kinds[right] != "NoPretraining"
    ]
    return (
        leading
        or [(left, right) for left, right in pairs if kinds[right] != "NoPretraining"]
        or pairs
    )


def _wanted(section: Section) -> Iterator[tuple[str, str]]:
    kinds = section.kinds
    pretrained = [method for method in section.methods if kinds[method] != "NoPretraining"]
    base: dict[str, str] = {}
    for method in pretrained:
        if kinds[method] == "GraphCL":
            base.setdefault(_pretraining(section, method), method)
    for method in pretrained:
        plain = base.get(_pretraining(section, method), method)
        if plain != method:
            yield method, plain
    for method in pretrained:
        if kinds[method] == "AUGCL":
            for rival in pretrained:
                if kinds[rival] in _RIVALS and _pretraining(section, rival) == _pretraining(
                    section, method
                ):
                    yield method, rival
    none = next((method for method in section.methods if kinds[method] == "NoPretraining"), None)
    if none is not None:
        yield from ((method, none) for method in pretrained)


def _pretraining(section: Section, method: str) -> str:
    """The pretraining that a method has of its own, as text; empty for that of the suite."""
    own = section.settings(method).get("pretraining")
    return json.dumps(own, sort_keys=True) if own else ""
