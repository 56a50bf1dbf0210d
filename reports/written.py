"""What a report wrote: a stamp beside the page, and whether the files are still those.

The stamp says what the report was made from, part by part, which versions made it, and the digest
of every file. Whoever edits a file can edit the stamp too, so `replay` makes the report again and
compares it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from robust_augcl import __version__
from robust_augcl.errors import ArtifactDamaged
from robust_augcl.results import strict
from robust_augcl.results.report_input import ReportInput

PAGE = "report.md"
HTML_PAGE = "report.html"
APPENDIX = "report-appendix.md"
TABLES = ("means.csv", "differences.csv", "aggregated.json")
"""The names of means, intervals and differences, as data."""
TEXTS = (PAGE, HTML_PAGE, APPENDIX, *TABLES)
"""The files of a report that are no figures, the first first."""
STAMP = "report-stamp.json"
VERSION = 1

FIGURES = ("accuracy", "by_class", "budgets", "mechanism", "training", "learning")
"""The names of all figures that there may be."""
ENDINGS = ("png", "svg")

AGAIN = "`robust-augcl report` writes it again"

_PARTS = ("records", "audit", "transfers", "measurements", "settings")
_LIBRARIES = ("matplotlib", "numpy", "pillow")
_MAKERS = ("machine", *_LIBRARIES)
"""What the bytes of a figure depend on beside our code."""
_READ_BACK = "audit and transfers"
"""Stands among what made a report where these were read from its folder."""
_NAMES = frozenset({*TEXTS, *(f"{name}.{ending}" for name in FIGURES for ending in ENDINGS)})
_MOST_BYTES = 2**26  # of a file; those of the widest report are a few MiB
_UNREADABLE = "missing, or not a file of a report's size"
_STRANGER = "no part of the report, so no figure of these results"


@dataclass(frozen=True)
class Stamp:
    """What is known of a report that was written.

    Args:
        of: part of what it was made from -> its digest.
        made_by: what made it -> its version. Others may draw other bytes.
        files: name -> SHA-256 of its content.

    Example:
        >>> stamp = Stamp(dict.fromkeys(_PARTS, "0" * 64), {"numpy": "2.0"}, {PAGE: "1" * 64})
        >>> Stamp.loads(stamp.dumps()) == stamp
        True
    """

    of: dict[str, str]
    made_by: dict[str, str]
    files: dict[str, str]

    def dumps(self) -> str:
        """The stamp as JSON."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def loads(cls, text: str) -> Stamp:
        """Read what `dumps` wrote.

        Raises:
            ArtifactDamaged: anything else, to the type.
        """
        try:
            content = strict.parse(text)
        except ValueError:
            content = None
        if not (
            type(content) is dict
            and content.keys() == {"version", "of", "made_by", "files"}
            and type(content["version"]) is int
            and content["version"] == VERSION
            and _is_table(content["of"], _PARTS, _is_digest)
            and _is_table(content["made_by"], None, _is_text)
            and _is_table(content["files"], None, _is_digest)
            and content["files"].keys() <= _NAMES
        ):
            raise ArtifactDamaged(f"{STAMP}: not the stamp of a report")
        return cls(content["of"], content["made_by"], content["files"])


def stamp_of(report: ReportInput, files: Mapping[str, bytes]) -> Stamp:
    """The stamp of a report that consists of these files, by name."""
    return Stamp(
        parts_of(report),
        {**made_by(), **({_READ_BACK: "the folder"} if report.read_back else {})},
        {name: _digest(content) for name, content in files.items()},
    )


def parts_of(report: ReportInput) -> dict[str, str]:
    """What a report is made from, part by part, as digests; those of absent parts are of nothing.

    How long an audit took, and the order of what comes in any order, does not count.
    """
    audit, transfers = report.audit, report.transfers
    texts = {
        "records": sorted(record.dumps() for record in report.records),
        "audit": [replace(audit, seconds=0.0).dumps()] if audit else [],
        "transfers": [transfers.dumps()] if transfers else [],
        "measurements": sorted(
            json.dumps(vars(measurement), sort_keys=True, default=vars)
            for measurement in report.measurements
        ),
        "settings": [
            json.dumps(stated, sort_keys=True)
            for stated in (
                report.settings,
                report.planned_seeds,
                report.planned_comparisons,
                f"{report.held_seeds} now" if report.rules.has_other_seeds else None,
            )
            if stated is not None
        ],
    }
    return {part: _digest("".join(texts[part]).encode()) for part in _PARTS}


def made_by() -> dict[str, str]:
    """What makes the bytes of a report here, and its version."""
    drawn_by = {name: version(name) for name in _LIBRARIES}
    return {"robust_augcl": __version__, "machine": platform.machine(), **drawn_by}


def read_stamp(out: Path) -> Stamp | None:
    """The stamp of the report in a folder, None where there is none.

    Raises:
        ArtifactDamaged: not what was written.
    """
    content = _content(out / STAMP)
    if content is None and not (out / STAMP).exists():
        return None
    try:
        return Stamp.loads((content or b"").decode())
    except UnicodeDecodeError:
        raise ArtifactDamaged(f"{STAMP}: not the stamp of a report") from None


def is_read_back(out: Path) -> bool:
    """Whether the report in a folder says that audit and transfers were read from its folder."""
    try:
        stamp = read_stamp(out)
    except ArtifactDamaged:
        return False
    return stamp is not None and _READ_BACK in stamp.made_by


def is_there(out: Path) -> bool:
    """Whether a folder holds a report, or part of one."""
    return any((out / name).exists() for name in (*_NAMES, STAMP))


def is_as_written(stamp: Stamp, out: Path) -> bool:
    """Whether every file of a report is what the stamp says."""
    return not any(_changed(stamp, out))


def told(report: ReportInput, out: Path, unknown: Collection[str] = ()) -> Iterator[str]:
    """What of the report in a folder is not what was written from these results, in lines.

    Stamps are compared, and digests of files; nothing is made again.

    Args:
        report: what the folder holds to make a report from.
        out: where the report lies, if there is one.
        unknown: the parts of `report` that are not compared.
    """
    if not is_there(out):
        return
    try:
        stamp = read_stamp(out)
    except ArtifactDamaged as error:
        yield f"{error}; {AGAIN}"
        return
    if stamp is None:
        yield f"{PAGE}: no stamp ({STAMP}) says what it was made from; {AGAIN}"
        return
    parts = parts_of(report)
    other = [part for part in _PARTS if part not in unknown and stamp.of[part] != parts[part]]
    if other:
        yield f"{PAGE}: not made from the {' and '.join(other)} of this folder; {AGAIN}"
    for name, how in _changed(stamp, out):
        yield f"{name}: {how}; {AGAIN}"
    yield from (f"{name}: {_STRANGER}" for name in _strangers(stamp.files, out))


def compared(
    report: ReportInput, made: Mapping[str, bytes], out: Path
) -> Iterator[tuple[str, str, list[str]]]:
    """Of each file of a report its name, what is proved of it, and what is not so.

    Args:
        report: what the report must be made from.
        made: its files, made again, by name.
        out: where the report lies.
    """
    stamp = None
    try:
        stamp = read_stamp(out)
        if stamp is None:
            yield STAMP, "", [f"missing; {AGAIN}"]
    except ArtifactDamaged as error:
        yield STAMP, "", [f"{error}; {AGAIN}"]
    other = _other_versions(stamp) if stamp and stamp.of == parts_of(report) else ""
    for name, content in made.items():
        found = _content(out / name)
        if found == content:
            yield name, "made again, it is the same to the byte", []
        elif found is None:
            yield name, "", [f"{_UNREADABLE}; {AGAIN}"]
        elif name not in TEXTS and other and stamp and _digest(found) == stamp.files.get(name):
            yield name, f"taken on trust, since it was drawn by {other}", []
        else:
            yield name, "", [f"not what `report` writes from these results; {AGAIN}"]
    yield from ((name, "", [_STRANGER]) for name in _strangers(made, out))


def _other_versions(stamp: Stamp) -> str:
    """Which other versions than those here have drawn a report's figures, in words."""
    here = made_by()
    return ", ".join(
        f"{name} {stamp.made_by.get(name)} (here: {here[name]})"
        for name in _MAKERS
        if stamp.made_by.get(name) != here[name]
    )


def _changed(stamp: Stamp, out: Path) -> Iterator[tuple[str, str]]:
    """The files that are not what the stamp says, and how that shows."""
    for name, digest in stamp.files.items():
        content = _content(out / name)
        if content is None:
            yield name, _UNREADABLE
        elif _digest(content) != digest:
            yield name, "not what `report` wrote"


def _strangers(names: Collection[str], out: Path) -> list[str]:
    """The figures in a folder that are not of a report of these files."""
    return [name for name in sorted(_NAMES - set(names)) if (out / name).exists()]


def _content(path: Path) -> bytes | None:
    """The content of a file; None where there is none, or none that a report could be."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_digest(value: Any) -> bool:
    return type(value) is str and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_table(value: Any, keys: tuple[str, ...] | None, is_one: Callable[[Any], bool]) -> bool:
    """Whether a value is a table of exactly these keys (None: any), of values that `is_one`."""
    return (
        type(value) is dict
        and (keys is None or value.keys() == set(keys))
        and all(is_one(item) for item in value.values())
    )
