"""What replay proves of a stored record, whether or not its victim can be asked."""

from __future__ import annotations

from robust_augcl.models.given import ModelMissing
from robust_augcl.plan.step import Step
from robust_augcl.review.proofs import Proof, check_exactness, check_record, most_tried, not_of_step
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.review.without_model import check_record_without_model


def prove_record(step: Step, run: StoredRun) -> Proof:
    """Prove the record of an attack step again, from stored graphs, edits and weights alone.

    Without the module of a given model, predictions are taken on trust.

    Raises:
        ArtifactDamaged: the record, or a file that it rests on, cannot be read.
    """
    record = run.folder.load_record(step.key)
    if record.attacker is not None:
        run.load(record.attacker)
    if problems := not_of_step(step, record):
        run.load(record.victim)
        return Proof("", problems)
    try:
        subject = run.subject(record.dataset, record.victim)
    except ModelMissing:
        return check_record_without_model(record, run.dataset(record.dataset), run.label_rule)
    if problems := check_record(record, subject):
        return Proof("", problems)
    beside, most = run.certified_beside(step, record), most_tried(step)
    proved, problems = check_exactness(record, subject, beside, most)
    words = subject.targets.judge.words
    return Proof(f"{record.num_graphs} graphs{proved}{words}", problems)
