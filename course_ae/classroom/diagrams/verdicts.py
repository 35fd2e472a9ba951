"""Lesson 05: from two pictures to a verdict, the four outcomes, the search, and who may judge."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_ae.classroom.diagrams.shapes import DARK, PALE, array, arrow, box, canvas, frame, say
from course_ae.classroom.figures import BLUE, GREEN, RED
from course_ae.thresholds import confusion, count_errors

DOTS = ((BLUE, "o", "good"), (RED, "^", "defective"))  # by label: colour, marker, word


def pipeline(x: np.ndarray, x_hat: np.ndarray, threshold: float) -> Figure:
    """Two tiny images (3, 3), their squared differences, the mean of these, and the verdict."""
    figure, axes = canvas(9, 2.2)
    differences = (x - x_hat) ** 2
    grids = (
        ("input x", x, 0.15, ".1f", 1.0),
        ("reconstruction x_hat", x_hat, 2.05, ".1f", 1.0),
        ("difference map d", differences, 4.25, ".2f", differences.max()),
    )
    for title, values, left, form, high in grids:
        _numbers(axes, left, values, form, high)
        say(axes, left + 0.63, 1.95, title)
    score = differences.mean()
    verdict = "defective" if score > threshold else "good"
    box(axes, 6.3, 0.75, 0.85, 0.7, f"{score:.3f}", "gray")
    say(axes, 6.72, 1.95, "score s")
    box(axes, 7.95, 0.75, 0.95, 0.7, verdict, "orange" if score > threshold else "green")
    say(axes, 8.42, 1.95, "verdict")
    say(axes, 1.73, 1.1, "\N{MINUS SIGN}", 18)
    arrow(axes, (3.4, 1.1), (4.18, 1.1))
    say(axes, 3.79, 1.3, "square")
    arrow(axes, (5.6, 1.1), (6.23, 1.1))
    say(axes, 5.91, 1.3, "mean")
    arrow(axes, (7.2, 1.1), (7.88, 1.1))
    say(axes, 7.54, 1.42, f"above\n{threshold:g}?")
    say(axes, 1.7, 0.2, "what is there, and what the network draws")
    say(axes, 4.88, 0.2, "where they differ")
    say(axes, 6.72, 0.2, "how much")
    say(axes, 8.3, 0.2, "what to do")
    return figure


def _numbers(axes: Axes, left: float, values: np.ndarray, form: str, high: float) -> None:
    """A small array as gray squares with legible numbers."""
    cell, bottom = 0.42, 0.47
    array(axes, left, bottom, values, cell, "", 0.0, high)
    for (row, column), value in np.ndenumerate(values):
        x, y = left + (column + 0.5) * cell, bottom + (len(values) - row - 0.5) * cell
        say(axes, x, y, f"{value:{form}}", color="white" if value < 0.43 * high else DARK)


def number_line(scores: np.ndarray, labels: np.ndarray, threshold: float) -> Figure:
    """A handful of scores (N,) on a line, a threshold, and the table of the four outcomes.

    Labels (N,) are 1 for defective.
    """
    figure, axes = canvas(9, 2.5)
    place = _scale(scores, 0.5, 5.3)
    middle, top = place(threshold), 1.75
    for left, right, fill, words in (
        (0.1, middle, "blue", "called good"),
        (middle, 5.7, "orange", "called defective"),
    ):
        axes.add_patch(Rectangle((left, 0.75), right - left, top - 0.75, facecolor=PALE[fill]))
        say(axes, (left + right) / 2, 1.9, words)
    axes.plot([middle, middle], [0.6, 2.1], "--", color=DARK, lw=1.6)
    say(axes, middle, 2.3, f"threshold {threshold:g}", weight="bold")
    _dots(axes, scores, labels, place, 1.0)
    for score, label in zip(scores, labels, strict=True):
        wrong = (score > threshold) != bool(label)
        name = (("TN", "FP"), ("FN", "TP"))[int(label)][int(score > threshold)]
        say(axes, place(score), 1.35, name, weight="bold" if wrong else "normal")
    _legend(axes, 1.6, 0.2)
    _outcomes(axes, *confusion(scores, labels, threshold))
    return figure


def _outcomes(axes: Axes, tn: int, fp: int, fn: int, tp: int) -> None:
    """The confusion matrix with the names of its counts."""
    say(axes, 7.2, 2.3, "called good")
    say(axes, 8.4, 2.3, "called defective")
    say(axes, 6.55, 1.65, "good", ha="right")
    say(axes, 6.55, 0.75, "defective", ha="right")
    boxes = (
        (6.62, 1.25, f"{tn} TN\nrightly passed", "green"),
        (7.82, 1.25, f"{fp} FP\nfalse alarm", "gray"),
        (6.62, 0.35, f"{fn} FN\nmissed defect", "gray"),
        (7.82, 0.35, f"{tp} TP\ndefect found", "green"),
    )
    for x, y, text, fill in boxes:
        box(axes, x, y, 1.15, 0.83, text, fill)


def search(scores: np.ndarray, labels: np.ndarray) -> Figure:
    """Every threshold that tells scores (N,) apart, and below it how many errors it makes.

    Labels (N,) are 1 for defective.
    """
    figure, axes = canvas(9, 3.1)
    candidates, fp, fn = count_errors(scores, labels)
    half = np.diff(np.unique(scores)).min() / 2
    shown = [scores.min() - half, *candidates[1:-1], scores.max() + half]  # ends further out
    place, unit, bottom = _scale(np.array(shown), 1.45, 8.3), 1.1 / (fp + fn).max(), 0.5
    _dots(axes, scores, labels, place, 2.35)
    say(axes, 0.1, 2.35, "images", ha="left")
    say(axes, 0.1, 1.0, "errors", ha="left")
    best = int(np.argmin(fp + fn))
    for i, (at, alarms, missed) in enumerate(zip(map(place, shown), fp, fn, strict=True)):
        total = (alarms + missed) * unit
        axes.plot([at, at], [bottom + total + 0.25, 2.7], ":", color=GREEN if i == best else DARK,
                  lw=2.4 if i == best else 0.9)  # fmt: skip
        for base, count, colour, hatch in ((0, alarms, BLUE, "///"), (alarms, missed, RED, "")):
            corner = (at - 0.14, bottom + base * unit)
            axes.add_patch(Rectangle(corner, 0.28, count * unit, facecolor=colour, hatch=hatch,
                                     edgecolor="white", linewidth=0.8))  # fmt: skip
        say(axes, at, bottom + total + 0.13, str(alarms + missed),
            weight="bold" if i == best else "normal")  # fmt: skip
    frame(axes, place(shown[best]) - 0.2, bottom - 0.04, 0.4, (fp + fn)[best] * unit + 0.3, GREEN)
    say(axes, place(shown[0]), 2.9, "all defective")
    say(axes, place(shown[-1]), 2.9, "all good")
    _legend(axes, 1.5, 0.2)
    for x, colour, hatch, words in (
        (4.3, BLUE, "///", "false alarms (FP)"),
        (6.3, RED, "", "missed defects (FN)"),
    ):
        axes.add_patch(Rectangle((x, 0.12), 0.2, 0.16, facecolor=colour, hatch=hatch,
                                 edgecolor="white"))  # fmt: skip
        say(axes, x + 0.28, 0.2, words, ha="left")
    return figure


def _scale(values: np.ndarray, left: float, right: float) -> Callable[[float], float]:
    """From a number to its place on a line in inches."""
    low, high = float(values.min()), float(values.max())
    return lambda value: left + (right - left) * (value - low) / (high - low)


def _dots(axes: Axes, scores: np.ndarray, labels: np.ndarray, place: Callable[[float], float],
          height: float) -> None:  # fmt: skip
    """One dot an image on a line, its score below it."""
    places = [place(score) for score in scores]
    axes.plot([min(places) - 0.3, max(places) + 0.3], [height] * 2, color=DARK, lw=1, zorder=1)
    for x, score, label in zip(places, scores, labels, strict=True):
        colour, marker, _ = DOTS[int(label)]
        axes.plot(x, height, marker, color=colour, ms=9, zorder=3)
        say(axes, x, height - 0.19, f"{score:g}")


def _legend(axes: Axes, x: float, y: float) -> None:
    """What the two kinds of dots mean."""
    for shift, (colour, marker, word) in zip((0, 1.0), DOTS, strict=True):
        axes.plot(x + shift, y, marker, color=colour, ms=8)
        say(axes, x + shift + 0.15, y, word, ha="left")


def parts(calibration: int, test: int) -> Figure:
    """Two parts of the test images, so many each, and what each of them may be used for."""
    figure, axes = canvas(9, 2.75)
    whole = calibration + test
    box(axes, 2.6, 2.2, 3.8, 0.42, f"all {whole} test images, good and defective", "gray")
    box(axes, 0.15, 0.25, 3.1, 1.5, "", "blue")
    box(axes, 5.75, 0.25, 3.1, 1.5, "", "orange")
    arrow(axes, (3.4, 2.2), (1.9, 1.78))
    arrow(axes, (5.6, 2.2), (7.1, 1.78))
    say(axes, 1.9, 2.08, f"{calibration / whole:.0%}")
    say(axes, 7.1, 2.08, f"{test / whole:.0%}")
    say(axes, 1.7, 1.5, f"calibration part, {calibration} images", weight="bold")
    free = "look as often as you like:\nmove the threshold, count,\ntry again, choose"
    once = "look once, at the very end:\ncount the errors of the\nthreshold that was chosen"
    say(axes, 1.7, 0.85, free)
    say(axes, 7.3, 1.5, f"test part, {test} images", weight="bold")
    say(axes, 7.3, 0.85, once)
    arrow(axes, (3.32, 1.2), (5.68, 1.2))
    say(axes, 4.5, 1.4, "one number: the threshold")
    arrow(axes, (5.68, 0.6), (3.32, 0.6), linestyle="--", color=RED)
    axes.plot(4.5, 0.6, "x", color=RED, ms=16, mew=3)
    say(axes, 4.5, 0.25, "nothing may go back")
    return figure
