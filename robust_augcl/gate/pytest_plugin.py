"""A plugin of pytest: the fixture `robustness`, which holds a model to what it withstands.

    def test_it_withstands_an_edge(robustness):
        threat = ThreatModel(budget=1)
        robustness(model, graphs, threat).at_least(0.60)

pytest loads this module in every run of every project, so it imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from robust_augcl.gate.fixture import Held

UPDATE = "--robustness-update"
RUNS = "--robustness-runs"
MARKER = "robustness"
_MARKER_TEXT = (
    f"{MARKER}: attacks a model, which takes a while; set by itself where the fixture of this name "
    f'is used (leave out: -m "not {MARKER}")'
)


_HAS_PASSED = pytest.StashKey[bool]()
"""Of a test: whether it passed, before what it used is torn down."""


class Claims:
    """Which baseline is of which test, as all processes of one call of pytest know it.

    With pytest-xdist two tests that name one file may run at once, in two processes. Of what they
    write the last would win, and the other be lost. So who writes a baseline claims it first, by a
    file that only one process can make.

    Args:
        folder: where the claims lie. It is made where it is not there.

    >>> import tempfile
    >>> claims = Claims(Path(tempfile.mkdtemp()))
    >>> claims.claim(Path("net.json"), "test_one"), claims.claim(Path("net.json"), "test_two")
    ('test_one', 'test_one')
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder

    @classmethod
    def of(cls, config: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Claims:
        """Those of this call of pytest."""
        base = tmp_path_factory.getbasetemp()
        # Each process of pytest-xdist has a folder of its own, in that of the call.
        is_one_of_several = hasattr(config, "workerinput")
        return cls((base.parent if is_one_of_several else base) / "robustness-baselines")

    def claim(self, path: Path, of: str) -> str:
        """Claim a baseline, unless that was done; return what it is of.

        Args:
            path: of the baseline.
            of: the test and the attacks, in words.
        """
        name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
        handle, own = tempfile.mkstemp(dir=self._folder)
        with open(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(of)
        # Written before it has its name: nobody finds half a claim.
        with contextlib.suppress(FileExistsError):
            os.link(own, self._folder / name)
        os.unlink(own)
        return (self._folder / name).read_text("utf-8", "surrogatepass")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("robustness")
    group.addoption(
        UPDATE,
        action="store_true",
        help="write the baselines that `no_worse_than` names, instead of comparing with them",
    )
    group.addoption(
        RUNS,
        metavar="DIR",
        help="keep the runs' folders here, one for each test [default: in pytest's cache]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER_TEXT)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the fixture, before `-m` looks at marks."""
    for item in items:
        if MARKER in getattr(item, "fixturenames", ()):
            item.add_marker(MARKER)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, None]:
    """Keep whether a test passed: what it asserted is looked at after it."""
    made = yield
    if call.when == "call":
        item.stash[_HAS_PASSED] = made.get_result().passed


@pytest.fixture
def robustness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Held]]:
    """What `robustness(model, graphs, threat)` returns asserts what the model withstands.

    See `robust_augcl.gate.fixture.Held`. A test that passes without having asserted anything of a
    model fails when it is torn down: the model was not even looked at.
    """
    made: list[Held] = []
    properties = request.node.user_properties

    def record(name: str, value: object) -> None:
        # Not by `record_property`, which warns of JUnit's newer family though it works there too.
        known = sum(name == re.sub(r"_\d+$", "", each) for each, _ in properties)
        properties.append((f"{name}_{known + 1}" if known else name, value))

    def of(model: Any, graphs: Any, threat: Any, **options: Any) -> Held:
        # By name, as the command line does: imported only where a model is attacked.
        fixture = importlib.import_module("robust_augcl.gate.fixture")
        number = len(made) + 1
        folder = _folder(request, tmp_path_factory, number)
        test = request.node.nodeid + (f" (call {number})" if number > 1 else "")
        update = bool(request.config.getoption(UPDATE))
        claims = Claims.of(request.config, tmp_path_factory)
        place = fixture.Place(folder, request.path.parent, test, update, claims.claim, record)
        made.append(fixture.Held(model, graphs, threat, place, options))
        return made[-1]

    yield of
    idle = [number for number, held in enumerate(made, 1) if not held.is_asserted]
    if idle and request.node.stash.get(_HAS_PASSED, False):
        pytest.fail(
            f"Nothing was asserted of what call {idle[0]} of `robustness` returned, so nothing was "
            "looked at: call `at_least`, `not_broken_below` or `no_worse_than` of it",
            pytrace=False,
        )


def _folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, call: int
) -> Path:
    """A folder for one call of the fixture, the same in every session: results are reused."""
    own = request.node.nodeid
    name = re.sub(r"\W+", "-", own, flags=re.ASCII).strip("-")[-120:]
    # Parameters `a/b` and `a-b` read the same there.
    name = f"{name}-{hashlib.sha256(own.encode(errors='surrogatepass')).hexdigest()[:8]}"
    name = f"{name}-{call}" if call > 1 else name
    if (chosen := request.config.getoption(RUNS)) is not None:
        return Path(request.config.invocation_params.dir, chosen, name)
    cache = getattr(request.config, "cache", None)
    if cache is None:  # pytest -p no:cacheprovider
        return tmp_path_factory.mktemp("robustness") / name
    return Path(cache.mkdir("robustness")) / name
