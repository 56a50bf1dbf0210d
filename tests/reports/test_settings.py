"""The settings that a report shows of a suite."""

from __future__ import annotations

import tomllib
from typing import Any

from report_inputs import report_of

from robust_augcl import registry
from robust_augcl.reports.markdown import appendix, is_current, render

TABLE: dict[str, Any] = {
    "name": "here",
    "scale": 0.5,
    "training": {"learning_rate": 0.001, "epochs": 7},
    "dataset": {"nodes": [40, 50], "source": "components"},
    "certificates": {},
    "pretraining": {"augmentations": [{"ratio": 0.2, "name": "node_drop"}], "temperature": 0.5},
    "methods": [
        {"name": "none"},
        {"name": "graphcl"},
        {
            "name": "graphcl",
            "label": "Sim | GRACE",
            "pretraining": {"base": "simgrace", "perturbation": 0.1},
        },
    ],
    "attacks": [{"name": "rand_sampling"}],
}


def test_what_all_methods_share_stands_before_what_they_set(campaign):
    text = appendix(report_of(campaign(), table=TABLE)).split("## Settings")[1]
    shared = text.split("**components")[0]
    assert [line for line in shared.splitlines() if line.startswith("- ")] == [
        "- Data set: `source components, nodes [40, 50]`",
        '- Pretraining: `augmentations [{"name": "node_drop", "ratio": 0.2}], temperature 0.5`',
        "- Training on labels: `epochs 7, learning_rate 0.001`",
        "- Certificates: defaults",
        "- Pretraining of Sim \\| GRACE instead: `base simgrace, perturbation 0.1`",
        "- Whole suite: `scale 0.5`",
    ]


def test_equal_settings_give_the_same_bytes_in_any_order(campaign):
    def backwards(value):
        return (
            {key: backwards(value[key]) for key in reversed(value)}
            if isinstance(value, dict)
            else value
        )

    records = campaign(layers=[2])
    assert appendix(report_of(records, table=TABLE)) == appendix(
        report_of(records, table=backwards(TABLE))
    )


def test_a_report_of_other_settings_is_not_current(campaign, tmp_path):
    records = campaign(layers=[2], n=30)
    render(report_of(records, table=TABLE), tmp_path)
    assert is_current(report_of(records, table=TABLE), tmp_path)
    assert not is_current(report_of(records), tmp_path)
    assert not is_current(report_of(records, table={**TABLE, "training": {"epochs": 8}}), tmp_path)


def test_every_table_of_every_suite_is_shown(campaign):
    records = campaign(layers=[2], n=9)
    for name, text in registry.suite_texts().items():
        table = tomllib.loads(text)
        shown = appendix(report_of(records, table=table)).split("## Settings")[1]
        for key, settings in table.items():
            if isinstance(settings, dict):
                assert all(f"{setting} " in shown for setting in settings), (name, key)


def test_without_a_suite_nothing_is_claimed(campaign):
    assert "What all methods share" not in appendix(
        report_of(campaign(layers=[2], n=9), table=None)
    )
