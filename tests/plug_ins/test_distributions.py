"""Which distribution made a module: what is installed is read once, and again when it changes."""

from __future__ import annotations

from robust_augcl import sources
from robust_augcl.models.identity import made_by


def installed(folder, name, version):
    """Lay a package and its metadata into a folder, as an installation does."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("")
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (about / "top_level.txt").write_text(name)


def test_what_is_installed_later_is_found(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    installed(tmp_path, "acme_first", "1.0")
    assert sources.distribution_of("acme_first.part") == ("acme_first", "1.0")
    assert sources.distribution_of("acme_second") == (sources.NO_DISTRIBUTION, "")
    installed(tmp_path, "acme_second", "2.0")
    assert sources.distribution_of("acme_second") == ("acme_second", "2.0")


def test_what_is_installed_is_read_once_for_all_parts_of_a_model(monkeypatch):
    from torch_geometric.nn import GIN

    calls = []
    found = sources.packages_distributions
    monkeypatch.setattr(sources, "packages_distributions", lambda: calls.append(1) or found())
    sources._makers.cache_clear()
    made_by(GIN(2, 4, 2))
    made_by(GIN(2, 4, 2))
    assert len(calls) == 1
