"""How many seeds were planned before anybody saw one of the results of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robust_augcl.store.manifest import Manifest
from robust_augcl.store.store import Store


def planned_seeds(
    store: Store,
    old: Manifest | None,
    new: Manifest,
    seeds: Sequence[int],
    make: Callable[[Sequence[int]], Manifest],
) -> int | None:
    """Return how many seeds were planned for a run.

    Where there are results that no manifest lists any more, that is not known. Then it is the
    number of seeds that they are of: those were seen.

    Args:
        store: the folder's results.
        old: the folder's manifest before; None for none.
        new: of the run.
        seeds: that the run was asked for.
        make: makes the manifest of the suite with any seeds.

    Returns:
        None where the manifest before did not say it either.
    """
    if old is not None and (old.same_settings(new) or set(old.records) & set(new.records)):
        return old.planned_seeds
    seen = [seed for seed in set(seeds) if _has_results(store, make([seed]))]
    return len(seen or set(seeds))


def _has_results(store: Store, manifest: Manifest) -> bool:
    return any(store.record_path(key).exists() for key in manifest.records)
