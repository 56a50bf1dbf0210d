"""What a report gives to a paper: LaTeX that compiles, figures at the width of print."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from report_inputs import SUITE, data_of, report_of

from robust_augcl.errors import InputError
from robust_augcl.reports import plots
from robust_augcl.reports._view import view_of
from robust_augcl.reports.latex import latex_tables, tex
from robust_augcl.reports.paper import paper_files
from robust_augcl.results.records import ArtifactRef, Outcome, Record
from robust_augcl.results.report_input import ReportInput

Campaign = Callable[..., list[Record]]
PAIR = {**SUITE, "comparisons": {"pairs": [["augcl", "graphcl"]]}}
ENGINE = next(filter(shutil.which, ("tectonic", "pdflatex", "lualatex", "xelatex")), None)


def decided(campaign: Campaign) -> ReportInput:
    """Two methods, five seeds, the exact worst case alone: AUGCL keeps ten graphs more of 100."""
    right = {"augcl": (70, 71, 69, 72, 68), "graphcl": (60,) * 5}
    records = []
    for r in campaign(
        methods=["augcl", "graphcl"], layers=[2], attacks=["exhaustive"], seeds=range(5), n=100
    ):
        count = right[r.cell.method][r.cell.seed]
        outcomes = [
            Outcome(i, i % 3, i % 3, i % 3 if i < count else (i + 1) % 3, 1.0, 1.0, [], [],
                    exact=True)
            for i in range(100)
        ]  # fmt: skip
        victim = ArtifactRef("victim/x", f"{r.cell.method} {r.cell.seed}")
        records.append(dataclasses.replace(r, outcomes=outcomes, victim=victim))
    return report_of(records, measurements=data_of(records), table=PAIR, planned=5)


def latex(report: ReportInput) -> str:
    return latex_tables(view_of(report), "0" * 64)


def test_bold_is_only_what_is_decided(campaign: Campaign) -> None:
    text = latex(decided(campaign))
    assert re.findall(r"\\textbf\{([^}]*)\}", text) == ["70.0", r"\boldmath$+10.0$"]
    records = campaign(methods=["augcl", "graphcl"], layers=[2], seeds=[0, 1])
    undecided = report_of(records, measurements=data_of(records), table=PAIR, planned=2)
    assert r"\textbf" not in latex(undecided)


def test_the_caption_says_graphs_seeds_and_intervals(campaign: Campaign) -> None:
    text = latex(decided(campaign))
    caption = text.split(r"\caption{")[1].split("\n")[0]
    for needed in (
        "100 test graphs for each of the seeds 0 to 4",
        r"means over 5 seeds with 95 \% intervals over the seeds",
        "1 edge added, inside one component",
        "strict protocol",
        "Bold: shown to be better than each other method",
    ):
        assert needed in caption
    assert all(command in text for command in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_every_row_has_as_many_cells(campaign: Campaign) -> None:
    text = latex(report_of(campaign(methods=["a&b", "none"], attacks=["x&y", "exhaustive"])))
    for table in re.findall(r"\\begin\{tabular\}\{@\{\}(l[lr]*)@\{\}\}(.*?)\\end", text, re.S):
        columns, body = table
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        assert {line.replace(r"\&", "").count("&") for line in rows} == {len(columns) - 1}


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$a_b^c~", r"\$a\_b\textasciicircum{}c\textasciitilde{}"),
        ("50 % # & <b>", r"50 \% \# \& \textless{}b\textgreater{}"),
        ("a\nb", "a b"),
        ("\u202e\u2603", "[U+202E][U+2603]"),
        ("M\u00fcller", "M\u00fcller"),
    ],
)
def test_hostile_names_are_no_commands(text: str, escaped: str) -> None:
    assert tex(text) == escaped


def hostile(campaign: Campaign) -> ReportInput:
    name = r"\input{/etc/passwd} $x_1^2$ 50% #1 & {~ \u2603".replace(r"\u2603", "\u2603")
    records = [
        dataclasses.replace(
            r,
            cell=dataclasses.replace(r.cell, dataset=f"{r.cell.dataset} {name}"),
            traits=dataclasses.replace(r.traits, name=f"{r.traits.name} {name}"),
        )
        for r in campaign(layers=[2], n=30)
    ]
    return report_of(records)


def compiled(folder: Path, tables: str) -> subprocess.CompletedProcess[str]:
    """What a LaTeX engine makes of tables, in a document of two packages."""
    (folder / "tables.tex").write_text(tables)
    (folder / "all.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\usepackage[T1]{fontenc}"
        "\n"
        r"\begin{document}\input{tables.tex}\end{document}"
    )
    options = [] if ENGINE == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    return subprocess.run(
        [str(ENGINE), *options, "all.tex"], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def _latex(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An engine may lack packages, or want to download them."""
    if compiled(tmp_path_factory.mktemp("latex"), "A word.").returncode:
        pytest.skip(f"{ENGINE} cannot compile a document with these packages")


@pytest.mark.skipif(ENGINE is None, reason="no LaTeX engine is installed")
@pytest.mark.usefixtures("_latex")
@pytest.mark.parametrize("make", [decided, hostile])
def test_the_tables_compile(
    campaign: Campaign, tmp_path: Path, make: Callable[[Campaign], ReportInput]
) -> None:
    done = compiled(tmp_path, latex(make(campaign)))
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "all.pdf").read_bytes().startswith(b"%PDF")


# --- figures --------------------------------------------------------------------------------------


def inches(svg: bytes) -> float:
    found = re.search(rb'width="([0-9.]+)pt"', svg)
    assert found
    return float(found[1]) / 72


@pytest.mark.thorough(but=["page-7.0"])
@pytest.mark.parametrize(("width", "expected"), [("column", 3.35), ("page", 7.0)])
def test_figures_have_the_width_of_print_and_no_title(
    campaign: Campaign, width: str, expected: float
) -> None:
    records = campaign(layers=[2])
    made = paper_files(report_of(records), width)  # type: ignore[arg-type]
    assert set(made) == {"tables.tex", "accuracy.pdf", "accuracy.svg"}
    assert inches(made["accuracy.svg"]) == pytest.approx(expected, abs=0.01)
    assert made["accuracy.pdf"].startswith(b"%PDF")
    assert made == paper_files(report_of(records[::-1]), width)  # type: ignore[arg-type]


def test_plots_draw_on_the_axes_that_they_are_given(campaign: Campaign) -> None:
    from matplotlib.figure import Figure

    report = report_of(campaign(layers=[2], seeds=[0, 1]))
    left, right = Figure(figsize=(8, 3)).subplots(1, 2)
    assert plots.accuracy(report, ax=left) is left
    assert [label.get_text() for label in left.get_yticklabels()][-1] == "Exact worst case"
    assert plots.budgets(report, "augcl", ax=right) is right
    assert right.get_ylabel() == "Stay right (%)"
    assert plots.accuracy(report).figure is not left.figure
    with pytest.raises(InputError, match="Unknown method"):
        plots.budgets(report, "no such method")
