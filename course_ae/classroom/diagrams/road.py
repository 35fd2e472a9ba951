"""Lesson 01: the road from an image to a verdict, and which images may decide what."""

from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from course_ae.classroom.diagrams.shapes import DARK, PALE, arrow, box, canvas, say
from course_ae.classroom.diagrams.tiles import bottle, picture
from course_ae.classroom.figures import BLUE, RED

SIDE = 0.95  # inches of a picture on the road
FLOOR = 1.15  # inches, the lower edge of what stands along the road


def road() -> Figure:
    """Image, network, reconstruction, difference, score, threshold, verdict."""
    figure, axes = canvas(9, 3.0)
    middle = FLOOR + SIDE / 2
    stations = {
        "image": (0.15, "x", "lesson 02"),
        "network": (1.45, "D(E(x))", "lessons 03, 04"),
        "reconstruction": (2.95, "x\u0302", "lesson 04"),
        "difference": (4.25, "(x - x\u0302)²", "lesson 05"),
        "score": (5.55, "s", "lesson 05"),
        "threshold": (6.65, "s > t ?", "lesson 05"),
        "verdict": (7.8, "", "lessons 06 to 08"),
    }
    widths = dict.fromkeys(stations, SIDE) | {"network": 1.15, "score": 0.75, "threshold": 0.8}
    widths["verdict"] = 1.05
    spoilt, clean = bottle(stain=0.95), bottle()
    squares = (spoilt - clean) ** 2
    picture(axes, stations["image"][0], FLOOR, SIDE, spoilt)
    _hourglass(axes, stations["network"][0], FLOOR, widths["network"])
    picture(axes, stations["reconstruction"][0], FLOOR, SIDE, clean)
    picture(axes, stations["difference"][0], FLOOR, SIDE, squares,
            cmap="cividis", vmax=squares.max())  # fmt: skip
    box(axes, stations["score"][0], middle - 0.25, widths["score"], 0.5, f"{squares.mean():.3f}")
    _scale(axes, stations["threshold"][0] + 0.2, FLOOR)
    left = stations["verdict"][0]
    box(axes, left, middle + 0.06, widths["verdict"], 0.4, "defective", "orange")
    box(axes, left, middle - 0.46, widths["verdict"], 0.4, "good", "green")

    for before, after in pairwise(list(stations)[:5]):
        end = stations[before][0] + widths[before]
        arrow(axes, (end + 0.04, middle), (stations[after][0] - 0.04, middle))
    arrow(axes, (6.34, middle), (6.78, middle))
    arrow(axes, (7.2, middle + 0.26), (left - 0.05, middle + 0.26))
    arrow(axes, (7.2, middle - 0.26), (left - 0.05, middle - 0.26))
    top = FLOOR + SIDE
    around = {"connectionstyle": "arc3,rad=-0.22"}
    arrow(axes, (0.62, top + 0.05), (4.72, top + 0.05), **around)
    say(axes, 2.67, top + 0.72, "the image itself, to compare with")
    for name, (x, symbol, lesson) in stations.items():
        at = x + widths[name] / 2
        say(axes, at, FLOOR - 0.2, name, 10, weight="bold")
        say(axes, at, FLOOR - 0.48, symbol, 10)
        say(axes, at, FLOOR - 0.76, lesson, 9, color="#555555")
    return figure


def _hourglass(axes: Axes, x: float, y: float, width: float) -> None:
    """Two funnels: the encoder narrows, the decoder widens."""
    middle, neck, half = y + SIDE / 2, 0.12, width / 2
    for left, right, fill, text in (
        (SIDE / 2, neck, "blue", "E"),
        (neck, SIDE / 2, "green", "D"),
    ):
        start = x if text == "E" else x + half
        corners = [(start, middle - left), (start, middle + left),
                   (start + half, middle + right), (start + half, middle - right)]  # fmt: skip
        axes.add_patch(Polygon(corners, facecolor=PALE[fill], edgecolor=DARK, linewidth=1))
        say(axes, start + half / 2, middle, text, 11)


def _scale(axes: Axes, x: float, y: float) -> None:
    """An upright axis with a threshold and a score above it."""
    arrow(axes, (x + 0.2, y), (x + 0.2, y + SIDE))
    axes.plot([x + 0.05, x + 0.35], [y + 0.38] * 2, "--", color=BLUE, linewidth=2)
    say(axes, x + 0.43, y + 0.38, "t", 10, color=BLUE)
    axes.plot([x + 0.2], [y + 0.62], "^", color=RED, markersize=8)
    say(axes, x + 0.38, y + 0.63, "s", 10, color=RED)


def ways(train: int, val: int, calibration: int, test: int) -> Figure:
    """Which images may decide what.

    Args:
        train: how many good images are trained on.
        val: how many good images watch the training.
        calibration: how many test images choose the threshold.
        test: how many test images judge.
    """
    figure, axes = canvas(9, 3.75)
    rows = (
        (f"train\n{train} good", "blue", "may set the weights of the network"),
        (f"validation\n{val} good", "blue", "may say when the training should stop"),
        (f"calibration\n{calibration} good and defective", "orange", "may set the threshold"),
        (f"test\n{test} good and defective", "orange", "may set nothing: judges what is finished"),
    )
    for i, (name, fill, use) in enumerate(rows):
        y = 3.1 - 0.72 * i
        box(axes, 2.6, y, 2.15, 0.55, name, fill)
        arrow(axes, (4.8, y + 0.275), (5.25, y + 0.275))
        say(axes, 5.35, y + 0.275, use, 9.5, ha="left")
    for y, name, fill, ends in (
        (2.62, f"train/good\n{train + val} images", "blue", (3.375, 2.655)),
        (1.18, f"test/...\n{calibration + test} images", "orange", (1.935, 1.215)),
    ):
        box(axes, 0.15, y, 1.7, 0.72, name, fill)
        for end in ends:
            arrow(axes, (1.9, y + 0.36), (2.55, end))
    box(axes, 0.15, 0.12, 1.7, 0.55, "ground_truth/...\nmasks", "gray")
    arrow(axes, (1.9, 0.395), (5.25, 0.395))
    say(axes, 5.35, 0.395, "tell afterwards whether the right place was found", 9.5, ha="left")
    return figure
