"""Attacks of other people, written and installed for a test."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from foreign_attacks import forget_foreign
from small_suites import ONE_ATTACK


@pytest.fixture(autouse=True)
def _no_consent_stays() -> Iterator[None]:
    """What one test consents to is nothing to the next."""
    forget_foreign()
    yield
    forget_foreign()


@pytest.fixture
def suite(tmp_path: Path) -> Callable[[str], Path]:
    """Write a very small suite of one attack; return its file."""

    def write(attack: str, name: str = "suite") -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(ONE_ATTACK.format(attack=attack))
        return path

    return write


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a distribution of one package, as pip would; return the package's folder."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def lay_down(
        name: str,
        version: str,
        package: str,
        modules: dict[str, str],
        entry_points: str = "",
    ) -> Path:
        folder = site / package
        folder.mkdir()
        for module, source in {"__init__": "", **modules}.items():
            (folder / f"{module}.py").write_text(source)
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)
        files = [path.relative_to(site) for path in folder.iterdir()]
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        importlib.invalidate_caches()
        return folder

    return lay_down
