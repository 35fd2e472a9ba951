"""Figures and tables of the lessons. Each function draws one idea and returns a matplotlib figure.

`show` puts a figure into the notebook with a caption that says in words and numbers what is seen.
Colours are cividis and Okabe-Ito's, always with a marker or a line style beside the colour.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from IPython.display import Image, Markdown, display
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter
from sklearn.metrics import roc_curve

from course_ae.metrics import PixelRates
from course_ae.pipeline import Scores
from course_ae.thresholds import Confusion, confusion

BLUE, ORANGE, GREEN, YELLOW, PURPLE, RED = (
    "#0072B2", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#D55E00",
)  # fmt: skip
DEFECT_STYLES = [
    (RED, "^"), (ORANGE, "s"), (PURPLE, "D"), (GREEN, "v"),
    ("#000000", "P"), ("#56B4E9", "X"), (YELLOW, "<"), (RED, ">"),
]  # fmt: skip
DPI = 90


def new_figure(width: float, height: float, **kwargs: Any) -> Figure:
    """An empty figure in inches, without pyplot, so that nothing is drawn twice or kept."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", **kwargs)
    FigureCanvasAgg(figure)
    return figure


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
    display(Image(png(figure), alt=caption))
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


def style_of(defect: str, defects: Sequence[str]) -> tuple[str, str]:
    """Colour and marker of a defect type; good is always a blue circle."""
    kinds = [name for name in dict.fromkeys(defects) if name != "good"]
    if defect == "good":
        return BLUE, "o"
    return DEFECT_STYLES[kinds.index(defect) % len(DEFECT_STYLES)]


def draw_image(axes: Axes, image: np.ndarray, title: str = "", **kwargs: Any) -> Any:
    """One image without axes; gray ones (H, W) in [0, 1] or in 0 to 255 from black to white."""
    if image.ndim == 2:
        top = 255 if image.dtype == np.uint8 else 1.0
        kwargs = {"cmap": "gray", "vmin": 0, "vmax": top, **kwargs}
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    return axes.imshow(image, **kwargs)


def outline(axes: Axes, mask: np.ndarray | None) -> None:
    """The border of the True region of a mask (H, W), where there is one."""
    if mask is not None and mask.any():
        axes.contour(mask, levels=[0.5], colors=[RED], linewidths=1.5)


def image_grid(
    images: Sequence[np.ndarray],
    titles: Sequence[str],
    masks: Sequence[np.ndarray | None] | None = None,
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
    for i, image in enumerate(images):
        draw_image(axes[i], image, titles[i], **kwargs)
        outline(axes[i], masks[i] if masks else None)
    return figure


def strip(axes: Axes, groups: dict[str, np.ndarray], defects: Sequence[str]) -> None:
    """One column of dots a group of values (N,); the sideways jitter only keeps them apart."""
    rng = np.random.default_rng(0)
    for i, (name, values) in enumerate(groups.items()):
        colour, marker = style_of(name, defects)
        x = i + rng.uniform(-0.25, 0.25, len(values))
        axes.scatter(x, values, c=colour, marker=marker, s=18, alpha=0.8, linewidths=0)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.tick_params(axis="x", labelsize=8)


def defect_areas(areas: dict[str, np.ndarray]) -> Figure:
    """Share of the image that each defect covers, (N,) for each defect type."""
    figure = new_figure(6, 3)
    axes = figure.subplots()
    strip(axes, areas, list(areas))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("share of the image (log)")
    return figure


def maps(images: Sequence[np.ndarray], titles: Sequence[str], colourbars: bool = True) -> Figure:
    """Arrays (H, W) side by side in cividis, each with its own scale."""
    figure = new_figure(3.1 * len(images), 2.7)
    for axes, image, title in zip(
        figure.subplots(1, len(images), squeeze=False)[0], images, titles, strict=True
    ):
        drawn = draw_image(axes, image, title, cmap="cividis", vmin=None, vmax=None)
        if colourbars:
            figure.colorbar(drawn, ax=axes, shrink=0.85)
    return figure


def number_grids(arrays: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Small matrices (H, W) with their numbers written into their cells."""
    figure = new_figure(sum(max(1.5, 0.42 * a.shape[1]) for a in arrays) + 0.3, 2.6)
    widths = [max(1.5, 0.42 * a.shape[1]) for a in arrays]
    all_axes = figure.subplots(1, len(arrays), squeeze=False, width_ratios=widths)[0]
    for axes, array, title in zip(all_axes, arrays, titles, strict=True):
        axes.imshow(array, cmap="cividis")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
        middle = (array.min() + array.max()) / 2
        for (row, column), value in np.ndenumerate(array):
            colour = "white" if value <= middle else "black"
            axes.text(column, row, f"{value:g}", ha="center", va="center", color=colour, fontsize=8)
    return figure


def parameter_shares(layers: Sequence[dict[str, Any]]) -> Figure:
    """Horizontal bars: where the parameters of a network sit."""
    rows = [row for row in layers if row["parameters"]]
    total = sum(row["parameters"] for row in rows)
    figure = new_figure(7, 3.4)
    axes = figure.subplots()
    for i, row in enumerate(rows):
        encoder = row["part"] == "encoder"
        colour, hatch = (BLUE, "") if encoder else (ORANGE, "///")
        axes.barh(i, row["parameters"] / total, color=colour, hatch=hatch, edgecolor="white")
        axes.text(row["parameters"] / total, i, f" {row['parameters'] / total:.1%}", va="center")
    axes.set_yticks(range(len(rows)), [f"{row['part']} {row['layer']}" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("share of all parameters")
    axes.margins(x=0.12)
    return figure


def learning_curves(
    history: Sequence[dict[str, float]], best_epoch: int, mean_image_loss: float | None = None
) -> Figure:
    """Training and validation loss of each epoch, and the epoch whose weights were kept."""
    figure = new_figure(7, 3.2)
    axes = figure.subplots()
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["train_loss"] for row in history], "-", c=BLUE, label="training")
    validation = [row["val_loss"] for row in history]
    axes.plot(epochs, validation, "--", c=RED, label="validation")
    axes.plot(best_epoch, min(validation), "*", c=RED, ms=12, label=f"best epoch, {best_epoch}")
    if mean_image_loss is not None:
        axes.axhline(mean_image_loss, color="black", ls=":", label="mean image, validation")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    return figure


def comparison(
    columns: dict[str, np.ndarray], titles: Sequence[str], masks: Sequence[np.ndarray | None]
) -> Figure:
    """One row an image: input, reconstruction and difference maps, each (N, H, W).

    A column whose name ends in 'map' is drawn in cividis on one scale for all rows.
    """
    figure = new_figure(2.0 * len(columns) + 0.9, 1.75 * len(titles) + 0.3)
    all_axes = figure.subplots(len(titles), len(columns), squeeze=False)
    for column, (name, images) in enumerate(columns.items()):
        is_map = name.endswith("map")
        scale = {"cmap": "cividis", "vmin": 0, "vmax": np.quantile(images, 0.999)} if is_map else {}
        for row in range(len(titles)):
            axes = all_axes[row, column]
            drawn = draw_image(axes, images[row], name if row == 0 else "", **scale)
            outline(axes, masks[row])
            if column == 0:
                axes.text(-0.05, 0.5, titles[row], transform=axes.transAxes, ha="right",
                          va="center", fontsize=8, rotation=90)  # fmt: skip
        if is_map:
            figure.colorbar(drawn, ax=all_axes[:, column], shrink=0.6, aspect=40)
    return figure


def scatter_scores(axes: Axes, scores: Scores, kind: str, part: str) -> np.ndarray:
    """The slides' scatter plot: one dot an image, its difference score upwards.

    Returns:
        Which image each dot is, from the left: numbers among all test images, (P,).
    """
    index = getattr(scores, part)
    order = index[np.argsort(scores.labels[index], kind="stable")]
    for defect in dict.fromkeys(scores.defects[order]):
        where = np.flatnonzero(scores.defects[order] == defect)
        colour, marker = style_of(defect, scores.defects)
        axes.scatter(where, scores.values[kind][order[where]], c=colour, marker=marker, s=26,
                     label=defect, linewidths=0)  # fmt: skip
    axes.set_title(f"{part} part, {kind.upper()} difference score", fontsize=10)
    axes.set_xlabel("image")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("difference score")
    return order


def scatter_all(axes: Axes, values: np.ndarray, labels: np.ndarray) -> list[tuple[Any, np.ndarray]]:
    """Hollow dots of scores (N,) with labels (N,), good ones first; returns dots and images."""
    dots, x = [], 0
    for label, colour, marker, name in ((0, BLUE, "o", "good"), (1, RED, "^", "defective")):
        where = np.flatnonzero(labels == label)
        drawn = axes.scatter(x + np.arange(len(where)), values[where], marker=marker, s=22,
                             edgecolors=colour, facecolors="none", linewidths=1,
                             label=name)  # fmt: skip
        dots.append((drawn, where))
        x += len(where)
    return dots


def threshold_scatter(scores: Scores, kind: str, threshold: float) -> Figure:
    """Both scatter plots of the slides, with the threshold that was found on the left one."""
    figure = new_figure(9.5, 3.3)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, part in ((left, "validation"), (right, "test")):
        scatter_scores(axes, scores, kind, part)
        axes.axhline(threshold, color="black", ls="--", lw=1.2, label="threshold")
    right.set_ylabel("")
    right.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def steps_of(scores: np.ndarray) -> np.ndarray:
    """Where a curve over thresholds jumps, ascending, (C,): below all scores, then at each."""
    return np.unique(np.append(scores, np.nextafter(scores.min(), -np.inf)))


def error_curve(scores: Scores, kind: str, threshold: float) -> Figure:
    """False positives, false negatives and their sum on the validation part."""
    values, labels = scores.part(kind, "validation")
    steps = steps_of(values)
    counts = [confusion(values, labels, t) for t in steps]
    figure = new_figure(7, 3)
    axes = figure.subplots()
    for style, name, numbers in (
        ((BLUE, "--"), "false positives", [c.fp for c in counts]),
        ((RED, ":"), "false negatives", [c.fn for c in counts]),
        (("black", "-"), "errors", [c.errors for c in counts]),
    ):
        axes.step(steps, numbers, where="post", color=style[0], ls=style[1], label=name)
    axes.axvline(threshold, color=GREEN, lw=2, alpha=0.7, label="chosen threshold")
    axes.set_xlabel(f"threshold on the {kind.upper()} difference score")
    axes.set_ylabel("validation images")
    axes.legend(fontsize=8)
    return figure


def confusion_matrix(axes: Axes, counts: Confusion) -> list[Any]:
    """The four counts as a table; returns the texts of tn, fp, fn and tp."""
    colours = colormaps["cividis"]([[0.85, 0.3], [0.3, 0.85]])  # right verdicts light, wrong dark
    axes.imshow(colours)
    axes.set_xticks([0, 1], ["called good", "called defective"], fontsize=8)
    axes.set_yticks([0, 1], ["good", "defective"], fontsize=8, rotation=90, va="center")
    places = [(0, 0, "black"), (1, 0, "white"), (0, 1, "white"), (1, 1, "black")]
    words = [f"{name}\n{value}" for name, value in zip(("TN", "FP", "FN", "TP"), counts,
                                                       strict=True)]  # fmt: skip
    return [
        axes.text(x, y, word, ha="center", va="center", color=colour, fontsize=13)
        for (x, y, colour), word in zip(places, words, strict=True)
    ]


def score_distributions(scores: Scores) -> Figure:
    """Every test image's score by defect type, one panel a score."""
    figure = new_figure(9.5, 3.2)
    all_axes = figure.subplots(1, len(scores.values))
    for axes, (kind, values) in zip(all_axes, scores.values.items(), strict=True):
        names = sorted(set(scores.defects), key=lambda name: (name != "good", name))
        strip(axes, {n: values[scores.defects == n] for n in names}, scores.defects)
        axes.set_title(f"{kind.upper()} difference score", fontsize=10)
        axes.axhline(values[scores.labels == 0].max(), color="black", ls=":", lw=1)
    return figure


def split_histogram(splits: dict[str, np.ndarray], slides: dict[str, float]) -> Figure:
    """The slides' F over many random splits, (repeats,) a score, with the slides' own value."""
    figure = new_figure(8, 3.2)
    axes = figure.subplots()
    bins = np.linspace(0, 1, 41)
    for (kind, values), (colour, hatch) in zip(
        splits.items(), ((BLUE, "///"), (ORANGE, "")), strict=True
    ):
        axes.hist(values, bins, color=colour, hatch=hatch, alpha=0.6, edgecolor="white",
                  label=f"{kind.upper()}, {len(values)} splits")  # fmt: skip
        axes.axvline(slides[kind], color=colour, ls="--" if hatch else "-.", lw=2,
                     label=f"{kind.upper()} on the slides, {slides[kind]}")  # fmt: skip
    axes.set_xlabel("F on the normal class, test part")
    axes.set_ylabel("splits")
    axes.legend(fontsize=8, loc="upper left")
    return figure


SCORE_STYLES = {"l2": (BLUE, "-", "o"), "ssim": (ORANGE, "--", "s"), "best": (GREEN, "-.", "^")}


def roc_and_pro(scores: Scores, rates: dict[str, PixelRates], max_fpr: float = 0.3) -> Figure:
    """ROC curve over the images on the left, PRO curve over the pixels on the right.

    Args:
        scores: the scored test images.
        rates: the pixels' rates of each kind of score; empty where there are no masks.
        max_fpr: where AU-PRO ends.
    """
    figure = new_figure(9, 3.6)
    left, right = figure.subplots(1, 2)
    for kind, values in scores.values.items():
        colour, line, _ = SCORE_STYLES[kind]
        fpr, tpr, _ = roc_curve(scores.labels, values, drop_intermediate=False)
        left.plot(fpr, tpr, line, c=colour, label=kind.upper())
        if kind in rates:
            fpr = np.linspace(0, 1, 1001) ** 2  # denser where the curve is steep
            right.plot(fpr, rates[kind].curves(fpr)[1], line, c=colour, label=kind.upper())
    left.plot([0, 1], [0, 1], ":", c="black", label="a coin")
    right.axvspan(max_fpr, 1, color="0.9", label="does not count")
    for axes, title, x, y in (
        (left, "images: ROC", "good images called defective", "defective images found"),
        (right, "pixels: PRO", "good pixels called defective", "share of each region found, mean"),
    ):
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.legend(fontsize=8, loc="lower right")
    return figure


def two_by_two(rows: Sequence[dict[str, Any]]) -> Figure:
    """AUROC of each training, by its loss and by the score; the bar is the mean of the seeds."""
    figure = new_figure(7, 3.2)
    axes = figure.subplots()
    columns = [(loss, kind) for loss in ("ssim", "l2") for kind in ("ssim", "l2")]
    for i, (loss, kind) in enumerate(columns):
        values = [row[f"auroc_{kind}"] for row in rows if row["loss"] == loss]
        colour, _, marker = SCORE_STYLES[kind]
        axes.scatter(np.linspace(i - 0.1, i + 0.1, len(values)), values, c=colour, marker=marker)
        axes.hlines(np.mean(values), i - 0.25, i + 0.25, color=colour)
    names = [f"trained with {loss.upper()}\nscored with {kind.upper()}" for loss, kind in columns]
    axes.set_xticks(range(len(columns)), names, fontsize=8)
    axes.set_ylabel("AUROC")
    return figure


def sweep(rows: Sequence[dict[str, Any]]) -> Figure:
    """AUROC of each training by category and loss, one mark a seed; the bar is their mean."""
    rows = [row for row in rows if row["status"] == "done"]
    groups = list(dict.fromkeys((row["category"], row["loss"]) for row in rows))
    kinds = [kind for kind in SCORE_STYLES if f"auroc_{kind}" in rows[0]]
    figure = new_figure(max(6, 1.1 * len(groups)), 3.4)
    axes = figure.subplots()
    for i, (category, loss) in enumerate(groups):
        for j, kind in enumerate(kinds):
            x = i + (j - (len(kinds) - 1) / 2) * 0.25
            same = [row for row in rows if (row["category"], row["loss"]) == (category, loss)]
            values = [row[f"auroc_{kind}"] for row in same]
            colour, _, marker = SCORE_STYLES[kind]
            label = f"{kind} score" if i == 0 else None
            axes.scatter([x] * len(values), values, c=colour, marker=marker, label=label)
            axes.hlines(np.mean(values), x - 0.1, x + 0.1, color=colour)
    names = [f"{category}\n{loss}" for category, loss in groups]
    axes.set_xticks(range(len(groups)), names, fontsize=8)
    axes.set_ylabel("AUROC")
    axes.legend(fontsize=8, loc="lower right")
    return figure


def ladder(benches: dict[str, Sequence[dict[str, Any]]], measures: Sequence[str]) -> Figure:
    """The figures of each step, one panel a measure, one line a set of images."""
    figure = new_figure(4.6 * len(measures), 3.4)
    all_axes = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    for axes, measure in zip(all_axes, measures, strict=True):
        for (name, rows), (colour, line, marker) in zip(
            benches.items(), SCORE_STYLES.values(), strict=False
        ):
            values = [row[measure] for row in rows]
            axes.plot(values, range(len(rows)), line, marker=marker, c=colour, label=name)
            axes.set_yticks(range(len(rows)), [row["step"] for row in rows], fontsize=8)
        axes.set_xlabel(measure.replace("au_pro", "AU-PRO").replace("auroc", "AUROC"))
        axes.legend(fontsize=8, loc="lower left")
    all_axes[0].invert_yaxis()
    return figure
