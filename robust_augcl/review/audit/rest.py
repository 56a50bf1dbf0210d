"""Checks of whether what was trained is at rest."""

from __future__ import annotations

from robust_augcl.results.findings import AT_REST, Finding
from robust_augcl.results.names import joined, layers_text
from robust_augcl.results.rest import FEWEST_EPOCHS, SHARE_OF_EPOCHS, Rest
from robust_augcl.review.audit.evidence import Evidence, keys_of, listed


def victims_are_at_rest(evidence: Evidence) -> Finding:
    """No victim's best epoch lies near the end of its training.

    Else methods may differ in how far their victims have come.
    """
    victims = {rest.cell: rest for rest in evidence.rests.values()}
    if not victims:
        return Finding(AT_REST, "n/a", "Nobody has said how these victims were trained.")
    moving = [victims[cell] for cell in sorted(victims) if not victims[cell].at_rest]
    if moving:
        records = (
            record
            for record in evidence.records
            if record.key in evidence.rests and not evidence.rests[record.key].at_rest
        )
        text = (
            f"{len(moving)} of {len(victims)} victims are not at rest (fewer than {FEWEST_EPOCHS} "
            f"epochs, or than {SHARE_OF_EPOCHS:.0%} of all, after the best one): "
            f"{listed([_named(rest) for rest in moving])}."
        )
        return Finding(AT_REST, "WARN", text, keys_of(records))
    fewest = min(victims.values(), key=lambda rest: rest.epochs - rest.epoch)
    return Finding(
        AT_REST,
        "PASS",
        f"{len(victims)} victims: each was trained for {fewest.epochs - fewest.epoch} epochs or "
        "more after its best one.",
    )


def _named(rest: Rest) -> str:
    cell = rest.cell
    about = joined(cell.method, layers_text(cell.layers), f"seed {cell.seed}")
    protocol = f" ({cell.protocol})" if cell.protocol != "strict" else ""
    return f"{about}{protocol}: {rest.text}"
