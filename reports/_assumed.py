"""What every table says where nothing proves that edits keep classes: of molecules, of proteins."""

from __future__ import annotations

from robust_augcl.reports._sections import Section

ASSUMED = "Nothing proves that an edited graph keeps its class: that is assumed."


def assumed(*sections: Section) -> str:
    """The sentence for the caption of a table of these sections; empty where it is proved."""
    return "" if all(section.keeps_classes for section in sections) else ASSUMED
