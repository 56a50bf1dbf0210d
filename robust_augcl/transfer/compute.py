"""Turning stored edits on other stored victims: forward passes alone. Kept in the run's folder, made again when the records change."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from robust_augcl.dataset import Dataset
from robust_augcl.errors import ArtifactDamaged
from robust_augcl.graphs import PackedGraphs
from robust_augcl.records import Record
from robust_augcl.replay import perturbations_of
from robust_augcl.run_folder import RunFolder
from robust_augcl.steps import dataset_of, victim_of
from robust_augcl.store import write_atomically
from robust_augcl.threat import apply_all
from robust_augcl.transfer.results import Transfer, Transfers, pairs_to_transfer
from robust_augcl.victim import margins

TRANSFER = "transfer.json"


def stored_transfers(folder: RunFolder, records: Sequence[Record]) -> Transfers | None:
    """The transfers between these records that the folder holds; None where there are none, or others, or damaged ones."""
    path = folder.path / TRANSFER
    try:
        transfers = Transfers.loads(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError, ArtifactDamaged):
        return None
    return transfers if transfers.of == folder.stamp(records) else None


def transfer_records(folder: RunFolder, records: Sequence[Record]) -> Transfers:
    """Turn the edits of every record on the victims of the others that they can be turned on, and keep what comes of it.

    Raises:
        ArtifactDamaged: a data set or victim that a record rests on is missing, or not what the record says.
        InputError: the result cannot be written.
    """
    datasets = lru_cache(maxsize=2)(lambda ref: dataset_of(folder.load_artifact(ref)))
    victims = lru_cache(maxsize=None)(lambda ref: victim_of(folder.load_artifact(ref)))
    attacked = lru_cache(maxsize=1)(lambda key: _attacked(by_key[key], datasets(by_key[key].dataset)))  # of the last source alone
    by_key = {record.key: record for record in records}
    entries = []
    for source, target in pairs_to_transfer(records):
        graphs = attacked(source.key)
        logits = victims(target.victim).logits(graphs).cpu()
        margin = [round(value, 6) for value in margins(logits, graphs.y).tolist()]
        entries.append(Transfer(source.key, target.key, logits.argmax(1).tolist(), margin))
    transfers = Transfers(folder.stamp(records), tuple(entries))
    write_atomically(folder.path / TRANSFER, transfers.dumps().encode())
    return transfers


def _attacked(record: Record, dataset: Dataset) -> PackedGraphs:
    graphs = dataset.part(torch.tensor([outcome.graph for outcome in record.outcomes], dtype=torch.long))
    return apply_all(graphs, perturbations_of(record))
