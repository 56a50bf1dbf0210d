"""Which methods a section compares: decided by what they are, as a suite may call them anything."""

from __future__ import annotations

import json
from collections.abc import Iterator

from robust_augcl.reports._sections import Section

MANY_PAIRS = 8
"""More comparisons than these are told in short."""


def method_pairs(section: Section) -> list[tuple[str, str]]:
    """Pairs of methods, the one in question first, none twice.

    Every pretrained method is compared with the plain one of equal pretraining (base, epochs,
    augmentations), then with those of equal pretraining that it names as rivals, then with no
    pretraining. Where nothing of that is there, all are compared with the first.
    """
    pairs = list(dict.fromkeys(_wanted(section)))
    return pairs or [(method, section.methods[0]) for method in section.methods[1:]]


def leading_pairs(section: Section) -> list[tuple[str, str]]:
    """The pairs that a summary tells.

    All, or where they are many, those of methods that name rivals with other pretrained methods.
    """
    pairs = method_pairs(section)
    if len(pairs) <= MANY_PAIRS:
        return pairs
    traits = section.method_traits
    pretrained = [(left, right) for left, right in pairs if traits[right].pretrains]
    leading = [(left, right) for left, right in pretrained if traits[left].rivals]
    return leading or pretrained or pairs


def _wanted(section: Section) -> Iterator[tuple[str, str]]:
    traits = section.method_traits
    pretrained = [method for method in section.methods if traits[method].pretrains]
    plain_ones: dict[str, str] = {}
    for method in pretrained:
        if traits[method].plain:
            plain_ones.setdefault(_pretraining(section, method), method)
    for method in pretrained:
        plain = plain_ones.get(_pretraining(section, method), method)
        if plain != method:
            yield method, plain
    for method in pretrained:
        for rival in pretrained:
            named = traits[rival].plug_in in traits[method].rivals
            if named and _pretraining(section, rival) == _pretraining(section, method):
                yield method, rival
    none = next((method for method in section.methods if not traits[method].pretrains), None)
    if none is not None:
        yield from ((method, none) for method in pretrained)


def _pretraining(section: Section, method: str) -> str:
    """The pretraining that a method has of its own, as text; empty for that of the suite."""
    own = section.settings(method).get("pretraining")
    return json.dumps(own, sort_keys=True) if own else ""
