"""How time and memory grow: tables in Markdown, and a figure with the fitted exponents."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from robust_augcl.results.growth import Clusters, Growth, Point, fitted

_OVER = ("graphs", "graphs in a batch", "nodes a graph")


def text_of(points: Sequence[Point], clusters: Sequence[Clusters]) -> str:
    """The tables: seconds and memory by size with fitted exponents, and stability of clusters."""
    parts = [
        "# How time and memory grow",
        "Seconds are of one processor, the least of several runs, each part in a process of its "
        "own; memory is what the process held beyond its start. The exponent is that of a power "
        "law, fitted to the upper half of the sizes, with its standard error: 1 is linear, 2 is "
        "quadratic.",
    ]
    for over in [over for over in _OVER if any(point.over == over for point in points)]:
        parts += [f"## Over {over}", "\n".join(_table([p for p in points if p.over == over]))]
    if clusters:
        parts += ["## How stable the two clusters are", _MEANING, "\n".join(_stability(clusters))]
    return "\n\n".join(parts) + "\n"


_MEANING = (
    "Means over anchors: the silhouette of each anchor's similarities in their two clusters, the "
    "adjusted Rand index of the clusters with the true classes (same or another one), and that of "
    "the clusters under two views. 0 is chance, 1 is perfect."
)


def growth_of(points: Sequence[Point], value: str = "seconds") -> Growth | None:
    """The power law of the upper half of the sizes, three points at least, where there are any."""
    ordered = sorted(points, key=lambda point: point.size)
    upper = ordered[min(len(ordered) // 2, max(0, len(ordered) - 3)) :]
    return fitted([p.size for p in upper], [float(getattr(p, value)) for p in upper])


def exponent_text(growth: Growth | None) -> str:
    """An exponent with its standard error."""
    if growth is None:
        return "-"
    error = "" if growth.error is None else f" ± {growth.error:.2f}"
    return f"{growth.exponent:.2f}{error}"


def _table(points: Sequence[Point]) -> Iterator[str]:
    sizes = sorted({point.size for point in points})
    yield "| part | " + " | ".join(f"{size:g}" for size in sizes) + " | exponent, time | memory |"
    yield "|---" * (len(sizes) + 3) + "|"
    for what in dict.fromkeys(point.what for point in points):
        own = [point for point in points if point.what == what]
        at = {point.size: point for point in own}
        cells = [_cell(at.get(size)) for size in sizes]
        exponents = [exponent_text(growth_of(own, value)) for value in ("seconds", "mebibytes")]
        yield f"| {what} | {' | '.join([*cells, *exponents])} |"


def _cell(point: Point | None) -> str:
    return "-" if point is None else f"{point.seconds:.3g} s, {point.mebibytes:.0f} MiB"


def _stability(clusters: Sequence[Clusters]) -> Iterator[str]:
    yield "| data | anchors | silhouette | with classes | between views |"
    yield "|---|---|---|---|---|"
    for each in clusters:
        values = (each.silhouette, each.with_labels, each.between_views)
        numbers = " | ".join(f"{value:.2f}" for value in values)
        yield f"| {each.data} | {each.graphs} | {numbers} |"


def figure_of(points: Sequence[Point], form: str = "png") -> bytes:
    """Seconds over each kind of size on logarithmic axes, each part with its exponent.

    Raises:
        ValueError: no points.
    """
    from matplotlib.figure import Figure

    kinds = [over for over in _OVER if any(point.over == over for point in points)]
    if not kinds:
        raise ValueError("Expected at least one point, got none")
    figure = Figure(figsize=(4.6 * len(kinds), 4.2), layout="constrained")
    for axes, over in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        own = [point for point in points if point.over == over]
        for number, what in enumerate(dict.fromkeys(point.what for point in own)):
            part = sorted((p for p in own if p.what == what), key=lambda point: point.size)
            axes.loglog(
                [p.size for p in part],
                [p.seconds for p in part],
                marker="osv^D<>px"[number % 9],
                markersize=4,
                label=f"{what}: {exponent_text(growth_of(part))}",
            )
        axes.set_xlabel(over)
        axes.set_ylabel("seconds of one processor")
        axes.legend(fontsize=7)
        axes.grid(True, which="major", alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, format=form, dpi=110, metadata={"Software": None})
    return stream.getvalue()
