"""What a user should know of the earlier run in a folder, before another one goes on there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from robust_augcl.revisions import changes
from robust_augcl.store.manifest import Manifest


def since(earlier: Manifest, new: Manifest, folder: Path, computed: Collection[int]) -> list[str]:
    """Sentences about what is other in this run than in the earlier one; empty where nothing is.

    Args:
        earlier: the manifest of the last run in the folder.
        new: that of this run, with the seeds of all runs that share its settings.
        folder: of the runs.
        computed: the seeds that this run computes.
    """
    return [
        *_other_settings(earlier, new, folder),
        *_other_comparisons(earlier, new, folder),
        *_other_number_of_seeds(new, folder),
        *_revised(earlier, new, folder, computed),
    ]


def _other_settings(earlier: Manifest, new: Manifest, folder: Path) -> list[str]:
    if earlier.same_settings(new):
        return []
    notes = [
        f"The settings are not those of the last run in {folder}: tables show this one, what both "
        "share is reused"
    ]
    if left_out := sorted(set(earlier.seeds) - set(new.seeds)):
        notes.append(
            f"Seeds {', '.join(map(str, left_out))} of that run are not in the tables any more: "
            "--seeds brings them back"
        )
    return notes


def _other_comparisons(earlier: Manifest, new: Manifest, folder: Path) -> list[str]:
    if earlier.same_comparisons(new) or not earlier.same_settings(new):
        return []
    changed = "; ".join(each.text for each in new.report_input([]).rules.changed)
    why = changed or "what is stated after results were seen decides too often"
    return [f"The suite states other comparisons than in the last run in {folder}: {why}"]


def _other_number_of_seeds(new: Manifest, folder: Path) -> list[str]:
    planned, held = new.planned_seeds, len(new.seeds)
    if planned in (None, held):
        return []
    return [
        f"{folder} was planned with {planned} seed{'s' if planned != 1 else ''} and holds {held} "
        "now: its tables show estimates and no verdicts. For verdicts name all seeds in the first "
        "run of another --out"
    ]


def _revised(
    earlier: Manifest, new: Manifest, folder: Path, computed: Collection[int]
) -> list[str]:
    revised = changes(earlier.revisions, new.revisions)
    if not revised:
        return []
    notes = [
        f"Revised since the last run in {folder}: {', '.join(revised)}; what they determine is "
        "computed again"
    ]
    if waiting := sorted(set(new.seeds) - set(computed)):
        notes.append(
            f"Seeds {', '.join(map(str, waiting))} of that run are not computed now: name them in "
            "--seeds too"
        )
    return notes
