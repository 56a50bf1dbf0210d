"""Methods are compared in pairs by what they are, and many pairs are told in short."""

from __future__ import annotations

from collections.abc import Callable

from markdown_tables import table
from report_inputs import data_of, report_of

from robust_augcl.reports.markdown import appendix, page
from robust_augcl.results.records import Record

Campaign = Callable[..., list[Record]]


def test_nothing_is_bold_with_one_method(campaign: Campaign) -> None:
    text = appendix(report_of(campaign(methods=["augcl"], layers=[2])))
    assert not any("**" in cell for row in table(text, "Accuracy under attack") for cell in row)
    assert "no two methods here to compare" in text


SIMGRACE = {"pretraining": {"type": "Pretraining", "base": "simgrace"}}
SETTINGS = {
    "plain": {"type": "GraphCL"},
    "1/mean": {"type": "AUGCL"},
    "unit": {"type": "AUGCL"},
    "rival": {"type": "ProGCL"},
    "SimGRACE": {"type": "GraphCL", **SIMGRACE},
    "SimGRACE + AUGCL": {"type": "AUGCL", **SIMGRACE},
    "raw": {"type": "NoPretraining"},
}


def pairs(text: str) -> list[str]:
    return list(dict.fromkeys(row[0] for row in table(text, "Differences between methods")[1:]))


def test_pairs_follow_what_methods_are_not_what_they_are_called(campaign: Campaign) -> None:
    def of(*methods: str) -> list[str]:
        return pairs(
            appendix(
                report_of(
                    campaign(
                        methods=methods, layers=[2], attacks=["rl_s2v"], n=30, settings=SETTINGS
                    )
                )
            )
        )

    assert of("plain", "1/mean", "unit") == [
        "1/mean \N{MINUS SIGN} plain",
        "unit \N{MINUS SIGN} plain",
    ]
    # A relabelled base is a plain method for those of equal pretraining only, and only they meet
    # the rival.
    assert of("plain", "SimGRACE", "SimGRACE + AUGCL", "rival") == [
        "SimGRACE + AUGCL \N{MINUS SIGN} SimGRACE",
        "rival \N{MINUS SIGN} plain",
    ]
    assert of("1/mean", "rival", "raw") == [
        "1/mean \N{MINUS SIGN} rival",
        "1/mean \N{MINUS SIGN} raw",
        "rival \N{MINUS SIGN} raw",
    ]
    assert of("1/mean", "unit") == ["unit \N{MINUS SIGN} 1/mean"]
    assert len(of(*SETTINGS)) == len(set(of(*SETTINGS))) == 4 + 2 + 6


def test_many_pairs_are_told_in_short(campaign: Campaign) -> None:
    attacks = ["rand_sampling", "grad_argmax", "rl_s2v", "exhaustive"]
    records = campaign(
        methods=list(SETTINGS), layers=[2], attacks=attacks, seeds=[0, 1], settings=SETTINGS
    )
    text = appendix(report_of(records, measurements=data_of(records)))
    rows = table(text, "Differences between methods")[1:]
    assert len(pairs(text)) == 12
    assert {row[1] for row in rows} == {"Clean", "GradArgmax", "Exact worst case"}
    assert "only Clean, GradArgmax, Exact worst case are shown" in text
    report = report_of(records, measurements=data_of(records))
    head = page(report).split("## The answer")[1].split("![")[0]
    listed = "RandSampling, GradArgmax, RL-S2V, Exact worst case; 1 edit"
    assert f"Secondary comparisons ({listed}): 1/mean \N{MINUS SIGN} plain undecided in" in head
    assert "\N{MINUS SIGN} raw" not in head
    few = appendix(report_of(campaign(layers=[2], attacks=attacks)))
    assert len({row[1] for row in table(few, "Differences between methods")[1:]}) == 5
