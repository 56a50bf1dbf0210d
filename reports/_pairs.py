"""Which methods a section compares: decided by what they are, as a suite may call them anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from robust_augcl.results.traits import MethodTraits

MANY_PAIRS = 8
"""More comparisons than these are told in short."""

Pair = tuple[str, str]
"""Two labels of methods, left less right."""


def method_pairs(
    methods: Sequence[str],
    traits: Mapping[str, MethodTraits],
    pretraining: Mapping[str, str],
    named: Sequence[Pair] = (),
) -> list[Pair]:
    """Pairs of methods, the one in question first, none twice.

    First come those that the suite names. Every pretrained method is compared with the plain one of
    equal pretraining (base, epochs, augmentations), then with those of equal pretraining that it
    names as rivals, then with no pretraining. Where nothing of that is there, all are compared with
    the first.

    Args:
        methods: labels, in the order of the suite.
        traits: what each is.
        pretraining: of each the settings that it has of its own, as text.
        named: pairs that the suite names.
    """
    pairs = _once([*_there(named, methods), *_wanted(methods, traits, pretraining)])
    return pairs or [(method, methods[0]) for method in methods[1:]]


def every_pair(methods: Sequence[str], named: Sequence[Pair] = ()) -> list[Pair]:
    """Every two of given models, the later one first; those that the suite names as it does."""
    others = [(left, right) for right, left in combinations(methods, 2)]
    return _once([*_there(named, methods), *others])


def leading_pairs(
    pairs: Sequence[Pair], traits: Mapping[str, MethodTraits], named: Sequence[Pair] = ()
) -> list[Pair]:
    """The pairs that a summary tells.

    All, or where they are many, those that the suite names, or else those of methods that name
    rivals with other pretrained methods.
    """
    if len(pairs) <= MANY_PAIRS:
        return list(pairs)
    if primary := [pair for pair in pairs if pair in named]:
        return primary
    pretrained = [(left, right) for left, right in pairs if traits[right].pretrains]
    leading = [(left, right) for left, right in pretrained if traits[left].rivals]
    return leading or pretrained or list(pairs)


def _there(pairs: Sequence[Pair], methods: Sequence[str]) -> list[Pair]:
    return [pair for pair in pairs if set(pair) <= set(methods)]


def _once(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs without those that are there already, either way round."""
    found: dict[frozenset[str], Pair] = {}
    for pair in pairs:
        found.setdefault(frozenset(pair), pair)
    return list(found.values())


def _wanted(
    methods: Sequence[str], traits: Mapping[str, MethodTraits], pretraining: Mapping[str, str]
) -> Iterator[Pair]:
    pretrained = [method for method in methods if traits[method].pretrains]
    plain_ones: dict[str, str] = {}
    for method in pretrained:
        if traits[method].plain:
            plain_ones.setdefault(pretraining[method], method)
    for method in pretrained:
        plain = plain_ones.get(pretraining[method], method)
        if plain != method:
            yield method, plain
    for method in pretrained:
        for rival in pretrained:
            named = traits[rival].plug_in in traits[method].rivals
            if named and pretraining[rival] == pretraining[method]:
                yield method, rival
    none = next((method for method in methods if not traits[method].pretrains), None)
    if none is not None:
        yield from ((method, none) for method in pretrained)
