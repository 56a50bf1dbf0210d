"""What a run's folder holds, as an object for notebooks: tables, records, a frame, the figure."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from robust_augcl.errors import InputError, shown, unknown
from robust_augcl.results.outcome_rows import outcome_rows, typed
from robust_augcl.results.records import Record
from robust_augcl.results.report_input import ReportInput
from robust_augcl.review.assessor import Assessor
from robust_augcl.store.housekeeping import survey
from robust_augcl.store.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas

_ENDINGS = ("pdf", "png", "svg")
_FRAMES = ("targets", "records", "means", "differences")


def load(folder: Path | str) -> Result:
    """Return what a run's folder holds, whoever has made it: `load("runs/quick").frame()`.

    Nothing that only the folder names is imported. Where it holds no audit of its records, that is
    said and not made up for: `robust-augcl audit` makes one.

    Args:
        folder: of `evaluate`, of a `Campaign`, or of `robust-augcl run`.

    Raises:
        InputError: there is no run in it.

    >>> load("no such folder")
    Traceback (most recent call last):
    robust_augcl.errors.InputError: Expected the folder of a run, with a file run.json, got \
'no such folder': see `robust-augcl run --help`
    """
    RunFolder(Path(folder)).existing_manifest()
    return Result(Path(folder))


def open_run(folder: Path | str) -> Result:
    """Return what a run's folder holds: the earlier name of `load`.

    >>> open_run("runs/quick").folder.name  # doctest: +SKIP
    'quick'
    """
    return load(folder)


class Result:
    """What a run found, read from its folder when it is asked for.

    `print(result)` shows the table with the exact worst case or the bracket around it, what was
    left out and why, what the probes of models noted, and what the audit says.

    Args:
        folder: the run's.
        kept: the temporary folder that it lies in, which is removed with this object.

    Attributes:
        folder: the run's.

    >>> Result(Path("runs/mine"))
    Result('runs/mine')
    """

    def __init__(self, folder: Path, kept: TemporaryDirectory[str] | None = None) -> None:
        self.folder, self._kept = folder, kept

    def __repr__(self) -> str:
        return f"Result({str(self.folder)!r})"

    def __str__(self) -> str:
        from robust_augcl.reports.in_words import in_words

        return in_words(self.report_input, self.failures, self.folder)

    @cached_property
    def report_input(self) -> ReportInput:
        """Everything that the report is made from.

        Audit and transfers are those that the folder holds; None where it holds none.
        """
        from robust_augcl.review.side_files import held

        folder = RunFolder(self.folder)
        manifest, records = folder.existing_manifest(), self.records
        there = held(folder, records)
        measurements = folder.load_measurements(manifest)
        return manifest.report_input(records, there.audit, there.transfers, measurements)

    @cached_property
    def records(self) -> list[Record]:
        """The records, one for each attack on each model, budget and seed."""
        folder = RunFolder(self.folder)
        return folder.load_records(folder.existing_manifest().records).records

    def read(self) -> Result:
        """Read now what tables and figures show, and return this object.

        What is computed into the folder later, by other models of the same names, is not taken for
        what was found then.
        """
        self.records, self.report_input, self.failures  # noqa: B018  each is kept once it is read
        return self

    @cached_property
    def failures(self) -> list[str]:
        """What failed and is not there, in words."""
        return survey(RunFolder(self.folder)).failures

    def frame(self, of: str = "targets") -> pandas.DataFrame:
        """Return a tidy table: by default one row for each target that an attack met.

        Args:
            of: "targets"; "records", one row for each attack on each model, as `robust-augcl show
                --format csv` prints; "means", one row for each attack on each method, over the
                seeds, with intervals; "differences", one row for each comparison of two methods
                under an attack. The last two are as in the report's means.csv and differences.csv.

        The columns of targets, with their types of pandas:

        - `suite`, `dataset`, `model`, `attack`, `protocol` (string): the cell of the record;
          `model` is the label of the given model, or of the method;
        - `setting` (string): "evasion", or "poisoning" where models were trained again;
        - `class_stays` (string): "proved" where an edited target is shown to keep its class,
          "assumed" where nothing shows it;
        - `layers` (Int64): of an encoder that was trained here, else missing;
        - `seed` (int64), `budget` (float64), `budget_is_share` (bool): whether the budget is a
          share of a graph's edges and not a number of edits;
        - `graph` (int64), `node` (Int64): the target; `node` is missing where it is the graph;
        - `label`, `clean`, `attacked` (int64): the true class, and the predicted ones before and
          after the edits;
        - `clean_margin`, `attacked_margin` (float64): the true class's logit less the best other;
        - `clean_right`, `attacked_right`, `robust`, `broken` (bool): robust is right both times,
          broken is right before and wrong after;
        - `exact` (bool): whether it is proved that no allowed edits do more damage;
        - `certified` (boolean): whether a certificate for the budget proves that no allowed edits
          break the target; missing where there is no certificate;
        - `at_rest` (boolean): whether the victim was at rest when its training ended; missing where
          nobody has said how it was trained;
        - `num_added`, `num_removed` (int64), `added`, `removed` (object): the edits, as lists of
          pairs of nodes.

        Raises:
            ImportError: pandas is not there: `pip install robust-augcl[frame]`.
            InputError: `of` is something else.
        """
        if of not in _FRAMES:
            raise unknown("frame", of, _FRAMES)
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "Expected pandas for a data frame: pip install 'robust-augcl[frame]'; "
                "`result.rows()` gives the same rows without it"
            ) from error
        if of != "targets":
            return pandas.DataFrame(self._rows_of(of))
        rows = self.rows()
        columns = {name: [row[name] for row in rows] for name in typed()}
        return pandas.DataFrame(columns).astype(typed())

    def _rows_of(self, of: str) -> list[dict[str, Any]]:
        """The rows of a frame that is not of targets."""
        from robust_augcl.reports._aggregated import difference_rows, mean_rows
        from robust_augcl.reports._view import view_of
        from robust_augcl.reports.tables import flat, rows

        if of == "records":
            return [flat(row) for row in rows(self.records, self.report_input.audit)]
        view = view_of(self.report_input)
        return mean_rows(view) if of == "means" else difference_rows(view)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of `frame` as dictionaries, for which pandas is not needed."""
        return outcome_rows(self.records, self.report_input.measurements)

    def figure(self, path: Path | str | None = None) -> Any:
        """Draw accuracy before and under each attack, at the width of a paper's column.

        Args:
            path: a file that ends in .pdf, .png or .svg, which is written; None to write none.

        Returns:
            The figure of matplotlib.

        Raises:
            InputError: another ending, or a file that cannot be written.
            ValueError: there are no records.
        """
        from robust_augcl.reports.column import column_figure
        from robust_augcl.reports.figure import as_bytes

        if not isinstance(path, str | Path | None):
            raise InputError(f"Expected a figure's file to be a path, got {shown(path)}")
        figure = column_figure(self.report_input)
        if path is None:
            return figure
        ending = Path(path).suffix.removeprefix(".")
        if ending not in _ENDINGS:
            raise InputError(
                f"Expected a figure's file to end in .pdf, .png or .svg, got {shown(str(path))}"
            )
        try:
            Path(path).write_bytes(as_bytes(figure, ending))
        except OSError as error:
            raise InputError(f"Cannot write {path}: {error.strerror or error}") from None
        return figure

    def audit(self) -> None:
        """Audit the records where the folder holds no audit of them, and keep it there.

        Raises:
            ModelMissing: a given model whose module is not here (`use_model`).
        """
        Assessor(RunFolder(self.folder), lambda text: None).audit(self.records)
        self.__dict__.pop("report_input", None)
