"""Lesson 04: what SSIM asks in each window."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_ae.classroom.diagrams.shapes import DARK, PALE, array, arrow, box, canvas, frame, say
from course_ae.classroom.figures import BLUE, ORANGE

SIDE = 1.44  # inches of a picture of an image
WINDOW = 5  # squares on a side of the window that is drawn


def window() -> Figure:
    """A window at the same place of two images, the three questions, and their product."""
    figure, axes = canvas(9, 3.9)
    images = _rings(0.0), _rings(1.1)
    for y, name, image in ((2.1, "image x", images[0]), (0.2, "drawing x̂", images[1])):
        cell = SIDE / len(image)
        array(axes, 0.2, y, image, cell, "", 0, 1)
        frame(axes, 0.2 + 2 * cell, y + 4 * cell, WINDOW * cell, WINDOW * cell, ORANGE)
        say(axes, 0.2 + SIDE / 2, y + SIDE + 0.14, name)
        arrow(axes, (0.2 + 7 * cell, y + 6.5 * cell), (1.96, 1.92), color=ORANGE)
    axes.plot([2.1, 1.98, 1.98, 2.1], [3.65, 3.65, 0.34, 0.34], color=ORANGE, lw=1.5)
    t = np.linspace(0, 1, 60)
    wave = np.sin(2 * np.pi * (t + 0.1))
    questions = [
        ("luminance", "equally light?", "the means", 0.5 * wave - 0.3, 0.5 * wave + 0.35),
        ("contrast", "do they vary as much?", "the deviations", 0.9 * wave, 0.35 * wave),
        ("structure", "do they vary alike?", "the covariance", 0.8 * wave, -0.8 * wave),
    ]
    for i, (name, question, from_what, *pair) in enumerate(questions):
        y = 2.7 - 1.18 * i
        box(axes, 2.15, y, 1.95, 0.95, f"{name}\n{question}\n({from_what})", "blue")
        _profiles(axes, 4.25, y, t, *pair)
        arrow(axes, (5.65, y + 0.48), (6.65, 1.85))
    say(axes, 4.9, 3.78, "two windows that differ in just this")
    say(axes, 4.9, 0.17, "(x solid, x̂ dashed; pixels from left to right)")
    box(axes, 6.7, 1.4, 1.05, 0.9, "SSIM\n= product\nof the three", "orange")
    arrow(axes, (7.75, 1.85), (8.0, 1.85))
    say(axes, 8.45, 1.85, "one number\nfor the\nwindow's\nmiddle pixel")
    return figure


def _profiles(
    axes: Axes, x: float, y: float, t: np.ndarray, one: np.ndarray, other: np.ndarray
) -> None:
    """Two rows of pixels as curves (60,) in a small panel whose lower left corner is at x, y."""
    width, height = 1.3, 0.95
    frame(axes, x, y, width, height, PALE["gray"])
    for values, colour, line in ((one, BLUE, "-"), (other, ORANGE, "--")):
        axes.plot(x + 0.1 + (width - 0.2) * t, y + height / 2 + 0.4 * values, line, color=colour)
    axes.plot([x + 0.1, x + width - 0.1], [y + height / 2] * 2, color=DARK, lw=0.5)


def _rings(turn: float) -> np.ndarray:
    """Something round with rings and a bright spot, (12, 12) in [0, 1]."""
    rows, columns = np.mgrid[:12, :12] - 5.5
    radius = np.hypot(rows, columns)
    rings = 0.45 + 0.3 * np.cos(1.9 * radius + turn)
    return np.where(radius < 5.6, rings, 0.95)
