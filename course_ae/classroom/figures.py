"""Figures and tables of the lessons. Each function draws one idea and returns a matplotlib figure.

`show` puts a figure into the notebook with a caption that says in words and numbers what is seen.
Colours are cividis and Okabe-Ito's, always with a marker or a line style beside the colour.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from IPython.display import Image, Markdown, display
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter
from scipy.ndimage import binary_dilation
from sklearn.metrics import roc_curve

from course_ae.experiment.evaluation import SCORE_NAMES
from course_ae.experiment.recorded import LOSS_NAMES, REFERENCES, RecordedRun, reference_loss
from course_ae.metrics import PixelRates
from course_ae.scoring import Scores
from course_ae.thresholds import Confusion, count_errors

BLUE, ORANGE, GREEN, YELLOW, PURPLE, RED = (
    "#0072B2", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00",
)  # fmt: skip
DEFECT_STYLES = [
    (RED, "^"), (ORANGE, "s"), (PURPLE, "D"), (GREEN, "v"),
    ("#000000", "P"), ("#56B4E9", "X"), (YELLOW, "<"), (RED, ">"),
]  # fmt: skip
SCORE_STYLES = {
    "l2": (BLUE, "-", "o"), "ssim": (ORANGE, "--", "s"), "normalised": (GREEN, "-.", "^"),
}  # fmt: skip
LOSS_STYLES = {"l2": (BLUE, "-"), "ssim": (ORANGE, "--"), "ssim_l1": (GREEN, "-.")}
DPI = 90
MAPS = ("map", "spread of good images")  # the ends of the names of what is drawn in cividis
GAP = 110  # the outline of a defect is drawn this part of an image's side outside of it
Masks = Sequence[np.ndarray | None]  # (H, W) each, True for a defect; None for none


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches, without pyplot, so that nothing is drawn twice or kept."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(count: int, width: float, height: float, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """A figure in inches, and its axes side by side."""
    figure = new_figure(width, height)
    return figure, list(figure.subplots(1, count, squeeze=False, **kwargs)[0])


def literal(figure: Figure) -> None:
    """Draws all text as it is: a dollar sign in a file's name begins no formula.

    A log axis needs a formatter of its own then, since matplotlib's writes formulas.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    literal(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def plain(text: str) -> str:
    """Text for Markdown that stays text: a file may be named like a link, a tag or a table."""
    return re.sub(r"([\\`*\[\]$|])", r"\\\1", escape(" ".join(text.split("\n")), quote=False))


def show(figure: Figure, caption: str) -> None:
    """Displays a figure and below it what there is to see, which is also its text for the blind."""
    # As metadata, since Colab's IPython 7 knows no `alt`.
    display(Image(png(figure)), metadata={"image/png": {"alt": caption}})
    display(Markdown(f"**Figure.** {plain(caption)}"))


def table(rows: Sequence[dict[str, Any]], decimals: int | None = None) -> None:
    """Displays rows with the same keys as a table; the keys are its header.

    Args:
        rows: names and values; None leaves a cell empty.
        decimals: of numbers that are not whole; without it four digits are shown.
    """
    form = ".4g" if decimals is None else f".{decimals}f"
    lines = [" | ".join(map(plain, rows[0])), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(_text(value, form) for value in row.values()) for row in rows]
    display(Markdown("\n".join(f"| {line} |" for line in lines)))


def _text(value: Any, form: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:{form}}"
    return f"{value:,}" if isinstance(value, int) else plain(str(value))


def show_source(*functions: Callable) -> None:
    """Displays the package's own code of what the lesson is about to call."""
    for function in functions:
        display(Markdown(f"```python\n{inspect.getsource(function)}```"))


def style_of(defect_type: str, defect_types: Iterable[str]) -> tuple[str, str]:
    """Colour and marker of one of some defect types; good is always a blue circle."""
    if defect_type == "good":
        return BLUE, "o"
    place = sorted(set(defect_types) - {"good"}).index(defect_type)
    return DEFECT_STYLES[place % len(DEFECT_STYLES)]


def draw_image(axes: Axes, image: np.ndarray, title: str = "", **kwargs: Any) -> Any:
    """One image without axes; gray ones (H, W) in [0, 1] or in 0 to 255 from black to white."""
    if image.ndim == 2:
        top = 255 if image.dtype == np.uint8 else 1.0
        kwargs = {"cmap": "gray", "vmin": 0, "vmax": top, **kwargs}
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    return axes.imshow(image, **kwargs)


def outline(axes: Axes, mask: np.ndarray | None, width: float = 1) -> None:
    """A thin line just outside the True region of a mask (H, W), where there is one.

    A hair's width of the image is left free between both, so that the line hides no defect.
    `width` is that of the line, in points.
    """
    if mask is None or not mask.any():
        return
    around = binary_dilation(mask, iterations=max(1, max(mask.shape) // GAP))
    if not around.all():
        axes.contour(around, levels=[0.5], colors=[RED], linewidths=width)


def image_grid(
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    masks: Masks | None = None,
    columns: int = 5,
    size: float = 1.9,
    **kwargs: Any,
) -> Figure:
    """Images (H, W) or (H, W, 3) in rows, each `size` inches, with the outline of their masks."""
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = new_figure(columns * size, rows * (size + 0.25))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    masks = masks or [None] * len(images)
    for ax, image, title, mask in zip(axes, images, titles, masks, strict=False):
        draw_image(ax, image, title, **kwargs)
        outline(ax, mask)
    return figure


def strip(axes: Axes, groups: dict[str, np.ndarray]) -> None:
    """A column of dots for the values (N,) of each defect type; jitter keeps the dots apart."""
    rng = np.random.default_rng(0)
    for i, (defect_type, values) in enumerate(groups.items()):
        colour, marker = style_of(defect_type, groups)
        x = i + rng.uniform(-0.25, 0.25, len(values))
        axes.scatter(x, values, c=colour, marker=marker, s=18, alpha=0.8, linewidths=0)
    axes.set_xticks(range(len(groups)), list(groups), fontsize=9)


def score_strip(axes: Axes, scores: Scores, name: str) -> None:
    """One score of every test image by defect type; the dotted line is the highest good one."""
    values = scores.values[name]
    defect_types = sorted(set(scores.defect_types), key=lambda known: (known != "good", known))
    strip(axes, {known: values[scores.defect_types == known] for known in defect_types})
    axes.set_title(f"{SCORE_NAMES[name]} difference score", fontsize=10)
    axes.axhline(values[scores.labels == 0].max(), color="black", ls=":", lw=1)


def defect_areas(areas: dict[str, np.ndarray]) -> Figure:
    """Share of the image that each defect covers, (N,) for each defect type."""
    figure, (axes,) = panels(1, 6, 3)
    strip(axes, areas)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=9)
    axes.set_ylabel("share of the image (log)")
    return figure


def maps(images: Sequence[np.ndarray], titles: Sequence[str], colourbars: bool = True) -> Figure:
    """Arrays (H, W) side by side in cividis, each with its own scale."""
    figure, all_axes = panels(len(images), 3.1 * len(images), 2.7)
    for axes, image, title in zip(all_axes, images, titles, strict=True):
        drawn = draw_image(axes, image, title, cmap="cividis", vmin=None, vmax=None)
        if colourbars:
            figure.colorbar(drawn, ax=axes, shrink=0.85)
    return figure


def mean_and_deviation(mean: np.ndarray, deviation: np.ndarray) -> Figure:
    """A mean image (H, W) in gray, and how much each pixel varies (H, W) in cividis, from 0."""
    figure, (left, right) = panels(2, 6.4, 2.8)
    draw_image(left, mean, "mean image")
    drawn = draw_image(right, deviation, "spread of good images", cmap="cividis", vmin=0, vmax=None)
    figure.colorbar(drawn, ax=right, shrink=0.85)
    return figure


def components(mean: np.ndarray, pictures: np.ndarray, titles: Sequence[str]) -> Figure:
    """A mean image (H, W) and the components (K, H, W) of PCA, white where they change nothing.

    All components share one scale around 0: orange is lighter, purple darker; turned over, a
    component is the same. The most extreme pixels of all are cut off, so that the rest is seen.
    """
    top = np.quantile(np.abs(pictures), 0.999)
    colours = colormaps["PuOr_r"].resampled(33)  # few of them, for a small file
    figure, axes = panels(1 + len(pictures), 1.75 * (1 + len(pictures)), 2.1)
    draw_image(axes[0], mean, "mean image m")
    for ax, picture, title in zip(axes[1:], pictures, titles, strict=True):
        drawn = draw_image(ax, picture, title, cmap=colours, vmin=-top, vmax=top)
    figure.colorbar(drawn, ax=axes[1:], shrink=0.75, ticks=[0])
    return figure


def number_grids(arrays: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Small matrices (H, W) with their numbers written into their cells."""
    widths = [max(1.5, 0.42 * array.shape[1]) for array in arrays]
    figure, all_axes = panels(len(arrays), sum(widths) + 0.3, 2.6, width_ratios=widths)
    for axes, array, title in zip(all_axes, arrays, titles, strict=True):
        draw_image(axes, array, title, cmap="cividis", vmin=None, vmax=None)
        middle = (array.min() + array.max()) / 2
        for (row, column), value in np.ndenumerate(array):
            colour = "white" if value <= middle else "black"
            axes.text(column, row, f"{value:g}", ha="center", va="center", color=colour, fontsize=9)
    return figure


def parameter_shares(layers: Sequence[dict[str, Any]]) -> Figure:
    """Horizontal bars: where the parameters of a network sit."""
    rows = [row for row in layers if row["parameters"]]
    total = sum(row["parameters"] for row in rows)
    figure, (axes,) = panels(1, 7, 3.4)
    for part, colour, hatch in (("encoder", BLUE, ""), ("decoder", ORANGE, "///")):
        shares = {i: row["parameters"] / total for i, row in enumerate(rows) if row["part"] == part}
        bars = axes.barh(list(shares), list(shares.values()), color=colour, hatch=hatch,
                         edgecolor="white")  # fmt: skip
        axes.bar_label(bars, fmt="{:.1%}", padding=3)
    axes.set_yticks(range(len(rows)), [f"{row['part']} {row['layer']}" for row in rows], fontsize=9)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("share of all parameters")
    axes.margins(x=0.12)
    return figure


def plot_losses(axes: Axes, history: Sequence[dict[str, float]]) -> None:
    """Training and validation loss of each epoch."""
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["train_loss"] for row in history], "-", c=BLUE, label="training")
    axes.plot(epochs, [row["val_loss"] for row in history], "--", c=RED, label="validation")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def loss_axis(axes: Axes) -> None:
    """Equal ratios of losses, equally far apart, where they differ much; else only their range.

    On an axis that begins at 0 a network and its opponents, all near 0.1, look alike.
    """
    low, high = axes.dataLim.intervaly
    if 0 < 3 * low < high:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # see `literal`
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel(f"{axes.get_ylabel()} (log)")


def learning_curves(
    history: Sequence[dict[str, float]],
    best_epoch: int,
    mean_image_loss: float | None = None,
    pca_loss: float | None = None,
) -> Figure:
    """Training and validation loss of each epoch, and the epoch whose weights were kept.

    Args:
        history: a row an epoch.
        best_epoch: the epoch whose weights were kept.
        mean_image_loss: of the validation images, a horizontal line; None leaves it out.
        pca_loss: the same of PCA.
    """
    figure, (axes,) = panels(1, 7, 3.2)
    plot_losses(axes, history)
    lowest = min(row["val_loss"] for row in history)
    axes.plot(best_epoch, lowest, "*", c=RED, ms=12, label=f"best epoch, {best_epoch}")
    opponents = (("mean image", mean_image_loss, ":"), ("PCA", pca_loss, "-."))
    for name, value, line in opponents:
        if value is not None:
            axes.axhline(value, color="black", ls=line, lw=1.2, label=f"{name}, validation")
    axes.set_ylabel("loss")
    loss_axis(axes)
    axes.legend(fontsize=8)
    return figure


def recorded_curves(curves: dict[str, Sequence[RecordedRun]]) -> Figure:
    """Validation loss of recorded trainings, one panel a loss, one thin line a seed.

    A star marks each best epoch; `recorded.trainings_caption` says what there is to see.

    Args:
        curves: runs with their histories by loss, at least one, from `recorded.curves`.
    """
    figure, all_axes = panels(len(curves), 4.6 * len(curves), 3.2)
    for axes, (loss, runs) in zip(all_axes, curves.items(), strict=True):
        colour, line = LOSS_STYLES[loss]
        for i, run in enumerate(runs):
            epochs, losses = ([row[k] for row in run["history"]] for k in ("epoch", "val_loss"))
            axes.plot(epochs, losses, line, c=colour, lw=1, alpha=0.8,
                      label="" if i else "network, a line a seed")  # fmt: skip
            best = run["training"]["best_epoch"]
            axes.plot(best, losses[best - 1], "*", c=RED, ms=10, label="" if i else "best epochs")
        for (key, name), mark in zip(REFERENCES.items(), (":", "-."), strict=True):
            value = reference_loss(runs, key)
            if value is not None:
                axes.axhline(value, color="black", ls=mark, lw=1.2, label=name)
        axes.set_title(f"trained with {LOSS_NAMES[loss]}", fontsize=10)
        axes.set(xlabel="epoch", ylabel="validation loss")
        loss_axis(axes)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize=8)
    return figure


def with_differences(
    rows: Sequence[Sequence[np.ndarray]],
    differences: Sequence[np.ndarray],
    titles: Sequence[str],
    under: Sequence[str],
    top: float,
) -> Figure:
    """Rows of images (H, W) in gray, and below each column a difference on one scale for all.

    Args:
        rows: of images, as many in each as there are titles.
        differences: signed (H, W), one a column; white where there is none.
        titles: of the columns.
        under: what is written above each difference.
        top: where the colours end; what lies beyond looks the same.
    """
    size = min(1.4, 8 / len(titles))
    figure = new_figure(len(titles) * size + 0.8, (len(rows) + 1) * (size + 0.2))
    axes = figure.subplots(len(rows) + 1, len(titles), squeeze=False)
    for i, row in enumerate(rows):
        for ax, image, title in zip(axes[i], row, titles, strict=True):
            draw_image(ax, image, "" if i else title)
    for ax, image, title in zip(axes[-1], differences, under, strict=True):
        drawn = draw_image(ax, image, title, cmap="PuOr_r", vmin=-top, vmax=top)
    figure.colorbar(drawn, ax=axes[-1].tolist(), extend="both", shrink=0.9)
    return figure


def scales(columns: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """How to draw the images (N, H, W) of each name, so that equal colours mean equal values.

    Gray images are drawn from black to white. What ends in one of `MAPS` is drawn in
    cividis, and all maps of a kind, the last two words of their names, have one scale: 'slides' L2
    map' has that of 'L2 map'.
    """
    tops: dict[str, float] = {}
    for name, images in columns.items():
        top = float(np.quantile(images, 0.999)) if name.endswith(MAPS) else 0.0
        tops[_kind(name)] = max(top, tops.get(_kind(name), 0.0))
    return {
        name: {"cmap": "cividis", "vmin": 0, "vmax": tops[_kind(name)]}
        if name.endswith(MAPS)
        else {}
        for name in columns
    }


def _kind(name: str) -> str:
    return " ".join(name.split()[-2:])


def comparison(
    columns: dict[str, np.ndarray],
    titles: Sequence[str],
    masks: Masks,
    outlined: str | None = None,
) -> Figure:
    """One row an image: input, reconstruction and difference maps, each (N, H, W).

    Equal colours mean equal values in all rows, and in all maps of a kind, see `scales`.

    Args:
        columns: the images by the name of their column.
        titles: of the rows.
        masks: of the rows.
        outlined: the only column with the masks' outlines, thin ones; None outlines in all.
    """
    figure = new_figure(2.0 * len(columns) + 0.9, 1.75 * len(titles) + 0.3)
    figure.get_layout_engine().set(rect=(0.03, 0, 0.97, 1))  # the titles at the left need room
    grid = figure.subplots(len(titles), len(columns), squeeze=False)
    for column, (name, scale) in zip(grid.T, scales(columns).items(), strict=True):
        for row, axes in enumerate(column):
            drawn = draw_image(axes, columns[name][row], name if row == 0 else "", **scale)
            if outlined in (None, name):
                outline(axes, masks[row], 1 if outlined is None else 0.6)
        if scale:
            figure.colorbar(drawn, ax=column, shrink=0.6, aspect=40)
    for axes, title in zip(grid[:, 0], titles, strict=True):
        axes.text(-0.05, 0.5, title, transform=axes.transAxes, ha="right", va="center", fontsize=9,
                  rotation=90)  # fmt: skip
    return figure


def scatter_scores(axes: Axes, scores: Scores, name: str, part: str) -> np.ndarray:
    """The slides' scatter plot of one part: one dot an image, its difference score upwards.

    Returns:
        Which image each dot is, from the left: numbers among all test images, (P,).
    """
    index = getattr(scores, part)
    order = index[np.argsort(scores.labels[index], kind="stable")]
    shown = scores.defect_types[order]
    for defect_type in dict.fromkeys(shown):
        where = np.flatnonzero(shown == defect_type)
        colour, marker = style_of(defect_type, scores.defect_types)
        axes.scatter(where, scores.values[name][order[where]], c=colour, marker=marker, s=26,
                     label=defect_type, linewidths=0)  # fmt: skip
    axes.set_title(f"{part} part, {SCORE_NAMES[name]} difference score", fontsize=10)
    axes.set(xlabel="image", ylabel="difference score")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return order


def threshold_scatter(scores: Scores, name: str, threshold: float) -> Figure:
    """Both scatter plots of the slides, with the threshold that was found on the left one."""
    figure, (left, right) = panels(2, 9.5, 3.3, sharey=True)
    for axes, part in ((left, "calibration"), (right, "test")):
        scatter_scores(axes, scores, name, part)
        axes.axhline(threshold, color="black", ls="--", lw=1.2, label="threshold")
    right.set_ylabel("")
    right.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def steps_of(values: np.ndarray) -> np.ndarray:
    """Where a curve over thresholds jumps, ascending, (C,): below all scores, then at each."""
    return np.unique(np.append(values, np.nextafter(values.min(), -np.inf)))


def error_curve(scores: Scores, name: str, threshold: float) -> Figure:
    """False positives, false negatives and their sum at each candidate of the calibration part.

    The candidates stand side by side, however far their values lie apart.
    """
    candidates, fp, fn = count_errors(*scores.part(name, "calibration"))
    figure, (axes,) = panels(1, 8, 3)
    for label, counts, colour, line in (
        ("false positives", fp, BLUE, "--"),
        ("false negatives", fn, RED, ":"),
        ("errors", fp + fn, "black", "-"),
    ):
        axes.plot(counts, line, color=colour, marker=".", label=label)
    chosen = int(np.argmin(np.abs(candidates - threshold)))
    axes.axvline(chosen, color=GREEN, lw=3, alpha=0.6, label="chosen threshold")
    last = len(candidates) - 1
    inner = np.unique(np.linspace(0, last, 8).astype(int))[1:-1]
    ticks = {0: "all\ndefective", last: "all\ngood", **{i: f"{candidates[i]:.2g}" for i in inner}}
    axes.set_xticks(list(ticks), list(ticks.values()), fontsize=9)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"candidate thresholds on the {SCORE_NAMES[name]} difference score, in order")
    axes.set_ylabel("calibration images")
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def confusion_matrix(axes: Axes) -> list[Text]:
    """The table of the four counts; returns the texts that `write_counts` fills."""
    colours = colormaps["cividis"]([[0.85, 0.3], [0.3, 0.85]])  # right verdicts light, wrong dark
    axes.imshow(colours)
    axes.set_xticks([0, 1], ["called good", "called defective"], fontsize=8)
    axes.set_yticks([0, 1], ["good", "defective"], fontsize=8, rotation=90, va="center")
    places = [(0, 0, "black"), (1, 0, "white"), (0, 1, "white"), (1, 1, "black")]
    return [
        axes.text(x, y, "", ha="center", va="center", color=colour, fontsize=13)
        for x, y, colour in places
    ]


def write_counts(texts: Sequence[Text], counts: Confusion) -> None:
    """Puts counts into the texts of a confusion matrix."""
    for text, name, count in zip(texts, ("TN", "FP", "FN", "TP"), counts, strict=True):
        text.set_text(f"{name}\n{count}")


def score_distributions(scores: Scores) -> Figure:
    """Every test image's score by defect type, one panel a score."""
    figure, all_axes = panels(len(scores.values), 9.5, 3.2)
    for axes, name in zip(all_axes, scores.values, strict=True):
        score_strip(axes, scores, name)
    return figure


def split_histogram(splits: dict[str, np.ndarray]) -> Figure:
    """The slides' F over many random splits, (repeats,) a score: panels, mean, nine of ten."""
    figure = new_figure(8, 3.6)
    all_axes = figure.subplots(len(splits), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, (name, found) in zip(all_axes, splits.items(), strict=True):
        colour, _, marker = SCORE_STYLES[name]
        _histogram(axes, found, np.linspace(0, 1, 41), colour, marker)
        axes.set_title(f"{SCORE_NAMES[name]} score, {len(found)} splits", fontsize=10)
    all_axes[-1].set_xlabel("F on the normal class, test part")
    return figure


def lead_histogram(gaps: np.ndarray) -> Figure:
    """F of one score minus that of another over many splits, (repeats,); the line is at 0."""
    figure, (axes,) = panels(1, 8, 2.4)
    reach = max(0.1, np.abs(gaps).max())
    _histogram(axes, gaps, np.linspace(-reach, reach, 42), GREEN, "D")
    axes.axvline(0, color="black", lw=1.2)
    axes.set_xlabel("F of L2 minus F of SSIM, same split")
    return figure


def _histogram(axes: Axes, found: np.ndarray, bins: np.ndarray, colour: str, marker: str) -> None:
    """Values (repeats,) as bars, and above them their mean and where nine of ten lie."""
    counts, _, _ = axes.hist(found, bins, color=colour, alpha=0.45, edgecolor="white")
    height = 1.15 * counts.max()
    axes.hlines(height, *np.quantile(found, [0.05, 0.95]), color=colour, lw=4)
    axes.plot(found.mean(), height, marker, c=colour, mec="black", ms=7)
    axes.set(ylabel="splits", ylim=(0, 1.3 * counts.max()))


LUCKS = {"images": (BLUE, "o"), "training": (ORANGE, "s")}


def intervals(groups: dict[str, Sequence[dict[str, Any]]], zero: Sequence[str] = ()) -> Figure:
    """Values with their 95 % intervals, a panel a group, all panels with the same scale.

    Args:
        groups: title and rows; a row has name, value, low and high, and "luck" (one of `LUCKS`),
            which says what the interval covers; "images" where it is missing.
        zero: titles of the panels with differences, which get a line at 0.
    """
    ends = {
        title: [0.0] * (title in zero) + [row[end] for row in rows for end in ("low", "high")]
        for title, rows in groups.items()
    }
    span = 1.15 * max(np.ptp(found) for found in ends.values()) or 0.1
    most = max(map(len, groups.values()))
    figure, all_axes = panels(len(groups), 8.5, 0.34 * most + 1.1)
    lucks = {row.get("luck", "images") for rows in groups.values() for row in rows}
    for axes, (title, rows) in zip(all_axes, groups.items(), strict=True):
        for place, row in enumerate(rows):
            colour, marker = LUCKS[row.get("luck", "images")]
            axes.hlines(place, row["low"], row["high"], color=colour, lw=3, alpha=0.6)
            axes.plot(row["value"], place, marker, c=colour, ms=7)
        middle = (min(ends[title]) + max(ends[title])) / 2
        axes.set(xlim=(middle - span / 2, middle + span / 2), ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize=9)
        axes.set_title(title, fontsize=10)
        axes.grid(axis="x", alpha=0.3)
        if title in zero:
            axes.axvline(0, color="black", lw=1.2)
    if len(lucks) > 1:
        marks = [Line2D([], [], c=c, marker=m, lw=3, label=f"luck of the {name}")
                 for name, (c, m) in LUCKS.items()]  # fmt: skip
        figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=9)
    return figure


def split_ranges(rows: Sequence[dict[str, Any]], slides: dict[str, float]) -> Figure:
    """F over many splits of recorded runs, mean and nine of ten splits, beside the slides' own.

    Args:
        rows: from `recorded.split_ranges`, at least one.
        slides: the slides' F of each score, L2 first.
    """
    parts = {
        name: f"{SCORE_NAMES[name]}; dashed: slides, {value}" for name, value in slides.items()
    }
    lead = slides["l2"] - slides["ssim"]
    parts["gap"] = f"L2 minus SSIM; dashed: slides, {lead:.2f}"
    figure, all_axes = panels(3, 9, 0.27 * len(rows) + 1.3, sharey=True)
    for axes, (name, title) in zip(all_axes, parts.items(), strict=True):
        colour, _, marker = SCORE_STYLES.get(name, (GREEN, "-", "D"))
        for place, row in enumerate(rows):
            if found := row[name]:
                axes.hlines(place, found["p05"], found["p95"], color=colour, lw=3, alpha=0.5)
                axes.plot(found["mean"], place, marker, c=colour, ms=6)
        axes.axvline(slides.get(name, lead), color="black", ls="--", lw=1.2)
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="F on the normal class", xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6))
    all_axes[-1].axvline(0, color="black", lw=1)
    all_axes[-1].set(xlim=(-0.5, 0.8), xlabel="difference of F, same split")
    all_axes[0].set_yticks(range(len(rows)), [row["run"] for row in rows], fontsize=9)
    return figure


def roc_and_pro(scores: Scores, rates: dict[str, PixelRates], max_fpr: float = 0.3) -> Figure:
    """ROC curve over the images on the left, PRO curve over the pixels on the right.

    Args:
        scores: the scored test images.
        rates: the pixels' rates of each score; empty where there are no masks.
        max_fpr: where AU-PRO ends.
    """
    figure, (left, right) = panels(2, 9, 3.6)
    for name, values in scores.values.items():
        colour, line, _ = SCORE_STYLES[name]
        fpr, tpr, _ = roc_curve(scores.labels, values, drop_intermediate=False)
        left.plot(fpr, tpr, line, c=colour, label=SCORE_NAMES[name])
        if name in rates:
            fpr = np.linspace(0, 1, 1001) ** 2  # denser where the curve is steep
            right.plot(fpr, rates[name].curves(fpr)[1], line, c=colour, label=SCORE_NAMES[name])
    left.plot([0, 1], [0, 1], ":", c="black", label="a coin")
    left.set(xlabel="good images called defective", ylabel="defective images found")
    left.set_title("images: ROC", fontsize=10)
    right.axvspan(max_fpr, 1, color="0.9", label="does not count")
    right.set(xlabel="good pixels called defective", ylabel="share of each region found, mean")
    right.set_title("pixels: PRO", fontsize=10)
    for axes in (left, right):
        axes.legend(fontsize=8, loc="lower right")
    return figure


def two_by_two(
    recorded: dict[str, Sequence[dict[str, Any]]], live: Sequence[dict[str, Any]] = ()
) -> Figure:
    """AUROC of each training by its loss and by the score; the bar is the mean of the seeds.

    Args:
        recorded: rows of recorded runs by what to call them, from `recorded.trainings`; may be
            empty if there are live ones.
        live: rows of this run, from `replication.pair`, drawn hollow beside them.
    """
    kinds = {**recorded, "this run": live}
    rows = [{**row, "kind": kind} for kind, some in kinds.items() for row in some]
    order = list(kinds)  # the slides' training first
    rows.sort(key=lambda row: (order.index(row["kind"]), row["loss"] != "ssim"))
    figure = _trainings(rows, _trained_with, lambda row: row["kind"] == "this run")
    groups = list(dict.fromkeys(_trained_with(row) for row in rows if row["kind"] != "this run"))
    if live and groups:  # a rule between real photographs and this run
        figure.axes[0].axvline(len(groups) - 0.5, color="gray", lw=1)
    return figure


def _trained_with(row: dict[str, Any]) -> str:
    return f"after {LOSS_NAMES[row['loss']]},\n{row['kind']}"


def sweep(rows: Sequence[dict[str, Any]]) -> Figure:
    """AUROC of each finished training by category, loss and score; the bar is the seeds' mean."""
    done = [row for row in rows if row["status"] == "done"]
    return _trainings(done, lambda row: f"{row['category']}\n{row['loss']}")


def _trainings(
    rows: Sequence[dict[str, Any]],
    group: Callable[[dict[str, Any]], str],
    is_hollow: Callable[[dict[str, Any]], bool] = lambda row: False,
) -> Figure:
    groups = list(dict.fromkeys(map(group, rows)))
    names = [name for name in SCORE_STYLES if f"auroc_{name}" in rows[0]]
    figure, (axes,) = panels(1, max(7, 1.1 * len(groups) + 1.5), 3.2)
    for j, name in enumerate(names):
        colour, _, marker = SCORE_STYLES[name]
        for i, one in enumerate(groups):
            x = i + 0.25 * (j - (len(names) - 1) / 2)
            members = [row for row in rows if group(row) == one]
            values = [row[f"auroc_{name}"] for row in members]
            places = np.linspace(x - 0.04, x + 0.04, len(values))  # equal ones side by side
            label = f"{SCORE_NAMES[name]} score" if i == 0 else None
            fill = "none" if is_hollow(members[0]) else colour
            axes.scatter(places, values, fc=fill, ec=colour, marker=marker, label=label)
            axes.hlines(np.mean(values), x - 0.1, x + 0.1, color=colour)
    axes.set_xticks(range(len(groups)), groups, fontsize=9)
    axes.set_ylabel("AUROC")
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def ablation(benches: dict[str, Sequence[dict[str, Any]]], measures: Sequence[str]) -> Figure:
    """The figures of each step, one panel a measure, one line a set of images.

    The first step is the highest; beside the last one stands its value.
    """
    figure, all_axes = panels(len(measures), 4.4 * len(measures), 3.6, sharey=True)
    for axes, measure in zip(all_axes, measures, strict=True):
        for (name, rows), style in zip(benches.items(), SCORE_STYLES.values(), strict=False):
            colour, line, marker = style
            values = [row[measure] for row in rows]
            axes.plot(values, range(len(rows)), line, marker=marker, c=colour, label=name)
            axes.annotate(
                f"{values[-1]:.3f}", (values[-1], len(rows) - 1), (0, -13),
                textcoords="offset points", ha="center", fontsize=9, color=colour,
            )  # fmt: skip
        axes.set_xlabel({"au_pro": "AU-PRO", "auroc": "AUROC"}.get(measure, measure))
        axes.grid(axis="y", alpha=0.3)
        axes.margins(x=0.08)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    steps = [row["step"] for row in next(iter(benches.values()))]
    all_axes[0].set_yticks(range(len(steps)), steps, fontsize=9)
    all_axes[0].set_ylim(len(steps) - 0.3, -0.5)
    return figure


def against_memory(rows: Sequence[dict[str, Any]]) -> Figure:
    """A row a product, one panel a measure; a mark for what takes the reconstruction's place.

    Args:
        rows: from `recorded.against_memory`; what is None is left out.
    """
    styles = {"mean image": (BLUE, "o"), "PCA": (ORANGE, "s"), "network": (GREEN, "^")}
    figure, all_axes = panels(2, 8.6, 0.36 * len(rows) + 1.3, sharey=True)
    for axes, measure in zip(all_axes, ("AUROC", "AU-PRO"), strict=True):
        for name, (colour, marker) in styles.items():
            known = [(row[f"{measure}, {name}"], i) for i, row in enumerate(rows)]
            known = [place for place in known if place[0] is not None]
            if known:
                axes.scatter(*zip(*known, strict=True), s=48, c=colour, marker=marker, label=name,
                             alpha=0.85, edgecolors="white", linewidths=0.5)  # fmt: skip
        axes.set_xlabel(measure)
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    all_axes[0].set_yticks(range(len(rows)), [row["product"] for row in rows], fontsize=9)
    all_axes[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure


def peaks(image: np.ndarray, maps: dict[str, np.ndarray], mask: np.ndarray) -> Figure:
    """An image without any mark, and maps of it (H, W), each with a cross at its highest value."""
    figure, all_axes = panels(1 + len(maps), 1.8 * (1 + len(maps)), 2.1)
    draw_image(all_axes[0], image, "input")
    for axes, (name, values) in zip(all_axes[1:], maps.items(), strict=True):
        draw_image(axes, values, name, cmap="cividis", vmin=0, vmax=float(values.max()) or 1)
        outline(axes, mask)
        row, column = np.unravel_index(values.argmax(), values.shape)
        axes.plot(column, row, "+", c="white", markersize=13, markeredgewidth=3)
        axes.plot(column, row, "+", c="black", markersize=12, markeredgewidth=1.2)
    return figure


def enlarged(images: dict[str, np.ndarray], masks: np.ndarray, reach: int = 28) -> Figure:
    """Of each image once the whole, with a box around its mask, and what is in the box, larger.

    Args:
        images: by name (N, H, W) each; the whole one is the first.
        masks: (N, H, W) bool; of an empty one the middle of the image is shown.
        reach: from the middle of a mask to the sides of its box, in pixels.
    """
    figure = new_figure(1.35 * (1 + len(images)), 1.45 * len(masks) + 0.2)
    grid = figure.subplots(len(masks), 1 + len(images), squeeze=False)
    whole = next(iter(images.values()))
    for k, (row, mask) in enumerate(zip(grid, masks, strict=True)):
        height, width = mask.shape
        marked_at = np.nonzero(mask if mask.any() else np.ones_like(mask))
        i, j = (int(place.mean()) for place in marked_at)
        i = min(max(i, reach), height - reach)
        j = min(max(j, reach), width - reach)
        draw_image(row[0], whole[k], "" if k else "the whole")
        row[0].add_patch(Rectangle((j - reach, i - reach), 2 * reach, 2 * reach, fill=False,
                                   edgecolor=RED, linewidth=1.5))  # fmt: skip
        for axes, (name, some) in zip(row[1:], images.items(), strict=True):
            part = some[k][i - reach : i + reach, j - reach : j + reach]
            draw_image(axes, part, "" if k else name)
    return figure


def marked(images: np.ndarray, stained: np.ndarray, masks: np.ndarray) -> Figure:
    """Images, and below each how likely a network thinks each pixel stained; all (N, H, W)."""
    figure = new_figure(1.35 * len(images) + 0.7, 3.2)
    above, below = figure.subplots(2, len(images), squeeze=False)
    for k, (image, probability, mask) in enumerate(zip(images, stained, masks, strict=True)):
        draw_image(above[k], image)
        inside = f"inside: {probability[mask].mean():.0%}" if mask.any() else ""
        drawn = draw_image(below[k], probability, inside, cmap="cividis", vmin=0, vmax=1)
        for axes in (above[k], below[k]):
            outline(axes, mask)
    figure.colorbar(drawn, ax=list(below), shrink=0.8, label="probability")
    return figure
