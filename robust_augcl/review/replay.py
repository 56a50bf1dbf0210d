"""Replay: prove every stored record and certificate again, from the stored graphs, edits and
weights alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import ArtifactDamaged, ThreatViolation
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.oracle.certificates import SLACK, certify, largest_sets
from robust_augcl.plan.declared import declared, method_settings
from robust_augcl.plan.planner import plan
from robust_augcl.plan.step import Step, plain
from robust_augcl.plan.suite import make_suite
from robust_augcl.results.measurements import StoredCertificate, stored_certificate
from robust_augcl.results.records import ArtifactRef, Record
from robust_augcl.steps.artifacts import dataset_of, victim_of
from robust_augcl.store.manifest import MANIFEST, Manifest
from robust_augcl.store.run_folder import RunFolder
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all

TIE = 1e-4
"""Margins may differ by this much between machines; a verdict whose margin is below it may not be
the same there.
"""


@dataclass(frozen=True)
class Verdict:
    """What replaying one result found.

    Args:
        kind: "record", "certificate", or "list": which of them there must be.
        name: the result's file.
        proved: what was proved again, in words.
        problems: what does not hold; empty where all does.
    """

    kind: Literal["list", "record", "certificate"]
    name: str
    proved: str
    problems: list[str]


def replay(
    folder: RunFolder, manifest: Manifest, report: Callable[[Verdict], None]
) -> list[Verdict]:
    """Replay the records and certificates of a folder, one verdict each, reported as they are
    reached.

    What each must be about, and which there must be, is worked out again from the suite. What is
    proved again of certificates: `check_certificate`.

    Raises:
        InputError: the folder's manifest holds no valid suite.
    """

    load = lru_cache(maxsize=8)(folder.load_artifact)
    suite = make_suite({**manifest.table, "seeds": manifest.seeds}, str(folder.path / MANIFEST))
    planned = plan(suite, manifest.fingerprint)
    records = {step.key: step for step in planned.attacks}
    beside = {step.key: step for _, step in planned.measurements}
    verdicts = []

    def reached(verdict: Verdict) -> None:
        report(verdict)
        verdicts.append(verdict)

    def of_record(step: Step) -> tuple[str, list[str]]:
        record = folder.load_record(step.key)
        if record.attacker is not None:
            load(record.attacker)
        dataset, victim = dataset_of(load(record.dataset)), victim_of(load(record.victim))
        return f"{record.num_graphs} graphs", _not_of(step, record) or check_record(
            record, dataset, victim
        )

    def certificate_of(step: Step) -> StoredCertificate:
        return stored_certificate(folder.store.load(step.key).info, f"{step.key}.safetensors")

    def beside_it(step: Step, stored: StoredCertificate) -> Iterator[StoredCertificate]:
        for other in certificates:
            if other.key != step.key and other.inputs["victim"].key == step.inputs["victim"].key:
                with suppress(ArtifactDamaged):  # which its own verdict says
                    found = certificate_of(other)
                    if (found.dataset, found.victim) == (stored.dataset, stored.victim):
                        yield found

    def of_certificate(step: Step) -> tuple[str, list[str]]:
        stored, threat = certificate_of(step), step.settings["threat"]
        if json.dumps(stored.threat, sort_keys=True) != json.dumps(
            plain(threat), sort_keys=True
        ):  # to the type: a 1 is no true
            return "", ["its threat is not that of its step"]
        data, model = (
            load(ArtifactRef(step.inputs[role].key, getattr(stored, role)))
            for role in ("dataset", "victim")
        )
        others = list(beside_it(step, stored))
        return check_certificate(
            stored, dataset_of(data), victim_of(model), threat, suite.source.label_rule, others
        )

    for what, mine, wanted in (
        ("records", manifest.records, records),
        ("measurements", manifest.measurements, beside),
    ):
        if set(mine) != set(wanted):
            reached(
                Verdict(
                    "list", MANIFEST, "", [f"its list of {what} is not that of its suite and seeds"]
                )
            )
    certificates = [step for step in beside.values() if step.kind == "certificate"]
    for step, check in [
        *((step, of_record) for step in records.values()),
        *((step, of_certificate) for step in certificates),
    ]:
        try:
            proved, problems = check(step)
        except ArtifactDamaged as error:
            proved, problems = "", [str(error)]
        file = f"{step.key}.jsonl" if step.kind == "attack" else f"{step.key}.safetensors"
        reached(
            Verdict(
                "record" if step.kind == "attack" else "certificate",
                f"{file} ({step.title})",
                proved,
                problems,
            )
        )
    return verdicts


def _not_of(step: Step, record: Record) -> list[str]:
    """What a record says of itself that is not so, by the step that it is the result of."""
    inputs = {role: needed.key for role, needed in step.inputs.items()}
    expected = {
        "cell": step.cell,
        "threat": plain(step.settings["threat"]),
        "attack_settings": plain(step.settings["attack"]),
        "method_settings": method_settings(step.settings),
        "label_rule": step.settings["label_rule"],
        **declared(step),
    }
    wrong = [name for name, value in expected.items() if getattr(record, name) != value]
    for role in ("dataset", "victim", "attacker"):
        ref = getattr(record, role)
        if (ref and ref.key) != inputs.get(role):
            wrong.append(role)
    return [f"its {' and '.join(wrong)} are not those of its step"] if wrong else []


def check_record(
    record: Record, dataset: Dataset, victim: Victim, clean: Tensor | None = None
) -> list[str]:
    """What does not hold of a record: graphs, classes, edits within the threat, label preservation,
    predictions, margins.

    `clean` are the victim's logits of the unedited test graphs, if they are known already.
    """
    outcomes = record.outcomes
    numbers = dataset.test
    if [o.target for o in outcomes] != dataset.targets_at(numbers).names():
        return ["the attacked graphs are not the test graphs of the data set"]
    graphs = dataset.part(numbers)
    problems = _differing("class", torch.tensor([o.label for o in outcomes]) != graphs.y, numbers)
    perturbations = perturbations_of(record)
    threat = {name: value for name, value in record.threat.items() if name != "type"}
    try:
        ThreatModel(**{**threat, "operations": tuple(threat["operations"])}).check_all(
            graphs, perturbations
        )
    except ThreatViolation as error:
        return [*problems, str(error)]
    attacked = apply_all(graphs, perturbations)
    problems += _differing(
        "true class after the edits", unproved_labels(attacked, record.label_rule), numbers
    )
    for when, packed, predicted, stored in (
        ("clean", graphs, [o.clean for o in outcomes], [o.clean_margin for o in outcomes]),
        (
            "attacked",
            attacked,
            [o.attacked for o in outcomes],
            [o.attacked_margin for o in outcomes],
        ),
    ):
        logits = clean if when == "clean" and clean is not None else victim.logits(packed).cpu()
        margin = margins(logits, graphs.y)
        scale = logits.abs().max(1).values.clamp(min=1)
        wrong = (logits.argmax(1) != torch.tensor(predicted)) & (margin.abs() > TIE * scale)
        problems += _differing(f"{when} prediction", wrong, numbers)
        problems += _differing(
            f"{when} margin", (margin - torch.tensor(stored)).abs() > TIE * scale, numbers
        )
    return problems


def check_certificate(
    stored: StoredCertificate,
    dataset: Dataset,
    victim: Victim,
    threat: ThreatModel,
    label_rule: str,
    others: Sequence[StoredCertificate] = (),
) -> tuple[str, list[str]]:
    """What is proved again of a certificate, in words, and what does not hold of it.

    Every witness is: it is allowed, keeps the class and breaks the prediction. Graphs without one
    are predicted, every single edit of them is tried, and the bound for sets of edits is computed
    again. That is a proof for one edit, for more than two, where nothing but the bound can be one,
    and for two where the bound is enough; the pairs of edits that a certificate has searched beyond
    it are not searched again.

    Args:
        stored: what the certificate says.
        dataset, victim, threat: those of its step.
        label_rule: how label preservation is proved.
        others: certificates of the same victim and data set: their witnesses, where the threat
            allows them, break what is certified here.
    """
    if stored.graphs != dataset.test.tolist():
        return "", ["the certified graphs are not the test graphs of the data set"]
    numbers, certified, settled = (
        torch.tensor(values) for values in (stored.graphs, stored.certified, stored.settled)
    )
    lower = torch.tensor(
        [-torch.inf if margin is None else margin for margin in stored.lower_margin]
    )
    witnesses = [_perturbation(witness) for witness in stored.witnesses]
    broken = torch.tensor([witness is not None for witness in witnesses])
    problems = _differing("verdict that it is settled", settled != (certified | broken), numbers)
    problems += _differing("certificate beside its breaking edits", certified & broken, numbers)
    graphs, edits = dataset.part(numbers), [witness or Perturbation() for witness in witnesses]
    try:
        threat.check_all(graphs, edits)
    except ThreatViolation as error:
        return "", [*problems, str(error)]
    attacked = apply_all(graphs, edits)
    problems += _differing(
        "true class after the edits", unproved_labels(attacked, label_rule), numbers
    )
    margin, tie = _margins(victim, attacked)  # of those without a witness the clean one
    problems += _differing("break by the edits that were found", broken & (margin > tie), numbers)
    problems += _differing("clean prediction", ~broken & (margin < -tie), numbers)
    problems += _differing("lower margin", margin < lower - tie, numbers)
    for other in others:
        if other.graphs == stored.graphs:
            wrong = _broken_by(other, certified, graphs, victim, threat)
            problems += _differing(
                "certificate beside edits of another certificate", wrong, numbers
            )

    rest = (~broken).nonzero().squeeze(1)
    numbers, certified, lower, graphs = (
        numbers[rest],
        certified[rest],
        lower[rest],
        graphs.select(rest),
    )
    again, size = certify(victim, graphs, threat, limit=0), largest_sets(graphs, threat)
    margin, tie = _margins(
        victim, apply_all(graphs, [witness or Perturbation() for witness in again.witnesses])
    )
    # With two edits pairs may have been searched; else what is proved here is all that can be, but
    # for what machines may differ by.
    proved = again.certified | (
        (size != 2) & (again.lower_margin > -torch.where(size > 2, tie.clamp(max=SLACK / 2), tie))
    )
    refuted = margin < -tie
    problems += _differing("certificate", certified & (refuted | (~proved & (size != 2))), numbers)
    problems += _differing(
        "lower margin",
        (~certified | proved | (size != 2)) & (lower > again.lower_margin + tie),
        numbers,
    )
    problems += _differing(
        "claim that no single edit is known to break it", ~certified & refuted, numbers
    )
    problems += _differing(
        "claim that it is open, with one edit at the most,", ~certified & (size <= 1), numbers
    )
    counted = [
        (int(broken.sum()), "broken again by the edits that the search found"),
        (int((certified & proved).sum()), "certified again"),
        (
            int((certified & ~proved & (size == 2)).sum()),
            "certified before, now tried with single edits only",
        ),
        (int((~certified).sum()), "open"),
    ]
    return (
        f"{len(stored.graphs)} graphs, "
        f"{', '.join(f'{number} {what}' for number, what in counted if number)}",
        problems,
    )


def _broken_by(
    other: StoredCertificate,
    certified: Tensor,
    graphs: PackedGraphs,
    victim: Victim,
    threat: ThreatModel,
) -> Tensor:
    """Which certified graphs (G,) the witnesses of another certificate break, where the threat
    allows these (G,).
    """
    broken = torch.zeros_like(certified)
    for place in certified.nonzero().squeeze(1).tolist():
        witness = _perturbation(other.witnesses[place])
        if witness is not None:
            graph = graphs.select(torch.tensor([place]))
            with suppress(ThreatViolation):
                threat.check_all(graph, [witness])
                margin, tie = _margins(victim, apply_all(graph, [witness]))
                broken[place] = bool(margin < -tie)
    return broken


def _margins(victim: Victim, graphs: PackedGraphs) -> tuple[Tensor, Tensor]:
    """Of each graph the margin, and by how much it may differ between machines: (G,), (G,)."""
    logits = victim.logits(graphs).cpu()
    return margins(logits, graphs.y), TIE * logits.abs().amax(1).clamp(min=1)


def perturbations_of(record: Record) -> list[Perturbation]:
    """The stored edits of each graph."""
    return [Perturbation(_pairs(o.added), _pairs(o.removed)) for o in record.outcomes]


def _perturbation(witness: list[list[list[int]]] | None) -> Perturbation | None:
    return None if witness is None else Perturbation(*map(_pairs, witness))


def _pairs(edits: list[list[int]]) -> Tensor:
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()


def _differing(what: str, wrong: Tensor, numbers: Tensor) -> list[str]:
    where = numbers[wrong].tolist()
    if not where:
        return []
    shown = ", ".join(map(str, where[:5])) + (", ..." if len(where) > 5 else "")
    return [f"the {what} does not hold for graph{'s' if len(where) > 1 else ''} {shown}"]
