"""Turning stored edits on other stored victims. It takes forward passes alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.results.records import ArtifactRef, Record
from robust_augcl.results.transfers import Transfer, Transfers, pairs_to_transfer
from robust_augcl.review.proofs import perturbations_of
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.steps.drift import Answers
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.perturbations import apply_all


class Turner:
    """Turns edits on other victims, each once: what was turned ahead is not turned again.

    Args:
        folder: holds the victims.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._datasets = lru_cache(maxsize=2)(lambda ref: dataset_of(folder.load_artifact(ref)))
        self._victims = lru_cache(maxsize=None)(lambda ref: victim_of(folder.load_artifact(ref)))
        self._last: tuple[str, PackedGraphs] | None = None
        self._turned: dict[tuple[str, str], Transfer] = {}
        self._answers: dict[ArtifactRef, Answers] = {}

    def turn(self, source: Record, target: Record) -> Transfer:
        """The source's edits on the target's victim.

        Raises `ArtifactDamaged` where a data set or victim is not what the record says.
        """
        pair = source.dumps(), target.dumps()
        if pair not in self._turned:
            # Only the graphs of the last source are kept.
            if self._last is None or self._last[0] != pair[0]:
                self._last = pair[0], _attacked(source, self._datasets(source.dataset))
            graphs, victim = self._last[1], self._victims(target.victim)
            if target.victim not in self._answers:
                self._answers[target.victim] = Answers(victim, graphs, "the transfers'")
            logits = victim.logits(graphs).cpu()
            margin = [round(value, 6) for value in margins(logits, graphs.y).tolist()]
            self._turned[pair] = Transfer(source.key, target.key, logits.argmax(1).tolist(), margin)
        return self._turned[pair]

    def refuse_drift(self) -> None:
        """Refuse given models that answer otherwise by now; raises `Drifted`."""
        for answers in self._answers.values():
            answers.refuse_others()

    def look_ahead(
        self, records: Sequence[Record], enough: Callable[[], bool] = lambda: False
    ) -> None:
        """Turn what there is to turn between these records, until it is `enough`.

        So it need not be done later.
        """
        for source, target in pairs_to_transfer(records):
            if enough():
                return
            self.turn(source, target)


def transfer_records(
    folder: RunFolder, records: Sequence[Record], turner: Turner | None = None
) -> Transfers:
    """Turn the edits of records on the victims of the others. Nothing is written.

    `turner` may have turned some already.

    Raises:
        ArtifactDamaged: a data set or victim that a record rests on is missing, or not what the
            record says.
        Drifted: a given model answers otherwise after these questions than before.
    """
    pairs = pairs_to_transfer(records)
    if turner is None:
        turner = Turner(folder)
    else:  # what it has read may have changed since
        for ref in dict.fromkeys(
            ref for pair in pairs for record in pair for ref in (record.dataset, record.victim)
        ):
            folder.load_artifact(ref)
    entries = tuple(turner.turn(source, target) for source, target in pairs)
    turner.refuse_drift()
    return Transfers(folder.stamp(records), entries)


def _attacked(record: Record, dataset: Dataset) -> PackedGraphs:
    graphs = dataset.part(dataset.numbers_of([o.target for o in record.outcomes]))
    return apply_all(graphs, perturbations_of(record))
