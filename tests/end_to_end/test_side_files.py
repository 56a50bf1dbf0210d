"""What lies beside the results, the audit, the transfers, the report, is believed only as far as
it is of these results: edited files are told by `show`, proved wrong by `replay`, and made again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from robust_augcl.plan.claims_file import published_claims
from robust_augcl.reports import _figures, markdown, written
from robust_augcl.reports._figures import Gallery
from robust_augcl.results.findings import ATTACKERS_AT_REST, Audit, Finding
from robust_augcl.results.transfers import Transfers
from robust_augcl.store import files
from robust_augcl.store.run_folder import RunFolder

FIGURES = ("accuracy.png", "by_class.svg")


@pytest.fixture(scope="module")
def tiny(pair_suite: Path) -> Path:
    return pair_suite


@pytest.fixture(scope="module")
def finished(pair: Path) -> Path:
    return pair


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


# --- an honest run --------------------------------------------------------------------------------


def test_an_honest_run_says_nothing_and_its_side_files_hold(finished, command, monkeypatch):
    for module in (_figures, markdown):
        monkeypatch.setattr(module, "Gallery", Gallery)  # here figures are drawn again
    assert "warning" not in command("show", finished).err
    answer = command("replay", finished)
    assert answer.code == 0
    assert differing(answer.out) == {}
    same = {line.split()[1] for line in answer.out.splitlines() if line.startswith("same  ")}
    assert same == {
        "audit.json:",
        "transfer.json:",
        *(f"{name}:" for name in written.TEXTS),
        *(f"{name}.{end}:" for name in ("accuracy", "by_class", "mechanism", "training", "learning")
          for end in ("png", "svg")),
    }  # fmt: skip
    assert "taken on trust" not in answer.out


def test_every_figure_is_one_that_is_looked_for(finished):
    assert set(_figures.ENDINGS) == {"png", "svg"}
    stamp = written.read_stamp(finished)
    assert stamp.files.keys() - set(written.TEXTS) == {
        path.name for ending in _figures.ENDINGS for path in finished.glob(f"*.{ending}")
    }


def test_a_copied_folder_keeps_its_marks(finished, tmp_path, command):
    """Other times of modification, as `cp -r`, an archive or another file system leave them."""
    copy = Path(shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copyfile))
    for number, path in enumerate(sorted(copy.rglob("*"))):
        os.utime(path, (10**9 + number, 10**9 + number))
    before = marks(command, finished)
    assert any(before)
    assert marks(command, copy) == before
    assert "warning" not in command("show", copy).err
    assert command("replay", copy).code == 0


def test_a_copied_folder_is_not_audited_again(tiny, finished, tmp_path, command):
    copy = Path(shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copyfile))
    names = ("audit.json", "transfer.json", "report.md", "report-stamp.json", *FIGURES)
    before = {name: (copy / name).stat().st_mtime_ns for name in names}
    answer = command("run", tiny, "--out", copy, "--workers", "1")
    assert answer.code == 0
    assert "Auditing" not in answer.err
    assert {name: (copy / name).stat().st_mtime_ns for name in names} == before


def test_a_touched_artifact_changes_nothing(copied, command):
    before = marks(command, copied)
    for path in (copied / "artifacts").iterdir():
        path.touch()
    answer = command("show", copied)
    assert "warning" not in answer.err
    assert marks(command, copied) == before


def test_an_artifact_that_was_written_again_changes_nothing(copied, command):
    """It took other seconds; its content is the same."""
    store = RunFolder(copied).store
    key = next((copied / "artifacts").glob("victim-*")).stem
    found = store.load(key)
    store.save(key, replace(found, about={**found.about, "seconds": 99.0}))
    assert "warning" not in command("show", copied).err


@pytest.mark.parametrize("kind", ["victim", "dataset", "attacker"])
def test_an_altered_artifact_is_noticed(copied, command, kind):
    """One bit, the size and the times as before."""
    path = next((copied / "artifacts").glob(f"{kind}-*"))
    state, held = path.stat(), bytearray(path.read_bytes())
    held[-3] ^= 1
    path.write_bytes(held)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    told = warned(command("show", copied).err)
    assert told.keys() - {"report.md"} == {"audit.json", "transfer.json"}
    assert "not the audit of these results" in told["audit.json"]


# --- the audit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("knows_the_format", [False, True])
def test_an_audit_set_to_all_pass_is_told_and_made_again(copied, command, knows_the_format):
    honest = content(copied, "audit.json", "report.md")
    all_pass(copied, knows_the_format)
    told = warned(command("show", copied).err)
    if knows_the_format:
        assert "not made from the audit of this folder" in told["report.md"]
    else:
        assert "the audit was altered" in told["audit.json"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert "audit.json" in differing(answer.out)
    if knows_the_format:
        assert "says PASS, made again it says FAIL" in differing(answer.out)["audit.json"]
        assert "audit.json differs from what the results give" in answer.err
    assert command("audit", copied).code == 1
    assert content(copied, "audit.json", "report.md") == honest


def test_a_report_is_not_written_from_an_audit_that_was_set(copied, command):
    honest = content(copied, "audit.json", "report.md")
    all_pass(copied, knows_the_format=True)
    assert command("report", copied).code == 0
    assert content(copied, "audit.json", "report.md") == honest
    assert command("replay", copied).code == 0


def test_a_run_does_not_write_a_report_from_an_audit_that_was_set(tiny, copied, command):
    honest = content(copied, "audit.json", "report.md")
    all_pass(copied, knows_the_format=True)
    answer = command("run", tiny, "--out", copied, "--workers", "1")
    assert answer.code == 0
    assert content(copied, "audit.json", "report.md") == honest


@pytest.mark.parametrize("name", ["audit.json", "transfer.json"])
def test_a_side_file_of_another_folder_is_told(copied, tmp_path, command, name):
    """The other one lacks a record of this one; its stamp and its checksum are right."""
    other = Path(shutil.copytree(copied, tmp_path / "other"))
    next((other / "records").glob("*")).unlink()
    assert command("audit", other).code == 1
    assert command("transfer", other).code == 0
    shutil.copy(other / name, copied / name)
    what = {"audit.json": "the audit of", "transfer.json": "the transfers between"}[name]
    assert f"not {what} these results" in warned(command("show", copied).err)[name]
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {name}
    assert "All 8 records hold." in answer.out


@pytest.mark.parametrize("name", ["audit.json", "transfer.json"])
def test_a_side_file_that_is_no_file_is_told_at_once(copied, command, name):
    """A pipe that nobody writes into."""
    (copied / name).unlink()
    os.mkfifo(copied / name)
    assert "it is a pipe, no regular file" in warned(command("show", copied).err)[name]
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {name}


def test_a_missing_audit_is_told(copied, command):
    (copied / "audit.json").unlink()
    assert "missing, so no record is marked" in warned(command("show", copied).err)["audit.json"]
    assert "missing" in warned(command("transfer", copied).err)["audit.json"]


def test_a_record_that_the_manifest_drops_is_told(copied, command):
    manifest = json.loads((copied / "run.json").read_text())
    manifest["records"] = manifest["records"][1:]
    (copied / "run.json").write_text(json.dumps(manifest))
    told = warned(command("show", copied).err)
    missing = "run.json does not list 1 of the 8 records that its suite and seeds ask for"
    assert told.keys() == {missing, "audit.json", "transfer.json", "report.md"}


@pytest.mark.parametrize(
    "change",
    [
        lambda f: replace(f, evidence=f"{f.evidence[:-1]}7"),
        lambda f: replace(f, cells=f.cells[1:]),
        lambda f: replace(f, check="another"),
    ],
    ids=["evidence", "cells", "check"],
)
def test_any_other_change_of_a_finding_is_proved_wrong(copied, command, change):
    path = copied / "audit.json"
    audit = Audit.loads(path.read_text(), path.name)
    findings = list(audit.findings)
    place = next(i for i, f in enumerate(findings) if f.status == "FAIL" and f.cells)
    findings[place] = change(findings[place])
    path.write_text(replace(audit, findings=tuple(findings)).dumps())
    answer = command("replay", copied)
    assert answer.code == 1
    assert "audit.json" in differing(answer.out)


def change_word_on_attackers(folder: Path, change: Callable[[Finding], Finding]) -> None:
    path = folder / "audit.json"
    audit = Audit.loads(path.read_text(), path.name)
    findings = [change(f) if f.check == ATTACKERS_AT_REST else f for f in audit.findings]
    assert findings != list(audit.findings)
    path.write_text(replace(audit, findings=tuple(findings)).dumps())


def test_attackers_learn_on_again_where_they_learned_quickly_else_it_is_on_trust(copied, command):
    change_word_on_attackers(copied, lambda f: replace(f, evidence=f"{f.evidence[:-1]}7"))
    slow = command("replay", copied, "--again", "0").out
    assert "audit.json" not in differing(slow)
    (line,) = [line for line in slow.splitlines() if line.startswith("same  audit.json")]
    assert "19 checks made again" in line
    assert f"{ATTACKERS_AT_REST!r} is on trust, since learning took longer than 0 s" in line
    assert "report.md" in differing(slow)  # it says what the honest audit said
    quick = command("replay", copied, "--again", "1000").out
    assert f"{ATTACKERS_AT_REST!r} says something else" in differing(quick)["audit.json"]


@pytest.mark.parametrize("attacks", [{"grad_argmax"}, {"rl_s2v", "exhaustive"}, set()])
def test_a_word_on_attackers_that_speaks_of_other_records_is_never_on_trust(
    copied, command, attacks
):
    folder = RunFolder(copied)
    records = folder.load_records(folder.existing_manifest().records).records
    cells = tuple(record.key for record in records if record.cell.attack in attacks)
    change_word_on_attackers(copied, lambda f: replace(f, status="WARN", cells=cells))
    answer = command("replay", copied, "--again", "0")
    assert ATTACKERS_AT_REST in differing(answer.out)["audit.json"]


# --- transfers ------------------------------------------------------------------------------------


def test_altered_transfers_are_told_and_made_again(copied, command):
    honest = content(copied, "transfer.json")
    shown = command("transfer", copied).out
    change_transfers(copied)
    told = warned(command("show", copied).err)
    assert "not made from the transfers of this folder" in told["report.md"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert "do something else" in differing(answer.out)["transfer.json"]
    assert command("transfer", copied).out == shown
    assert content(copied, "transfer.json") == honest


def test_transfers_that_are_left_out_are_proved_wrong(copied, command):
    path = copied / "transfer.json"
    found = Transfers.loads(path.read_text(), path.name)
    path.write_text(replace(found, entries=found.entries[1:]).dumps())
    answer = command("replay", copied)
    assert answer.code == 1
    assert "pairs of victims" in differing(answer.out)["transfer.json"]


# --- the report -----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_file_of_the_report_is_told_and_written_again(copied, command, name):
    honest = content(copied, name)
    EDITS[name](copied)
    told = warned(command("show", copied).err)
    assert told == {name: "not what `report` wrote; `robust-augcl report` writes it again"}
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {name}
    assert f"{name} differs from what the results give" in answer.err
    assert command("report", copied).code == 0
    assert content(copied, name) == honest
    assert "warning" not in command("show", copied).err


def test_files_of_a_report_edited_with_their_stamp_are_proved_wrong(copied, command):
    for edit in EDITS.values():
        edit(copied)
    stamp_again(copied)
    assert "warning" not in command("show", copied).err  # by stamps all is well
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == EDITS.keys()


def test_a_report_of_another_folder_is_told(copied, tmp_path, command):
    """All of it, with its stamp."""
    other = Path(shutil.copytree(copied, tmp_path / "other"))
    next((other / "records").glob("*")).unlink()
    assert command("report", other).code == 0
    for name in written.read_stamp(other).files:
        shutil.copy(other / name, copied / name)
    shutil.copy(other / written.STAMP, copied / written.STAMP)
    told = warned(command("show", copied).err)
    assert "not made from the records and audit and transfers of" in told["report.md"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert "report.md" in differing(answer.out)


@pytest.mark.parametrize("how", ["missing", "no JSON", "a name out of the folder", "another type"])
def test_a_report_without_its_stamp_is_told(copied, command, how):
    path = copied / written.STAMP
    held = json.loads(path.read_text())
    if how == "missing":
        path.unlink()
    elif how == "no JSON":
        path.write_text("{" * 100_000)
    elif how == "a name out of the folder":
        held["files"]["../run.json"] = "0" * 64
        path.write_text(json.dumps(held))
    else:
        held["version"] = True
        path.write_text(json.dumps(held))
    (line,) = warned(command("show", copied).err).values()
    assert "stamp" in line
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {written.STAMP}


def test_a_figure_without_page_and_stamp_is_told(copied, command):
    for name in ("report.md", "report-stamp.json"):
        (copied / name).unlink()
    edit_figure(copied, "accuracy.png")
    assert "no stamp" in command("show", copied).err
    answer = command("replay", copied)
    assert answer.code == 1
    assert "DIFFERS" in answer.out


def test_a_figure_that_is_missing_or_no_file_or_a_stranger_is_told(copied, command):
    (copied / "accuracy.png").unlink()
    (copied / "by_class.png").unlink()
    os.mkfifo(copied / "by_class.png")  # which nobody writes into
    shutil.copy(copied / "accuracy.svg", copied / "budgets.svg")
    told = warned(command("show", copied).err)
    assert told.keys() == {"accuracy.png", "by_class.png", "budgets.svg"}
    assert "no part of the report" in told["budgets.svg"]
    answer = command("replay", copied)
    assert answer.code == 1
    assert differing(answer.out).keys() == told.keys()


def test_figures_that_other_libraries_drew_are_taken_on_trust_and_the_page_is_not(copied, command):
    for name in ("report.md", "accuracy.png"):
        EDITS[name](copied)
    stamp_again(copied)
    path = copied / written.STAMP
    stamp = written.Stamp.loads(path.read_text())
    path.write_text(replace(stamp, made_by={**stamp.made_by, "matplotlib": "0.1"}).dumps())
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {"report.md"}
    (trusted,) = [line for line in answer.out.splitlines() if "taken on trust" in line]
    assert trusted.startswith("same  accuracy.png")
    assert "matplotlib 0.1" in trusted


def test_a_figure_that_a_report_has_no_more_is_removed(copied, command):
    stamp = written.read_stamp(copied)
    shutil.copy(copied / "accuracy.svg", copied / "budgets.svg")
    digest = stamp.files["accuracy.svg"]
    held = replace(stamp, files={**stamp.files, "budgets.svg": digest})
    (copied / written.STAMP).write_text(held.dumps())
    assert command("report", copied).code == 0
    assert not (copied / "budgets.svg").exists()


def test_a_report_written_elsewhere_is_proved_too(copied, tmp_path, command):
    out = tmp_path / "elsewhere"
    answer = command("report", copied, "--out", out)
    assert answer.code == 0
    assert str(out / written.STAMP) in answer.out
    assert command("replay", copied, "--report", out).code == 0
    EDITS["report.md"](out)
    answer = command("replay", copied, "--report", out)
    assert answer.code == 1
    assert set(differing(answer.out)) == {"report.md"}
    assert command("replay", copied).code == 0


def test_where_results_do_not_hold_side_files_are_told_by_their_stamps(copied, command):
    path = next((copied / "records").glob("*"))
    path.write_text(path.read_text()[:-9])
    answer = command("replay", copied)
    assert answer.code == 1
    assert set(differing(answer.out)) == {"audit.json", "transfer.json", "report.md"}
    assert "are not made again, since results do not hold" in answer.out
    assert "1 of 8 records do not hold" in answer.err


# --- folders that cannot be written ---------------------------------------------------------------


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write meets a file system that is read only."""

    def refuse(folder: Path) -> tuple[int, str]:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files, "_temporary", refuse)


def unkept(err: str) -> str:
    """What could not be kept: one line."""
    (line,) = [line for line in err.splitlines() if "not kept" in line]
    return line


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("there", [True, False])
def test_an_audit_that_cannot_be_kept_is_printed(copied, command, there):
    expected = command("audit", copied, "--format", "json").out
    if not there:
        (copied / "audit.json").unlink()
    answer = command("audit", copied, "--format", "json")
    assert answer.code == 1  # for what it found
    assert json.loads(answer.out) == json.loads(expected)
    assert "audit.json (Read-only file system)" in unkept(answer.err)
    assert "checks fail" in answer.err


@pytest.mark.usefixtures("read_only")
def test_transfers_that_cannot_be_kept_are_printed(copied, command):
    (copied / "transfer.json").unlink()
    answer = command("transfer", copied, "--format", "json")
    assert answer.code == 0
    assert len(json.loads(answer.out)) > 0
    assert "transfer.json (Read-only file system)" in unkept(answer.err)


@pytest.mark.usefixtures("read_only")
def test_a_report_that_cannot_be_kept_is_printed(copied, command):
    page = (copied / "report.md").read_text()
    edit_page(copied)
    answer = command("report", copied)
    assert answer.code == 0
    assert answer.out == page
    assert "audit.json, transfer.json, report.md (Read-only" in unkept(answer.err)


@pytest.mark.usefixtures("read_only")
def test_where_a_report_is_asked_to_go_it_must_go(copied, tmp_path, command):
    answer = command("report", copied, "--out", tmp_path / "elsewhere")
    assert answer.code == 2
    assert "Cannot write" in answer.err
    assert answer.out == ""


@pytest.mark.usefixtures("read_only")
def test_replay_and_show_write_nothing(copied, command):
    for name in ("audit.json", "transfer.json"):
        (copied / name).unlink()
    assert command("replay", copied).code == 0
    assert command("show", copied).code == 0


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """For the superuser, whom permissions do not bind: be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def read_what_is_installed(command, folder: Path) -> None:
    """Nobody else may be allowed to read where the package is installed: what is read while it
    works (claims, templates) is read before, and kept by this process."""
    published_claims()
    assert command("report", folder).code == 0


def test_a_folder_without_permission_to_write(finished, command):
    """Permissions as they are; every command as another user than the superuser."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        folder = Path(shutil.copytree(finished, Path(place) / "run"))
        expected = {name: command(name, folder) for name in ("audit", "transfer")}
        read_what_is_installed(command, folder)
        page = (folder / "report.md").read_text()
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        with as_nobody():
            if os.access(folder, os.W_OK, effective_ids=True):
                pytest.skip("permissions do not bind here")
            answers = {name: command(name, folder) for name in ("audit", "transfer", "report")}
            shown = command("show", folder)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
    for name, answer in expected.items():
        assert answers[name].code == answer.code
        found, wanted = (text.rpartition("\n\n") for text in (answers[name].out, answer.out))
        assert found[0] == wanted[0]  # but the seconds in the last line
        assert "(Permission denied)" in unkept(answers[name].err)
    assert answers["report"].code == 0
    assert answers["report"].out == page
    assert "(Permission denied)" in unkept(answers["report"].err)
    assert "warning" not in shown.err
