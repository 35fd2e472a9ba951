"""Lesson 06: another split, pairs of images, images drawn anew, regions and thresholds."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from course_ae import metrics
from course_ae.classroom.diagrams.shapes import DARK, array, arrow, box, canvas, frame, say
from course_ae.classroom.figures import BLUE, ORANGE, RED
from course_ae.thresholds import confusion, f_normal, search_threshold, split_test

# A few images, as the first two diagrams show them: the scores of good and of defective ones.
GOOD, DEFECTIVE = (1, 2, 3, 5, 7, 7.7), (4, 6, 9.3, 10, 11, 12, 13, 14)
FEW_GOOD, FEW_DEFECTIVE = (1, 3, 4), (2, 5)


def lottery(seeds: tuple[int, ...] = (0, 1, 3)) -> Figure:
    """The same scored images under several splits: each finds its threshold and its F."""
    values = np.array([*GOOD, *DEFECTIVE], dtype=float)
    labels = np.repeat([0, 1], [len(GOOD), len(DEFECTIVE)])
    figure, axes = canvas(8.6, 0.85 * len(seeds) + 1.0)
    top = 0.85 * len(seeds) + 0.75
    say(axes, 3.9, top, "the same images by their score, low to high", weight="bold")
    say(axes, 7.6, top, "F of the test part", weight="bold")
    for row, seed in enumerate(seeds):
        y = top - 0.65 - 0.85 * row
        calibration, test = split_test(labels, 0.5, seed)
        threshold = search_threshold(values[calibration], labels[calibration])
        found = f_normal(confusion(values[test], labels[test], threshold))
        say(axes, 0.6, y, f"split {'ABCDEFGH'[row]}")
        axes.plot([1.2, 6.5], [y, y], color="#BBBBBB", linewidth=1, zorder=1)
        for i, value in enumerate(values):
            colour, marker = ((BLUE, "o"), (RED, "^"))[labels[i]]
            fill = colour if i in calibration else "white"
            axes.plot(_place(value), y, marker, mfc=fill, mec=colour, ms=9, mew=1.5)
        x = _place(threshold)
        axes.plot([x, x], [y - 0.25, y + 0.25], "--", color=DARK, linewidth=1.6)
        arrow(axes, (6.6, y), (7.15, y))
        say(axes, 7.6, y, f"F = {found:.2f}", 11)
    _legend(axes, 0.2)
    return figure


def _place(value: float) -> float:
    return 1.0 + 0.37 * value


def _legend(axes: Axes, y: float) -> None:
    for x, marker, colour, fill, word in (
        (0.5, "o", BLUE, BLUE, "good"), (1.5, "^", RED, RED, "defective"),
        (2.9, "s", DARK, DARK, "filled: calibration part"),
        (5.2, "s", DARK, "white", "hollow: test part"),
    ):  # fmt: skip
        axes.plot(x, y, marker, mfc=fill, mec=colour, ms=7)
        say(axes, x + 0.15, y, word, ha="left")
    axes.plot([7.0, 7.3], [y, y], "--", color=DARK, linewidth=1.6)
    say(axes, 7.4, y, "threshold", ha="left")


def pairs() -> Figure:
    """Every defective image beside every good one: in how many pairs is its score higher?"""
    figure, axes = canvas(7.6, 2.6)
    say(axes, 3.45, 2.35, "score of the good image", weight="bold")
    say(axes, 0.75, 1.02, "score of the\ndefective image", weight="bold")
    right = 0
    for column, good in enumerate(FEW_GOOD):
        x = 1.9 + 1.15 * column
        say(axes, x + 0.5, 2.0, str(good), 11, color=BLUE)
        for row, defective in enumerate(FEW_DEFECTIVE):
            y = 1.15 - 0.85 * row
            right += defective > good
            word, fill = ("in order", "green") if defective > good else ("wrong", "orange")
            box(axes, x, y, 1.0, 0.68, f"{defective} > {good}?\n{word}", fill)
            say(axes, 1.65, y + 0.34, str(defective), 11, color=RED)
    count = len(FEW_GOOD) * len(FEW_DEFECTIVE)
    arrow(axes, (5.45, 1.06), (5.95, 1.06))
    say(axes, 6.75, 1.06, f"{right} of {count} pairs\nin order:\nAUROC {right / count:.2f}", 11)
    return figure


def resampling(count: int = 3) -> Figure:
    """Our images, and several draws from them with repetition: each gives another AUROC."""
    values, labels = np.array([1.0, 3, 4, 6, 2, 5, 7, 8]), np.repeat([0, 1], 4)
    rng = np.random.default_rng(1)
    figure, axes = canvas(8.4, 0.7 * count + 1.45)
    top = 0.7 * count + 1.05
    drawn, word = np.arange(len(values)), "our images"
    for i in range(count + 1):
        y = top - 0.7 * i - (0.2 if i else 0)
        say(axes, 0.85, y, word, weight="normal" if i else "bold")
        for place, one in enumerate(drawn):
            x = 1.7 + 0.55 * place + (0.3 if labels[one] else 0)
            box(
                axes, x, y - 0.22, 0.45, 0.44, f"{values[one]:.0f}", ("blue", "orange")[labels[one]]
            )
        arrow(axes, (6.6, y), (7.0, y))
        auroc = metrics.auroc(values[drawn], labels[drawn])
        say(axes, 7.65, y, f"AUROC {auroc:.2f}", weight="normal" if i else "bold")
        drawn, word = np.concatenate([rng.choice(4, 4), 4 + rng.choice(4, 4)]), f"draw {i + 1}"
    say(axes, 2.8, 0.15, "good, four each time", color=BLUE)
    say(axes, 5.3, 0.15, "defective, four each time", color="#8A5A00")
    say(axes, 7.65, 0.15, "... 1000 draws")
    return figure


def regions(values: np.ndarray, mask: np.ndarray, thresholds: tuple[float, ...]) -> Figure:
    """A map (H, W), the regions of its mask, and what several thresholds find of each region."""
    labelled, count = ndimage.label(mask, np.ones((3, 3)))
    names = "ABCDEFGH"[:count]
    height = 0.34 * len(values)
    figure, axes = canvas(8.8, height + 1.55)
    gap = (8.8 - 0.4) / (len(thresholds) + 1)
    _draw_map(axes, 0.3, values, labelled)
    say(axes, 0.3 + height / 2, height + 1.25, "map, and the regions\n" + " and ".join(names),
        weight="bold")  # fmt: skip
    for i, threshold in enumerate(thresholds, 1):
        x = 0.3 + gap * i
        found = values > threshold
        _draw_map(axes, x, np.where(found, values, np.nan), labelled)
        say(axes, x + height / 2, height + 1.25, f"found above {threshold:g}", weight="bold")
        shares = [found[labelled == k] for k in range(1, count + 1)]
        said = [f"{n}: {s.sum()} of {len(s)}" for n, s in zip(names, shares, strict=True)]
        pro = np.mean([share.mean() for share in shares])
        false = found[~mask]
        said = [", ".join(said), f"PRO {pro:.3f}", f"false alarms {false.sum()} of {len(false)}"]
        say(axes, x + height / 2, 0.42, "\n".join(said))
    say(axes, 0.3 + height / 2, 0.5, "higher is\nmore suspicious")
    return figure


def _draw_map(axes: Axes, x: float, values: np.ndarray, labelled: np.ndarray) -> None:
    """The numbers in squares, with a frame around each region, which is taken for a rectangle."""
    array(axes, x, 0.85, values, low=-20, high=18)
    colours = (RED, ORANGE, BLUE)
    for k, (rows, columns) in enumerate(ndimage.find_objects(labelled)):
        left, bottom = x + 0.34 * columns.start, 0.85 + 0.34 * (len(values) - rows.stop)
        width, height = columns.stop - columns.start, rows.stop - rows.start
        frame(axes, left, bottom, 0.34 * width, 0.34 * height, colours[k % len(colours)])
