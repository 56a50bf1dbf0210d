"""A raised revision changes the addresses of what its code computes, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from robust_augcl import registry, revisions
from robust_augcl.plan.kinds import KINDS
from robust_augcl.plan.planner import Plan, plan
from robust_augcl.plan.step import Step, with_inputs
from robust_augcl.plan.suite import make_suite

TABLE = {
    "name": "revisions",
    "dataset": {"source": "components", "nodes": [15, 20], "graphs_per_class": 12},
    "encoder": {"name": "structure2vec", "width": 8},
    "threat": {"within_component": True, "budget": [1, 2]},
    "certificates": {},
    "representations": {},
    "methods": [{"name": "none"}, {"name": "graphcl"}, {"name": "augcl"}],
    "attacks": [
        {"name": "rand_sampling"},
        {"name": "grad_argmax"},
        {"name": "rl_s2v", "budgets": [1]},
        {"name": "beam"},
        {"name": "worst_case", "of": ["grad_argmax"]},
        {"name": "worst_case", "label": "both", "of": ["grad_argmax", "rl_s2v"]},
    ],
}
Which = Callable[[Step], bool]


def made() -> Plan:
    return plan(make_suite(TABLE, "here"))


def is_attack(*labels: str) -> Which:
    return lambda step: step.kind == "attack" and step.cell.attack in labels


def is_kind(*kinds: str) -> Which:
    return lambda step: step.kind in kinds


def of_method(*labels: str) -> Which:
    return lambda step: step.title.split(", ")[0].split(" on ")[-1] in labels


WITHOUT_DATASET = (
    "warm_up",
    "pretraining",
    "victim",
    "attacker",
    "attack",
    "attack_search",
    "representation",
    "certificate",
    "certificate_part",
)
ON_VICTIMS = ("victim", "attacker", "attack", "attack_search")
ON_VICTIMS += ("certificate", "certificate_part")


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("dataset", lambda step: True),
        ("warm_up", lambda step: step.kind != "dataset" and not of_method("none")(step)),
        (
            "pretraining",
            lambda step: step.kind not in ("dataset", "warm_up") and not of_method("none")(step),
        ),
        ("victim", is_kind(*ON_VICTIMS)),
        ("attacker", lambda step: step.kind == "attacker" or is_attack("rl_s2v", "both")(step)),
        ("attack", is_kind("attack", "attack_search")),
        ("representation", is_kind("representation")),
        ("certificate", is_kind("certificate", "certificate_part")),
    ],
)
def test_the_revision_of_a_kind_of_step(monkeypatch, kind, changed):
    before, known = made(), made().revisions
    title = KINDS[kind].title
    for name, entry in KINDS.items():  # a certificate and its parts are one search
        if entry.title == title:
            monkeypatch.setitem(KINDS, name, replace(entry, revision=99))
    check(before, known, changed, {f"{title} steps": 99})


def test_kinds_of_one_title_have_one_revision():
    revisions_of: dict[str, set[int]] = {}
    for kind in KINDS.values():
        revisions_of.setdefault(kind.title, set()).add(kind.revision)
    assert all(len(found) == 1 for found in revisions_of.values())


@pytest.mark.parametrize(
    ("group", "name", "changed"),
    [
        ("data source", "components", lambda step: True),
        ("encoder", "structure2vec", is_kind(*WITHOUT_DATASET)),
        ("encoder", "gin", lambda step: False),
        ("method", "augcl", of_method("augcl")),
        ("method", "graphcl", of_method("graphcl")),
        ("method", "none", lambda step: False),  # it computes nothing
        ("attack", "rand_sampling", is_attack("rand_sampling")),
        ("attack", "grad_argmax", is_attack("grad_argmax", "worst_case", "both")),
        (
            "attack",
            "rl_s2v",
            lambda step: step.kind == "attacker" or is_attack("rl_s2v", "both")(step),
        ),
        ("attack", "worst_case", is_attack("worst_case", "both")),
        (
            "attack",
            "beam",
            lambda step: step.kind == "attack_search" or is_attack("beam")(step),
        ),
        ("attack", "genetic", lambda step: False),
    ],
)
def test_the_revision_of_a_plug_in(monkeypatch, group, name, changed):
    before, known = made(), made().revisions
    monkeypatch.setattr(registry.load(group, name), "revision", 99)
    check(before, known, changed, {f"{group} {name}": 99} if f"{group} {name}" in known else {})


def test_an_attack_made_of_an_encoder_is_revised_with_it(monkeypatch):
    gin = {**TABLE, "encoder": {"name": "gin", "width": 8}}
    monkeypatch.setattr(registry.load("attack", "rl_s2v"), "encoders", ())
    monkeypatch.setattr(registry.load("attack", "grad_argmax"), "encoders", ("structure2vec",))
    before = plan(make_suite(gin, "here"))
    monkeypatch.setattr(registry.load("encoder", "structure2vec"), "revision", 2)
    after = plan(make_suite(gin, "here"))
    assert changed_between(before, after) == [
        step.title
        for step in with_inputs(before.steps)
        if is_attack("grad_argmax", "worst_case", "both")(step)
    ]


def check(before: Plan, known: dict[str, int], changed: Which, raised: dict[str, int]) -> None:
    after = made()
    assert changed_between(before, after) == [
        step.title for step in with_inputs(before.steps) if changed(step)
    ]
    assert after.revisions == {**known, **raised}
    words = revisions.changes(known, after.revisions)
    assert words == [f"{part} ({known[part]}, now {revision})" for part, revision in raised.items()]


def changed_between(before: Plan, after: Plan) -> list[str]:
    pairs = list(zip(with_inputs(before.steps), with_inputs(after.steps), strict=True))
    assert all((old.kind, old.title) == (new.kind, new.title) for old, new in pairs)
    return [old.title for old, new in pairs if old.key != new.key]


def test_records_say_nothing_of_revisions_that_settings_do_not(monkeypatch):
    """What a record says of its settings is the same, so that tables compare runs by what was asked
    for.
    """
    before = [step.settings for step in made().attacks]
    monkeypatch.setattr(registry.load("attack", "rand_sampling"), "revision", 2)
    assert [step.settings for step in made().attacks] == before
