"""How to read the numbers of a section, in sentences that are written from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from robust_augcl.reports import _learned
from robust_augcl.reports._classes import uneven_classes
from robust_augcl.reports._rest import failed_text
from robust_augcl.reports._sections import Section
from robust_augcl.reports._view import View, Worst
from robust_augcl.reports.tables import percent


def guide(view: View, section: Section) -> Iterator[str]:
    """What to make of the numbers: points without markup that are written from them."""
    target = section.targets[:-1]
    yield f"A {target} counts as robust only if it is right before the attack and right after it."
    yield (
        f"A model that always answers the commonest class would have "
        f"{percent(section.commonest)} % in every row."
    )
    yield f"Protocol: {section.protocol_text}."
    yield from _on_the_worst(view, section)
    for attack in sorted(section.combined):
        yield (
            f"{section.attack_name(attack)}: for each {target}, the most damaging of the edits "
            "that the combined attacks found."
        )
    yield from _learned.in_short(section)
    yield from _on_claims(section)
    yield from _on_classes(section)
    if len(section.seeds) == 1:
        yield (
            "There is one seed. So intervals and tests speak for these trained models on these "
            f"{section.targets}, and not for the methods."
        )


def _on_the_worst(view: View, section: Section) -> Iterator[str]:
    """What the strongest attack leaves, and what the worst case does, as far as it is known."""
    strongest = section.strongest
    if strongest is None:
        return
    left, name = section.mean(strongest), section.attack_name(strongest)
    told = (
        f"With {section.threat.edits}, the strongest single attack is {name}. It leaves "
        f"{percent(left)} % of the {section.targets} right, on average over the {section.noun}s."
    )
    failed = failed_text(section, strongest)
    if section.threat.poisoning:
        yield f"{told} No worst case is known under poisoning.{failed}"
        return
    attacked = [column for column in section.columns if section.robust(strongest, *column)]
    worst = [view.worst(section, *column) for column in attacked]
    known = [each for each in worst if each is not None]
    if left is None or len(known) < len(worst) or not all(each.low for each in known):
        yield f"{told} A stronger attack may leave less: the worst case is not known here.{failed}"
        return
    yield f"{told} {_worst_text(section, known, left)}{failed}"


def _worst_text(section: Section, known: Sequence[Worst], left: float) -> str:
    """The worst case of the attacked models, on average: one number, or two bounds."""
    low = fmean(each.low.mean for each in known if each.low)
    high = fmean(each.high.mean for each in known)
    if all(each.exact for each in known):
        source = "" if section.exact else f" {_settled(section)}"
        return f"The exact worst case is {percent(high)} %.{source} {_missed(left - high, section)}"
    return (
        "A stronger attack may leave less: the exact worst case is not known here. What is proved "
        f"and what is broken put it between {percent(low)} and {percent(high)} %."
    )


def _settled(section: Section) -> str:
    """Where the exact worst case is known from, where no attack is exact."""
    return (
        f"Certificates and the attacks settle it together: each of the {section.targets} is proved "
        "safe, broken, or wrong from the start."
    )


def _missed(gap: float, section: Section) -> str:
    """What the strongest attack left of the exact worst case, a share of the targets."""
    if float(percent(gap)) == 0:
        return "So this attack missed less than 0.1 points."
    if gap < 0:
        return "No attack can leave less than that, so one of the two numbers is wrong."
    return (
        f"So this attack missed {percent(gap)} points: it left {section.targets} right that other "
        "edits break."
    )


def _on_claims(section: Section) -> Iterator[str]:
    """What is proved of attacks that claim to be exact, where it is not everything."""
    for attack in section.attacks:
        if attack in section.unproved:
            yield (
                f"{section.names.attack(attack)} claims that no edits do more damage. That is "
                f"proved for {percent(section.proved_share(attack))} % of its {section.targets} "
                "only. So it stands here as an attack like any other."
            )


def _on_classes(section: Section) -> Iterator[str]:
    """How classes differ under the worst that is known, where they differ much."""
    worst, shares = section.exact or section.strongest, sorted(uneven_classes(section))
    if worst is not None and shares:
        listed = "; ".join(
            f"{section.class_name(label)}: {percent(share)} %" for label, share in shares
        )
        yield (
            f"By class, the row {section.attack_name(worst)} is, on average over the "
            f"{section.noun}s, "
            f"{listed}. Edits break some classes far more often than others. The figure over all "
            "classes then depends on how a model divides its answers among the classes. So read "
            "robustness class by class."
        )
