"""What readers call things, and in which order: from records and the suite, never from labels."""

from __future__ import annotations

from dataclasses import replace

from hand_made import TRAITS, make_record, method_called

from robust_augcl.results.names import Names
from robust_augcl.results.report_input import ReportInput


def test_records_say_what_methods_and_attacks_are_called():
    records = [
        make_record(
            attack="acme",
            method="m",
            method_traits=method_called("A method of Acme"),
            traits=replace(TRAITS, name="Acme's attack"),
        ),
        make_record(attack="exhaustive", traits=replace(TRAITS, name="somebody else's")),
    ]
    names = Names.of(records)
    assert (names.method("m"), names.attack("acme")) == ("A method of Acme", "Acme's attack")
    assert names.attack("exhaustive") == "somebody else's"  # a label of ours means nothing
    assert (names.method("augcl"), names.attack("beam")) == ("augcl", "beam")
    assert names.attack("clean") == "Clean"


def test_where_records_differ_the_order_of_cells_decides():
    first, second = (
        make_record(seed=seed, traits=replace(TRAITS, name=f"name {seed}")) for seed in (0, 1)
    )
    assert Names.of([first, second]) == Names.of([second, first])
    assert Names.of([second, first]).attack("a") == "name 0"


def test_the_order_is_that_of_the_suite_without_labels_of_its_own():
    table = {
        "methods": [
            {"name": "none"},
            {"name": "graphcl", "label": "with more noise"},
            {"name": "graphcl", "label": "graphcl"},
        ]
    }
    report = ReportInput([], settings=table)
    assert report.suite_order("methods") == ("none", "graphcl")
    assert report.suite_order("attacks") == ()
    assert ReportInput([]).suite_order("methods") == ()
