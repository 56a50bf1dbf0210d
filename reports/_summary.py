"""How to read the numbers of a section, in sentences that are written from them."""

from __future__ import annotations

from collections.abc import Iterator

from robust_augcl.reports import _learned
from robust_augcl.reports._sections import Section
from robust_augcl.reports.tables import percent

_UNEVEN = 0.2  # classes further apart than this are worth a sentence


def guide(section: Section) -> Iterator[str]:
    """What to make of the numbers, in sentences without markup that are written from them."""
    yield "A graph counts as robust only if it is right before the attack and right after it."
    yield (
        f"Always answering the commonest class would score {percent(section.commonest)} % in "
        "every row."
    )
    yield from _on_the_worst(section)
    yield from _learned.sentences(section)
    yield from _on_claims(section)
    yield from _on_classes(section)
    if len(section.seeds) == 1:
        yield (
            "With one seed, intervals and tests speak for these trained models on these "
            "graphs, not for the methods."
        )


def _on_the_worst(section: Section) -> Iterator[str]:
    """What the strongest attack leaves, and what the exact worst case does."""
    strongest = section.strongest
    if strongest is None:
        return
    left, name = section.mean(strongest), section.attack_name(strongest)
    yield (
        f"The strongest attack, {name}, leaves {percent(left)} % standing on average "
        "over the columns;"
    )
    exact = section.mean(section.exact) if section.exact else None
    if left is None or exact is None:
        yield "a stronger one may leave less, as the exact worst case is not known here."
    else:
        yield (
            f"the exact worst case leaves {percent(exact)} %: {percent(left - exact)} "
            "points of that are what the attack missed."
        )


def _on_claims(section: Section) -> Iterator[str]:
    """What is proved of attacks that claim to be exact, where it is not everything."""
    for attack in section.attacks:
        if attack in section.unproved:
            yield (
                f"{section.names.attack(attack)} claims that no edits do more damage; that "
                f"is proved for {percent(section.proved_share(attack))} % of its graphs, so it "
                "stands here as one attack among others."
            )


def _on_classes(section: Section) -> Iterator[str]:
    """How classes differ under the worst that is known, where they differ much."""
    worst = section.exact or section.strongest
    if worst is None:
        return
    shares = [section.mean(worst, label) for label in range(section.num_classes)]
    known = [share for share in shares if share is not None]
    if known and max(known) - min(known) > _UNEVEN:
        listed = "; ".join(
            f"{section.class_name(label)}: {percent(share)} %" for label, share in enumerate(shares)
        )
        yield (
            f"Class by class, the row {section.attack_name(worst)} is, on average, "
            f"{listed}. Edits break some classes far more than others, so the pooled figure says "
            "as much about where a model draws its thresholds as about how robust it is: read it "
            "by class."
        )
