"""A report is made of its records alone: the same bytes each time, and nothing without records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from report_inputs import report_of

from robust_augcl.reports.markdown import render
from robust_augcl.reports.written import TEXTS
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput

Campaign = Callable[..., list[Record]]
FILES = [*TEXTS, "accuracy.png", "accuracy.svg", "by_class.png", "by_class.svg"]
WRITTEN = [*FILES, "report-stamp.json"]


@pytest.mark.thorough
def test_twice_the_same_bytes_whatever_the_order(campaign: Campaign, tmp_path: Path) -> None:
    records = campaign(seeds=[0, 1])
    first, second = (
        render(report_of(records), tmp_path / "a"),
        render(report_of(records[::-1]), tmp_path / "new" / "b"),
    )
    assert [path.name for path in first] == [path.name for path in second] == WRITTEN
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_another_process_gives_the_same_bytes(campaign: Campaign, tmp_path: Path) -> None:
    # Of other hash seeds too: nothing may hang on the order of sets.
    records = campaign(methods=["none", "augcl", "other"], layers=[2], n=30, notes=["b", "a"])
    for number, record in enumerate(records):
        (tmp_path / f"{number}.jsonl").write_text(record.dumps())
    code = (
        "import sys; from pathlib import Path; from robust_augcl.results.records import "
        "Record; from robust_augcl.reports.markdown import render;"
        "from robust_augcl.results.report_input import ReportInput;"
        "here = Path(sys.argv[1]); render(ReportInput([Record.loads(p.read_text(), '') for p in "
        "here.glob('*.jsonl')]), here / sys.argv[2])"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "there"],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    render(ReportInput(records), tmp_path / "here")
    for name in WRITTEN:
        here, there = ((tmp_path / where / name).read_bytes() for where in ("here", "there"))
        assert here == there, name


def test_no_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one record"):
        render(report_of([]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reports_do_not_import_torch() -> None:
    code = (
        "import sys, robust_augcl.reports.markdown; sys.exit(any(m in sys.modules for m in "
        "('torch', 'matplotlib.pyplot')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
