"""What every table says where nothing proves that edits keep classes: of molecules, of papers."""

from __future__ import annotations

from collections.abc import Iterable

from robust_augcl.reports._sections import Section
from robust_augcl.results.names import targets_text
from robust_augcl.results.records import Record

ASSUMED = "Nothing proves that an edited graph keeps its class: that is assumed."
OF_NODES = "Nothing proves that a node keeps its class when its graph is edited: that is assumed."


def assumed(*sections: Section) -> str:
    """The sentence for the caption of a table of these sections; empty where it is proved."""
    return assumed_of(record for section in sections for record in section.records)


def assumed_of(records: Iterable[Record]) -> str:
    """The same of records."""
    found = [record for record in records if record.class_stays == "assumed"]
    if not found:
        return ""
    return OF_NODES if targets_text(found) == "nodes" else ASSUMED
