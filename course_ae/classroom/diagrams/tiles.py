"""Small pictures for diagrams: a toy bottle, letters made of pixels, and how to put them down."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from course_ae.classroom.diagrams.shapes import DARK

LETTERS = {
    "F": ("11110", "10000", "11100", "10000", "10000"),
    "L": ("10000", "10000", "10000", "10000", "11110"),
    "P": ("11100", "10010", "11100", "10000", "10000"),
}


def bottle(size: int = 160, stain: float = 0.0) -> np.ndarray:
    """A toy bottle seen from above, gray (size, size) in [0, 1]; `size` in pixels.

    Args:
        size: width and height in pixels.
        stain: how dark a stain lies on it, from 0 for none to 1.
    """
    y, x = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    radius = np.hypot(x, y)
    image = np.where(radius > 0.42, 0.95, np.where(radius > 0.32, 0.62, 0.30))
    image = np.where((radius > 0.20) & (radius < 0.24), 0.75, image)
    image = np.where(radius < 0.20, 0.45, image)
    blot = np.hypot((x - 0.17) / 1.5, y + 0.13) < 0.075
    return np.where(blot, (1 - stain) * image, image)


def letter(name: str) -> np.ndarray:
    """A letter in `LETTERS` as pixels (7, 7): 0 is ink, 1 is paper, with a margin around it."""
    ink = np.array([[int(mark) for mark in row] for row in LETTERS[name]], dtype=float)
    return 1 - np.pad(ink, 1)


def picture(
    axes: Axes, x: float, y: float, side: float, pixels: np.ndarray,
    border: str = DARK, thick: float = 1.0, **style,
) -> None:  # fmt: skip
    """Pixels (H, W) or (H, W, 3) as a square with a border; x, y is its lower left corner.

    Args:
        axes: where.
        x: left.
        y: bottom.
        side: inches.
        pixels: gray or colour, in [0, 1].
        border: its colour.
        thick: width of the border in points.
        **style: for matplotlib's `imshow`.
    """
    style = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest", **style}
    axes.imshow(pixels, extent=(x, x + side, y, y + side), zorder=2, **style)
    axes.add_patch(
        Rectangle((x, y), side, side, fill=False, edgecolor=border, linewidth=thick, zorder=3)
    )
