"""What was planned before anybody saw one of the results of a run: seeds, and comparisons.

It is what the first run with these settings was asked for. Later runs do not move it: whoever sees
results and goes on, or looks for a wider margin, decides too often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from robust_augcl.results.stated import TABLE
from robust_augcl.store.manifest import Before, Manifest
from robust_augcl.store.store import Store


class Planned(NamedTuple):
    """What was planned.

    Args:
        seeds: how many; None where the manifest before did not say it.
        names: which; None where that is not known.
        comparisons: the suite's table `[comparisons]`, empty where it stated none; None as above.
        before: what was planned of other settings that the folder held.
    """

    seeds: int | None
    names: list[int] | None
    comparisons: dict[str, Any] | None
    before: list[Before]


def planned(
    store: Store,
    old: Manifest | None,
    new: Manifest,
    seeds: Sequence[int],
    make: Callable[[Sequence[int]], Manifest],
) -> Planned:
    """Return what was planned for a run.

    What was planned of other settings that the folder held is kept, and holds when they come back:
    else whoever goes on could run something else in between, and plan anew. Where there are results
    that no manifest lists any more, nobody knows what was planned. Then it is the number of seeds
    that they are of, since those were seen, and no comparison. A suite that shares results with the
    folder's goes on with what was planned of that one. Where it takes in results of others too, it
    goes on with what was planned of all of them alike.

    Args:
        store: the folder's results.
        old: the folder's manifest before; None for none.
        new: of the run.
        seeds: that the run was asked for.
        make: makes the manifest of the suite with any seeds.
    """
    before = _before(old, new)
    known = next(
        (b for b in (old.planned_before if old else ()) if b.settings == new.settings), None
    )
    if known is not None:
        return Planned(
            known.seeds, known.names or _all_of(new, known.seeds), known.comparisons, before
        )
    if old is not None and old.same_settings(new):
        return Planned(old.planned_seeds, old.planned_names, old.planned_comparisons, before)
    if old is not None and set(old.records) & set(new.records):
        return _of_shared(store, old, new, before)
    seen = [seed for seed in set(seeds) if _has_results(store, make([seed]))]
    if seen:
        return Planned(len(seen), sorted(seen), {}, before)
    return Planned(len(set(seeds)), sorted(set(seeds)), new.table.get(TABLE, {}), before)


def _of_shared(store: Store, old: Manifest, new: Manifest, before: list[Before]) -> Planned:
    """What was planned for a run that shares results with the one before.

    `before` holds what was planned of that one, and of all others before it.
    """
    others = set(new.records) - set(old.records)
    if not any(store.record_path(key).exists() for key in others):
        return Planned(old.planned_seeds, old.planned_names, old.planned_comparisons, before)
    known = [(each.seeds, each.names) for each in before if each.seeds is not None]
    fewest, names = min(known, key=lambda each: each[0], default=(None, None))
    if len(known) < len(before):
        fewest, names = None, None
    is_one = all(each.comparisons == old.planned_comparisons for each in before)
    return Planned(fewest, names, old.planned_comparisons if is_one else {}, before)


def _all_of(new: Manifest, number: int | None) -> list[int] | None:
    """The seeds of a run, if they are as many as a folder of before kept without their names."""
    return sorted(new.seeds) if len(new.seeds) == number else None


def _before(old: Manifest | None, new: Manifest) -> list[Before]:
    """What is known of settings other than those of the new run."""
    if old is None:
        return []
    of_old = Before(old.settings, old.planned_seeds, old.planned_comparisons, old.planned_names)
    kept = {each.settings: each for each in (*old.planned_before, of_old)}
    return [each for settings, each in kept.items() if settings != new.settings]


def _has_results(store: Store, manifest: Manifest) -> bool:
    return any(store.record_path(key).exists() for key in manifest.records)
