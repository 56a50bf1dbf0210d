"""The answer of a run in a few plain sentences without markup, which every format escapes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from robust_augcl.reports._classes import of_class, uneven_classes
from robust_augcl.reports._comparison_words import sentences
from robust_augcl.reports._methods import UNSUPERVISED, of_model
from robust_augcl.reports._rest import drawn_name, failed_text
from robust_augcl.reports._sections import Section
from robust_augcl.reports._verdicts import verdicts_of
from robust_augcl.reports._view import View, Worst
from robust_augcl.reports._words import UNBROKEN
from robust_augcl.reports.tables import percent
from robust_augcl.results.names import CLEAN, joined

_FEW = 4
"""So many models, or classes, are named one by one."""
_NO_MORE = "No attack with such edits can do more damage."


def answer(view: View, family: Sequence[Section]) -> Iterator[str]:
    """What happens to the models of a family: one sentence a budget, then how methods compare."""
    first = family[0]
    clean = _listed(first, [first.robust(CLEAN, *column) for column in first.columns])
    means = "; the numbers are means over the seeds" if len(first.seeds) > 1 else ""
    yield (
        f"Before any edit, {clean} of the test {first.targets} are classified right. There are "
        f"{first.graphs}{means}."
    )
    yield from _without_labels(first)
    yield from _over_all_targets(first)
    if first.threat.poisoning:
        yield first.threat.poisoning
    yield _on_budget(view, first, family)
    yield from on_classes(first)
    for section in family[1:]:
        yield _on_budget(view, section, family)
    verdicts = verdicts_of(first)
    yield from sentences(verdicts, verdicts.leading)


class _Mean(NamedTuple):
    """A mean over seeds."""

    mean: float


def _without_labels(section: Section) -> Iterator[str]:
    """The accuracy by the unsupervised protocol of the papers, where the suite asks for it."""
    folds: set[int] = set()

    def of(layers: int, method: str) -> _Mean | None:
        found = _measured(section, "representation", layers, method, UNSUPERVISED)
        folds.update(len(each["accuracy"]) for each in found)
        means = [sum(each["accuracy"]) / len(each["accuracy"]) for each in found]
        return _Mean(sum(means) / len(means)) if means else None

    found = [of(*column) for column in section.columns]
    if any(found):
        number = " or ".join(map(str, sorted(folds)))
        yield (
            "By the papers' unsupervised protocol (encoders pretrained on all graphs without "
            f"labels, an SVM on their frozen embeddings, {number} folds, before any edit), "
            f"{_listed(section, found)} are classified right."
        )


def _over_all_targets(section: Section) -> Iterator[str]:
    """The accuracy over all test targets, where the attacked ones may be a sample of them."""

    def of(layers: int, method: str) -> _Mean | None:
        found = _measured(section, "linear_victim", layers, method, section.protocol)
        means = [each["accuracy"]["test"] for each in found]
        return _Mean(sum(means) / len(means)) if means else None

    found = [of(*column) for column in section.columns]
    if any(found):
        yield (
            "Over all test nodes, attacked or not, "
            f"{_listed(section, found)} are classified right before any edit."
        )


def _measured(
    section: Section, kind: str, layers: int, method: str, protocol: str
) -> list[dict[str, Any]]:
    """What was measured of a model, one a seed."""
    found = of_model(section.report.measurements, kind, section, layers, method, protocol)
    return [each.values for each in found]


def _on_budget(view: View, section: Section, family: Sequence[Section]) -> str:
    """What stays right within one budget: exactly, between two ends, or as far as is known.

    Where other budgets of the family have more numbers of layers, it says first which these are.
    """
    allowed = f"With {section.threat.text}"
    if {count for each in family for count in each.layers} - set(section.layers):
        counts = [str(count) for count in section.layers]
        alone = f"{', '.join(counts[:-1])} and {counts[-1]}" if counts[1:] else counts[0]
        noun = "layer" if section.layers == [1] else "layers"
        allowed = f"The next budget has results for {alone} {noun} only. With {section.threat.text}"
    worst = [view.worst(section, *column) for column in section.columns]
    known = [each for each in worst if each is not None]
    if known and len(known) == len(worst) and all(each.exact for each in known):
        values = _listed(section, [each.high for each in known])
        failed = failed_text(section, section.exact) if section.exact else ""
        return f"{allowed}, {values} stay right in the exact worst case. {_NO_MORE}{failed}"
    if known and all(each.low for each in known):
        some = any(each.exact for each in known)
        between = f" for every {section.noun}" if some else ". It lies between two bounds"
        return (
            f"{allowed}, the worst case is not known exactly{between}: "
            f"{_brackets(section, worst, some)}. The lower bound counts {section.targets} "
            f"proved safe, the upper bound counts {section.targets} {UNBROKEN}."
        )
    strongest = section.strongest
    if strongest is None:
        return f"{allowed}, no attack was run by itself."
    values = _listed(section, [section.robust(strongest, *column) for column in section.columns])
    if section.threat.poisoning:
        return (
            f"{allowed}, {values} stay right under {section.attack_name(strongest)}, the strongest "
            "single attack here. No worst case is known under poisoning: other edits may break "
            f"more.{failed_text(section, strongest)}"
        )
    return (
        f"{allowed}, {values} stay right under {section.attack_name(strongest)}, the strongest "
        "single attack here. The worst case is not known: a stronger attack may break more."
        f"{failed_text(section, strongest)}"
    )


def on_classes(section: Section) -> Iterator[str]:
    """How much of each class stays right, where classes differ strongly."""
    shares = uneven_classes(section)
    worst = section.exact or section.strongest
    if not shares or worst is None:
        return
    shown = shares if len(shares) <= _FEW else [shares[0], shares[-1]]
    (first, low), *others = shown
    listed = ", ".join(
        f"{percent(share)} % of those {of_class(section, label)}" for label, share in others
    )
    under = "in the exact worst case" if worst == section.exact else section.attack_name(worst)
    under = under if worst == section.exact else f"under {under}"
    # Of the exact worst case the sentence on the budget tells it.
    failed = "" if worst == section.exact else failed_text(section, worst)
    over = f"on average over the {section.noun}s" if len(section.columns) > 1 else ""
    yield (
        f"Classes differ strongly. With {section.threat.edits}, {percent(low)} % of the "
        f"{section.targets} {of_class(section, first)} stay right {joined(under, over)}; {listed}. "
        f"The figures over all {section.targets} are averages of these.{failed}"
    )


def _listed(section: Section, found: Sequence[object]) -> str:
    """Shares of models: one by one where they are few, else from the least to the most."""
    means = [
        (layers, method, getattr(each, "mean", None))
        for (layers, method), each in zip(section.columns, found, strict=True)
    ]
    known = [(layers, method, mean) for layers, method, mean in means if mean is not None]
    if not known:
        return "-"
    if len(known) <= _FEW and len(section.layers) == 1:
        named = [
            f"{percent(mean)} % ({drawn_name(section, layers, method)})"
            for layers, method, mean in known
        ]
        return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    low, high = (percent(end(mean for *_, mean in known)) for end in (min, max))
    return f"{low} %" if low == high else f"{low} to {high} % ({_columns(section, len(known))})"


def _brackets(section: Section, worst: Sequence[Worst | None], some_exact: bool) -> str:
    """Brackets of models, as `_listed` does; where some are exact, each says what it is."""
    named = [
        (drawn_name(section, *column), each)
        for column, each in zip(section.columns, worst, strict=True)
        if each is not None
    ]
    if len(named) <= _FEW and len(section.layers) == 1:
        return ", ".join(f"{name} {_bracket(each, some_exact)}" for name, each in named)
    known = [each for each in worst if each is not None]
    low = percent(min(each.low.mean for each in known if each.low))
    high = percent(max(each.high.mean for each in known))
    return f"{low} to {high} % ({_columns(section, len(known))})"


def _bracket(worst: Worst, some_exact: bool) -> str:
    """Both ends of a worst case, or the one number that it is."""
    high = percent(worst.high.mean)
    if worst.exact:
        return f"{high} % (exact)"
    low = percent(worst.low.mean if worst.low else None)
    return f"{low} to {high} %{' (bounds)' if some_exact else ''}"


def _columns(section: Section, number: int) -> str:
    """So many columns in words: methods, of each the mean over its trained models."""
    several = len(section.layers) > 1
    noun = "pairs of method and number of layers" if several else f"{section.noun}s"
    return f"{number} {noun}"
