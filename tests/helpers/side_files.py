"""The audit, transfers and report that lie beside results: edits, and what commands tell then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from robust_augcl.reports import written
from robust_augcl.results.findings import Audit
from robust_augcl.results.transfers import Transfers


def differing(out: str) -> dict[str, str]:
    """The files that a replay says differ, and what it says of each."""
    lines = [line.removeprefix("DIFFERS  ") for line in out.splitlines() if "DIFFERS" in line]
    return dict(line.split(": ", 1) for line in lines)


def warned(err: str) -> dict[str, str]:
    lines = [line.removeprefix("warning: ") for line in err.splitlines() if "warning: " in line]
    return dict(line.split(": ", 1) for line in lines)


def marks(command: Callable, folder: Path) -> list[str]:
    return [row["audit"] for row in json.loads(command("show", folder, "--format", "json").out)]


def all_pass(folder: Path, knows_the_format: bool) -> None:
    path = folder / "audit.json"
    audit = Audit.loads(path.read_text(), path.name)
    assert audit.failed
    if knows_the_format:
        good = tuple(replace(f, status="PASS", cells=()) for f in audit.findings)
        path.write_text(replace(audit, findings=good).dumps())
    else:
        path.write_text(path.read_text().replace('"FAIL"', '"PASS"'))


def change_transfers(folder: Path) -> None:
    """One graph falls that did not; the checksum is right."""
    path = folder / "transfer.json"
    found = Transfers.loads(path.read_text(), path.name)
    first, *others = found.entries
    first = replace(first, attacked=[(first.attacked[0] + 1) % 3, *first.attacked[1:]])
    path.write_text(replace(found, entries=(first, *others)).dumps())


def stamp_again(out: Path) -> None:
    """Forge the report's stamp: every digest is that of the file as it is."""
    stamp = written.Stamp.loads((out / written.STAMP).read_text())
    digests = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in stamp.files}
    (out / written.STAMP).write_text(replace(stamp, files=digests).dumps())


def content(folder: Path, *names: str) -> dict[str, object]:
    """What side files say; an audit without the seconds that it took."""
    found: dict[str, object] = {name: (folder / name).read_bytes() for name in names}
    if "audit.json" in found:
        found["audit.json"] = Audit.loads((folder / "audit.json").read_text(), "").findings
    return found


def add_one(page: str) -> str:
    """The report with another number in its first table."""
    line = next(line for line in page.splitlines() if line.startswith("| RL-S2V"))
    assert "." in line
    return page.replace(line, line.replace(".", "1.", 1), 1)


def edit_page(out: Path) -> None:
    (out / "report.md").write_text(add_one((out / "report.md").read_text()))


def edit_figure(out: Path, name: str) -> None:
    held = bytearray((out / name).read_bytes())
    held[len(held) // 2] ^= 1
    (out / name).write_bytes(held)


def edit_text(out: Path, name: str) -> None:
    """Another number somewhere in a file of text."""
    text = (out / name).read_text()
    place = text.rindex("0.") if "0." in text else text.rindex("0")
    (out / name).write_text(f"{text[:place]}9{text[place + 1 :]}")


EDITS: dict[str, Callable[[Path], None]] = {
    "report.md": edit_page,
    "report.html": lambda out: edit_text(out, "report.html"),
    "report-appendix.md": lambda out: edit_text(out, "report-appendix.md"),
    "means.csv": lambda out: edit_text(out, "means.csv"),
    "differences.csv": lambda out: edit_text(out, "differences.csv"),
    "aggregated.json": lambda out: edit_text(out, "aggregated.json"),
    "accuracy.png": lambda out: edit_figure(out, "accuracy.png"),
    "by_class.svg": lambda out: edit_figure(out, "by_class.svg"),
}
