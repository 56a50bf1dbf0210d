"""What replay proves again of certificates: witnesses, and what is certified.

Letters: G targets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import ThreatViolation
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.certificates import SLACK, certify, largest_sets
from robust_augcl.plan.step import Step, plain
from robust_augcl.results.measurements import StoredCertificate, targets_of
from robust_augcl.results.records import ArtifactRef
from robust_augcl.review.proofs import Proof, differing, margins_of, perturbation_of
from robust_augcl.review.stored_run import StoredRun
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all


def prove_certificate(step: Step, run: StoredRun) -> Proof:
    """Prove the certificate of a step again (see `check_certificate`).

    Raises:
        ArtifactDamaged: the certificate, or a file that it rests on, cannot be read.
    """
    stored, threat = run.certificate(step), step.settings["threat"]
    if _text(stored.threat) != _text(plain(threat)):
        return Proof("", ["its threat is not that of its step"])
    data, model = (
        run.load(ArtifactRef(step.inputs[role].key, digest))
        for role, digest in (("dataset", stored.dataset), ("victim", stored.victim))
    )
    others = list(run.certificates_beside(step))
    return check_certificate(
        stored, dataset_of(data), victim_of(model), threat, run.label_rule, others
    )


def check_certificate(
    stored: StoredCertificate,
    dataset: Dataset,
    victim: Victim,
    threat: ThreatModel,
    label_rule: str,
    others: Sequence[StoredCertificate] = (),
) -> Proof:
    """What is proved again of a certificate, and what does not hold of it.

    Every witness is: it is allowed, keeps the class and breaks the prediction. Targets without one
    are predicted, every single edit of them is tried, and the bound for sets of edits is computed
    again. That is a proof for one edit, for more than two, where nothing but the bound can be one,
    and for two where the bound is enough. The pairs of edits that a certificate has searched beyond
    the bound are not searched again.

    Args:
        stored: what the certificate says.
        dataset, victim, threat: those of its step.
        label_rule: how label preservation is proved.
        others: certificates of the same victim and data set. Their witnesses, where the threat
            allows them, break what is certified here.
    """
    claims = _Claims(stored)
    if claims.targets != dataset.targets_at(dataset.test).names():
        return Proof("", ["the certified graphs are not the test graphs of the data set"])
    problems = list(_at_odds(claims))
    graphs = dataset.part(dataset.test)
    try:
        threat.check_all(graphs, claims.edits)
    except ThreatViolation as error:
        return Proof("", [*problems, str(error)])
    problems += _check_witnesses(claims, graphs, victim, label_rule)
    for other in others:
        problems += _check_beside(claims, other, graphs, victim, threat)
    again = _Again(claims, graphs, victim, threat)
    problems += _check_the_rest(again)
    return Proof(f"{len(claims.targets)} graphs, {_in_words(claims, again)}", problems)


class _Claims:
    """What a certificate says of its targets, as tensors (G,).

    Attributes:
        stored: the certificate.
        targets: what it is about.
        certified, settled: whether that is claimed of each.
        lower: the claimed margin that no allowed set goes below; minus infinity without a claim.
        broken: whether each has a witness.
        edits: the witness of each; no edits where there is none.
    """

    def __init__(self, stored: StoredCertificate) -> None:
        self.stored, self.targets = stored, targets_of(stored)
        self.certified, self.settled = torch.tensor(stored.certified), torch.tensor(stored.settled)
        self.lower = torch.tensor(
            [-torch.inf if margin is None else margin for margin in stored.lower_margin]
        )
        self.broken = torch.tensor([witness is not None for witness in stored.witnesses])
        self.edits = [_perturbation(witness) or Perturbation() for witness in stored.witnesses]


class _Again:
    """The targets without a witness, R of them, certified again as far as that is possible.

    Attributes:
        targets: which they are.
        certified, lower: what is claimed of them (R,).
        found: what is found of them now.
        size: the most edits that the threat allows each (R,).
        margin, tie: after the worst single edit, and by how much it may differ (R,).
    """

    def __init__(
        self, claims: _Claims, graphs: PackedGraphs, victim: Victim, threat: ThreatModel
    ) -> None:
        unbroken = (~claims.broken).nonzero().squeeze(1)
        self.targets = [claims.targets[place] for place in unbroken.tolist()]
        self.certified, self.lower = claims.certified[unbroken], claims.lower[unbroken]
        graphs = graphs.select(unbroken)
        self.found = certify(victim, graphs, threat, limit=0)
        self.size = largest_sets(graphs, threat)
        edits = [witness or Perturbation() for witness in self.found.witnesses]
        self.margin, self.tie = margins_of(victim, apply_all(graphs, edits))

    @cached_property
    def pairs_may_have_been_searched(self) -> Tensor:
        """Where a claim may rest on a search that is not made again (R,): sets of two edits."""
        return self.size == 2

    @cached_property
    def refuted(self) -> Tensor:
        """Where a single edit breaks the prediction (R,)."""
        return self.margin < -self.tie

    @cached_property
    def proved(self) -> Tensor:
        """Where nothing allowed breaks the prediction, but for what machines may differ by (R,)."""
        slack = torch.where(self.size > 2, self.tie.clamp(max=SLACK / 2), self.tie)
        nearly = ~self.pairs_may_have_been_searched & (self.found.lower_margin > -slack)
        return self.found.certified | nearly


def _at_odds(claims: _Claims) -> Iterator[str]:
    """Claims that contradict each other."""
    known = claims.certified | claims.broken
    yield from differing("verdict that it is settled", claims.settled != known, claims.targets)
    both = claims.certified & claims.broken
    yield from differing("certificate beside its breaking edits", both, claims.targets)


def _check_witnesses(
    claims: _Claims, graphs: PackedGraphs, victim: Victim, label_rule: str
) -> Iterator[str]:
    """Witnesses keep the class and break the prediction; targets without one are right as such."""
    attacked = apply_all(graphs, claims.edits)
    changed = unproved_labels(attacked, label_rule)
    yield from differing("true class after the edits", changed, claims.targets)
    margin, tie = margins_of(victim, attacked)  # of those without a witness the clean one
    unbroken = claims.broken & (margin > tie)
    yield from differing("break by the edits that were found", unbroken, claims.targets)
    yield from differing("clean prediction", ~claims.broken & (margin < -tie), claims.targets)
    yield from differing("lower margin", margin < claims.lower - tie, claims.targets)


def _check_beside(
    claims: _Claims,
    other: StoredCertificate,
    graphs: PackedGraphs,
    victim: Victim,
    threat: ThreatModel,
) -> list[str]:
    """No witness of another certificate that the threat allows breaks what is certified here."""
    if targets_of(other) != claims.targets:
        return []
    broken = torch.zeros_like(claims.certified)
    for place in claims.certified.nonzero().squeeze(1).tolist():
        witness = _perturbation(other.witnesses[place])
        if witness is not None:
            graph = graphs.select(torch.tensor([place]))
            with suppress(ThreatViolation):
                threat.check_all(graph, [witness])
                margin, tie = margins_of(victim, apply_all(graph, [witness]))
                broken[place] = bool(margin < -tie)
    return differing("certificate beside edits of another certificate", broken, claims.targets)


def _check_the_rest(again: _Again) -> Iterator[str]:
    """What is claimed of targets without a witness, each claim by itself."""
    searched = again.pairs_may_have_been_searched
    unfounded = again.certified & (again.refuted | ~(again.proved | searched))
    yield from differing("certificate", unfounded, again.targets)
    computed = ~again.certified | again.proved | ~searched  # no search has raised the margin
    too_high = computed & (again.lower > again.found.lower_margin + again.tie)
    yield from differing("lower margin", too_high, again.targets)
    known = ~again.certified & again.refuted
    yield from differing("claim that no single edit is known to break it", known, again.targets)
    decidable = ~again.certified & (again.size <= 1)
    yield from differing(
        "claim that it is open, with one edit at the most,", decidable, again.targets
    )


def _in_words(claims: _Claims, again: _Again) -> str:
    """How many targets were proved how."""
    tried = again.certified & ~again.proved & again.pairs_may_have_been_searched
    counted = (
        (claims.broken, "broken again by the edits that the search found"),
        (again.certified & again.proved, "certified again"),
        (tried, "certified before, now tried with single edits only"),
        (~again.certified, "open"),
    )
    return ", ".join(f"{int(which.sum())} {what}" for which, what in counted if which.any())


def _text(threat: object) -> str:
    """A threat as text, so that it is compared to the type: a 1 is no true."""
    return json.dumps(threat, sort_keys=True)


def _perturbation(witness: list[list[list[int]]] | None) -> Perturbation | None:
    return None if witness is None else perturbation_of(*witness)
