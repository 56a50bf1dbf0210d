"""Replay: prove every stored record and certificate again, from the stored graphs, edits and weights alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor

from robust_augcl.cells import Step, plain, plan
from robust_augcl.certificate import certify
from robust_augcl.dataset import Dataset, unproved_labels
from robust_augcl.errors import ArtifactDamaged, ThreatViolation
from robust_augcl.graphs import PackedGraphs
from robust_augcl.records import ArtifactRef, Record
from robust_augcl.run_folder import MANIFEST, Manifest, RunFolder
from robust_augcl.steps import dataset_of, victim_of
from robust_augcl.suite import make_suite
from robust_augcl.threat import Perturbation, ThreatModel, apply_all
from robust_augcl.victim import Victim, margins

TIE = 1e-4
"""Margins may differ by this much between machines; a verdict whose margin is below it may not be the same there."""


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


def replay(folder: RunFolder, manifest: Manifest, report: Callable[[Verdict], None]) -> list[Verdict]:
    """Replay the records and certificates of a folder, one verdict each, reported as they are reached.

    What each must be about, and which there must be, is worked out again from the suite. What is proved again of certificates:
    `check_certificate`.

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
        return f"{record.num_graphs} graphs", _not_of(step, record) or check_record(record, dataset, victim)

    def of_certificate(step: Step) -> tuple[str, list[str]]:
        info, threat = folder.store.load(step.key).info, step.settings["threat"]
        if not {"dataset", "victim", "threat"} <= info.keys() or info["threat"] != plain(threat):
            return "", ["its threat is not that of its step"]
        held = {role: load(ArtifactRef(step.inputs[role].key, str(info[role]))) for role in ("dataset", "victim")}
        return check_certificate(info, dataset_of(held["dataset"]), victim_of(held["victim"]), threat, suite.source.label_rule)

    for what, mine, wanted in (("records", manifest.records, records), ("measurements", manifest.measurements, beside)):
        if set(mine) != set(wanted):
            reached(Verdict("list", MANIFEST, "", [f"its list of {what} is not that of its suite and seeds"]))
    certificates = [step for step in beside.values() if step.kind == "certificate"]
    for step, check in [*((step, of_record) for step in records.values()), *((step, of_certificate) for step in certificates)]:
        try:
            proved, problems = check(step)
        except ArtifactDamaged as error:
            proved, problems = "", [str(error)]
        file = f"{step.key}.jsonl" if step.kind == "attack" else f"{step.key}.safetensors"
        reached(Verdict("record" if step.kind == "attack" else "certificate", f"{file} ({step.title})", proved, problems))
    return verdicts


def _not_of(step: Step, record: Record) -> list[str]:
    """What a record says of itself that is not so, by the step that it is the result of."""
    inputs = {role: needed.key for role, needed in step.inputs.items()}
    expected = {
        "cell": step.cell,
        "threat": plain(step.settings["threat"]),
        "attack_settings": plain(step.settings["attack"]),
        "method_settings": plain(step.settings["method"]),
        "label_rule": step.settings["label_rule"],
    }
    wrong = [name for name, value in expected.items() if getattr(record, name) != value]
    for role in ("dataset", "victim", "attacker"):
        ref = getattr(record, role)
        if (ref and ref.key) != inputs.get(role):
            wrong.append(role)
    return [f"its {' and '.join(wrong)} are not those of its step"] if wrong else []


def check_record(record: Record, dataset: Dataset, victim: Victim, clean: Tensor | None = None) -> list[str]:
    """What does not hold of a record: graphs, classes, edits within the threat, label preservation, predictions, margins.

    `clean` are the victim's logits of the unedited test graphs, if they are known already.
    """
    outcomes = record.outcomes
    numbers = torch.tensor([o.graph for o in outcomes])
    if not torch.equal(numbers, dataset.test):
        return ["the attacked graphs are not the test graphs of the data set"]
    graphs = dataset.part(numbers)
    problems = _differing("class", torch.tensor([o.label for o in outcomes]) != graphs.y, numbers)
    perturbations = perturbations_of(record)
    threat = {name: value for name, value in record.threat.items() if name != "type"}
    try:
        ThreatModel(**{**threat, "operations": tuple(threat["operations"])}).check_all(graphs, perturbations)
    except ThreatViolation as error:
        return [*problems, str(error)]
    attacked = apply_all(graphs, perturbations)
    problems += _differing("true class after the edits", unproved_labels(attacked, record.label_rule), numbers)
    for when, packed, predicted, stored in (
        ("clean", graphs, [o.clean for o in outcomes], [o.clean_margin for o in outcomes]),
        ("attacked", attacked, [o.attacked for o in outcomes], [o.attacked_margin for o in outcomes]),
    ):
        logits = clean if when == "clean" and clean is not None else victim.logits(packed).cpu()
        margin = margins(logits, graphs.y)
        scale = logits.abs().max(1).values.clamp(min=1)
        wrong = (logits.argmax(1) != torch.tensor(predicted)) & (margin.abs() > TIE * scale)
        problems += _differing(f"{when} prediction", wrong, numbers)
        problems += _differing(f"{when} margin", (margin - torch.tensor(stored)).abs() > TIE * scale, numbers)
    return problems


def check_certificate(
    info: Mapping[str, Any], dataset: Dataset, victim: Victim, threat: ThreatModel, label_rule: str
) -> tuple[str, list[str]]:
    """What is proved again of a certificate, in words, and what does not hold of it.

    Every witness is: it is allowed, keeps the class and breaks the prediction. Certified graphs are predicted, every single edit of
    them is tried, and the bound for sets of edits is computed again. That is a proof for one edit, and where the bound is enough;
    the pairs of edits that a certificate has searched beyond it are not searched again.

    Args:
        info: of the certificate's artifact.
        dataset, victim, threat: those of its step.
        label_rule: how label preservation is proved.
    """
    try:
        numbers, certified, settled = (torch.tensor(info[name]) for name in ("graphs", "certified", "settled"))
        lower = torch.tensor([-torch.inf if margin is None else margin for margin in info["lower_margin"]])
        witnesses = [None if w is None else Perturbation(_pairs(w[0]), _pairs(w[1])) for w in info["witnesses"]]
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        return "", [f"it is not what a certificate holds ({error!r})"]
    if not torch.equal(numbers, dataset.test):
        return "", ["the certified graphs are not the test graphs of the data set"]
    if {certified.shape, settled.shape, lower.shape, (len(witnesses),)} != {numbers.shape}:
        return "", ["it does not say the same of each graph"]
    broken = torch.tensor([witness is not None for witness in witnesses])
    problems = _differing("verdict that it is settled", settled != (certified | broken), numbers)
    problems += _differing("certificate beside its breaking edits", certified & broken, numbers)
    graphs, edits = dataset.part(numbers), [witness or Perturbation() for witness in witnesses]
    try:
        threat.check_all(graphs, edits)
    except ThreatViolation as error:
        return "", [*problems, str(error)]
    attacked = apply_all(graphs, edits)
    problems += _differing("true class after the edits", unproved_labels(attacked, label_rule), numbers)
    margin, tie = _margins(victim, attacked)  # of those without a witness the clean one
    problems += _differing("break by the edits that were found", broken & (margin > tie), numbers)
    problems += _differing("clean prediction", ~broken & (margin < -tie), numbers)
    problems += _differing("lower margin", margin < lower - tie, numbers)

    sure = graphs.select(certified.nonzero().squeeze(1))
    again = certify(victim, sure, threat, limit=0)
    margin, tie = _margins(victim, apply_all(sure, [witness or Perturbation() for witness in again.witnesses]))
    problems += _differing("certificate", margin < -tie, numbers[certified])
    problems += _differing("lower margin", again.certified & (lower[certified] > again.lower_margin + tie), numbers[certified])
    proved, count = int(again.certified.sum()), sure.num_graphs
    counted = [
        (int(broken.sum()), "broken again by the edits that the search found"),
        (proved, "certified again"),
        (count - proved, "certified before, now tried with single edits only"),
        (int((~certified & ~broken).sum()), "open"),
    ]
    return f"{numbers.numel()} graphs, {', '.join(f'{number} {what}' for number, what in counted if number)}", problems


def _margins(victim: Victim, graphs: PackedGraphs) -> tuple[Tensor, Tensor]:
    """Of each graph the margin, and by how much it may differ between machines: (G,), (G,)."""
    logits = victim.logits(graphs).cpu()
    return margins(logits, graphs.y), TIE * logits.abs().amax(1).clamp(min=1)


def perturbations_of(record: Record) -> list[Perturbation]:
    """The stored edits of each graph."""
    return [Perturbation(_pairs(o.added), _pairs(o.removed)) for o in record.outcomes]


def _pairs(edits: list[list[int]]) -> Tensor:
    return torch.tensor(edits, dtype=torch.long).reshape(-1, 2).T.contiguous()


def _differing(what: str, wrong: Tensor, numbers: Tensor) -> list[str]:
    where = numbers[wrong].tolist()
    if not where:
        return []
    shown = ", ".join(map(str, where[:5])) + (", ..." if len(where) > 5 else "")
    return [f"the {what} does not hold for graph{'s' if len(where) > 1 else ''} {shown}"]
