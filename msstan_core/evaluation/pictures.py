"""Pictures of an evaluation: reliability, confusion, and the embeddings as t-SNE sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from msstan_core.errors import InputError
from msstan_core.evaluation.actions import (
    BINS,
    calibration_error,
    confusion_matrix,
    labelled_ticks,
    reliability,
)
from msstan_core.evaluation.replayed import ReplayedBag
from msstan_core.explain.overlay import colour_of
from msstan_core.vocabulary import ACTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Red, green, blue in 0..1.
Colour = tuple[float, float, float]
#: Bins with fewer ticks say nothing and are not drawn.
FEWEST_IN_BIN = 10
#: Ticks in a t-SNE picture at most; evenly spread over the bags.
MOST_POINTS = 2500
_DPI = 110
#: Shown in ink of this colour when published, and before the action filter.
_PUBLISHED, _NETWORK = "#b3261e", "#4878a8"


def draw_reliability(bags: Sequence[ReplayedBag], path: Path) -> None:
    """Confidence against accuracy, published and before the action filter, with how often each confidence is said."""
    ticks = labelled_ticks(bags)
    figure = _figure(5.2, 6.2)
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for name, colour, probabilities in (
        ("published", _PUBLISHED, ticks.probabilities),
        ("network, calibrated", _NETWORK, ticks.network),
    ):
        bins = reliability(probabilities, ticks.labels)
        shown = bins.ticks >= FEWEST_IN_BIN
        error = calibration_error(probabilities, ticks.labels)
        curve.plot(bins.confidence[shown], bins.accuracy[shown], "o-", color=colour, label=f"{name}, ECE {error:.3f}")
        edges = np.linspace(0, 1, BINS + 1)
        counts.stairs(bins.ticks / bins.ticks.sum(), edges, color=colour)
    curve.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is right")
    curve.legend(loc="upper left", fontsize=8)
    counts.set(xlabel="probability of the action", ylabel="share of ticks")
    _save(figure, path)


def draw_confusion(bags: Sequence[ReplayedBag], path: Path) -> None:
    """Labelled against predicted action; each row sums to 1."""
    matrix = confusion_matrix(labelled_ticks(bags)).astype(float)
    rows = np.flatnonzero(matrix.sum(axis=1) > 0)
    columns = np.flatnonzero((matrix.sum(axis=0) > 0) | np.isin(np.arange(matrix.shape[1]), rows))
    names = [*(a.name.replace("_", " ").lower() for a in ACTIONS), "unknown"]
    shares = matrix[rows] / matrix[rows].sum(axis=1, keepdims=True)
    figure = _figure(2.6 + 0.62 * len(columns), 2.2 + 0.55 * len(rows))
    axes = figure.subplots()
    axes.imshow(shares[:, columns], cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for r in range(len(rows)):
        for c, column in enumerate(columns):
            share = shares[r, column]
            if share >= 0.005:
                axes.text(c, r, f"{share:.2f}", ha="center", va="center", color="white" if share > 0.6 else "black")
    axes.set_xticks(range(len(columns)), [names[c] for c in columns], rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), [f"{names[r]} ({int(matrix[r].sum())})" for r in rows])
    axes.set(xlabel="said", ylabel="labelled (ticks)")
    _save(figure, path)


def draw_embeddings(bags: Sequence[ReplayedBag], path: Path, seed: int = 0) -> None:
    """t-SNE of the embeddings of labelled ticks, coloured by action and by material pair.

    Raises:
        InputError: where scikit-learn is not installed, or there are too few ticks.
    """
    chosen = [_evenly(np.flatnonzero(bag.labelled), max(MOST_POINTS // len(bags), 1)) for bag in bags]
    pairs = list(zip(bags, chosen, strict=True))
    embeddings = np.concatenate([bag.embeddings[rows] for bag, rows in pairs])
    actions = [ACTIONS[c].name.replace("_", " ").lower() for bag, rows in pairs for c in bag.labels[rows]]
    materials = [bag.materials.replace("_", " ").lower() for bag, rows in pairs for _ in rows]
    palette = {a.name.replace("_", " ").lower(): colour_of(a) for a in ACTIONS}
    draw_tsne(embeddings, {"action": actions, "material pair": materials}, path, palette, seed)


def draw_tsne(
    embeddings: NDArray[np.float32],
    colourings: Mapping[str, Sequence[str]],
    path: Path,
    palette: Mapping[str, Colour] | None = None,
    seed: int = 0,
) -> None:
    """One map of the embeddings, shown once for each colouring.

    Args:
        embeddings: [N, d]. colourings: title -> N names. path: PNG to write.
        palette: name -> colour, for names that have one of their own; shown in this order. seed: of the map.

    Raises:
        InputError: where scikit-learn is not installed, or with fewer than ten embeddings.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise InputError("scikit-learn", "is not installed", "pip install -r requirements/training.txt") from None
    if len(embeddings) < 10:
        raise InputError("t-SNE", f"has {len(embeddings)} ticks to show", "give bags with more labelled ticks")
    perplexity = min(30.0, (len(embeddings) - 1) / 3)
    places = TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(embeddings)
    figure = _figure(6.2 * len(colourings), 6.4)
    for axes, (title, names) in zip(
        np.atleast_1d(figure.subplots(1, len(colourings))), colourings.items(), strict=True
    ):
        _scatter(axes, places, names, palette or {})
        axes.set_title(title)
    _save(figure, path)


def _scatter(axes: Axes, places: NDArray[np.float32], names: Sequence[str], palette: Mapping[str, Colour]) -> None:
    from matplotlib import colormaps

    present = [n for n in palette if n in names] + sorted(set(names) - set(palette))
    others = colormaps["tab10" if len(present) <= 10 else "tab20"]
    for index, name in enumerate(present):
        own = places[[n == name for n in names]]
        colour = palette.get(name) or others(index % others.N)
        axes.scatter(own[:, 0], own[:, 1], s=5, color=colour, label=name, linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, fontsize=7, markerscale=2.5, frameon=False)


def _evenly(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    return rows[:: max(1, -(-len(rows) // most))]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI)
