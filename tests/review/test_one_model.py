"""Which model of a file is computed again, and that its suite has the file's addresses."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from planned_files import file_of
from small_suites import COMBINING, ONE_CELL, TINY

from robust_augcl import foreign, registry
from robust_augcl.cli.from_file import _tell_choice
from robust_augcl.errors import InputError
from robust_augcl.plan.planner import plan
from robust_augcl.results.baseline import Baseline
from robust_augcl.review.one_model import Wanted, choose, suite_of

SEVERAL = """
name = "several"
protocols = ["strict", "paper"]
[dataset]
source = "components"
[encoder]
name = "structure2vec"
layers = [2, 3]
[representations]
[pretraining]
temperature = 0.4
[threat]
within_component = true
budget = [1, 2, 3]
[certificates]
budgets = [1, 3]
parts = 2
[comparisons]
pairs = [["named", "none"]]
[[methods]]
name = "augcl"
label = "named"
pretraining = { temperature = 0.2 }
[[methods]]
name = "none"
[[attacks]]
name = "exhaustive"
label = "tries all"
budgets = [1, 2]
[[attacks]]
name = "rand_sampling"
[[attacks]]
name = "worst_case"
"""
"""Whatever tells one cell from another."""


def several(*seeds: int) -> Baseline:
    return file_of(tomllib.loads(SEVERAL), seeds or (4, 7))[0]


ONE = Wanted(seed=7, layers=3, protocol="paper")


def chosen_with(**wanted):
    return choose(several(), replace(ONE, **wanted), "file.json")


# --- which ----------------------------------------------------------------------------------------


def test_the_model_that_is_asked_for():
    chosen = chosen_with(method="named")
    victim = chosen.victim
    found = chosen.data.seed, victim.layers, victim.method, victim.protocol
    assert found == (7, 3, "named", "paper")
    assert "named, structure2vec, 3 layers, components" in chosen.text
    assert "seed 7, paper protocol" in chosen.text
    assert chosen.other_methods == ()


def test_without_a_method_it_is_the_one_without_pretraining():
    chosen = chosen_with()
    assert (chosen.victim.method, chosen.other_methods) == ("none", ("named",))


def test_of_methods_that_all_pretrain_it_is_the_quickest():
    table = {
        **tomllib.loads(SEVERAL),
        "protocols": ["strict"],
        "encoder": {"name": "structure2vec"},
    }
    table["methods"] = [{"name": "augcl"}, {"name": "graphcl"}, {"name": "hcl"}]
    del table["comparisons"]
    held, _ = file_of(table)
    quick = {"augcl": 9.0, "graphcl": 5.0, "hcl": 7.0}
    victims = [replace(v, pretrain_seconds=quick[v.method]) for v in held.victims]
    chosen = choose(replace(held, victims=victims), Wanted(), "file.json")
    assert (chosen.victim.method, chosen.other_methods) == ("graphcl", ("augcl", "hcl"))


def test_the_worst_case_under_the_smallest_budget():
    chosen = chosen_with()
    assert (chosen.budgets, chosen.other_budgets) == ((1,), (2, 3))
    assert [(r.attack, r.budget) for r in chosen.records] == [("tries all", 1)]
    assert chosen.certified == [1]


def test_all_budgets_and_the_quickest_attack_where_none_is_exact():
    chosen = chosen_with(all_budgets=True)
    assert (chosen.budgets, chosen.other_budgets) == ((1, 2, 3), ())
    found = [(r.attack, r.budget) for r in chosen.records]
    assert found == [("tries all", 1), ("tries all", 2), ("rand_sampling", 3)]
    assert chosen.certified == [1, 3]


def test_without_proofs_it_is_the_quickest_attack():
    held, _ = file_of(ONE_CELL)
    chosen = choose(held, Wanted(), "file.json")
    assert [r.attack for r in chosen.records] == ["rand_sampling"]
    assert (chosen.budgets, chosen.certified) == ((1,), [])


def test_what_no_budget_of_the_model_alone_can_prove_is_named(capsys):
    """Under 3 edits the combined attack alone is left, or no certificate."""
    held = several()
    combined = [r for r in held.attacked if r.traits.combines or r.budget != 3]
    plain = [replace(w, is_certified=w.is_certified and w.budget != 3) for w in held.worst]
    for other in (replace(held, attacked=combined), replace(held, worst=plain)):
        for all_budgets in (False, True):
            chosen = choose(other, replace(ONE, all_budgets=all_budgets), "file.json")
            assert {*chosen.budgets, *chosen.other_budgets} == {1, 2}
            assert chosen.on_trust == (3,)
            _tell_choice(chosen)
            assert "Left out, even with --all-budgets: 3 edits." in capsys.readouterr().out
    assert chosen_with(all_budgets=True).on_trust == ()
    _tell_choice(chosen_with(all_budgets=True))
    assert "even with" not in capsys.readouterr().out


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted(), "Expected --seed and --layers and --protocol, since file.json has several "
                   "models: --seed 4, 7; --layers 2, 3; --protocol paper, strict"),
        (Wanted(seed=4, protocol="strict"), "Expected --layers, since file.json has several models "
                                            "with --seed 4 and --protocol strict: --layers 2, 3"),
        (replace(ONE, seed=5), "Expected --seed to be 4 or 7, as file.json has, got 5"),
        (replace(ONE, layers=4), "Expected --layers to be 2 or 3, as file.json has with --seed 7, "
                                 "got 4"),
        (replace(ONE, protocol="loose"), "Expected --protocol to be paper or strict, as file.json "
                                         "has with --seed 7 and --layers 3, got 'loose'"),
        (replace(ONE, method="augcl"), "Expected --method to be named or none, as file.json has "
                                       "with --seed 7 and --layers 3 and --protocol paper, got "
                                       "'augcl'"),
    ],
)  # fmt: skip
def test_what_the_file_does_not_have(wanted, words):
    with pytest.raises(InputError) as refused:
        choose(several(), wanted, "file.json")
    assert str(refused.value) == words


def test_a_file_without_a_table():
    with pytest.raises(InputError, match="Expected the table of a suite, got none"):
        choose(replace(several(), table=None), ONE, "file.json")


def test_given_models():
    held = several()
    first, *rest = held.victims
    mixed = replace(held, victims=[replace(first, method="mine", encoder="given"), *rest])
    with pytest.raises(InputError, match=r"got given models \(mine\)"):
        choose(mixed, Wanted(method="mine"), "file.json")
    assert choose(mixed, ONE, "file.json").victim.method == "none"
    given = replace(held, victims=[replace(v, encoder="given") for v in held.victims])
    with pytest.raises(InputError, match="Expected a model that the suite trains"):
        choose(given, Wanted(), "file.json")


def test_only_attacks_that_combine_others():
    held = several()
    attacked = [r for r in held.attacked if r.traits.combines]
    with pytest.raises(InputError, match="that needs no other attack, got none"):
        choose(replace(held, attacked=attacked), ONE, "file.json")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("methods", [{"name": "graphcl"}], "Expected [[methods]] of its table to have 'none'"),
        ("attacks", 7, "Expected [[attacks]] of its table to have 'tries all', got none"),
        ("encoder", 7, "Expected file.json: [encoder] to be a table"),
        ("threat", [], "Expected file.json: [threat] to be a table"),
        ("training", {"epoch": 7}, "did you mean 'epochs'?"),
    ],
)
def test_a_table_that_does_not_ask_for_the_model(key, value, words):
    held = several()
    chosen = choose(replace(held, table={**held.table, key: value}), ONE, "file.json")
    with pytest.raises(InputError) as refused:
        suite_of(chosen, "file.json")
    assert words in str(refused.value)


def test_what_a_plug_in_of_the_model_needs_is_named_and_nothing_else():
    held = several()
    made = "acme_flips 2, sha256 abc"
    entry = {"name": "acme_flips", "label": "tries all", "budgets": [1, 2]}
    rest = [each for each in held.table["attacks"] if each["name"] != "exhaustive"]
    revisions = {**held.revisions, "attack acme_flips": made}
    table = {**held.table, "attacks": [entry, *rest]}
    with pytest.raises(InputError, match="acme_flips 2, which is not installed"):
        suite_of(choose(replace(held, table=table, revisions=revisions), ONE, "f"), "f")
    table = {**held.table, "attacks": [*held.table["attacks"], {"name": "acme_flips"}]}
    suite_of(choose(replace(held, table=table, revisions=revisions), ONE, "f"), "f")


def test_code_that_the_model_does_not_need_is_not_asked_for():
    held = several()
    others = [{"name": "acme.flips:Flip"}, *held.table["attacks"]]
    chosen = choose(replace(held, table={**held.table, "attacks": others}), ONE, "file.json")
    assert [attack.label for attack in suite_of(chosen, "file.json").attacks] == ["tries all"]


def test_an_attack_is_found_by_what_its_code_calls_it():
    where = "robust_augcl.attacks.exhaustive:Exhaustive"
    foreign.consent([where])
    try:
        held, whole = file_of(tomllib.loads(TINY.replace('"exhaustive"', f'"{where}"')))
        chosen = choose(held, Wanted(), "file.json")
        assert [record.attack for record in chosen.records] == ["exhaustive"]
        (step,) = plan(suite_of(chosen, "file.json")).attacks
        assert step.key in {each.key for each in whole.attacks}
    finally:
        foreign.withdraw()


# --- addresses ------------------------------------------------------------------------------------

SUITES = {
    "several": SEVERAL,
    "tiny": TINY,
    "combining": COMBINING.format(of=""),
    **{
        name: registry.load_suite_text(name)[0]
        for name in ("full-scale", "standard", "tu-mutag", "nodes-cora", "uncertainty")
    },
}


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("all_budgets", [False, True])
def test_the_steps_of_one_model_have_the_addresses_of_the_whole_suite(name, all_budgets):
    table = tomllib.loads(SUITES[name])
    for entry in table["attacks"]:
        entry.pop("optional", None)
    held, whole = file_of(table, (3,))
    certificates = {step.key for _, step in whole.measurements if step.kind == "certificate"}
    for victim in held.victims:
        wanted = Wanted(3, victim.layers, victim.method, victim.protocol, all_budgets)
        chosen = choose(held, wanted, "file.json")
        assert chosen.victim == victim
        steps = plan(suite_of(chosen, "file.json"))
        assert {step.key for step in steps.attacks} == {record.key for record in chosen.records}
        assert {step.inputs["victim"].key for step in steps.attacks} == {victim.key}
        assert {step.inputs["dataset"].key for step in steps.attacks} == {chosen.data.key}
        own = [step for step in steps.steps if step.kind == "certificate"]
        assert {step.settings["threat"].budget for step in own} == set(chosen.certified)
        assert {step.key for step in own} <= certificates
        assert not any(step.kind == "representation" for step in steps.steps)
