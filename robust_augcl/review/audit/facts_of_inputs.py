"""Looks at single records, and at the victims and data sets that they rest on."""

from __future__ import annotations

import torch

from robust_augcl.errors import ArtifactDamaged
from robust_augcl.graphs.node_targets import degree_of_targets
from robust_augcl.plan.step import Step
from robust_augcl.results.records import Record
from robust_augcl.review.audit.evidence import DataFacts, Use, VictimFacts
from robust_augcl.review.audit.files import Files, some_graphs, test_graphs
from robust_augcl.review.audit.probes import look_at_victim
from robust_augcl.review.poisoning_proof import check_poisoning
from robust_augcl.review.proofs import check_record, threat_of
from robust_augcl.steps.artifacts import FITTED_ON


def replay_problems(files: Files, record: Record) -> list[str]:
    """What does not hold of a record when its stored edits are applied again."""
    subject = files.subject(record)
    if record.edited is not None:  # training again is replay's to do
        return check_poisoning(record, subject, files.load(record.edited), files.retrained(record))
    return check_record(record, subject)


def asks_about_everything(files: Files, record: Record) -> bool:
    """Whether an attack asked about as many edited graphs as the threat has single edits, or more.

    Not one that combines others: the questions that its record counts are theirs.
    """
    if record.traits.combines:
        return False
    try:
        learned = files.load(record.attacker).info["queries"] if record.attacker else 0
        return 0 < files.num_candidates(record) <= record.queries - learned
    except ArtifactDamaged:
        return False


def curve_of_learning(files: Files, record: Record) -> list[tuple[int, float, float]]:
    """Step, loss and robust accuracy while the attack learned; empty where it does not learn."""
    if record.attacker is None:
        return []
    return [
        (int(step), float(loss), float(accuracy))
        for step, loss, accuracy in files.load(record.attacker).info["curve"]
    ]


def miscounted_graphs(files: Files, record: Record) -> list[int]:
    """Attacked graphs whose components are not as many as their class says, by union-find."""
    clean = files.forests(record)
    return [
        o.graph
        for o in record.outcomes
        if o.graph not in clean or clean[o.graph].edited(o) != o.label + 1
    ]


def use_of_test_graphs(files: Files, record: Record, step: Step) -> Use:
    """How many test graphs were used before the attack.

    Which ones chose the victim's epoch, the step that made it tells; which ones the attack learned
    on, what it kept.
    """
    dataset = files.dataset(record)
    selected = None
    if (selection := step.inputs["victim"].settings.get("selection")) is not None:
        chosen_by = dataset.validation if selection == "validation" else dataset.test
        selected = len(set(dataset.test.tolist()) & set(chosen_by.tolist()))
    if record.attacker is None:
        return Use(selected)
    handed = files.load(record.attacker).tensors.get(FITTED_ON)
    if handed is None:
        return Use(selected, None)
    keys = files.keys(record)
    test, others = keys[dataset.attacked], torch.cat([dataset.train, dataset.validation])
    # A test graph that equals a training graph cannot be told from it: that is another check's.
    fair = torch.isin(test, keys[others])
    return Use(selected, int((torch.isin(test, handed) & ~fair).sum()))


def victim_facts(files: Files, record: Record) -> VictimFacts:
    """What a look at the record's victim finds, on a few test graphs."""
    graphs = some_graphs(files.dataset(record))
    return look_at_victim(files.victim(record), graphs, threat_of(record))


def data_facts(files: Files, record: Record) -> DataFacts:
    """What the parts of the record's data set are."""
    dataset, keys = files.dataset(record), files.keys(record)
    others = torch.cat([dataset.train, dataset.validation])
    targets = dataset.targets_at(dataset.attacked).names()
    graphs = test_graphs(dataset)
    edges = graphs.num_undirected_edges.tolist()
    of_nodes = graphs.target_node is not None
    degrees = degree_of_targets(graphs).tolist() if of_nodes else []
    in_both = torch.isin(dataset.test, others).sum()
    return DataFacts(
        name=f"{record.cell.dataset}, seed {record.cell.seed}",
        edges=dict(zip(targets, edges, strict=True)),
        overlap=int(in_both + torch.isin(dataset.train, dataset.validation).sum()),
        degrees=dict(zip(targets, degrees, strict=False)),
        duplicates=int(torch.isin(keys[dataset.test], keys[others]).sum()),
    )
