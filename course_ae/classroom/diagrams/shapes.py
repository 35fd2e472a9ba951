"""What all diagrams are made of: a canvas, boxes, arrows, words, and pictures of small arrays."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from course_ae.classroom.figures import BLUE, DPI

DARK = "#333333"
PALE = {"blue": "#D6E6F2", "orange": "#FBE8C8", "green": "#CFEDE2", "gray": "#EEEEEE"}


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of a size in inches on white, and axes without frame in which 1 is an inch."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.set_axis_off()
    return figure, axes


def box(
    axes: Axes, x: float, y: float, width: float, height: float, text: str = "", fill: str = "blue"
) -> None:
    """A rounded box with words in its middle; x, y is its lower left corner, all in inches."""
    corner = FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.06",
        facecolor=PALE[fill], edgecolor=DARK, linewidth=1,
    )  # fmt: skip
    axes.add_patch(corner)
    say(axes, x + width / 2, y + height / 2, text)


def arrow(axes: Axes, start: Sequence[float], end: Sequence[float], **style) -> None:
    """An arrow from one place to another."""
    style = {"color": DARK, "linewidth": 1.2, "mutation_scale": 12, **style}
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", shrinkA=0, shrinkB=0, **style))


def say(axes: Axes, x: float, y: float, text: str, size: float = 9, **style) -> None:
    """Words whose middle is at x, y in inches; `size` of the type is in points."""
    style = {"ha": "center", "va": "center", "color": DARK, **style}
    axes.text(x, y, text, fontsize=size, **style)


def array(
    axes: Axes, x: float, y: float, values: np.ndarray, cell: float = 0.34, form: str = ".0f",
    low: float | None = None, high: float | None = None,
) -> None:  # fmt: skip
    """A small array (H, W) as gray squares with its numbers; x, y is its lower left corner.

    Args:
        axes: where.
        x: left.
        y: bottom.
        values: the numbers; NaN leaves a square white and empty.
        cell: side of a square.
        form: how a number is written; "" writes none.
        low: what is black; None takes the lowest number.
        high: what is white; None takes the highest number.
    """
    low = np.nanmin(values) if low is None else low
    high = np.nanmax(values) if high is None else high
    for i, row in enumerate(values[::-1]):
        for j, value in enumerate(row):
            missing = bool(np.isnan(value))
            shade = 1.0 if missing else 0.25 + 0.7 * (value - low) / max(high - low, 1e-9)
            corner = (x + j * cell, y + i * cell)
            axes.add_patch(Rectangle(corner, cell, cell, facecolor=str(min(max(shade, 0), 1)),
                                     edgecolor="#888888", linewidth=0.6))  # fmt: skip
            if form and not missing:
                say(axes, corner[0] + cell / 2, corner[1] + cell / 2, f"{value:{form}}", 9,
                    color="white" if shade < 0.55 else DARK)  # fmt: skip


def frame(axes: Axes, x: float, y: float, width: float, height: float, color: str = BLUE) -> None:
    """An empty rectangle with a thick border, in inches, to point at something."""
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=color, linewidth=2.2))
