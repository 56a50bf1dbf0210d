"""What replay proves of results on a given model whose module nobody has named.

Nothing that only a folder names is imported. So edits, targets and classes are proved, and what the
model predicts is taken on trust.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import torch

from robust_augcl.errors import ArtifactDamaged, ThreatViolation, shown
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.models.given import is_known, known_module, other_than
from robust_augcl.results.measurements import StoredCertificate, targets_of
from robust_augcl.results.records import Record
from robust_augcl.review.edited import perturbation_of
from robust_augcl.review.proofs import Proof, differing, perturbations_of, threat_of
from robust_augcl.review.stored_run import witnesses_of
from robust_augcl.store.artifact import Artifact
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all

NO_MODEL = "no --model names the module of its given model, so nothing predicts again"
"""Why predictions are taken on trust."""


def other_modules(folder: RunFolder, records: Iterable[Record]) -> str:
    """Why what is made here is not of these records, in words; empty where it is.

    A module that was named for a given model may be another one than it was made of. Then it can
    be asked less, or says something else.
    """
    for ref in dict.fromkeys(record.victim for record in records):
        with suppress(ArtifactDamaged):  # which the checks say
            info = folder.load_artifact(ref).info
            if "found" in info and is_known(info):
                for problem in other_than(info, known_module(info)):
                    return f"of the given model {shown(info['label'])}, {problem}"
    return ""


def is_missing(victim: Artifact) -> bool:
    """Whether an artifact is of a given model whose module this process was not handed."""
    info: dict[str, Any] = victim.info
    if "found" not in info:
        return False
    return not is_known(info)


def check_record_without_model(record: Record, dataset: Dataset, label_rule: str) -> Proof:
    """What is proved of a record without its victim: targets, classes, edits, kept classes."""
    if [o.target for o in record.outcomes] != dataset.targets_at(dataset.attacked).names():
        return Proof("", ["the attacked graphs are not the test graphs of the data set"])
    told = torch.tensor([o.label for o in record.outcomes])
    names = [o.target for o in record.outcomes]
    problems = differing("class", told != dataset.part(dataset.attacked).y, names)
    problems += _edits(dataset, perturbations_of(record), threat_of(record), label_rule)
    if problems:
        return Proof("", problems)
    text = f"the edits and classes of {record.num_graphs} graphs, no prediction"
    return Proof(text, [], why_not=NO_MODEL)


def check_certificate_without_model(
    stored: StoredCertificate, dataset: Dataset, threat: ThreatModel, label_rule: str
) -> Proof:
    """What is proved of a certificate without its victim: targets, and that witnesses are allowed.

    That nothing is certified that has a witness, and settled what is neither, follows too.
    """
    names = targets_of(stored)
    if names != dataset.targets_at(dataset.attacked).names():
        return Proof("", ["the certified graphs are not the test graphs of the data set"])
    certified, settled = torch.tensor(stored.certified), torch.tensor(stored.settled)
    broken = torch.tensor([witness is not None for witness in stored.witnesses])
    problems = differing("verdict that it is settled", settled != (certified | broken), names)
    problems += differing("certificate beside its breaking edits", certified & broken, names)
    witnesses = [perturbation_of(*edits) for edits in witnesses_of(stored)]
    problems += _edits(dataset, witnesses, threat, label_rule)
    if problems:
        return Proof("", problems)
    return Proof(f"the edits of {len(names)} graphs, no prediction", [], why_not=NO_MODEL)


def _edits(
    dataset: Dataset, edits: list[Perturbation], threat: ThreatModel, label_rule: str
) -> list[str]:
    """What does not hold of the edits of all test targets: that they are allowed, and keep classes.

    Shapes: one perturbation a test target.
    """
    graphs = dataset.part(dataset.attacked)
    try:
        threat.check_all(graphs, edits)
    except ThreatViolation as error:
        return [str(error)]
    lost = unproved_labels(apply_all(graphs, edits), label_rule)
    return differing(
        "true class after the edits", lost, dataset.targets_at(dataset.attacked).names()
    )
