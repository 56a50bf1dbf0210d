"""What replay proves again of certificates: witnesses, and what is certified.

Letters: G targets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import torch
from torch import Tensor

from robust_augcl.errors import ThreatViolation
from robust_augcl.models.given import ModelMissing
from robust_augcl.oracle.certifier import SLACK, MostTried
from robust_augcl.plan.step import Step, plain
from robust_augcl.results.measurements import StoredCertificate, targets_of
from robust_augcl.results.records import ArtifactRef
from robust_augcl.review.again import LEAST_EVALUATIONS, Again
from robust_augcl.review.edited import perturbation_of
from robust_augcl.review.judge import ROUNDED, Answer, unrounded
from robust_augcl.review.proofs import Proof, differing
from robust_augcl.review.stored_run import StoredRun, witnesses_of
from robust_augcl.review.subject import Subject
from robust_augcl.review.without_model import check_certificate_without_model
from robust_augcl.threat.model import ThreatModel


def prove_certificate(step: Step, run: StoredRun) -> Proof:
    """Prove the certificate of a step again (see `check_certificate`).

    Raises:
        ArtifactDamaged: the certificate, or a file that it rests on, cannot be read.
    """
    stored, threat = run.certificate(step), step.settings["threat"]
    if _text(stored.threat) != _text(plain(threat)):
        return Proof("", ["its threat is not that of its step"])
    data, model = (
        ArtifactRef(step.inputs[role].key, digest)
        for role, digest in (("dataset", stored.dataset), ("victim", stored.victim))
    )
    try:
        subject = run.subject(data, model)
    except ModelMissing:
        return check_certificate_without_model(stored, run.dataset(data), threat, run.label_rule)
    limits = (step.settings[name] for name in ("pairs", "evaluations", "sets"))
    return check_certificate(stored, subject, threat, MostTried(*limits))


def check_certificate(
    stored: StoredCertificate, subject: Subject, threat: ThreatModel, most: MostTried
) -> Proof:
    """What is proved again of a certificate, and what does not hold of it.

    Every witness is: it is allowed, keeps the class and breaks the prediction. Targets without one
    are predicted and tried again (see `Again`). What any other result about the same victim has
    found to break a target, and this threat allows, refutes that it is certified. A target whose
    sets of edits are within the limits of the search cannot be open.

    Args:
        stored: what the certificate says.
        subject, threat: those of its step.
        most: what its step may try of a target.
    """
    claims, targets = _Claims(stored), subject.targets
    if claims.names != targets.names:
        return Proof("", ["the certified graphs are not the test graphs of the data set"])
    if targets.judge.problems:
        return Proof("", targets.judge.problems)
    problems = list(_at_odds(claims))
    try:
        edits = [perturbation_of(*each) for each in witnesses_of(stored)]
        threat.check_all(targets.graphs, edits)
    except ThreatViolation as error:
        return Proof("", [*problems, str(error)])
    after, lost = targets.after(witnesses_of(stored))
    problems += _check_witnesses(claims, after, lost)
    found_by_others = subject.broken_by_others(claims.certified, threat)
    what = "certificate beside edits of another result"
    problems += differing(what, found_by_others, claims.names)
    again = subject.again(threat)
    no_bound = again.without_bound(most.pairs) | again.without_pairs(most)
    again.ask_bound(~claims.broken & ~no_bound)
    # A step that says that it may evaluate little must not keep its claims from being searched.
    # What is open claims nothing that a search could refute.
    # Of pairs, branch and bound makes as many evaluations as the limit for pairs, if it is higher.
    enough = max(most.evaluations, LEAST_EVALUATIONS)
    again.ask(claims.certified & (again.size <= 2), max(most.pairs, enough))
    again.ask(claims.certified, enough)
    problems += _check_fewest(claims, targets.judge.clean, again.after_one)
    problems += _check_the_rest(claims, again, most)
    problems += subject.drift
    words = f"{_in_words(claims, again)}{targets.judge.words}"
    return Proof(f"{len(claims.names)} graphs, {words}", problems)


class _Claims:
    """What a certificate says of its targets, as tensors (G,).

    Attributes:
        names: what it is about.
        certified, settled: whether that is claimed of each.
        lower: the claimed margin that no allowed set goes below; minus infinity without a claim.
        broken: whether each has a witness.
        edits: how many edits that has; 0 without one.
        unrounded: where the lower margin has more decimals than any run writes.
    """

    def __init__(self, stored: StoredCertificate) -> None:
        self.names = targets_of(stored)
        self.certified, self.settled = torch.tensor(stored.certified), torch.tensor(stored.settled)
        margins = [-torch.inf if margin is None else margin for margin in stored.lower_margin]
        self.lower = torch.tensor(margins, dtype=torch.double)
        self.broken = torch.tensor([witness is not None for witness in stored.witnesses])
        self.edits = torch.tensor([sum(map(len, witness or ())) for witness in stored.witnesses])
        self.unrounded = unrounded(stored.lower_margin)


def _at_odds(claims: _Claims) -> Iterator[str]:
    """Claims that contradict each other."""
    known = claims.certified | claims.broken
    yield from differing("verdict that it is settled", claims.settled != known, claims.names)
    both = claims.certified & claims.broken
    yield from differing("certificate beside its breaking edits", both, claims.names)


def _check_witnesses(claims: _Claims, after: Answer, lost: Tensor) -> Iterator[str]:
    """Witnesses keep the class and break the prediction; targets without one are right as such.

    Of a target without a witness, `after` says what the victim says of it when clean.
    """
    yield from differing("true class after the edits", lost, claims.names)
    wrong = after.beyond_rounding(after.wrong != claims.broken)
    what = "break by the edits that were found"
    yield from differing(what, claims.broken & wrong, claims.names)
    yield from differing("clean prediction", ~claims.broken & wrong, claims.names)


def _check_fewest(claims: _Claims, clean: Answer, after_one: Answer) -> Iterator[str]:
    """A witness has no edit where the target is wrong already, one where a single one breaks it.

    With more edits than that it would not count for smaller budgets.
    """
    by_one = clean.right & after_one.broken
    too_many = (clean.broken & (claims.edits > 0)) | (by_one & (claims.edits > 1))
    yield from differing("witness, as fewer edits break it,", too_many, claims.names)


def _check_the_rest(claims: _Claims, again: Again, most: MostTried) -> Iterator[str]:
    """What is claimed of targets without a witness, and all lower margins, each claim by itself."""
    certified, is_open = claims.certified, ~claims.certified & ~claims.broken
    unfounded = certified & (again.refuted(certified) | ~(again.proved | again.on_trust))
    yield from differing("certificate", unfounded, claims.names)
    wrong_margin = claims.unrounded | ~_margin_holds(claims, again, most)
    yield from differing("lower margin", wrong_margin, claims.names)
    after_one = again.after_one
    known = is_open & after_one.beyond_rounding(~claims.broken & after_one.wrong)
    yield from differing("claim that no single edit is known to break it", known, claims.names)
    decidable = is_open & (again.size <= 1)
    what = "claim that it is open, with one edit at the most,"
    yield from differing(what, decidable, claims.names)
    # Such a search ends with a proof or a witness. With more sets it may end with neither.
    settled = is_open & again.all_sets_within(most)
    what = "claim that it is open, though all its sets of edits are tried,"
    yield from differing(what, settled, claims.names)
    at_once = again.proved_at_once(is_open & again.without_pairs(most))
    proved = is_open & (again.size > 1) & (again.surely | at_once)
    yield from differing("claim that it is open, which the bound proves,", proved, claims.names)


def _margin_holds(claims: _Claims, again: Again, most: MostTried) -> Tensor:
    """Where the claimed lower margin is what is found now, or may be, as far as that is known (G,).

    A margin that is found again must be the same. Of a certificate that is not searched again as it
    was made, the margin may be anything that such a search can say.
    """
    tie = again.after_one.tie + ROUNDED
    no_bound = again.without_bound(most.pairs) | again.without_pairs(most)
    no_bound |= again.bound == -torch.inf
    expected = _margin_now(claims, again, no_bound)
    least, highest = _ends_of_margin(again, no_bound)
    is_same = (claims.lower == expected) | ((claims.lower - expected).abs() <= tie)
    is_between = (claims.lower >= least - tie) & (claims.lower <= highest + tie)
    unknown = claims.certified & _is_searched_otherwise(again, no_bound, most)
    return torch.where(unknown, is_between, is_same)


def _margin_now(claims: _Claims, again: Again, no_bound: Tensor) -> Tensor:
    """The lower margin that a certificate with these verdicts has, by what is found now (G,).

    If the target is certified, that is what proves it. If it is open, that is what the bound
    proves. If it is broken, it is none where several edits are allowed, and what the worst of them
    leaves where one is allowed.

    Args:
        claims: the verdicts.
        again: what is found now.
        no_bound: where the certificate has no bound (G,).
    """
    by_bound = again.bound.masked_fill(no_bound, -torch.inf)
    margin = torch.where(claims.certified, again.lower, by_bound)
    margin = margin.masked_fill(claims.broken, -torch.inf)
    all_tried = claims.broken & (again.size <= 1)
    return torch.where(all_tried, torch.maximum(by_bound, again.after_one.margin), margin)


def _ends_of_margin(again: Again, no_bound: Tensor) -> tuple[Tensor, Tensor]:
    """Between what the margin of a certified target lies, whatever search proves it (G,), (G,).

    No search finds more than the worst single edit leaves. With a bound, it leaves out sets of
    which it only knows that their margin is above the slack.
    """
    least = again.bound.clamp(min=0)  # what is certified has no margin below zero
    after_one = again.after_one.margin
    with_bound = torch.maximum(again.bound, after_one.clamp(max=SLACK))
    return least, torch.where(no_bound, after_one, with_bound)


def _is_searched_otherwise(again: Again, no_bound: Tensor, most: MostTried) -> Tensor:
    """Where sets of edits are not searched again as the certificate's search did it (G,).

    They are not searched again at all. Or they are pairs, and one of the two searches alone had a
    bound. Or branch and bound proves what the certificate's step settled without it.
    """
    without = again.by_branch_and_bound & (most.evaluations == 0)
    one_bound = (no_bound != again.searched_all) & (again.size == 2) & ~again.by_branch_and_bound
    return again.on_trust | one_bound | without


def _in_words(claims: _Claims, again: Again) -> str:
    """How many targets were proved how."""
    counted = (
        (claims.broken, "broken again by the edits that the search found"),
        (claims.certified & again.proved & ~again.by_branch_and_bound, "certified again"),
        (
            claims.certified & again.by_branch_and_bound,
            "certified again by branch and bound",
        ),
        (
            claims.certified & ~again.proved,
            "certified on trust: not all their sets of edits are searched again",
        ),
        (~claims.certified & ~claims.broken, "open"),
    )
    return ", ".join(f"{int(which.sum())} {what}" for which, what in counted if which.any())


def _text(threat: object) -> str:
    """A threat as text, so that it is compared to the type: a 1 is no true."""
    return json.dumps(threat, sort_keys=True)
