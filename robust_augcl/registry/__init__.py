"""Names of attacks, encoders, methods, data sources and suites, and what they stand for.

Our own are one file each: adding one is adding a file, and no list elsewhere names it. Installed
packages add theirs by entry points, and a file that the user names with `--plugin` adds what it
defines. All of these have short names. Anybody's class is also named by where it lies,
`package.module:Class` or `path/to/file.py:Class`.

Names and descriptions are read from files without importing them, so that `list` answers at once.
Other people's code is imported when it is used, and what only a run's folder names needs the user's
consent (docs/trust.md).
"""

from __future__ import annotations

from robust_augcl.foreign import is_foreign
from robust_augcl.registry.absent import refuse_absent
from robust_augcl.registry.catalogue import Entry, catalogue
from robust_augcl.registry.loading import (
    default_label,
    known_names,
    load,
    load_suite_text,
    needs,
    of_others,
)
from robust_augcl.registry.makers import is_own, origin, revisions_of
from robust_augcl.registry.own import (
    GROUPS,
    descriptions,
    load_own,
    names,
    suite_descriptions,
    suite_texts,
)

__all__ = [
    "GROUPS",
    "Entry",
    "catalogue",
    "default_label",
    "descriptions",
    "is_foreign",
    "is_own",
    "known_names",
    "load",
    "load_own",
    "load_suite_text",
    "names",
    "needs",
    "of_others",
    "origin",
    "refuse_absent",
    "revisions_of",
    "suite_descriptions",
    "suite_texts",
]
